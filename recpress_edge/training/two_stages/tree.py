"""What a model of two stages is made from: its first stage, and the same without the last items. No torch."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.students import ModelName, parse_name
from recpress_edge.training.source import order_digest
from recpress_edge.training.store import TrainedModel, is_folder, model_in
from recpress_edge.training.two_stages.shortened import without_last

if TYPE_CHECKING:
    from recpress_edge.training.plan import ModelRequest, Part, TrainOptions, Wanted


READS_HISTORY: Final = "lrh"
"""The network of a student that finds candidates after a history, for anybody."""


def stages_of(
    model: ModelName,
    config: Any,
    request: "ModelRequest",
    data: Dataset,
    want: "Callable[[ModelRequest, Dataset], Wanted]",
) -> "tuple[Part, ...]":
    """The first stage of a model, as it is shipped, and as the second one learns from it; none of others."""
    if not model.entry.stages:
        return ()
    usual = request.options.for_teacher(trajectory=False)
    order_digest(str(model), data)  # says what is missing where there is no order
    given = model_in(Path(config.first), data) if is_folder(config.first) else None
    name = _first(model, given.name if given else config.first)
    first = dataclasses.replace(request, name=str(name), role="student", options=usual)
    if given:
        first = dataclasses.replace(
            first, seed=given.metadata["seed"], options=_as_trained(given, name, usual)
        )
    shorter = want(first, without_last(data, config.positives))
    return given or want(first, data), _shortened(shorter, config.positives)


def _as_trained(given: TrainedModel, name: ModelName, usual: "TrainOptions") -> "TrainOptions":
    """Options that train a model again as it was; its teacher is the one of its name, with usual settings."""
    facts = given.metadata
    options = dataclasses.replace(
        usual, method=facts["config"], training={} if name.entry.closed_form else facts["training"]
    )
    if teacher := facts["teacher"]:
        return dataclasses.replace(options, teacher=teacher["name"], teacher_seed=teacher["seed"])
    return dataclasses.replace(options, teacher="none") if name.entry.usual_teacher else options


def _first(student: ModelName, first: str) -> ModelName:
    """The first stage of a model; ConfigError where it is none that one file can hold before the second."""
    try:
        name = parse_name(first)
    except ConfigError as error:
        raise ConfigError(f"method.first {first}: {error}") from None
    entry = name.entry
    tables = not entry.network and entry.gives == "embeddings" and entry.needs != "trajectories"
    if not tables and entry.network != READS_HISTORY:
        raise ConfigError(
            f"method.first {first}: the first stage of {student} finds candidates by the product of two "
            f"tables, or of one and a history that forgets, and {name} is none. Take for example --first "
            "soft_dim32 or lrh_dim16."
        )
    return name


def _shortened(wanted: "Wanted", most: int) -> "Wanted":
    """The same tree, trained without the last items."""

    def part(found: "Part | None") -> Any:
        return found if found is None or isinstance(found, TrainedModel) else _shortened(found, most)

    return dataclasses.replace(
        wanted,
        without_last=most,
        teacher=part(wanted.teacher),
        members=tuple(map(part, wanted.members)),
        start=part(wanted.start),
    )


def data_of(wanted: "Wanted", data: Dataset) -> Dataset:
    """What a node of the tree is trained on; ``data``: that of the whole tree."""
    return without_last(data, wanted.without_last) if wanted.without_last else data

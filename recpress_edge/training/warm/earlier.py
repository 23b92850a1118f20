"""The earlier model of a warm start: whose rows its tables are, how it was set, what it was made from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.ids import ITEMS_FILE, USERS_FILE, encode_lines, read_ids
from recpress_edge.artifacts.model_folder import MODEL_FACTS
from recpress_edge.core.errors import ArtifactError, ConfigError, RecPressError
from recpress_edge.core.files import digest_of, read_json, sha256_bytes, sha256_file, write_atomic
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.store import open_dataset, stored_path
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import ModelName, UnknownModelError, parse_name
from recpress_edge.training.store import OF_A_USER, TrainedModel, is_complete, load_model
from recpress_edge.training.warm.seen import MOST_SEEN, seen_share

IDS: Final = "ids"
"""Key of model.json: the digests of both lists of ids beside it."""
AGAIN: Final = ("teacher_weight",)
"""Settings of methods that go on row by row that are chosen again: what tonight's teacher is worth."""
NEWEST: Final = "newest"
"""In place of a folder: see :func:`newest`."""
DRAWN: Final = ", seed "
"""What the protocol of a split says that was drawn at random."""
_CUTS: Final = re.compile(r": validation from ([^;]*), test from [^;]*")
"""What the protocol of one cut in time says of where it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Earlier:
    """A trained model with the ids of its rows."""

    model: TrainedModel
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    seen: float = 0.0
    """Share of what is held out now that it was trained on."""

    @property
    def digest(self) -> str:
        """Of all that a model takes from it: its numbers, and whose they are."""
        return digest_of([self.model.digest, self.user_ids, self.item_ids])

    @property
    def chosen(self) -> Mapping[str, Any]:
        """Settings that validation chose for it."""
        found: Mapping[str, Any] = self.model.metadata.get("chosen_settings", {})
        return found

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of its method that it was given, and that were chosen unless they are chosen again."""
        given = {key: value for key, value in self.model.config.items() if value is not None}
        if METHODS[str(self.model.metadata["method"])].warm == "lists":
            return given
        return {key: value for key, value in self.chosen.items() if key not in AGAIN} | given

    @property
    def teacher(self) -> str | None:
        """Name of its teacher; 'none' where it could have one; None where its method takes none."""
        facts = self.model.metadata["teacher"]
        if facts:
            return str(facts["name"])
        return None if METHODS[str(self.model.metadata["method"])].needs is None else "none"

    def part(self, name: ModelName, seed: int) -> str | None:
        """The folder of its teacher or member of this name, to go on from; None where it is not beside it."""
        known = self.model.metadata
        parts = [part for part in (known["teacher"], *known.get("members", ())) if part]
        wanted = {str(one["sha256"]) for one in parts if (one["name"], one["seed"]) == (str(name), seed)}
        return _beside(self.model.folder, wanted) if wanted and goes_on(name) else None


def _beside(folder: Path, wanted: set[str]) -> str | None:
    """The first model folder next to this one whose numbers have one of these digests."""
    for where in sorted(folder.parent.glob(f"*/{MODEL_FACTS}")):
        try:
            facts = read_json(where)
        except ArtifactError:  # damaged: it is none of ours
            continue
        if facts.get("sha256") in wanted:
            return str(where.parent)
    return None


def write_row_ids(folder: Path, data: Dataset) -> dict[str, Any]:
    """Write whose rows a model's tables are, beside them. Returns what its record says of that.

    Nothing where an id holds a line feed, which only a table in memory can have.
    """
    lists = {USERS_FILE: data.user_ids, ITEMS_FILE: data.item_ids}
    if any("\n" in name for ids in lists.values() for name in ids):
        return {}
    digests = {}
    for file, ids in lists.items():
        lines = encode_lines(ids)
        write_atomic(folder / file, lines)
        digests[file] = sha256_bytes(lines)
    return {IDS: digests}


def earlier_in(where: str, name: ModelName, data: Dataset) -> Earlier:
    """The model in a folder, for a model of this name to go on from on this data.

    ConfigError: no model is there, or one of another method or dim, or one that may have learned from what is
    held out. ArtifactError: it is damaged, or says nowhere whose rows its tables are.
    """
    _check_method(name)
    folder = Path(where)
    if not is_complete(folder):
        raise ConfigError(f"--from {folder}: no trained model is there ({MODEL_FACTS} is missing)")
    model = load_model(folder, OF_A_USER)
    _check_alike(folder, model, name)
    share = _check_unseen(model, data)
    return Earlier(model, *_row_ids(folder, model), share)


def _check_alike(folder: Path, model: TrainedModel, name: ModelName) -> None:
    try:
        found = parse_name(model.name, "student" if model.tables else "teacher")
    except UnknownModelError as error:
        raise ConfigError(f"--from {folder} holds {model.name}, which nothing here makes: {error}") from None
    if (found.method, found.dim, found.members) != (name.method, name.dim, name.members):
        raise ConfigError(
            f"--from {folder} holds {found.plain}, and {name.plain} is asked for: a warm start goes on from "
            "a model of the same method and dim. Give its folder, or leave --from out."
        )
    if found.recipe:
        began = _beside(folder, {str(model.metadata["quantised"]["start"]["sha256"])})
        raise ConfigError(
            f"--from {folder} holds {model.name}, which was fine-tuned with settings of its own. A warm "
            f"start goes on from the {found.plain} that it began with: "
            f"{began or 'its folder is not beside it'}."
        )
    if "refit_of" in model.metadata:
        raise ConfigError(
            f"--from {folder} was trained on validation too (--refit), so that nothing could be chosen "
            "on it. Give the model of the same name that was trained without --refit."
        )


def newest(name: ModelName, seed: int, data: Dataset, work: Path) -> str:
    """The folder of the newest model of this name and seed in ``work`` on an earlier state of a data set."""
    found: list[tuple[float, str]] = []
    for where in sorted((work / "models").glob(f"*/{MODEL_FACTS}")):
        try:
            facts = read_json(where)
        except ArtifactError:
            continue
        known = facts.get("dataset", {})
        same = (facts.get("name"), facts.get("seed"), known.get("name")) == (str(name), seed, data.name)
        if same and known.get("digest") != data.digest() and "refit_of" not in facts:
            found.append((where.stat().st_mtime, str(where.parent)))
    if not found:
        raise ConfigError(
            f"--from {NEWEST}: no {name} of seed {seed} was trained on an earlier state of {data.name!r} "
            f"in {work / 'models'}. Give the folder of a model, or train the first one without --from."
        )
    for _, folder in sorted(found, reverse=True):
        if seen_share(Path(folder), read_json(Path(folder) / MODEL_FACTS), data) <= MOST_SEEN:
            return folder
    raise ConfigError(
        f"--from {NEWEST}: each {name} of seed {seed} in {work / 'models'} was trained on what is held out "
        f"of {data.name!r} now: the log is in an earlier state than they saw. Train one without --from."
    )


def goes_on(name: ModelName) -> bool:
    """Whether a model has something of an earlier one, or its members have."""
    return name.entry.warm is not None or bool(name.members)


def _check_method(name: ModelName) -> None:
    """ConfigError for a method that an earlier model spares nothing."""
    if goes_on(name):
        return
    fit = ", ".join(
        f"{method}_dim{name.dim or 32}" if row.has_dim else method
        for method, row in METHODS.items()
        if row.warm
    )
    raise ConfigError(
        f"{name} cannot go on from an earlier model (--from): {_reason(name)}. What can: {fit}; and an "
        "ensemble, whose members go on."
    )


def _reason(name: ModelName) -> str:
    if name.entry.closed_form:
        return "it is computed at once"
    return "it is more than two tables whose rows belong to users and items"


def _check_unseen(model: TrainedModel, data: Dataset) -> float:
    """Share of the held-out pairs that the earlier model was trained on, a few at most.

    ConfigError where they may be more. A split that is drawn again on a log that grew holds out what was
    train before, and whatever goes on from those tables has seen it. A split by time holds out what came
    after what the same split trained on, unless the log went back to an earlier state.
    """
    known = model.metadata["dataset"]
    if known["digest"] == data.digest():
        return 0.0
    if DRAWN in data.protocol:
        raise ConfigError(
            f"--from {model.folder}: what is held out of {data.name!r} is drawn at random ({data.protocol}), "
            "so it holds interactions that the earlier model learned from, and every figure would be too "
            "good. Import the log with a split by time, such as --split loo-time, and train the first model "
            "on that without --from."
        )
    before = str(known.get("protocol"))
    if _CUTS.sub("", before) != _CUTS.sub("", data.protocol) or _is_later(before, data.protocol):
        raise ConfigError(
            f"--from {model.folder}: it learned from another split ({before}) than {data.name!r} has "
            f"({data.protocol}), so it may have learned from what is held out there, and every figure would "
            "be too good. Go on from a model of the same split, or train one without --from."
        )
    share = seen_share(model.folder, model.metadata, data)
    if share > MOST_SEEN:
        raise ConfigError(
            f"--from {model.folder}: it was trained on {share:.1%} of what is held out of {data.name!r}, so "
            "that every figure would be too good: it is of a later state of the log, or ties in time fell "
            "otherwise then. Go on from a model of an earlier state, or train one without --from."
        )
    return share


def _is_later(before: str, now: str) -> bool:
    """Whether of two cuts at dates the first comes later, so that it trained on what the other holds out."""
    cuts = [found[1] for text in (before, now) if (found := _CUTS.search(text)) and "-" in found[1]]
    return len(cuts) == 2 and cuts[0] > cuts[1]


def _row_ids(folder: Path, model: TrainedModel) -> tuple[tuple[str, ...], tuple[str, ...]]:
    stated = model.metadata.get(IDS)
    if stated is None:
        return _ids_of_data(folder, model)
    counts = {USERS_FILE: len(model.user_emb), ITEMS_FILE: len(model.item_emb)} if model.tables else {}
    lists = []
    for file, count in counts.items():
        if not (folder / file).is_file() or sha256_file(folder / file) != stated.get(file):
            raise ArtifactError(
                f"{folder / file} is not the list of ids that {MODEL_FACTS} states. {OF_A_USER}"
            )
        lists.append(tuple(read_ids(folder / file, count)))
    return (lists[0], lists[1]) if lists else ((), ())


def _ids_of_data(folder: Path, model: TrainedModel) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of a model that keeps no lists: those of its data set, if that is still there. None of an ensemble."""
    if model.tables is None:
        return (), ()
    known = model.metadata["dataset"]
    where = None
    with_data = folder.resolve().parent.parent
    try:
        where = stored_path(with_data, str(known["name"]))
        data = open_dataset(where) if where else None
    except RecPressError:
        data = None
    if data is None or data.digest() != known["digest"]:
        raise ArtifactError(
            f"{folder} does not say whose rows its tables are, and the data set that it was trained on, "
            f"{known['name']!r}, is not in {with_data / 'data'} as it was then. A model that is trained with "
            "this version keeps its ids: train it once without --from."
        )
    return data.user_ids, data.item_ids

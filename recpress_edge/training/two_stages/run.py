"""One training run of a second stage: from a plan to a finished model folder, which holds both stages."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.model_folder import write_model
from recpress_edge.artifacts.two_stages.fields import field_entry, place_of
from recpress_edge.artifacts.two_stages.model import FIRST_PREFIX, KIND
from recpress_edge.core.arrays import I64
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.memory import PeakMemory, require_memory
from recpress_edge.data.holdout import Split, dataset_cutoff
from recpress_edge.data.interactions import Dataset
from recpress_edge.models.two_stages.lists import CandidateLists, ListFields, ListInput, fitted_unit
from recpress_edge.models.two_stages.method import Rerank
from recpress_edge.models.two_stages.settings import RerankConfig
from recpress_edge.training.checkpoint import CheckpointStore
from recpress_edge.training.clicks.stored import click_arrays
from recpress_edge.training.evaluate import facts_of, splits_of
from recpress_edge.training.loop import EpochReport, RunState, Validation, restore_best, train
from recpress_edge.training.plan import Plan
from recpress_edge.training.ranks import write_ranks
from recpress_edge.training.record import metadata, reference
from recpress_edge.training.store import TrainedModel
from recpress_edge.training.two_stages.candidates import (
    Moments,
    found_by,
    held_out_moments,
    train_moments,
)
from recpress_edge.training.two_stages.fields import asked_rows, list_fields, seen_rows
from recpress_edge.training.two_stages.first import first_arrays, first_facts, first_of
from recpress_edge.training.two_stages.forecast import CANDIDATE_BYTES
from recpress_edge.training.two_stages.judge import JudgedLists, gain_of, metrics_of
from recpress_edge.training.two_stages.taught import taught_scores

FEWEST: Final = 2
"""Negatives that a list has at least."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedLists:
    """What a second stage learns from and is judged by."""

    given: ListInput
    judged: Mapping[Split, JudgedLists]
    n_moments: int
    """Choices of train, found or not."""


def train_two_stages(
    plan: Plan, data: Dataset, store: CheckpointStore, tell: Callable[..., None]
) -> tuple[TrainedModel, RunState]:
    """Train from the store's checkpoint, or from the start, and write both stages into the plan's folder; the
    model, and what its run ended with.
    """
    memory, wanted = PeakMemory(), plan.wanted
    ready = prepared(plan, data, lambda n_bytes: tell("needs", memory_bytes=n_bytes))
    method = Rerank(ready.given, wanted.config, wanted.name.dim, wanted.seed, wanted.options.device)
    validation = None
    if "valid" in ready.judged:
        judged = ready.judged["valid"]

        def judge(method: Rerank, epoch: int) -> dict[str, float | None]:
            return metrics_of(judged.ranks_with(method.z_of(judged.lists)), data, "valid").means()

        validation = Validation(judge, dataset_cutoff(data))

    def on_epoch(report: EpochReport) -> None:
        if report.forecast_s is not None:
            tell("forecast", epoch=report.epoch, seconds=report.forecast_s)
        else:
            tell("epoch", epoch=report.epoch, seconds=report.seconds, metrics=report.metrics)

    state = train(method, wanted.training, validation, store, on_epoch)
    restore_best(method, state)
    ranks = {split: judged.ranks_with(method.z_of(judged.lists)) for split, judged in ready.judged.items()}
    found = {split: metrics_of(of_split, data, split) for split, of_split in ranks.items()}
    facts = {
        **metadata(plan, data, state),
        **facts_of(found, data),
        **write_ranks(plan.folder, found),
        "architecture": _architecture(plan, ready),
        "first_stage": _first_stage(plan, data, ready, ranks),
        "peak_memory_bytes": memory.increase_bytes(),
    }
    return TrainedModel(
        plan.folder, write_model(plan.folder, facts, _arrays(plan, method, ready)), None
    ), state


def prepared(plan: Plan, data: Dataset, on_need: Callable[[int], None]) -> PreparedLists:
    """The lists of a plan's data: those of train by the first stage that has not seen what was taken."""
    config: RerankConfig = plan.wanted.config
    shipped, apart = map(first_of, plan.parts.stages)
    by_history = shipped.reads_history
    fields = list_fields(data, config.min_count, config.last_items, users=not by_history)
    if not fields.asked:
        raise ConfigError(
            "after a first stage that reads a history nothing is left to rank by: set method.last_items to 1 "
            "or more, or import context or features of users."
        )
    moments = train_moments(data, config.positives)
    held_out = {split: held_out_moments(data, split, by_history=by_history) for split in splits_of(data)}
    width = _width(data, config, [moments, *held_out.values()])
    n_bytes = moments.users.size * width * CANDIDATE_BYTES
    require_memory(
        n_bytes, f"{moments.users.size:,} lists of {width} candidates", "Set method.positives lower."
    )
    on_need(n_bytes)
    found = found_by(apart, moments, width)[0]
    lists = _taught(plan, moments, _asked(found, moments, fields, data, "train"))
    if not len(lists):
        raise ConfigError(
            f"the first stage found none of {moments.users.size:,} items that were taken among its best "
            f"{width}: there is nothing to learn. Take another method.first, or a larger method.candidates."
        )
    judged = {}
    for split, of_split in held_out.items():
        found, ranks = found_by(shipped, of_split, width)
        judged[split] = JudgedLists(_asked(found, of_split, fields, data, split), ranks)
    given = ListInput(fields, lists, fitted_unit(lists.scores, lists.taken))
    return PreparedLists(given, judged, moments.users.size)


def _width(data: Dataset, config: RerankConfig, all_moments: list[Moments]) -> int:
    """Candidates of a list: as many as are set, or as everybody has left."""
    hidden = max(int(np.diff(moments.hidden[0]).max(initial=0)) for moments in all_moments)
    width = min(config.candidates, data.n_items - hidden)
    if width <= max(config.negatives, FEWEST):
        raise ConfigError(
            f"data set {data.name!r}: a user has {data.n_items - hidden:,} of {data.n_items:,} items left, "
            f"and lists of {config.negatives} negatives need more. Set method.negatives lower."
        )
    return width


def _asked(
    lists: CandidateLists,
    moments: Moments,
    fields: ListFields,
    data: Dataset,
    part: str,
) -> CandidateLists:
    """The lists with what was known before each choice."""
    fitted = tuple(field for field in fields.asked if not place_of(field))
    own = asked_rows(fitted, data, part)[moments.pairs]
    last = len(fields.asked) - len(fitted)
    seen = seen_rows(moments.history, moments.starts, moments.ends, last)
    return dataclasses.replace(lists, rows=np.ascontiguousarray(np.hstack([own, seen])))


def _taught(plan: Plan, moments: Moments, lists: CandidateLists) -> CandidateLists:
    """Those lists of which the taken item was found, with what the teacher says of them."""
    if plan.parts.teacher is not None:
        network = plan.parts.teacher.teacher.sequence
        assert network is not None, "checked where names are read"
        lists = dataclasses.replace(lists, taught=taught_scores(network, moments, lists))
    found = lists.taken >= 0
    return CandidateLists(
        lists.users[found],
        lists.items[found],
        lists.scores[found],
        lists.taken[found],
        lists.rows[found],
        None if lists.taught is None else lists.taught[found],
    )


def _architecture(plan: Plan, ready: PreparedLists) -> dict[str, Any]:
    """What the parameters do not tell, as plain JSON."""
    fields, config, first = ready.given.fields, plan.wanted.config, first_facts(plan.parts.stages[0])
    return {
        "kind": KIND,
        "unit": ready.given.unit,
        "candidates": ready.given.lists.items.shape[1],
        "last_items": config.last_items,
        "asked": [field_entry(field) for field in fields.asked],
        "items": [field.entry() for field in fields.items],
        **({"first": dict(first)} if first else {}),
    }


def _first_stage(
    plan: Plan, data: Dataset, ready: PreparedLists, ranks: Mapping[Split, I64]
) -> dict[str, Any]:
    """The first stage, its ceiling, and what the second adds on each split."""
    return {
        **reference(plan.parts.stages[0]),
        "candidates": ready.given.lists.items.shape[1],
        "found": {split: judged.found for split, judged in ready.judged.items()},
        "gain": {
            split: gain_of(judged.ranks, ranks[split], data, split) for split, judged in ready.judged.items()
        },
        "lists": {"of": ready.n_moments, "learned": len(ready.given.lists)},
    }


def _arrays(plan: Plan, method: Rerank, ready: PreparedLists) -> dict[str, NDArray[Any]]:
    """Parameters of the second stage, tables of the first, vocabularies, and the rows of every item."""
    parameters = {name: value.detach().cpu().numpy() for name, value in method.optimizer.parameters().items()}
    first, fields = plan.parts.stages[0], ready.given.fields
    parameters |= {f"{FIRST_PREFIX}{name}": array for name, array in first_arrays(first).items()}
    return click_arrays(parameters, [*fields.asked, *fields.items])

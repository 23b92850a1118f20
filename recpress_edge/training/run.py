"""One training run: from a plan to a finished model folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import write_json
from recpress_edge.core.memory import PeakMemory
from recpress_edge.data.holdout import Split, dataset_cutoff, history
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.distill.methods import MethodRow
from recpress_edge.models.method import ClosedForm, Factorised, Method, NetworkMethod
from recpress_edge.models.outputs import Rankings, Tables
from recpress_edge.models.ranking import ScoreRows, product_rows, top_unobserved
from recpress_edge.training.checkpoint import CheckpointStore
from recpress_edge.training.clicks.ensemble import fuse_clicks
from recpress_edge.training.clicks.run import train_clicks
from recpress_edge.training.evaluate import (
    SplitMetrics,
    StagedRows,
    evaluate,
    evaluate_rows,
    facts_of,
    splits_of,
)
from recpress_edge.training.fusion import below_member
from recpress_edge.training.learn import Tell, best_start, given_to, going_on, learn
from recpress_edge.training.loop import RunState, restore_best
from recpress_edge.training.plan import Plan
from recpress_edge.training.ranks import write_ranks
from recpress_edge.training.record import chosen_epoch, fine_tuned, metadata, reference
from recpress_edge.training.store import TrainedModel, save_model
from recpress_edge.training.trajectory import finish, has_stage, write_stage
from recpress_edge.training.two_stages.run import train_two_stages
from recpress_edge.training.warm.earlier import write_row_ids
from recpress_edge.training.warm.moved import warm_facts
from recpress_edge.training.warm.seen import write_train_pairs
from recpress_edge.training.warm.start import started


@dataclass(frozen=True, slots=True)
class Kept:
    """The model that a run keeps, as it is stored."""

    tables: Tables | None
    rankings: Rankings | None
    architecture: Mapping[str, Any] | None = None
    """Of a network."""
    network: Mapping[str, F32] = field(default_factory=dict)
    """Its parameters by name."""
    near: Tables | None = None
    """Near to the scores of a closed form that is not two tables."""


def train_model(plan: Plan, data: Dataset, tell: Tell) -> TrainedModel:
    """Train from the checkpoint in the plan's folder, or from the start, and write the model there."""
    wanted = plan.wanted
    use_compute(wanted.options.device, wanted.options.threads)
    store = CheckpointStore(plan.folder, plan.key, wanted.options.checkpoint_every_s)
    if wanted.options.restart:
        store.clear()
    tell("resume" if store.pointer.exists() else "train")
    model, state = _maker(wanted.name.entry)(plan, data, store, tell)
    store.clear()
    tell(
        "done",
        epoch=state.epoch,
        seconds=state.seconds,
        metrics=model.metadata["metrics"].get("valid"),
        memory_bytes=model.metadata["peak_memory_bytes"],
    )
    return model


def _maker(row: MethodRow) -> Callable[..., tuple[TrainedModel, RunState]]:
    """What makes models of a method: of a catalogue, of two stages, of clicks, or several of those as one."""
    if row.stages:
        return train_two_stages
    if row.gives != "clicks":
        return _train_ranking
    return fuse_clicks if row.closed_form else train_clicks


def _train_ranking(
    plan: Plan, data: Dataset, store: CheckpointStore, tell: Tell
) -> tuple[TrainedModel, RunState]:
    """A model that ranks a catalogue, written into the plan's folder, and what its run ended with."""
    memory = PeakMemory()
    warm = plan.wanted.warm
    start, given = None, given_to(plan, data, tell)
    if warm:
        start = started(warm, data, anew=plan.wanted.name.entry.warm == "lists")
        start = best_start(plan, data, given, start)
        given = going_on(given, start)
    method, state = learn(plan, data, store, tell, given)
    rows = _restore_best(method, state)
    kept = _kept(method, state, data)
    found = _metrics(method, kept, rows, data)
    facts = {**metadata(plan, data, state), **facts_of(found, data)}
    if not kept.tables:
        facts |= write_ranks(plan.folder, found)
    facts["peak_memory_bytes"] = memory.increase_bytes()
    if plan.wanted.options.trajectory:
        _finish_trajectory(plan, chosen_epoch(plan, state), rows, data.train)
    facts |= _facts_of(kept, plan, data, facts, anew=start is None or start.anew)
    if warm and start and kept.tables:
        facts["from"] = warm_facts(warm, start, kept.tables, data)
    if kept.tables:
        facts |= {**write_row_ids(plan.folder, data), **write_train_pairs(plan.folder, data)}
    if isinstance(method, NetworkMethod):
        for name, document in method.documents(state.search).items():
            write_json(plan.folder / name, document)
    return save_model(plan.folder, facts, kept.tables, kept.rankings, kept.network, kept.near), state


def _restore_best(method: Method | ClosedForm, state: RunState) -> ScoreRows:
    """How the model to keep scores; a method whose model is all its parameters goes back to the best ones."""
    if isinstance(method, Factorised):
        return product_rows(state.best["user_emb"], state.best["item_emb"])
    if isinstance(method, Method):
        restore_best(method, state)
    return method.scores


def _kept(method: Method | ClosedForm, state: RunState, data: Dataset) -> Kept:
    """Tables, or rankings where no two tables make the scores; a network whole besides."""
    if isinstance(method, Factorised):
        return Kept(Tables(*(state.best[name].numpy() for name in ("user_emb", "item_emb"))), None)
    rankings = top_unobserved(method.scores, data.train)
    if isinstance(method, ClosedForm):
        return Kept(None, rankings, near=method.near())
    if not isinstance(method, NetworkMethod):
        return Kept(None, rankings)
    parameters = {name: value.cpu().numpy() for name, value in method.parameters().items()}
    return Kept(None, rankings, method.architecture(), parameters)


def _metrics(
    method: Method | ClosedForm, kept: Kept, rows: ScoreRows, data: Dataset
) -> dict[Split, SplitMetrics]:
    """The metrics of each split; a network that reads histories is given those before it."""
    found = {}
    for split in splits_of(data):
        if kept.tables:
            tables = (torch.from_numpy(kept.tables.user_emb), torch.from_numpy(kept.tables.item_emb))
            found[split] = evaluate(*tables, data, split)
            continue
        if isinstance(method, NetworkMethod):
            rows = method.rows_after(history(data, split))
        found[split] = evaluate_rows(rows, data, split)
    return found


def _facts_of(
    kept: Kept, plan: Plan, data: Dataset, facts: Mapping[str, Any], *, anew: bool
) -> dict[str, Any]:
    """What a record says besides, where it applies."""
    found: dict[str, Any] = {}
    wanted, parts = plan.wanted, plan.parts
    if wanted.refit_of:
        found["refit_of"] = reference(wanted.refit_of)
    if parts.members and wanted.name.entry.closed_form:
        valid = facts["metrics"].get("valid")
        found["below_member"] = below_member(
            valid, facts["members"], dataset_cutoff(data), wanted.training.choose_by
        )
    if facts["history"] and facts["history"][0]["epoch"] == 0 == facts["chosen_epoch"] and not parts.start:
        begun = "SVD" if anew or not wanted.warm else f"earlier {wanted.warm.model.name}"
        found["note"] = f"training added nothing over the {begun} that it starts from"
    if kept.tables:
        found["dim"] = kept.tables.user_emb.shape[1]
    if kept.tables and parts.start:
        found["quantised"] = fine_tuned(parts.start, str(wanted.name.recipe), data, kept.tables)
    if kept.architecture:
        found["architecture"] = kept.architecture
    return found


def _finish_trajectory(plan: Plan, chosen: int, rows: ScoreRows, train: Interactions) -> None:
    """Of an epoch that was not evaluated the stage is still to be made."""
    if not has_stage(plan.folder, chosen):
        write_stage(plan.folder, chosen, *StagedRows(rows, train).stage())
    finish(plan.folder, chosen)


def use_compute(device: str, threads: int) -> None:
    """Check the device and set torch's number of CPU threads: the one place that does."""
    torch.set_num_threads(threads)
    if device == "cpu":
        return
    if device.partition(":")[0] != "cuda":
        raise ConfigError(f"--device must be cpu or cuda, got {device!r}")
    if not torch.cuda.is_available():
        raise ConfigError(
            "--device cuda: this torch finds no usable GPU "
            f"(torch {torch.__version__}, built for CUDA: {torch.version.cuda or 'no'}). Use --device cpu."
        )

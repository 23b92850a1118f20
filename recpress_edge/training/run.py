"""One training run: from a plan to a finished model folder."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Literal, Protocol

import numpy as np
import torch

from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.memory import PeakMemory
from recpress_edge.core.rng import stream
from recpress_edge.data.holdout import Split, dataset_cutoff, history
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.distill.students import create_method
from recpress_edge.models.method import ClosedForm, Factorised, Method, NetworkMethod, TrainingInput
from recpress_edge.models.outputs import Rankings, Tables
from recpress_edge.models.qat import stored_tables
from recpress_edge.models.ranking import ScoreRows, product_rows, top_unobserved
from recpress_edge.models.teacher import Teacher
from recpress_edge.training.checkpoint import CheckpointStore
from recpress_edge.training.closed import Trials, compute, tried
from recpress_edge.training.evaluate import (
    SplitMetrics,
    StagedRows,
    evaluate,
    evaluate_rows,
    facts_of,
    sampled_users,
    splits_of,
)
from recpress_edge.training.fusion import below_member
from recpress_edge.training.loop import EpochReport, RunState, Validation, train
from recpress_edge.training.plan import Plan
from recpress_edge.training.ranks import write_ranks
from recpress_edge.training.record import chosen_epoch, fine_tuned, metadata, reference
from recpress_edge.training.store import TrainedModel, save_model
from recpress_edge.training.trajectory import finish, has_stage, is_recorded, load_trajectory, write_stage


class Tell(Protocol):
    """Passes on what happens in the run."""

    def __call__(
        self, kind: Literal["train", "resume", "needs", "forecast", "epoch", "done"], **more: Any
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """The model that a run keeps, as it is stored."""

    tables: Tables | None
    rankings: Rankings | None
    architecture: Mapping[str, Any] | None = None
    """Of a network."""
    network: Mapping[str, F32] = field(default_factory=dict)
    """Its parameters by name."""


def train_model(plan: Plan, data: Dataset, tell: Tell) -> TrainedModel:
    """Train from the checkpoint in the plan's folder, or from the start, and write the model there."""
    wanted = plan.wanted
    use_compute(wanted.options.device, wanted.options.threads)
    store = CheckpointStore(plan.folder, plan.key, wanted.options.checkpoint_every_s)
    if wanted.options.restart:
        store.clear()
    tell("resume" if store.pointer.exists() else "train")
    memory = PeakMemory()
    method, state = _learn(plan, data, store, tell)
    rows = _restore_best(method, state)
    kept = _kept(method, state, data)
    found = _metrics(method, kept, rows, data)
    facts = {**metadata(plan, data, state), **facts_of(found)}
    if not kept.tables:
        facts |= write_ranks(plan.folder, found)
    facts["peak_memory_bytes"] = memory.increase_bytes()
    if wanted.options.trajectory:
        _finish_trajectory(plan, chosen_epoch(plan, state), rows, data.train)
    model = save_model(
        plan.folder, facts | _facts_of(kept, plan, data, facts), kept.tables, kept.rankings, kept.network
    )
    store.clear()
    tell(
        "done",
        epoch=state.epoch,
        seconds=state.seconds,
        metrics=facts["metrics"].get("valid"),
        memory_bytes=facts["peak_memory_bytes"],
    )
    return model


def _learn(
    plan: Plan, data: Dataset, store: CheckpointStore, tell: Tell
) -> tuple[Method | ClosedForm, RunState]:
    wanted, cutoff, given = plan.wanted, dataset_cutoff(data), _input(plan, data, tell)

    def on(n_users: int | None) -> Trials:
        part = data if n_users is None else _some_users(data, n_users)
        some = dataclasses.replace(given, train=part.train)

        def make(settings: Mapping[str, float]) -> Any:
            return create_method(wanted.name.method, some, dataclasses.replace(wanted.config, **settings))

        return Trials(make, _validation(plan, part))

    def on_pass(report: EpochReport) -> None:
        tell("epoch", **_told(report, cutoff), epochs=report.epochs)

    if wanted.name.entry.closed_form:
        return compute(on, wanted.training.choose_by, on_pass)
    validation = _validation(plan, data)
    method, begun = _chosen(
        on(None).make,
        store,
        partial(
            tried,
            epochs=wanted.training.epochs,
            validation=validation,
            choose_by=wanted.training.choose_by,
            on_epoch=on_pass,
        ),
    )

    def on_epoch(report: EpochReport) -> None:
        if report.forecast_s is not None:
            tell("forecast", epoch=report.epoch, seconds=report.forecast_s)
            return
        if report.metrics is None:  # an evaluated epoch has left its stage
            _record_stage(plan, report.epoch, StagedRows(method.scores, data.train))
        tell("epoch", **_told(report, cutoff))

    return method, train(method, wanted.training, validation, store, on_epoch, begun)


def _chosen(
    make: Callable[[Mapping[str, float]], Any],
    store: CheckpointStore,
    choose: Callable[[Method], tuple[Method, RunState]],
) -> tuple[Method, RunState]:
    """The method with the settings that validation chose; a run that resumes has chosen already."""
    found = store.load()
    return (make(found.state["chosen"]), RunState()) if found else choose(make({}))


def _some_users(data: Dataset, most: int) -> Dataset:
    """Rows of so many users alone, drawn once."""
    drawn = np.sort(stream(0, "search users").permutation(data.n_users)[:most])
    parts = {split: getattr(data, split).rows(drawn) for split in ("train", "valid", "test")}
    return dataclasses.replace(data, user_ids=tuple(data.user_ids[user] for user in drawn), **parts)


def _told(report: EpochReport, cutoff: int) -> dict[str, Any]:
    return {"epoch": report.epoch, "seconds": report.seconds, "metrics": report.metrics, "cutoff": cutoff}


def _validation(plan: Plan, data: Dataset) -> Validation | None:
    """How epochs are judged: tables as their recipe stores them, with one ranking for metrics and stage."""
    if not len(data.valid):
        return None
    users = sampled_users(data, "valid", plan.wanted.training.valid_users)

    def metrics(method: Method | ClosedForm, epoch: int) -> dict[str, float | None]:
        if plan.wanted.options.trajectory and isinstance(method, Method):
            staged = StagedRows(method.scores, data.train)
            found = evaluate_rows(staged, data, "valid", users=users).means()
            _record_stage(plan, epoch, staged)
            return found
        if isinstance(method, Factorised):
            stored = stored_tables(plan.wanted.name.recipe, *method.tables())
            return evaluate(*stored, data, "valid", users).means()
        return evaluate_rows(method.scores, data, "valid", users=users).means()

    return Validation(metrics, dataset_cutoff(data), from_start=plan.parts.start is not None)


def _record_stage(plan: Plan, epoch: int, rows: StagedRows) -> None:
    """Write a stage of the trajectory, where one is wanted of this epoch."""
    if plan.wanted.options.trajectory and is_recorded(epoch, plan.wanted.training.evaluate_every):
        write_stage(plan.folder, epoch, *rows.stage())


def _restore_best(method: Method | ClosedForm, state: RunState) -> ScoreRows:
    """How the model to keep scores; a method whose model is all its parameters goes back to the best ones."""
    if isinstance(method, Factorised):
        return product_rows(state.best["user_emb"], state.best["item_emb"])
    if isinstance(method, Method):
        with torch.no_grad():
            for name, value in method.optimizer.parameters().items():
                value.copy_(state.best[name])
    return method.scores


def _kept(method: Method | ClosedForm, state: RunState, data: Dataset) -> Kept:
    """Tables, or rankings where no two tables make the scores; a network whole besides."""
    if isinstance(method, Factorised):
        return Kept(Tables(*(state.best[name].numpy() for name in ("user_emb", "item_emb"))), None)
    rankings = top_unobserved(method.scores, data.train)
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


def _facts_of(kept: Kept, plan: Plan, data: Dataset, facts: Mapping[str, Any]) -> dict[str, Any]:
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
        found["note"] = "training added nothing over the SVD that it starts from"
    if kept.tables:
        found["dim"] = kept.tables.user_emb.shape[1]
    if kept.tables and parts.start:
        found["quantised"] = fine_tuned(parts.start, str(wanted.name.recipe), data, kept.tables)
    if kept.architecture:
        found["architecture"] = kept.architecture
    return found


def _input(plan: Plan, data: Dataset, tell: Tell) -> TrainingInput:
    wanted, parts = plan.wanted, plan.parts
    return TrainingInput(
        data.train,
        wanted.name.dim,
        wanted.seed,
        wanted.training.epochs,
        parts.teacher.teacher if parts.teacher else None,
        parts.start.tables if parts.start else None,
        wanted.name.recipe,
        wanted.options.device,
        tuple(_member(plan, member) for member in parts.members),
        cache(lambda n_bytes: tell("needs", memory_bytes=n_bytes)),  # once, however often it is computed
    )


def _member(plan: Plan, member: TrainedModel) -> Teacher:
    """One of several teachers, with its trajectory where the student learns from those."""
    if plan.wanted.name.entry.needs != "trajectories":
        return member.teacher
    return dataclasses.replace(member.teacher, trajectory=load_trajectory(member.folder))


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

"""One training run: from a plan to a finished model folder."""

import dataclasses
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.memory import PeakMemory
from recpress_edge.data.holdout import Split, dataset_cutoff, history
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.distill.students import create_method
from recpress_edge.models.method import ClosedForm, Factorised, Method, NetworkMethod, TrainingInput
from recpress_edge.models.outputs import Rankings, Tables
from recpress_edge.models.qat import stored_tables
from recpress_edge.models.ranking import ScoreRows, product_rows, top_unobserved
from recpress_edge.models.teacher import Teacher
from recpress_edge.training.cache import Plan, TrainOptions
from recpress_edge.training.checkpoint import CheckpointStore
from recpress_edge.training.evaluate import evaluate, evaluate_rows
from recpress_edge.training.fusion import below_member
from recpress_edge.training.loop import Progress, RunState, fit, train
from recpress_edge.training.stage import StagedRows
from recpress_edge.training.store import TrainedModel, save_model
from recpress_edge.training.trajectory import finish, has_stage, is_recorded, load_trajectory, write_stage

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


class Tell(Protocol):
    """Passes on what happens in the run."""

    def __call__(self, kind: Literal["train", "resume", "needs", "epoch", "done"], **more: Any) -> None: ...


def train_model(plan: Plan, data: Dataset, options: TrainOptions, tell: Tell) -> TrainedModel:
    """Train from the checkpoint in the plan's folder, or from the start, and write the model there."""
    _check_device(options.device)
    torch.set_num_threads(options.threads)
    store = CheckpointStore(plan.folder, plan.key)
    if options.restart:
        store.clear()
    tell("resume" if store.pointer.exists() else "train")
    memory = PeakMemory()
    cutoff = dataset_cutoff(data)
    method = create_method(plan.name.method, _job(plan, data, options, tell), plan.config)
    recipe = plan.name.recipe
    staged: StagedRows | None = None

    def on_epoch(progress: Progress) -> None:
        if options.trajectory and is_recorded(progress.epoch, plan.training.evaluate_every):
            evaluated = staged if staged and progress.metrics else StagedRows(method.scores, data.train)
            write_stage(plan.folder, progress.epoch, *evaluated.stage())
        tell("epoch", epoch=progress.epoch, seconds=progress.seconds, metrics=progress.metrics, cutoff=cutoff)

    def on_valid(current: Method) -> dict[str, float | None]:
        nonlocal staged
        if options.trajectory:
            staged = StagedRows(current.scores, data.train)
            return evaluate_rows(staged, data, "valid").means()
        if isinstance(current, Factorised):
            return evaluate(*stored_tables(recipe, *current.tables()), data, "valid").means()
        return evaluate_rows(current.scores, data, "valid").means()

    if isinstance(method, ClosedForm):
        state = fit(method, on_epoch)
    else:
        evaluated = on_valid if len(data.valid) else None
        state = train(
            method,
            plan.training,
            evaluated,
            store,
            on_epoch,
            cutoff=cutoff,
            evaluate_start=plan.start is not None,
        )
    rows, tables, rankings = _result(method, state, data)
    metrics, definitions, thirds = {}, {}, {}
    for split in _splits(data):
        known = history(data, split)
        answers = method.rows_after(known) if isinstance(method, NetworkMethod) else rows
        result = evaluate_rows(answers, data, split)
        metrics[split], definitions[split] = result.means(), result.definition
        thirds[split] = result.by_third
    used = memory.increase_bytes()
    if options.trajectory:
        _finish_trajectory(plan, _chosen_epoch(plan, state), rows, data.train)
    refit_of = {"refit_of": _reference(options.chosen)} if options.chosen else {}
    metadata = _metadata(plan, data, options, state) | {
        **refit_of,
        "metrics": metrics,
        "definitions": definitions,
        "recall_by_popularity": thirds,
        "peak_memory_bytes": used,
    }
    if plan.members and isinstance(method, ClosedForm):
        metadata["below_member"] = below_member(metrics.get("valid"), metadata["members"], cutoff)
    if tables:
        metadata["dim"] = tables.user_emb.shape[1]
        if plan.start:
            metadata["quantised"] = _quantised(plan.start, str(recipe), data, tables)
    network: dict[str, F32] = {}
    if isinstance(method, NetworkMethod):
        metadata["architecture"] = method.architecture()
        network = {name: value.cpu().numpy() for name, value in method.parameters().items()}
    model = save_model(plan.folder, metadata, tables, rankings, network)
    store.clear()
    tell(
        "done",
        epoch=state.epoch,
        seconds=state.seconds,
        metrics=metrics.get("valid"),
        memory_bytes=used,
    )
    return model


def _job(plan: Plan, data: Dataset, options: TrainOptions, tell: Tell) -> TrainingInput:
    return TrainingInput(
        data.train,
        plan.name.dim,
        plan.seed,
        plan.training.epochs,
        plan.teacher.teacher if plan.teacher else None,
        plan.start.tables if plan.start else None,
        plan.name.recipe,
        options.device,
        tuple(_member(plan, member) for member in plan.members),
        lambda n_bytes: tell("needs", memory_bytes=n_bytes),
    )


def _member(plan: Plan, member: TrainedModel) -> Teacher:
    """One of several teachers, with its trajectory where the student learns from those."""
    if plan.name.entry.needs != "trajectories":
        return member.teacher
    return dataclasses.replace(member.teacher, trajectory=load_trajectory(member.folder))


def _chosen_epoch(plan: Plan, state: RunState) -> int:
    return state.best_epoch if plan.training.keep == "best" else state.epoch


def _finish_trajectory(plan: Plan, chosen: int, rows: ScoreRows, train: Interactions) -> None:
    """Of an epoch that was not evaluated the stage is still to be made."""
    if not has_stage(plan.folder, chosen):
        write_stage(plan.folder, chosen, *StagedRows(rows, train).stage())
    finish(plan.folder, chosen)


def _result(
    method: Method | ClosedForm, state: RunState, data: Dataset
) -> tuple[ScoreRows, Tables | None, Rankings | None]:
    """The model to keep: how it scores, and its tables or, where it has none, its rankings."""
    if isinstance(method, Factorised):
        user_emb, item_emb = state.best["user_emb"], state.best["item_emb"]
        return product_rows(user_emb, item_emb), Tables(user_emb.numpy(), item_emb.numpy()), None
    if isinstance(method, Method):
        with torch.no_grad():
            for name, value in method.optimizer.parameters().items():
                value.copy_(state.best[name])
    return method.scores, None, top_unobserved(method.scores, data.train)


def _splits(data: Dataset) -> list[Split]:
    """The splits that hold something."""
    held_out: tuple[tuple[Split, Interactions], ...] = (("valid", data.valid), ("test", data.test))
    return [split for split, pairs in held_out if len(pairs)]


def _metadata(plan: Plan, data: Dataset, options: TrainOptions, state: RunState) -> dict[str, Any]:
    teacher = _reference(plan.teacher) if plan.teacher else None
    members = {"members": [_reference(member) for member in plan.members]} if plan.members else {}
    return {
        "name": str(plan.name),
        "method": plan.name.method,
        "dim": plan.name.dim,
        "seed": plan.seed,
        "key": plan.key,
        "n_users": data.n_users,
        "n_items": data.n_items,
        "cutoff": dataset_cutoff(data),
        "config": dataclasses.asdict(plan.config),
        "training": dataclasses.asdict(plan.training),
        "dataset": {
            "name": data.name,
            "digest": data.digest(),
            **({"order_digest": data.order_digest()} if plan.name.entry.ordered else {}),
            "protocol": data.protocol,
            **({"ties": data.ties} if data.ties else {}),
            "licence": data.licence,
        },
        "teacher": teacher,
        **members,
        "chosen_epoch": _chosen_epoch(plan, state),
        "history": state.history,
        "seconds": round(state.seconds, 3),
        "device": options.device,
        "threads": options.threads,
        "torch": torch.__version__,
    }


def _reference(model: TrainedModel) -> dict[str, Any]:
    """What a model's record says of another that it was made from."""
    known = model.metadata
    width = model.tables.user_emb.shape[1] if model.tables else None
    facts = {key: known[key] for key in ("name", "seed", "metrics")}
    return facts | {"sha256": model.digest, "table_width": width}


def _quantised(start: TrainedModel, recipe: str, data: Dataset, tables: Tables) -> dict[str, Any]:
    """What fine-tuning for a recipe gained: metrics of the stored tables, before and after it."""
    before, after = (
        (torch.from_numpy(model.user_emb), torch.from_numpy(model.item_emb)) for model in (start, tables)
    )
    return {
        "recipe": recipe,
        "start": {key: start.metadata[key] for key in ("name", "seed", "sha256")},
        "start_metrics": _stored_metrics(recipe, *before, data),
        "metrics": _stored_metrics(recipe, *after, data),
    }


def _stored_metrics(
    recipe: str, user_emb: Tensor, item_emb: Tensor, data: Dataset
) -> dict[str, dict[str, float | None]]:
    stored = stored_tables(recipe, user_emb, item_emb)
    return {split: evaluate(*stored, data, split).means() for split in _splits(data)}


def _check_device(device: str) -> None:
    if device == "cpu":
        return
    if device.partition(":")[0] != "cuda":
        raise ConfigError(f"--device must be cpu or cuda, got {device!r}")
    if not torch.cuda.is_available():
        raise ConfigError(
            "--device cuda: this torch finds no usable GPU "
            f"(torch {torch.__version__}, built for CUDA: {torch.version.cuda or 'no'}). Use --device cpu."
        )

"""One training run: from a plan to a finished model folder."""

import dataclasses
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.students import create_method
from recpress_edge.models.method import Job, Tables
from recpress_edge.models.stored import stored_tables
from recpress_edge.training.cache import Plan, TrainOptions
from recpress_edge.training.checkpoint import CheckpointStore
from recpress_edge.training.evaluate import evaluate
from recpress_edge.training.loop import Progress, RunState, train
from recpress_edge.training.store import TrainedModel, save_model


class Tell(Protocol):
    """Passes on what happens in the run."""

    def __call__(self, kind: Literal["train", "resume", "epoch", "done"], **more: Any) -> None: ...


def train_model(plan: Plan, data: Dataset, options: TrainOptions, tell: Tell) -> TrainedModel:
    """Train from the checkpoint in the plan's folder, or from the start, and write the model there."""
    _check_device(options.device)
    torch.set_num_threads(options.threads)
    store = CheckpointStore(plan.folder, plan.key)
    if options.restart:
        store.clear()
    tell("resume" if store.pointer.exists() else "train")
    teacher, start = (
        Tables(model.user_emb, model.item_emb) if model else None for model in (plan.teacher, plan.start)
    )
    recipe = plan.name.recipe
    job = Job(
        data.train, plan.name.dim, plan.seed, plan.training.epochs, teacher, start, recipe, options.device
    )
    method = create_method(plan.name.method, job, plan.config)

    def on_epoch(progress: Progress) -> None:
        tell("epoch", epoch=progress.epoch, seconds=progress.seconds, metrics=progress.metrics)

    def on_valid(user_emb: Tensor, item_emb: Tensor) -> dict[str, float]:
        return evaluate(*stored_tables(recipe, user_emb, item_emb), data, "valid").means()

    state = train(
        method,
        plan.training,
        on_valid if len(data.valid) else None,
        store,
        on_epoch,
        evaluate_start=start is not None,
    )
    user_emb, item_emb = state.best["user_emb"], state.best["item_emb"]
    metrics, definitions = {}, {}
    for split, held_out in (("valid", data.valid), ("test", data.test)):
        if len(held_out):
            result = evaluate(user_emb, item_emb, data, split)  # type: ignore[arg-type]
            metrics[split], definitions[split] = result.means(), result.definition
    metadata = _metadata(plan, data, options, state) | {"metrics": metrics, "definitions": definitions}
    if plan.start:
        metadata["quantised"] = _quantised(plan.start, str(recipe), data, user_emb, item_emb)
    model = save_model(plan.folder, metadata, user_emb.numpy(), item_emb.numpy())
    store.clear()
    tell("done", epoch=state.epoch, seconds=state.seconds, metrics=metrics.get("valid"))
    return model


def _metadata(plan: Plan, data: Dataset, options: TrainOptions, state: RunState) -> dict[str, Any]:
    teacher = None
    if plan.teacher:
        known = plan.teacher.metadata
        teacher = {key: known[key] for key in ("name", "seed", "metrics")} | {"sha256": plan.teacher.digest}
    return {
        "name": str(plan.name),
        "method": plan.name.method,
        "dim": plan.name.dim,
        "seed": plan.seed,
        "key": plan.key,
        "n_users": data.n_users,
        "n_items": data.n_items,
        "config": dataclasses.asdict(plan.config),
        "training": dataclasses.asdict(plan.training),
        "dataset": {
            "name": data.name,
            "digest": data.digest(),
            "protocol": data.protocol,
            "licence": data.licence,
        },
        "teacher": teacher,
        "chosen_epoch": state.best_epoch if plan.training.keep == "best" else state.epoch,
        "history": state.history,
        "seconds": round(state.seconds, 3),
        "device": options.device,
        "threads": options.threads,
        "torch": torch.__version__,
    }


def _quantised(
    start: TrainedModel, recipe: str, data: Dataset, user_emb: Tensor, item_emb: Tensor
) -> dict[str, Any]:
    """What fine-tuning for a recipe gained: metrics of the stored tables, before and after it."""
    before = (torch.from_numpy(start.user_emb), torch.from_numpy(start.item_emb))
    return {
        "recipe": recipe,
        "start": {key: start.metadata[key] for key in ("name", "seed", "sha256")},
        "start_metrics": _stored_metrics(recipe, *before, data),
        "metrics": _stored_metrics(recipe, user_emb, item_emb, data),
    }


def _stored_metrics(
    recipe: str, user_emb: Tensor, item_emb: Tensor, data: Dataset
) -> dict[str, dict[str, float]]:
    stored = stored_tables(recipe, user_emb, item_emb)
    return {
        split: evaluate(*stored, data, split).means()  # type: ignore[arg-type]
        for split, held_out in (("valid", data.valid), ("test", data.test))
        if len(held_out)
    }


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

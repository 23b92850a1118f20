"""The training loop: epochs, validation, the epoch to keep, checkpoints. It prints nothing."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor

from recpress_edge.core.errors import RecPressError
from recpress_edge.core.metrics import BALANCED, DEFAULT_CUTOFF, worth
from recpress_edge.models.method import ClosedForm, Factorised, Learner
from recpress_edge.training.checkpoint import Checkpoint, CheckpointStore, restore
from recpress_edge.training.settings import TrainingConfig

PACE_FROM: Final = 3
"""Steps before those that tell the pace."""
PACE_S: Final = 1.0
"""Seconds of steps that tell it. An epoch that is shorter needs no forecast."""

OnEpoch = Callable[["EpochReport"], None]


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What the loop reports after each epoch."""

    epoch: int
    """Epochs done."""
    epochs: int
    seconds: float
    """Training time so far, of interrupted runs too."""
    metrics: dict[str, float | None] | None
    """Validation metrics, when this epoch was evaluated."""
    forecast_s: float | None = None
    """Within a run's first epoch, once: what all epochs that are left will take, validation apart."""


@dataclass(frozen=True, slots=True)
class Validation:
    """How a run judges its epochs."""

    evaluate: Callable[[Any, int], dict[str, float | None]]
    """Validation metrics of the method as it is after so many epochs."""
    cutoff: int = DEFAULT_CUTOFF
    """The K of the metrics that :func:`worth` compares epochs by."""
    from_start: bool = False
    """Whether the tables that it begins with count as epoch 0, so that training on can only gain."""


@dataclass(slots=True)
class RunState:
    """All that a checkpoint holds besides the method's own tensors."""

    epoch: int = 0
    seconds: float = 0.0
    cutoff: int = DEFAULT_CUTOFF
    """The K of the metrics by which the epoch is chosen."""
    choose_by: str = BALANCED
    history: list[dict[str, Any]] = field(default_factory=list)
    """One entry per evaluation: epoch and validation metrics."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """Of the best epoch so far: user_emb and item_emb, or all parameters of a model that is no two tables."""
    chosen: Mapping[str, float] = field(default_factory=dict)
    """Settings that validation chose before the training, or of a closed form."""
    trials: list[dict[str, Any]] = field(default_factory=list)
    """One entry per candidate: its settings, and the validation metrics of a short schedule with them."""
    search: Mapping[str, Any] = field(default_factory=dict)
    """What a search before the training says of what it found."""

    @property
    def best_epoch(self) -> int:
        """The evaluated epoch that validation judges best, the first of equals; 0 before any."""
        if not self.history:
            return 0
        best = max(self.history, key=lambda entry: worth(entry["valid"], self.cutoff, self.choose_by))
        return int(best["epoch"])

    @property
    def stalls(self) -> int:
        """Evaluations so far that brought no new best."""
        found, best = 0, None
        for entry in self.history:
            value = worth(entry["valid"], self.cutoff, self.choose_by)
            found += best is not None and value <= best
            best = value if best is None else max(best, value)
        return found

    def stalled(self, patience: int) -> bool:
        """Whether the last ``patience`` evaluations brought no new best; 0 never stalls."""
        since_best = sum(int(entry["epoch"]) > self.best_epoch for entry in self.history)
        return 0 < patience <= since_best


def train(
    method: Learner,
    config: TrainingConfig,
    validation: Validation | None,
    store: CheckpointStore,
    on_epoch: OnEpoch,
    begun: RunState | None = None,
) -> RunState:
    """Run the schedule from the store's checkpoint or the start; ``best`` then holds the tables to keep.

    ``validation`` is None when the data has no such split; ``begun`` holds what was chosen beforehand. A run
    resumed from any checkpoint ends with the same numbers as one that was never interrupted.
    """
    state = _resume(method, store, begun or RunState())
    state.cutoff, state.choose_by = validation.cutoff if validation else DEFAULT_CUTOFF, config.choose_by
    patience = config.patience if config.keep == "best" else 0
    saved_at = time.perf_counter()
    if validation and (validation.from_start or method.starts_trained) and state.epoch == 0:
        state.history = [{"epoch": 0, "valid": validation.evaluate(method, 0)}]
        state.best = copy_model(method)
    first = state.epoch

    def pace(epoch_s: float) -> None:
        forecast_s = epoch_s * (config.epochs - first)
        on_epoch(EpochReport(first, config.epochs, state.seconds, None, forecast_s))

    while state.epoch < config.epochs and not state.stalled(patience):
        started = time.perf_counter()
        method.stalls = state.stalls
        train_epoch(method, state.epoch, pace if state.epoch == first else None)
        state.epoch += 1
        metrics = None
        if validation and (state.epoch % config.evaluate_every == 0 or state.epoch == config.epochs):
            metrics = validation.evaluate(method, state.epoch)
            state.history.append({"epoch": state.epoch, "valid": metrics})
            if config.keep == "best" and state.best_epoch == state.epoch:
                state.best = copy_model(method)
        state.seconds += time.perf_counter() - started
        if time.perf_counter() - saved_at >= store.every_s:
            store.save(state.epoch, _checkpoint(method, state))
            saved_at = time.perf_counter()
        on_epoch(EpochReport(state.epoch, config.epochs, state.seconds, metrics))
    if config.keep == "last":
        state.best = copy_model(method)
    return state


def train_epoch(method: Learner, epoch: int, on_pace: Callable[[float], None] | None = None) -> None:
    """One pass over the data; RecPressError when the loss is not finite.

    ``on_pace``: called once with the seconds that this epoch will take, by the pace of its first batches.
    """
    total: Tensor | float = 0.0
    started, steps = time.perf_counter(), method.steps()
    begun = started
    for done, loss in enumerate(method.batch_losses(epoch)):
        if done == PACE_FROM:  # what an epoch draws at its beginning, and the slow first steps, are behind
            begun = time.perf_counter()
        method.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        method.optimizer.step()
        total = total + loss.detach()
        if on_pace and steps and done >= 2 * PACE_FROM and time.perf_counter() - begun >= PACE_S:
            now = time.perf_counter()
            on_pace(now - started + (now - begun) / (done - PACE_FROM + 1) * (steps - done - 1))
            on_pace = None
    method.optimizer.settle()
    if not torch.isfinite(torch.as_tensor(total)):
        raise RecPressError(
            f"training diverged: the loss of epoch {epoch + 1} is not finite. Lower method.learning_rate."
        )


def copy_model(method: Learner | ClosedForm) -> dict[str, Tensor]:
    """What is kept of a model as it is now: tables, all parameters, or nothing of one that is neither."""
    if isinstance(method, Factorised):
        user_emb, item_emb = method.tables()
        return {"user_emb": user_emb.cpu().clone(), "item_emb": item_emb.cpu().clone()}
    if isinstance(method, ClosedForm):
        return {}
    return {name: value.detach().cpu().clone() for name, value in method.optimizer.parameters().items()}


def restore_best(method: Learner, state: RunState) -> None:
    """Parameters go back to those of the best epoch, of a model that is all its parameters."""
    with torch.no_grad():
        for name, value in method.optimizer.parameters().items():
            value.copy_(state.best[name])


def _checkpoint(method: Learner, state: RunState) -> Checkpoint:
    best = {f"best/{name}": value for name, value in state.best.items()}
    tensors = _state(method) | best
    kept = ("epoch", "seconds", "history", "chosen", "trials", "search")
    return Checkpoint(tensors, {name: getattr(state, name) for name in kept})


def _state(method: Learner) -> dict[str, Tensor]:
    """All that a method's next epoch depends on, the tensors themselves."""
    memory = {f"memory/{name}": value for name, value in method.memory().items()}
    return method.optimizer.state() | memory


def _resume(method: Learner, store: CheckpointStore, begun: RunState) -> RunState:
    found = store.load()
    if found is None:
        return begun
    restore(_state(method), found.tensors)
    best = {k.removeprefix("best/"): v for k, v in found.tensors.items() if k.startswith("best/")}
    return RunState(**found.state, best=best)

"""A model of a study, measured, and how tables and records show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recpress_edge.training.store import TrainedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One trained model, measured."""

    name: str
    seed: int
    seconds: float
    """Duration of its training."""
    part: str = ""
    """Its role in the study: 'teacher', a method, a kind of distillation."""
    teacher: str = ""
    """The model that it learned from; empty for none."""
    folder: str = ""
    """Name of its folder below models/."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    chosen_epoch: int = 0
    seconds_per_epoch: float = 0.0
    peak_memory_bytes: int | None = None
    valid: Mapping[str, float] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    recall_at_50: float = 0.0
    """Full-ranking test Recall@50, for studies whose ``test`` is measured otherwise or not kept."""
    choosing: Mapping[str, Any] | None = None
    """``seconds``, ``valid`` and ``test`` of the model on train alone, which chose the epoch of this one."""


def measured(model: TrainedModel, **more: Any) -> Outcome:
    """The outcome in a model's record; ``more`` adds fields or replaces them."""
    known = model.metadata
    copied = {key: known.get(key) for key in ("name", "seed", "seconds", "chosen_epoch", "peak_memory_bytes")}
    found = {"folder": model.folder.name, "settings": known["config"], **known["metrics"]}
    return Outcome(**(copied | found | more))


def by_name(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of every model, over its seeds."""
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.name, []).append(outcome)
    return found


def same(*names: str) -> dict[str, str]:
    """Record keys that equal the names of their fields."""
    return {name: name for name in names}


def record_of(outcome: Outcome, keys: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome's fields under the keys of a record."""
    return {
        key: getattr(outcome, name) if isinstance(name, str) else record_of(outcome, name)
        for key, name in keys.items()
    }


def figure(value: float | None, digits: int = 4) -> str:
    """A figure as tables show it; empty for None."""
    return "" if value is None else f"{value:.{digits}f}"


def spread(values: Sequence[float]) -> str:
    """Least and greatest over the seeds, as tables show them."""
    return f"{min(values):.4f}–{max(values):.4f}" if len(values) > 1 else "one seed"

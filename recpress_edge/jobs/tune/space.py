"""What a search chooses among: one row a setting of the student, and the models around it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recpress_edge.core.config import load_config
from recpress_edge.core.errors import ConfigError
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import parse_name
from recpress_edge.training.overrides import Tables, overrides
from recpress_edge.training.settings import TrainingConfig, settings

STUDENT: Final = "soft"
"""The method that is searched: the best per byte that this package has."""
TEACHERS: Final = ("ease", "als_dim64", "soft_dim200")


@dataclass(frozen=True, slots=True)
class Span:
    """A setting between two numbers."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """A setting that is one of a few values."""

    values: tuple[Any, ...]


SPACE: Final[Mapping[str, Span | OneOf]] = {
    "score": OneOf(("cosine", "inner")),
    "learning_rate": Span(0.002, 0.5, log=True),
    "teacher_weight": Span(0.1, 1.0),
    "top_items": OneOf((50, 100, 200)),
    "rank_scale": Span(10.0, 100.0, log=True),
    "head_scale": Span(2.0, 20.0, log=True),
    "head_share": Span(0.0, 0.8),
}


def usual_point() -> dict[str, Any]:
    """The usual value of each setting of the space; None where validation chooses it before the training."""
    usual = settings(STUDENT, "student")
    config = load_config(METHODS[STUDENT].config, usual.method, "method")
    return {name: getattr(config, name) for name in SPACE}


def fixed_settings(texts: Sequence[str]) -> Tables:
    """Settings of every student, by ``--set`` texts; ConfigError where they are none."""
    found = overrides(parse_name(f"{STUDENT}_dim2"), texts)
    if "choose_by" in found["training"]:
        raise ConfigError("--set training.choose_by and --choose-by say the same. Give --choose-by alone.")
    usual = settings(STUDENT, "student")
    load_config(METHODS[STUDENT].config, {**usual.method, **found["method"]}, "--set method")
    load_config(TrainingConfig, {**usual.training, **found["training"]}, "--set training")
    return found

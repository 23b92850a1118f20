"""Which settings of which methods are changed one at a time, and to what. What is left alone says why."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.methods import Role
from recpress_edge.distill.settings import SoftConfig
from recpress_edge.distill.soft import open_axes
from recpress_edge.distill.students import ModelName, create_method, parse_name, teacher_name
from recpress_edge.models.method import TrainingInput
from recpress_edge.training.plan import TrainOptions, settings_of

FACTORS: Final = (0.25, 0.5, 2.0, 4.0)
"""Of a number."""
LOOP: Final = (0.5, 2.0)
"""Of the number of epochs."""
ENDS: Final[Mapping[str, tuple[float, float]]] = {"teacher_weight": (0.1, 1.0), "shrink": (0.0, 1000.0)}
"""One step beyond the candidates, where that is no ratio of theirs."""
DEFAULT: Final = "default"
"""No change."""
TEACHER: Final = "teacher"
_TEACHERS: Final = ("soft_dim200", "als_dim64", "ease", "bpr_dim200")
_OF_LOOP: Final = {
    "evaluate_every": "how finely patience looks, and patience is changed itself",
    "valid_users": "a seeded sample of 10,000 users: a standard error of Recall@50 below .003",
    "choose_by": "says what is wanted, not how to reach it",
}
_OF_SPEED: Final = "chosen by the size of the data, for time and memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A method as it is asked for, and what its settings are given beside their defaults.

    What validation chooses needs no entry: it is given each of its candidates, and one step beyond the ends.
    """

    model: str
    role: Role = "student"
    scaled: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Numbers of the method and of the loop, and factors of their defaults."""
    others: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Values of the rest."""
    teachers: Sequence[str] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Settings that are left alone, and why."""

    @property
    def name(self) -> ModelName:
        """The model's name, parsed."""
        return parse_name(self.model, self.role)


def _times(*names: str) -> dict[str, Sequence[float]]:
    return dict.fromkeys(names, FACTORS)


TESTED: Final[Mapping[str, Tested]] = {
    "soft": Tested(
        model="soft_dim20",
        scaled={
            **_times("top_items", "rank_scale", "head_scale", "temperature", "batch_users"),
            "epochs": LOOP,
        },
        others={
            "start": ("noise",),
            "targets": ("scores",),
            "head_share": (0.0, 0.2, 0.6, 0.8),
            "patience": (0,),
            "keep": ("last",),
        },
        teachers=_TEACHERS,
        skipped={
            "teacher_temperature": "without effect while the targets are ranks",
            "init_std": "without effect where the SVD fills every dimension",
            "softmax": _OF_SPEED,
            "sampled_items": "without effect while the softmax is full",
            **_OF_LOOP,
        },
    ),
    "als": Tested(
        model="als_dim32",
        scaled=_times("iterations"),
        skipped={"weight_power": "without effect on interactions without weights", **_OF_LOOP},
    ),
    "ease": Tested(
        model="ease",
        role="teacher",
        others={"precision": ("float64",)},
        skipped={"invert": "both give the same scores", **_OF_LOOP},
    ),
    "puresvd": Tested(model="puresvd_dim32", skipped=_OF_LOOP),
    "itemknn": Tested(
        model="itemknn",
        role="teacher",
        scaled=_times("neighbours"),
        skipped=_OF_LOOP,
    ),
    "bpr": Tested(
        model="bpr_dim32",
        scaled={
            **_times("learning_rate", "weight_decay", "batch_size", "init_std", "candidates"),
            "epochs": LOOP,
        },
        others={"patience": (0,), "keep": ("last",)},
        skipped={"optimizer": _OF_SPEED, "batch_growth": _OF_SPEED, **_OF_LOOP},
    ),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One setting with another value; of the default itself no setting."""

    setting: str = DEFAULT
    value: Any = None

    def __str__(self) -> str:
        return self.setting if self.value is None else f"{self.setting}={self.value}"

    def options(self, tested: Tested, data: Dataset) -> TrainOptions:
        """How the model with this change is asked for: teachers by name."""
        asked = self.value if self.setting == TEACHER else None
        teacher = asked if tested.role == "teacher" else usual_teacher(tested, data, asked)
        in_method = {one.name for one in dataclasses.fields(tested.name.entry.config)}
        given = {} if self.setting in (DEFAULT, TEACHER) else {self.setting: self.value}
        here = self.setting in in_method
        return TrainOptions(teacher=teacher, method=given if here else {}, training={} if here else given)


def usual_teacher(tested: Tested, data: Dataset, asked: str | None = None) -> str | None:
    """The teacher of a student of this data: the one asked for, or the usual one."""
    return teacher_name(tested.name, asked, min(data.n_users, data.n_items))


def changes(tested: Tested, data: Dataset) -> Iterator[Change]:
    """The default, then every change of one setting."""
    config, training = settings_of(tested.name, tested.role, TrainOptions())
    defaults = dataclasses.asdict(training) | dataclasses.asdict(config)
    values: dict[str, Sequence[Any]] = {name: with_ends(name, grid) for name, grid in grids(tested, data)}
    values |= {name: scaled(defaults[name], factors) for name, factors in tested.scaled.items()}
    values |= tested.others
    if tested.teachers:
        usual = usual_teacher(tested, data)
        values[TEACHER] = [teacher for teacher in tested.teachers if teacher != usual]
    yield Change()
    for name, given in values.items():
        yield from (Change(name, value) for value in given if value != defaults.get(name))


def grids(tested: Tested, data: Dataset) -> list[tuple[str, Sequence[Any]]]:
    """The settings that validation chooses, with their candidates."""
    config, _ = settings_of(tested.name, tested.role, TrainOptions())
    if isinstance(config, SoftConfig):
        return list(open_axes(config, taught=True).items())
    if not tested.name.entry.closed_form:
        return []
    given = TrainingInput(data.train, tested.name.dim, 0, 1)
    return list(create_method(tested.name.method, given, config).candidates().items())


def with_ends(name: str, grid: Sequence[Any]) -> Sequence[Any]:
    """Candidates with one step more at each end, by the ratio of the two that are there."""
    if isinstance(grid[0], str):
        return grid
    low, high = ENDS.get(name, (grid[0] ** 2 / grid[1], grid[-1] ** 2 / grid[-2]))
    return [float(f"{low:.2g}"), *grid, float(f"{high:.2g}")]


def scaled(default: float, factors: Sequence[float]) -> list[float]:
    """Multiples of a number, whole where it is: each once, from 1 on."""
    if isinstance(default, int):
        whole = (round(default * factor) for factor in factors)
        return [value for value in dict.fromkeys(whole) if value >= 1 and value != default]
    return [float(f"{default * factor:.4g}") for factor in factors]

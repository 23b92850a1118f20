"""Click models on MovieLens 100K, rows split at random and by time: ratings of 4 and 5 are clicks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Final

from recpress_edge.studies.clicks import ClickStudyRequest, StudiedModel, columns, in_order, near
from recpress_edge.studies.outcome import Outcome, figure, same
from recpress_edge.studies.study import Column, Study

DATA_SETS: Final[Mapping[str, str]] = {"ml-100k-ctr": "", "ml-100k-ctr-time": " by time"}
SHARED: Final[Mapping[str, Any]] = {
    "learning_rate": 1e-3,
    "batch_size": 1024,
    "linear_l2": 1e-5,
    "min_count": 1,
    "replaced": 0.0,
}
DEEP: Final[Mapping[str, Any]] = {**SHARED, "l2": 1e-3, "layers": (128, 64), "dropout": 0.3}
TRAINING: Final[Mapping[str, Any]] = {"choose_by": "auc", "patience": 3}
MODELS: Final[Mapping[str, StudiedModel]] = {
    "lr": StudiedModel("LR", {**SHARED, "learning_rate": 2e-3}, TRAINING),
    "fm_dim10": StudiedModel("FM", {**SHARED, "l2": 1e-4}, TRAINING),
    "wide_deep_dim10": StudiedModel("Wide & Deep", DEEP, TRAINING),
    "deepfm_dim10": StudiedModel("DeepFM", DEEP, TRAINING),
}
# Mean AUC over two seeds and log loss of the prototype, which had other fields and another draw of the rows.
PROTOTYPE: Final[Mapping[str, tuple[float, float]]] = {
    "lr": (0.7759, 0.560),
    "fm_dim10": (0.7831, 0.553),
    "wide_deep_dim10": (0.7900, 0.548),
    "deepfm_dim10": (0.7898, 0.549),
    "lr by time": (0.6785, 0.638),
    "fm_dim10 by time": (0.6890, 0.633),
    "wide_deep_dim10 by time": (0.6975, 0.630),
    "deepfm_dim10 by time": (0.7010, 0.630),
}
TOLERANCE: Final = 0.004
DIFFERENCES: Final = (
    "No figures are published for this protocol: those beside are of a prototype of ours, written for the "
    "design, with twelve fields, two seeds and another random draw of the rows.",
    "A random split lets train hold what the same user did later: it is no measure of what a model will do "
    "tomorrow. State which of the two a figure is of.",
)


def _name(model: str, data: str) -> str:
    return f"{model}{DATA_SETS[data]}"


def _prototype(place: int, row: Sequence[Outcome]) -> str:
    return figure(PROTOTYPE[row[0].name][place], 4 - place)


STUDY: Final = Study(
    name="ml100k-ctr",
    protocol="MovieLens 100K, ratings of 4 and 5 as clicks, ten fields of user, film and time; 80/10/10 of "
    "the rows, at random and by one cut in time; AUC and log loss on test",
    columns=columns(
        {_name(model, data): MODELS[model].label for data, model in product(DATA_SETS, MODELS)},
        (
            Column("prototype AUC", lambda row: _prototype(0, row)),
            Column("prototype log loss", lambda row: _prototype(1, row)),
        ),
    ),
    claims=(
        *(
            near(f"{name} is within {TOLERANCE} AUC of the prototype", name, auc, TOLERANCE)
            for name, (auc, _) in PROTOTYPE.items()
        ),
        in_order("FM is above LR on random rows", ("lr",), ("fm_dim10",), 0.0),
        in_order(
            "both deep models are above FM on random rows",
            ("fm_dim10",),
            ("wide_deep_dim10", "deepfm_dim10"),
            0.0,
        ),
    ),
    recorded={
        **same("name", "seed", "settings", "chosen_epoch", "seconds", "peak_memory_bytes", "valid", "test"),
        "data": "part",
    },
    over_seeds=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ml100kCtrRequest(ClickStudyRequest):
    """``recpress-edge reproduce ml100k-ctr``."""

    study: ClassVar[Study] = STUDY
    models: ClassVar[Mapping[str, StudiedModel]] = MODELS
    data_sets: ClassVar[Mapping[str, str]] = DATA_SETS

    def details(self) -> Mapping[str, Any]:
        """Differences and the prototype's figures."""
        return {"differences": DIFFERENCES, "prototype": PROTOTYPE}

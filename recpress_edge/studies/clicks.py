"""What the studies of click models share: their metrics and the columns of their tables."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from recpress_edge.studies.models import mean_text
from recpress_edge.studies.outcome import spread
from recpress_edge.studies.study import Column

METRICS: Final = ("auc", "logloss", "gauc", "calibration_error")
_SETTINGS: Final = ("name", "seed", "teacher", "settings", "chosen_epoch")
RECORDED: Final = (*_SETTINGS, "seconds", "peak_memory_bytes", "valid", "test")
"""Of each model, what the record holds."""
TITLES: Final = ("AUC", "log loss", "GAUC", "calibration")


def columns(label: Mapping[str, str], published: Sequence[Column]) -> tuple[Column, ...]:
    """The table: test metrics, their spread over seeds, what is published, and the epoch that is kept.

    ``label``: of each model, by name.
    """
    return (
        Column("model", lambda row: f"{label[row[0].name]} (`{row[0].name}`)"),
        *(Column(title, partial(mean_text, metric)) for metric, title in zip(METRICS, TITLES, strict=True)),
        Column("AUC over seeds", lambda row: spread([outcome.test["auc"] for outcome in row])),
        *published,
        Column("epoch", lambda row: "/".join(str(outcome.chosen_epoch) for outcome in row)),
    )

"""How a click model is judged: on every row of a part, none sampled."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.metrics import (
    DEFINITION,
    CalibrationBin,
    calibration,
    click_metrics,
    probability,
)
from recpress_edge.core.arrays import F32, I32, U8
from recpress_edge.data.features.fit import encode_rows, labelled_rows
from recpress_edge.data.interactions import Dataset

Logits = Callable[[I32], F32]
"""Logits (n,) of encoded rows (n, W)."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedRows:
    """The rows of a part, encoded."""

    users: I32
    rows: I32
    """(n, W)"""
    labels: U8

    def metrics(self, logits: Logits) -> dict[str, float | None]:
        """Every metric of CLICK_METRICS."""
        return click_metrics(self.users, self.labels, logits(self.rows))

    def calibration(self, logits: Logits) -> tuple[CalibrationBin, ...]:
        """Predicted and observed rates by bins of equal mass."""
        return calibration(self.labels, probability(logits(self.rows)))


def judged_rows(fields: tuple[FeatureField, ...], data: Dataset, part: str) -> JudgedRows:
    """The rows of a part of a data set with labels."""
    known = labelled_rows(data)
    at = known.part(part)
    return JudgedRows(known.users[at], encode_rows(fields, data, part), known.labels[at])


def click_facts(found: Mapping[str, JudgedRows], logits: Logits) -> dict[str, Any]:
    """What a model's record says of its metrics, by part."""
    return {
        "metrics": {part: rows.metrics(logits) for part, rows in found.items()},
        "definitions": dict.fromkeys(found, DEFINITION),
        "calibration": {
            part: [asdict(one) for one in rows.calibration(logits)] for part, rows in found.items()
        },
    }

"""How a click model is judged: on every row of a part, none sampled."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from recpress_edge.artifacts.clicks.metrics import DEFINITION, calibration, click_metrics, probability
from recpress_edge.core.arrays import F32, I32, U8
from recpress_edge.data.features.fit import labelled_rows
from recpress_edge.data.interactions import Dataset


@dataclass(frozen=True, slots=True, eq=False)
class JudgedRows:
    """Whose the rows of a part are, and what came of them."""

    users: I32
    labels: U8

    def metrics(self, logits: F32) -> dict[str, float | None]:
        """Every metric of CLICK_METRICS, of logits (n,)."""
        return click_metrics(self.users, self.labels, logits)

    def calibration(self, logits: F32) -> list[dict[str, Any]]:
        """Predicted and observed rates by bins of equal mass, of logits (n,)."""
        return [asdict(one) for one in calibration(self.labels, probability(logits))]


def judged_rows(data: Dataset) -> dict[str, JudgedRows]:
    """Those of validation and test, where there are any, by part."""
    known = labelled_rows(data)
    return {
        part: JudgedRows(known.users[known.part(part)], known.labels[known.part(part)])
        for part, size in zip(("valid", "test"), known.sizes[1:], strict=True)
        if size
    }


def click_facts(parts: Mapping[str, JudgedRows], logits: Mapping[str, F32]) -> dict[str, Any]:
    """What a model's record says of its metrics, by part."""
    return {
        "metrics": {part: rows.metrics(logits[part]) for part, rows in parts.items()},
        "definitions": dict.fromkeys(parts, DEFINITION),
        "calibration": {part: rows.calibration(logits[part]) for part, rows in parts.items()},
    }

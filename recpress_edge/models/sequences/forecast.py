"""How long an epoch over sequences takes, told before the first one from constants that were measured.

A place costs a transformer its layers; each item that a place is compared with costs a product, forward and
back; and attention goes over the pairs of places in a window. What one of each costs is a straight line in
the dim, through the two dims that `benchmarks/sequence_costs.py` measures: CPU time on one thread
(`benchmarks/results/sequence-costs.json`). Validation comes on top.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from recpress_edge.core.arrays import I64
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.sequences.settings import (
    LARGE_CATALOGUE,
    STUDENT_COMPARED,
    USUAL_SAMPLED,
    AdaRecConfig,
    BERT4RecConfig,
    LRHConfig,
    SASRecConfig,
)

DIMS: Final = (16, 64)
"""At which costs are measured."""
Line = tuple[float, float]
"""Nanoseconds at the two dims."""
COSTS: Final[Mapping[str, tuple[Line, Line, Line]]] = {
    "sasrec": ((9700.0, 25000.0), (4.4, 9.8), (61.0, 23.0)),
    "bert4rec": ((4000.0, 21000.0), (8.1, 14.0), (69.0, 70.0)),
    "lrh": ((3200.0, 8500.0), (14.0, 19.0), (90.0, 120.0)),
    "adarec": ((30000.0, 24000.0), (15.0, 27.0), (0.0, 120.0)),
}
"""Of a place, of a place and an item that it is compared with, and of two places of a window. ``lrh``
and ``adarec`` are taught by a SASRec; ``adarec`` has conv3 on every edge."""

ASKED: Final = 0.5
"""What a teacher that is only asked costs, of what it costs to train: forward, and its softmax beside the
student's."""


@dataclass(frozen=True, slots=True)
class Work:
    """What an epoch goes over."""

    places: float
    compared: float
    """Items that the places are compared with, of all places together."""
    pairs: float
    """Of places in the same window."""


def sequence_epoch_seconds(
    method: str, config: Any, train: Interactions, dim: int, teacher_dim: int = 0
) -> float | None:
    """CPU seconds of an epoch; None for a method that reads no sequences. ``teacher_dim``: 0 without one."""
    if method not in COSTS:
        return None
    counts, n_items = train.counts(), train.n_items
    if method == "sasrec" and teacher_dim:
        work = _taught_sasrec(config, counts, n_items)
        return _seconds(method, work, dim) + ASKED * _seconds(method, work, teacher_dim)
    return _seconds(method, work_of(method, config, counts, n_items), dim)


def _seconds(method: str, work: Work, dim: int) -> float:
    along = (dim - DIMS[0]) / (DIMS[1] - DIMS[0])
    place, item, pair = (max(low + (high - low) * along, low / 2) for low, high in COSTS[method])
    return 1e-9 * (work.places * place + work.compared * item + work.pairs * pair)


def work_of(method: str, config: Any, counts: I64, n_items: int) -> Work:
    """What an epoch goes over, of users with so many train items (U,)."""
    return _WORK[method](config, counts, n_items)


def _sasrec(config: SASRecConfig, counts: I64, n_items: int) -> Work:
    read = np.minimum(counts, config.history_length)
    sampled = {"ce": n_items, "bce": 1}.get(config.loss, config.sampled_items or USUAL_SAMPLED)
    return Work(float(read.sum()), float(read.sum()) * sampled, float((read**2).sum()))


def _bert4rec(config: BERT4RecConfig, counts: I64, n_items: int) -> Work:
    places = float(counts.sum())
    return Work(places, places * config.mask_share * n_items, _pairs(counts, config.history_length))


def _taught_sasrec(config: SASRecConfig, counts: I64, n_items: int) -> Work:
    """Of a student, which goes over whole sequences in windows; alone it reads the end of each."""
    places, some = float(counts.sum()), n_items if n_items <= LARGE_CATALOGUE else STUDENT_COMPARED
    return Work(places, places * some, _pairs(counts, config.history_length))


def _taught(config: LRHConfig | AdaRecConfig, counts: I64, n_items: int) -> Work:
    places = float(counts.sum())
    some = n_items if n_items <= LARGE_CATALOGUE else config.sampled_items + config.batch_places
    return Work(places, places * some, _pairs(counts, config.window))


def _pairs(counts: I64, window: int) -> float:
    """Of places in the same window, where sequences of these lengths (U,) are cut into windows."""
    whole, rest = np.divmod(counts, window)
    return float((whole * window**2 + rest**2).sum())


_WORK: Final[Mapping[str, Callable[[Any, I64, int], Work]]] = {
    "sasrec": _sasrec,
    "bert4rec": _bert4rec,
    "lrh": _taught,
    "adarec": _taught,
}

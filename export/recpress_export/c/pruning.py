"""Which order of the items makes an engine read least: counted on validation users, as the engine would read.

The work of a query is counted in bytes of items and bounds that are multiplied, and of maxima that are looked
through. Boxes cost more than their bytes: :data:`A_HALF` and :data:`A_GROUP` say how much, from counted
instructions (A53 and A76 in emulation, AVX2). An order other than the catalogue's must save a tenth.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import F32, I8, I64
from recpress_edge.device.c import model_bin
from recpress_edge.device.c.model_bin import BLOCK, HALF, ORDERS
from recpress_export.c.layout import boxes, squared_lengths
from recpress_export.c.order import item_places

A_HALF: Final = 512
"""Bytes that half a block costs more than its own, where a box has led to it."""
A_GROUP: Final = 256
"""Bytes that 32 boxes cost more than their own."""
LEAST_GAIN: Final = 0.1
MOST_USERS: Final = 256
_MOST_SCORES: Final = 2**27
"""Of all users together; fewer users are counted where the catalogue is large."""
_SCORES_AT_ONCE: Final = 2**23
_SEEDS: Final = 96
"""The most half blocks that the engine scores first, and the most groups of which it ranks every half."""
_SEGMENTS: Final = 16
"""Parts of the catalogue after each of which the threshold is looked at again."""
_MAXIMUM_BYTES: Final = 4
_NONE: Final = np.float32(-np.inf)


@dataclass(frozen=True, slots=True, eq=False)
class Askers:
    """Rows that ask, with what each has seen."""

    rows: I8
    """(B, D)"""
    seen: Sequence[NDArray[np.integer]]


def count_of(n_users: int, n_items: int) -> int:
    """How many of so many users are counted."""
    return min(n_users, MOST_USERS, max(16, _MOST_SCORES // n_items))


def work_of_orders(items: I8, askers: Askers, k: int) -> dict[str, float]:
    """Mean work of a query by order, in bytes. items (I, D)."""
    n_blocks, block = -(-len(items) // BLOCK), BLOCK * (items.shape[1] + items.shape[1] % 2)
    found = {ORDERS[model_bin.CATALOGUE]: float(n_blocks * block)}
    places = item_places(items, model_bin.LENGTH)
    blocks, looked = np.mean(_by_length(items[places], _placed(askers, places), k), axis=0)
    found[ORDERS[model_bin.LENGTH]] = float(blocks * block + looked * _MAXIMUM_BYTES)
    places = item_places(items, model_bin.NEIGHBOURS)
    groups = -(-2 * n_blocks // BLOCK)
    bounds = groups * (BLOCK * 2 * items.shape[1] + A_GROUP)
    halves = float(np.mean(_by_boxes(items[places], _placed(askers, places), k)))
    found[ORDERS[model_bin.NEIGHBOURS]] = bounds + halves * (block / 2 + A_HALF)
    return found


def cheapest(work: Mapping[str, float]) -> str:
    """The order to take: the catalogue's, unless another saves :data:`LEAST_GAIN` of its work."""
    plain = ORDERS[model_bin.CATALOGUE]
    best = min(work, key=lambda name: work[name])
    return best if work[best] <= (1 - LEAST_GAIN) * work[plain] else plain


def _placed(askers: Askers, places: I64) -> Askers:
    """With seen places for seen items."""
    place_of = np.empty_like(places)
    place_of[places] = np.arange(len(places))
    return Askers(askers.rows, [place_of[seen] for seen in askers.seen])


def _scores(items: I8, askers: Askers) -> Iterator[tuple[int, F32]]:
    """Each asker's index and scores, behind which -inf fills the last block: (32 blocks,)

    Exact up to dim 1,024.
    """
    wide = items.astype(np.float32).T
    filled = np.full((max(1, _SCORES_AT_ONCE // len(items)), len(items) + -len(items) % BLOCK), _NONE)
    for start in range(0, len(askers.rows), len(filled)):
        rows = askers.rows[start : start + len(filled)].astype(np.float32)
        filled[: len(rows), : len(items)] = rows @ wide
        yield from ((start + n, filled[n]) for n in range(len(rows)))


def _by_length(items: I8, askers: Askers, k: int) -> list[tuple[int, int]]:
    """Blocks that each query scores, and the maxima it looks through; items (I, D), the longest first."""
    length = np.ceil(np.sqrt(squared_lengths(items)[::BLOCK].astype(np.float64)))
    own = np.ceil(np.sqrt(squared_lengths(askers.rows).astype(np.float64)))
    found = []
    for n, scores in _scores(items, askers):
        maxima, bounds = scores.reshape(-1, BLOCK).max(axis=1), own[n] * length
        done, looked = _until_bounded(maxima, bounds, k)
        scores[askers.seen[n]] = _NONE
        if np.count_nonzero(scores[: BLOCK * done] >= _threshold(maxima, bounds, k, done)) < k:
            # what is seen is found out at the end: then as many blocks more are asked for
            done, more = _until_bounded(maxima, bounds, k + len(askers.seen[n]), done)
            looked += more
        found.append((done, looked))
    return found


def _until_bounded(maxima: F32, bounds: NDArray[np.float64], wanted: int, done: int = 0) -> tuple[int, int]:
    """Blocks until ``wanted`` of the maxima (n,) are above what bounds all others, n where they never are.

    And how many maxima were looked through: as the engine does it, at rare points.
    """
    n, looked, after = len(maxima), 0, _up8(wanted)
    while (done := max(done, min(after, n))) < n:
        looked += done
        if np.count_nonzero(maxima[:done] > bounds[done]) >= min(wanted, n):
            return done, looked
        after = _up8(done + 8 + done // 16)
    return n, looked


def _threshold(maxima: F32, bounds: NDArray[np.float64], wanted: int, done: int) -> float:
    """What the items of the first ``done`` blocks must reach."""
    reached = float(_kth(maxima[:done], wanted))
    return max(reached, float(bounds[done]) + 1) if done < len(bounds) else reached


def _up8(n: int) -> int:
    return -(-n // 8) * 8


def _by_boxes(items: I8, askers: Askers, k: int) -> list[int]:
    """Half blocks that each query scores; items (I, D), near ones together."""
    box, dim = boxes(items).astype(np.float32), items.shape[1]
    found = []
    for n, scores in _scores(items, askers):
        row = askers.rows[n].astype(np.float32)
        bounds = box[:, :dim] @ np.maximum(row, 0) + box[:, dim:] @ np.minimum(row, 0)
        scores[askers.seen[n]] = _NONE
        found.append(_touched(scores.reshape(-1, HALF), bounds, k))
    return found


def _touched(scores: F32, bounds: F32, k: int) -> int:
    """Half blocks that are scored: the seeds, then those whose bound reaches the threshold of their time.

    scores (halves, 16), bounds (halves,)
    """
    seeds = _seeds(bounds, k)
    threshold = _kth(scores[seeds].reshape(-1), k)
    best = np.empty(0, np.float32)
    touched = len(seeds)
    size = -(-len(bounds) // _SEGMENTS)
    for start in range(0, len(bounds), size):
        hit = bounds[start : start + size] >= threshold
        touched += int(np.count_nonzero(hit))
        best = np.concatenate([best, scores[start : start + size][hit].reshape(-1)])
        best = best[best >= threshold]
        threshold = max(threshold, _kth(best, k))
    return touched


def _seeds(bounds: F32, k: int) -> I64:
    """The most promising halves: at least those that are above all but the most promising groups."""
    groups = np.pad(bounds, (0, -len(bounds) % BLOCK), constant_values=_NONE).reshape(-1, BLOCK)
    wanted = min(k, _SEEDS // 2)
    few = len(groups) <= _SEEDS
    promising = _kth(bounds, 2 * wanted) if few else _kth(groups.max(axis=1), wanted)
    found: I64 = np.flatnonzero(bounds >= promising)[:_SEEDS]
    return found


def _kth(values: F32, k: int) -> np.float32:
    """The k-th largest; -inf where there are fewer."""
    if len(values) < k:
        return _NONE
    kth: np.float32 = np.partition(values, -k)[-k]
    return kth


def in_words(work: Mapping[str, float], chosen: str, n_users: int, k: int) -> str:
    """What was chosen and why."""
    plain = ORDERS[model_bin.CATALOGUE]
    others = " and ".join(f"{work[name] / work[plain]:.0%} by {name}" for name in ORDERS if name != plain)
    counted = f"{n_users:,} validation user{'' if n_users == 1 else 's'}"
    return f"{chosen}: a query for {k} reads {others} of what it reads by {plain}, counted on {counted}"


def facts_of(work: Mapping[str, float], chosen: str, n_users: int, k: int) -> dict[str, Any]:
    """As plain JSON."""
    rounded = {name: round(value) for name, value in work.items()}
    return {"order": chosen, "users": n_users, "k": k, "work_bytes": rounded}

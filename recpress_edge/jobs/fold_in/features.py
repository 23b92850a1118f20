"""New items of which features alone are known: a map learned from the known ones, and what it recovers."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from recpress_edge.core.arrays import F32, F64, I64
from recpress_edge.core.errors import DataError, GateError
from recpress_edge.core.rng import stream
from recpress_edge.data.features.design import Design, design_of
from recpress_edge.jobs.fold_in.side import BundleSide
from recpress_edge.jobs.fold_in.table import ItemTable
from recpress_edge.models.closed.feature_rows import FeatureMap, FeatureRows, learned_map, stretched
from recpress_edge.models.new_rows import REACH, recall_of_rows

LEAST_KNOWN: Final = 20
"""Known items with features, below which no map is learned."""
JUDGED: Final = 1_000
"""Known items, drawn once, whose held-out pairs judge the map."""
ALIKE_ITEMS: Final = 5
LEAST_PAIRS: Final = 100
"""Held-out pairs below which their Recall is told, but refuses nothing."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """How well known items are found again by features, each left out of what is learned."""

    known: int
    values: tuple[str, ...]
    """What became of each column."""
    ridge: float
    explained: float
    """Share of the variance of their vectors: 0 is as good as the mean vector."""
    pairs: int
    """Held-out pairs of a user and an item that are asked for."""
    recall: dict[str, float]
    """Recall@K of these by the item's own direction, by features, alike items and the mean; all in reach."""

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "known_items": self.known,
            "values": list(self.values),
            "ridge": self.ridge,
            "explained_variance": round(self.explained, 6),
            "held_out_pairs": self.pairs,
            f"recall@{REACH}": {name: round(share, 6) for name, share in self.recall.items()},
        }


@dataclass(frozen=True, slots=True, eq=False)
class ByFeatures:
    """New items with their directions."""

    names: tuple[str, ...]
    directions: F64
    """(N, D)"""
    bare: tuple[str, ...]
    """New items that share no value with any known one."""
    recovery: Recovery


def by_features(table: ItemTable, taken: frozenset[str], side: BundleSide) -> ByFeatures:
    """Directions of the table's new items, those that are ``taken`` left out.

    DataError where too few known items are there to learn from, or none is new. GateError where features
    say no more of a known item that is left out than the mean vector does.
    """
    known = table.known
    if known.size < LEAST_KNOWN:
        raise DataError(
            f"--features has rows of {known.size} items that the bundle knows, and the map is learned from "
            f"these: {LEAST_KNOWN} at least. Give a second --features with the catalogue that is there; "
            "ids must be as the bundle has them."
        )
    design = design_of(table.columns, known.size)
    if not design.width:
        raise DataError(f"no two known items share a value of --features: {'; '.join(design.words)}")
    features = _rows_of(design, 0, known.size)
    learned = learned_map(features, side.item_rows[known])
    recovery = _recovery(learned, features, known, design, side)
    _check(recovery, learned)
    others = _rows_of(design, known.size, known.size + len(table.new))
    has = np.diff(others.indptr) > 0
    wanted = np.array([name not in taken for name in table.new], np.bool_)
    kept = np.flatnonzero(has & wanted)
    directions = stretched(learned, learned.rows(others))[kept]
    return ByFeatures(
        tuple(table.new[at] for at in kept),
        directions,
        tuple(table.new[at] for at in np.flatnonzero(~has & wanted)),
        recovery,
    )


def _rows_of(design: Design, start: int, end: int) -> FeatureRows:
    ends = np.searchsorted(design.rows, np.arange(start, end + 1)).astype(np.int64)
    part = slice(int(ends[0]), int(ends[-1]))
    return FeatureRows(ends - ends[0], design.columns[part], design.values[part], design.width)


def _recovery(
    learned: FeatureMap, features: FeatureRows, known: I64, design: Design, side: BundleSide
) -> Recovery:
    """Known items left out, each as long as a new item is made."""
    users, items = side.relevant
    place = np.full(len(side.item_rows), -1)
    place[known] = np.arange(known.size)
    asked = np.setdiff1d(np.unique(items[place[items] >= 0]), np.asarray(side.retired, np.int64))
    drawn = np.sort(stream(0, "items left out").permutation(asked)[:JUDGED])
    has = np.isin(items, drawn)
    pairs = users[has], items[has]
    rows, at = side.item_rows.astype(np.float64), place[drawn]
    ways: dict[str, F64] = {
        "own_direction": rows[drawn],
        "features": stretched(learned, learned.left_out[at]),
        "alike": _alike(features, at, rows[known]),
        "mean": np.repeat(learned.row_mean[None], drawn.size, axis=0),
    }
    recall: dict[str, float] = {}
    if side.many and drawn.size:
        made = side.fitted(np.concatenate(list(ways.values())))
        for name, part in zip(ways, np.split(made, len(ways)), strict=True):
            recall[name] = _recall(side, pairs, drawn, part)
    return Recovery(known.size, design.words, learned.ridge, learned.explained, int(has.sum()), recall)


def _recall(side: BundleSide, pairs: tuple[I64, I64], drawn: I64, rows: F32) -> float:
    table = side.item_rows.copy()
    table[drawn] = rows
    return recall_of_rows(side.user_rows, side.item_rows, table, pairs, side.bags, side.retired)


def _alike(features: FeatureRows, at: I64, rows: F64) -> F64:
    """The mean (M, D) of the known items with the most alike features, the item itself left out."""
    if not at.size:
        return np.empty((0, rows.shape[1]))
    own = _of_one_length(np.concatenate([features.dense(item, item + 1) for item in at.tolist()]))
    nearest, places = np.full((at.size, ALIKE_ITEMS), -np.inf), np.zeros((at.size, ALIKE_ITEMS), np.int64)
    for part, block in features.blocks():
        likeness = own @ _of_one_length(block).T  # (M, B)
        here = np.arange(part.start, part.stop)
        likeness[at[:, None] == here] = -np.inf
        both = np.concatenate([nearest, likeness], axis=1)
        told = np.concatenate([places, np.broadcast_to(here, likeness.shape)], axis=1)
        best = np.argsort(-both, axis=1, kind="stable")[:, :ALIKE_ITEMS]
        nearest, places = np.take_along_axis(both, best, 1), np.take_along_axis(told, best, 1)
    return np.asarray(rows[places].mean(axis=1))


def _of_one_length(rows: F64) -> F64:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    found: F64 = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return found


def _check(recovery: Recovery, learned: FeatureMap) -> None:
    """GateError where the map is worth no more than the mean vector."""
    told = recovery.recall
    worse = recovery.pairs >= LEAST_PAIRS and told and told["features"] <= told["mean"]
    if learned.is_better and not worse:
        return
    why = (
        f"they explain {max(100 * recovery.explained, 0):.1f} % of the variance of known vectors that are "
        "left out, no more than chance does"
        if not learned.is_better
        else f"by them Recall@{REACH} of {recovery.pairs:,} held-out pairs is {told['features']:.3f}, "
        f"by the mean vector {told['mean']:.3f}"
    )
    raise GateError(
        f"these features say no more of an item than the mean vector does: {why} "
        f"({'; '.join(recovery.values)}). Name other columns with --item-features, or similar items with "
        "--like NEW=ID,ID."
    )

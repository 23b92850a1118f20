"""The place of each variant among others: on which fronts, and what beats it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recpress_edge.core.metrics import metric_title
from recpress_edge.core.stats import Interval, pareto_front
from recpress_edge.records.budget import Budget, misses
from recpress_edge.report.points import FILE_AXIS, FILE_RESOLUTION_BYTES, Axis, Point, Standing, standing


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPoint:
    """A point with its place: on which fronts, and what beats it."""

    point: Point
    status: str
    front: bool
    """On the front over all three costs together."""
    panels: Mapping[str, tuple[bool, ...]]
    """By measure: on the front of each of the axes alone."""
    missed: tuple[str, ...]
    """Limits of the budget that it breaks."""


def place(
    points: Sequence[Point], budget: Budget, axes: Sequence[Axis], shown: Sequence[str]
) -> tuple[PlacedPoint, ...]:
    """Mark the fronts, and name what beats the others. points: of one basis, the best first.

    ``shown``: see :func:`measures`. The metrics of every table count for the status.
    """
    if not points:
        return ()
    worth = np.array([[-p.value(name).mean for name in shown] for p in points])
    costs = np.array([[p.span(axis.key).mean for axis in axes] for p in points])
    costs[:, 0] = np.round(costs[:, 0] / FILE_RESOLUTION_BYTES)  # the file axis is the first
    means = np.hstack([worth[:, [name in points[0].shown for name in shown]], costs])
    overall = pareto_front(means)
    panels = {
        name: np.stack([pareto_front(np.stack([worth[:, n], cost], axis=1)) for cost in costs.T], axis=1)
        for n, name in enumerate(shown)
    }
    placed = []
    for index, point in enumerate(points):
        rival = _rival(point, points, axes)
        ties = [
            points[i].label
            for i in np.flatnonzero((means == means[index]).all(axis=1)).tolist()
            if i != index
        ]
        if rival is not None:
            status = _behind(rival, point, axes)
        elif overall[index]:
            status = "on the front" + (f", tie with {', '.join(ties)}" if ties else "")
        else:  # beaten on means, and nothing differs beyond the intervals
            better = (means <= means[index]).all(axis=1) & (means < means[index]).any(axis=1)
            status = f"near tie with {points[int(np.flatnonzero(better)[0])].label}"
        missed = tuple(str(check) for check in misses(point.cost, budget))
        if missed:
            status += f"; budget missed: {'; '.join(missed)}"
        placed.append(
            PlacedPoint(
                point=point,
                status=status,
                front=bool(overall[index]) and rival is None,
                panels={name: tuple(map(bool, flags[index])) for name, flags in panels.items()},
                missed=missed,
            )
        )
    return tuple(placed)


def compare(left: Point, right: Point, axes: Sequence[Axis]) -> Standing:
    """Where ``left`` is better than ``right``, where worse, and where their intervals leave it open."""
    pairs = accuracy(left, right)
    pairs |= {axis.short: (left.span(axis.key), right.span(axis.key)) for axis in axes}
    if abs(left.file_bytes.mean - right.file_bytes.mean) <= FILE_RESOLUTION_BYTES:
        del pairs[FILE_AXIS]
    return standing(pairs)


def accuracy(left: Point, right: Point) -> dict[str, tuple[Interval, Interval]]:
    """Each metric of every table for :func:`standing`, where lower is better."""
    return {
        metric_title(name): (_negated(left.value(name)), _negated(right.value(name))) for name in left.shown
    }


def _negated(span: Interval) -> Interval:
    """Costs are better low, Recall and NDCG are better high."""
    return Interval(-span.mean, -span.high, -span.low)


def _rival(point: Point, points: Sequence[Point], axes: Sequence[Axis]) -> Point | None:
    """The strongest point that is better in something and worse in nothing, beyond the intervals.

    One that leaves nothing open comes first, then the better. points: the best first.
    """
    ahead = [
        (found, rival)
        for rival in points
        if (found := compare(rival, point, axes)).better and not found.worse
    ]
    return min(ahead, key=lambda pair: bool(pair[0].level))[1] if ahead else None


def _behind(rival: Point, point: Point, axes: Sequence[Axis]) -> str:
    found = compare(rival, point, axes)
    if not found.level:
        return f"dominated by {rival.label}"
    return (
        f"behind {rival.label} in {', '.join(found.better)}; level within noise in {', '.join(found.level)}"
    )

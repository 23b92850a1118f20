"""Which variants are worth having: seeds pooled, sections kept apart, fronts with their near ties."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from recpress_edge.core.budget import Budget, Cost, misses
from recpress_edge.core.results import BASES
from recpress_edge.core.stats import pareto_front
from recpress_edge.report.axes import FILE_AXIS, Axis, axes_for
from recpress_edge.report.rows import Run

RULE: Final = (
    "A variant is on the front when no other is at least as good in everything and better in something. "
    "It is called dominated only when that holds even with both at the unfavourable ends of their intervals. "
    "Where intervals overlap, nobody is called worse: 'behind X' names what differs beyond the intervals "
    "and what is level within them, and 'near tie' means that nothing differs beyond them. "
    "Intervals: Recall@50 from the lowest to the highest seed (a single seed is taken as exact); "
    "p95 a 95 % interval from the order of the raw samples, at least 3 % either way; memory 256 KiB; "
    "file sizes are exact, and within 256 bytes the same. "
    "Measured, emulated and estimated variants are each compared among themselves."
)
# The names inside a file differ in length; files of one size but for that are the same size.
FILE_RESOLUTION_BYTES: Final = 256
MEMORY_RESOLUTION_BYTES: Final = 256 * 2**10
# Two runs of one file in processes minutes apart differ by this much, however many samples each has.
P95_RESOLUTION: Final = 0.03


@dataclass(frozen=True, slots=True)
class Span:
    """A mean with the interval it may lie in."""

    mean: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """True when the interval is more than a point."""
        return self.high > self.low


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A variant with all its seeds: what is plotted and compared."""

    label: str
    runs: tuple[Run, ...]
    """One per seed, newest each."""
    recall: Span
    file_bytes: Span
    p50_ns: float
    p95_ns: Span
    model_bytes: Span
    peak_bytes: float

    @property
    def first(self) -> Run:
        """The lowest seed: stands for what the runs share."""
        return self.runs[0]

    @property
    def cost(self) -> Cost:
        """What a budget is held against: the worst seed in bytes, means otherwise."""
        return Cost(file_bytes=self.file_bytes.high, p95_ns=self.p95_ns.mean, peak_bytes=self.peak_bytes)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """What it costs, in what units."""
        return axes_for(counted=self.first.counted)

    def span(self, key: str) -> Span:
        """The interval on one of :attr:`axes`."""
        found = getattr(self, key)
        assert isinstance(found, Span)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A point with its place: on which fronts, and what beats it."""

    point: Point
    status: str
    front: bool
    """On the front over all three costs together."""
    panels: tuple[bool, ...]
    """On the front of each of the axes alone."""
    missed: tuple[str, ...]
    """Limits of the budget that it breaks."""


@dataclass(frozen=True, slots=True)
class Left:
    """A run that is no row, and why."""

    run: Run
    status: str
    """invalid or superseded, with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Runs that may be compared: same device, data, evaluation users and protocol."""

    conditions: tuple[tuple[str, str], ...]
    placed: tuple[Placed, ...]
    left: tuple[Left, ...]

    @property
    def first(self) -> Run:
        return self.placed[0].point.first if self.placed else self.left[0].run

    @property
    def axes(self) -> tuple[Axis, ...]:
        """What its variants cost, in what units."""
        return axes_for(counted=self.first.counted)

    @property
    def superseded(self) -> int:
        """How many older runs were replaced by newer ones."""
        return sum(left.status.startswith("superseded") for left in self.left)


def sections(runs: Sequence[Run], budget: Budget) -> tuple[Section, ...]:
    """Sort runs into sections and place every variant in its own."""
    grouped: dict[tuple[tuple[str, str], ...], list[Run]] = defaultdict(list)
    for run in runs:
        grouped[run.conditions].append(run)
    found = [_section(conditions, members, budget) for conditions, members in sorted(grouped.items())]
    return tuple(sorted(found, key=lambda section: section.first.counted))  # what was measured comes first


def _section(conditions: tuple[tuple[str, str], ...], runs: Sequence[Run], budget: Budget) -> Section:
    kept, left = newest(runs)
    points = to_points(kept)
    placed = [row for basis in BASES for row in place([p for p in points if p.first.basis == basis], budget)]
    return Section(
        conditions=conditions, placed=tuple(sorted(placed, key=lambda row: _rank(row.point))), left=left
    )


def newest(runs: Sequence[Run]) -> tuple[list[Run], tuple[Left, ...]]:
    """The newest valid run per variant and seed; all others with the reason for leaving them out."""
    kept: dict[tuple[str, ...], Run] = {}
    left: list[Left] = []
    for run in sorted(runs, key=lambda r: (r.created, r.path), reverse=True):
        key = (*run.group, run.seed)
        if not run.valid:
            left.append(Left(run, f"invalid: {'; '.join(run.reasons) or 'no reason recorded'}"))
        elif key in kept:
            same = kept[key].bundle_sha256 == run.bundle_sha256
            left.append(
                Left(run, f"superseded by a newer run of {'this bundle' if same else 'a newer bundle'}")
            )
        else:
            kept[key] = run
    return list(kept.values()), tuple(sorted(left, key=lambda item: (item.run.name, item.run.created)))


def to_points(runs: Sequence[Run]) -> list[Point]:
    """Pool seeds; labels are made unique within the section."""
    groups: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.group].append(run)
    pooled = [tuple(sorted(members, key=lambda r: (len(r.seed), r.seed))) for members in groups.values()]
    labels = _labels(pooled)
    points = [_point(label, members) for label, members in zip(labels, pooled, strict=True)]
    return sorted(points, key=_rank)


def _rank(point: Point) -> tuple[float, float, str]:
    return -point.recall.mean, point.file_bytes.mean, point.label


def _labels(groups: Sequence[tuple[Run, ...]]) -> list[str]:
    """artifact name of a single seed, else student-recipe; what differs is added where names collide."""
    labels = [
        members[0].name if len(members) == 1 else f"{members[0].student}-{members[0].recipe.split('-')[0]}"
        for members in groups
    ]
    for extra in ("recipe", "format", "profile", "teacher", "basis", "bundle_sha256"):
        clash = {label for label in labels if labels.count(label) > 1}
        for index, members in enumerate(groups):
            same = [g for g, label in zip(groups, labels, strict=True) if label == labels[index]]
            if labels[index] in clash and len({getattr(g[0], extra) for g in same}) > 1:
                value = str(getattr(members[0], extra))[:16]
                labels[index] = f"{labels[index]} ({value})"
    return labels


def _point(label: str, runs: tuple[Run, ...]) -> Point:
    def over(values: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Span:
        return Span(float(np.mean(values)), min(low), max(high))

    recall = [r.recall for r in runs]
    file_bytes = [r.cost.file_bytes or 0.0 for r in runs]
    memory = [r.model_bytes for r in runs]
    return Point(
        label=label,
        runs=runs,
        recall=over(recall, recall, recall),
        file_bytes=over(file_bytes, file_bytes, file_bytes),
        p50_ns=float(np.mean([r.p50_ns for r in runs])),
        p95_ns=over(
            [r.p95_ns for r in runs],
            [min(r.p95_low_ns, r.p95_ns * (1 - P95_RESOLUTION)) for r in runs],
            [max(r.p95_high_ns, r.p95_ns * (1 + P95_RESOLUTION)) for r in runs],
        ),
        model_bytes=over(
            memory,
            [m - MEMORY_RESOLUTION_BYTES for m in memory],
            [m + MEMORY_RESOLUTION_BYTES for m in memory],
        ),
        peak_bytes=max(r.cost.peak_bytes or 0.0 for r in runs),
    )


def place(points: Sequence[Point], budget: Budget) -> tuple[Placed, ...]:
    """Mark the fronts, and name what beats the others. points: of one basis, best Recall@50 first."""
    if not points:
        return ()
    axes = points[0].axes
    means = np.array([[-p.recall.mean, *(p.span(axis.key).mean for axis in axes)] for p in points])
    means[:, 1] = np.round(means[:, 1] / FILE_RESOLUTION_BYTES)  # the file axis is the first
    overall = pareto_front(means)
    panels = np.stack([pareto_front(means[:, [0, 1 + column]]) for column in range(len(axes))], axis=1)
    placed = []
    for index, point in enumerate(points):
        rival = _rival(point, points)
        ties = [
            points[i].label
            for i in np.flatnonzero((means == means[index]).all(axis=1)).tolist()
            if i != index
        ]
        if rival is not None:
            status = _behind(rival, point)
        elif overall[index]:
            status = "on the front" + (f", tie with {', '.join(ties)}" if ties else "")
        else:  # beaten on means, and nothing differs beyond the intervals
            better = (means <= means[index]).all(axis=1) & (means < means[index]).any(axis=1)
            status = f"near tie with {points[int(np.flatnonzero(better)[0])].label}"
        missed = tuple(str(check) for check in misses(point.cost, budget))
        if missed:
            status += f"; budget missed: {'; '.join(missed)}"
        placed.append(
            Placed(
                point=point,
                status=status,
                front=bool(overall[index]) and rival is None,
                panels=tuple(bool(flag) for flag in panels[index]),
                missed=missed,
            )
        )
    return tuple(placed)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one point stands to another, axis by axis, beyond the intervals."""

    better: tuple[str, ...]
    level: tuple[str, ...]
    """Intervals overlap: who is better is open. Equal exact values are in none of the three."""
    worse: tuple[str, ...]


def compare(left: Point, right: Point) -> Comparison:
    """Where ``left`` is better than ``right``, where worse, and where their intervals leave it open."""
    pairs = [("Recall@50", _negated(left.recall), _negated(right.recall))]
    pairs += [(axis.short, left.span(axis.key), right.span(axis.key)) for axis in left.axes]
    better, level, worse = [], [], []
    for name, a, b in pairs:
        if name == FILE_AXIS and abs(a.mean - b.mean) <= FILE_RESOLUTION_BYTES:
            continue
        if a.high < b.low:
            better.append(name)
        elif b.high < a.low:
            worse.append(name)
        elif a.known or b.known:
            level.append(name)
    return Comparison(tuple(better), tuple(level), tuple(worse))


def _negated(span: Span) -> Span:
    """Costs are better low, Recall is better high."""
    return Span(-span.mean, -span.high, -span.low)


def _rival(point: Point, points: Sequence[Point]) -> Point | None:
    """The strongest point that is better in something and worse in nothing, beyond the intervals.

    One that leaves nothing open comes first, then the higher Recall@50. points: best Recall first.
    """
    ahead = [
        (found, rival) for rival in points if (found := compare(rival, point)).better and not found.worse
    ]
    return min(ahead, key=lambda pair: bool(pair[0].level))[1] if ahead else None


def _behind(rival: Point, point: Point) -> str:
    found = compare(rival, point)
    if not found.level:
        return f"dominated by {rival.label}"
    return (
        f"behind {rival.label} in {', '.join(found.better)}; level within noise in {', '.join(found.level)}"
    )

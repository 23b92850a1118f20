"""Variants with all their seeds, and the costs by which they are compared."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from recpress_edge.core.metrics import BALANCED, shown_metrics
from recpress_edge.core.stats import Interval
from recpress_edge.core.units import format_bytes, format_instructions, format_ns
from recpress_edge.records.budget import Cost
from recpress_edge.report.runs import BenchRun

FILE_AXIS: Final = "file size"
_MEMORY_AXIS: Final = "memory"
WORK_KEYS: Final = ("p95_ns", "p50_ns")
"""Of the axis that is time, or instructions where those were counted: the tail, or the median."""
# The names inside a file differ in length; files of one size but for that are the same size.
FILE_RESOLUTION_BYTES: Final = 256
SAME_BYTES: Final = 0.01
"""Files that differ by no more than this share cost the same: the better one is chosen."""
_MEMORY_RESOLUTION_BYTES: Final = 256 * 2**10


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing to keep low: its key, its title, the words for near ties, and how its values are written."""

    key: str
    title: str
    short: str
    form: Callable[[float], str]

    @property
    def binary(self) -> bool:
        """Whether round values are powers of two."""
        return self.form is format_bytes


_FILE: Final = Axis("file_bytes", "Model file", FILE_AXIS, format_bytes)
_MEMORY: Final = Axis("model_bytes", "Peak memory above the idle runtime", _MEMORY_AXIS, format_bytes)
# Idle runtimes differ: what is above one says little beside what is above another.
_PEAK: Final = Axis("peak_bytes", "Peak memory of the whole process", _MEMORY_AXIS, format_bytes)
TIMED: Final = Axis(WORK_KEYS[0], "p95 latency of a query", "p95 latency", format_ns)
COUNTED: Final = Axis(WORK_KEYS[0], "p95 instructions of a query", "p95 instructions", format_instructions)


def axes_for(*, counted: bool, runtimes: int, tail: bool = True) -> tuple[Axis, Axis, Axis]:
    """The axes of runs that were timed or whose instructions were counted, by one runtime or by several.

    ``tail``: whether every run has a p95 to rely on; without, all are compared by their median.
    """
    work = COUNTED if counted else TIMED
    if not tail:
        title, short = (text.replace("p95", "p50") for text in (work.title, work.short))
        work = Axis(WORK_KEYS[1], title, short, work.form)
    return _FILE, work, _PEAK if runtimes > 1 else _MEMORY


def work_form(*, counted: bool) -> Callable[[float], str]:
    """How a query's time, or its instructions, are written."""
    return (COUNTED if counted else TIMED).form


@dataclass(frozen=True, slots=True)
class Standing:
    """How one variant compares to another, by the names of what is compared."""

    better: tuple[str, ...]
    level: tuple[str, ...]
    """Intervals overlap: which is better is open. Equal exact values are in none of the three."""
    worse: tuple[str, ...]


def standing(pairs: Mapping[str, tuple[Interval, Interval]]) -> Standing:
    """Where the first of each pair is lower than the second beyond the intervals, level, or higher."""
    found: dict[str, list[str]] = {"better": [], "level": [], "worse": [], "equal": []}
    for name, (ours, theirs) in pairs.items():
        better, worse, open_ = ours.below(theirs), theirs.below(ours), ours.known or theirs.known
        found["better" if better else "worse" if worse else "level" if open_ else "equal"].append(name)
    return Standing(tuple(found["better"]), tuple(found["level"]), tuple(found["worse"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A variant with all its seeds: what is plotted and compared."""

    label: str
    runs: tuple[BenchRun, ...]
    """One per seed, newest each."""
    file_bytes: Interval
    p50_ns: Interval
    p95_ns: Interval | None
    paced_p95_ns: Interval | None
    """Only where every seed has one."""
    model_bytes: Interval
    peak_bytes: Interval

    @property
    def first(self) -> BenchRun:
        """The lowest seed: stands for what the runs share."""
        return self.runs[0]

    @property
    def bundle_bytes(self) -> float:
        """Of every file of a bundle, of the largest seed: model, ids, and what travels to prove it."""
        return max(run.cost.bundle_bytes or 0.0 for run in self.runs)

    @property
    def shown(self) -> tuple[str, ...]:
        """The metrics of every table."""
        return shown_metrics(self.first.cutoff)

    def value(self, measure: str) -> Interval:
        """A metric, or what the choice reads, over the seeds; NaN where its Recall tells nothing."""
        return _pooled([_exact(run.value(measure)) for run in self.runs])

    def figure(self, metric: str) -> Interval:
        """A metric over the seeds, also where Recall tells nothing; NaN where it was not measured."""
        return _pooled([_exact(run.metrics[metric]) for run in self.runs])

    @property
    def cost(self) -> Cost:
        """What a budget is held against: the worst seed in bytes, means otherwise."""
        counted = self.first.counted
        return Cost(
            file_bytes=self.file_bytes.high,
            bundle_bytes=self.bundle_bytes,
            p95_ns=None if self.p95_ns is None or counted else self.p95_ns.mean,
            paced_p95_ns=None if self.paced_p95_ns is None or counted else self.paced_p95_ns.mean,
            peak_bytes=max(run.cost.peak_bytes or 0.0 for run in self.runs),
            instructions_p50=self.p50_ns.mean if counted else None,
            flash_bytes=self._most("flash_bytes"),
            ram_bytes=self._most("ram_bytes"),
            estimated=frozenset[str]().union(*(run.cost.estimated for run in self.runs)),
        )

    def _most(self, field: str) -> float | None:
        """Of the seeds' costs; None where one is not known."""
        found = [getattr(run.cost, field) for run in self.runs]
        return None if None in found else max(found)

    def quality_facts(self) -> dict[str, Any]:
        """Each metric and its range over seeds, for programs; None for what was not measured."""
        spans = {name: self.figure(name) for name in self.first.metrics}
        return {
            **{name: known(span.mean) for name, span in spans.items()},
            **{
                f"{name}_range": None if math.isnan(span.mean) else [span.low, span.high]
                for name, span in spans.items()
            },
        }

    def span(self, key: str) -> Interval:
        """The interval on an axis, by its key."""
        found = getattr(self, key)
        assert isinstance(found, Interval)
        return found


def known(value: float) -> float | None:
    """None for NaN, which stands for what was not measured."""
    return None if math.isnan(value) else value


def measures(choose_by: str, cutoff: int) -> tuple[str, ...]:
    """What the choice reads, then the metrics of every table, each once and with its K."""
    named = "@" in choose_by or choose_by == BALANCED
    return tuple(dict.fromkeys((choose_by if named else f"{choose_by}@{cutoff}", *shown_metrics(cutoff))))


def has_tail(points: Sequence[Point]) -> bool:
    """Whether each has a p95 to rely on."""
    return all(point.p95_ns is not None for point in points)


def to_points(runs: Sequence[BenchRun], by: str) -> list[Point]:
    """Pool seeds; labels are made unique within the section. The best by that measure first."""
    groups: dict[tuple[str, ...], list[BenchRun]] = defaultdict(list)
    for run in runs:
        groups[run.group].append(run)
    members = [tuple(sorted(group, key=lambda r: (len(r.seed), r.seed))) for group in groups.values()]
    return sorted(map(_point, _labels(members), members), key=lambda point: rank(point, by))


def rank(point: Point, by: str) -> tuple[float, float, str]:
    """By what variants are listed: their worth, then file size."""
    value = point.value(by).mean
    return 0.0 if math.isnan(value) else -value, point.file_bytes.mean, point.label


def _labels(groups: Sequence[tuple[BenchRun, ...]]) -> list[str]:
    """artifact name of a single seed, else student-recipe; what differs is added where names collide."""
    labels = [
        members[0].name if len(members) == 1 else f"{members[0].student}-{members[0].recipe.split('-')[0]}"
        for members in groups
    ]
    for extra in ("recipe", "format", "runtime", "teacher", "basis", "bundle_sha256"):
        values: dict[str, set[str]] = defaultdict(set)
        for label, members in zip(labels, groups, strict=True):
            values[label].add(str(getattr(members[0], extra)))
        for index, (label, members) in enumerate(zip(list(labels), groups, strict=True)):
            if len(values[label]) > 1:
                value = str(getattr(members[0], extra))
                labels[index] = f"{label} ({value[:16] if extra == 'bundle_sha256' else value})"
    return labels


def _point(label: str, runs: tuple[BenchRun, ...]) -> Point:
    p95 = [run.p95_ns for run in runs if run.p95_ns is not None]
    paced = [run.paced_p95_ns for run in runs if run.paced_p95_ns is not None]
    return Point(
        label=label,
        runs=runs,
        file_bytes=_pooled([_exact(run.cost.file_bytes or 0.0) for run in runs]),
        p50_ns=_pooled([run.p50_ns for run in runs]),
        p95_ns=_pooled(p95) if len(p95) == len(runs) else None,
        paced_p95_ns=_pooled(paced) if len(paced) == len(runs) else None,
        model_bytes=_pooled([_exact(run.model_bytes).widened(_MEMORY_RESOLUTION_BYTES) for run in runs]),
        peak_bytes=_pooled(
            [_exact(run.cost.peak_bytes or 0.0).widened(_MEMORY_RESOLUTION_BYTES) for run in runs]
        ),
    )


def _exact(value: float) -> Interval:
    return Interval(value, value, value)


def _pooled(intervals: Sequence[Interval]) -> Interval:
    """The mean of means, and the interval around all of them."""
    return Interval(
        float(np.mean([one.mean for one in intervals])),
        min(one.low for one in intervals),
        max(one.high for one in intervals),
    )

"""Which variants are worth having: sections kept apart, fronts with their near ties."""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from recpress_edge.artifacts.contract import ALL_USERS
from recpress_edge.core.metrics import BALANCED, shown_metrics
from recpress_edge.records.bench import BASES
from recpress_edge.records.budget import Budget, misses
from recpress_edge.report.place import PlacedPoint, place
from recpress_edge.report.points import (
    Axis,
    Point,
    axes_for,
    has_tail,
    measures,
    rank,
    to_points,
)
from recpress_edge.report.runs import BenchRun

RULE: Final = (
    "A variant is on the front when no other is at least as good in everything and better in something. "
    "It is called dominated only when that holds even with both at the unfavourable ends of their intervals. "
    "Where intervals overlap, nobody is called worse: 'behind X' names what differs beyond the intervals "
    "and what is level within them, and 'near tie' means that nothing differs beyond them. "
    "Where a variant has no p95 to rely on, all of its section are compared by p50. "
    "Accuracy is every metric of the table at once. "
    "Intervals: Recall and NDCG from the lowest to the highest seed (a single seed is taken as exact); "
    "p95 a 95 % interval from the order of the raw samples, at least 3 % either way; memory 256 KiB; "
    "file sizes are exact, and within 256 bytes the same. "
    "Measured, emulated and estimated variants are each compared among themselves. Runtimes are compared: "
    "they ran on one device. Where there are several, memory is that of the whole process, as an idle "
    "runtime already takes its own."
)
UNJUDGED: Final = "no choice: its Recall was not measured, the bundle holds no evaluation rows"
CERTAIN: Final = "no choice: its Recall is 1 for any file, as no user has more items to rank than it counts"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A run that is no row, and why."""

    run: BenchRun
    status: str
    """invalid or superseded, with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Runs that may be compared: same device, data, profile, evaluation users, K and protocol."""

    conditions: tuple[tuple[str, str], ...]
    placed: tuple[PlacedPoint, ...]
    left: tuple[LeftOut, ...]
    disturbed: tuple[PlacedPoint, ...]
    """Where no run is valid: the newest runs, with the reasons. Their Recall and bytes hold all the same."""
    choose_by: str
    """By what its variants are chosen: one of ``core.metrics.CHOICES``."""

    @property
    def rows(self) -> tuple[PlacedPoint, ...]:
        """The lines of its table."""
        return self.placed or self.disturbed

    @property
    def runs(self) -> list[BenchRun]:
        """All of its runs: those of its variants first, then what was left out."""
        return [run for placed in self.placed for run in placed.point.runs] + [left.run for left in self.left]

    @property
    def first(self) -> BenchRun:
        return self.placed[0].point.first if self.placed else self.left[0].run

    @property
    def cutoff(self) -> int:
        """The K by which its variants are judged."""
        return self.first.cutoff

    @property
    def shown(self) -> tuple[str, ...]:
        """The metrics of its tables and sentences: Recall@10, NDCG@10, Recall@50, and what is chosen by."""
        chosen = [name for name in self.measures if name != BALANCED]
        return tuple(dict.fromkeys((*shown_metrics(self.cutoff), *chosen)))

    @property
    def measures(self) -> tuple[str, ...]:
        """What its plots can show: first of all what the choice reads."""
        return measures(self.choose_by, self.cutoff)

    @property
    def by(self) -> str:
        """What the choice reads."""
        return self.measures[0]

    @property
    def judged(self) -> bool:
        """Whether Recall tells anything: it needs evaluation rows, and users with items left to rank."""
        return self.first.judged

    @property
    def runtimes(self) -> tuple[str, ...]:
        """What answered, over all variants."""
        return tuple(sorted({placed.point.first.runtime for placed in self.placed} or {self.first.runtime}))

    @property
    def axes(self) -> tuple[Axis, Axis, Axis]:
        """What its variants cost, in what units."""
        return axes_of([row.point for row in self.rows])

    @property
    def title(self) -> str:
        """Data, device, profile, runtime and protocol in a line."""
        run = self.first
        device, protocol = run.record["device"], run.record["protocol"]
        threads = protocol["threads"]
        runtime = self.runtimes[0] if len(self.runtimes) == 1 else f"{len(self.runtimes)} runtimes"
        return (
            f"{run.dataset} on {device.get('model') or device['id']}, {run.profile}, {runtime}, "
            f"{threads} thread{'' if threads == 1 else 's'}, top {protocol['k']}"
        )

    @property
    def doubts(self) -> tuple[str, ...]:
        """Figures of its valid runs that cannot be relied on, and why."""
        runs = [run for placed in self.placed for run in placed.point.runs]
        return tuple(f"{run.name}, {doubt}" for run in runs for doubt in run.doubts)

    def fp32_of(self, point: Point) -> Point | None:
        """The fp32 variant of the same student, teacher, format, runtime and basis."""

        def identity(run: BenchRun) -> tuple[str, ...]:
            return run.student, run.teacher, run.format, run.runtime, run.basis

        same = (p.point for p in self.placed if identity(p.point.first) == identity(point.first))
        return next((p for p in same if p.first.recipe == "fp32"), None)

    @property
    def superseded(self) -> int:
        """How many older runs were replaced by newer ones."""
        return sum(left.status.startswith("superseded") for left in self.left)


def sections(runs: Sequence[BenchRun], budget: Budget, choose_by: str = BALANCED) -> tuple[Section, ...]:
    """Sort runs into sections and place every variant in its own."""
    grouped: dict[tuple[tuple[str, str], ...], list[BenchRun]] = defaultdict(list)
    for run in runs:
        grouped[run.conditions].append(run)
    found = [
        _section(conditions, members, budget, choose_by) for conditions, members in sorted(grouped.items())
    ]
    return tuple(sorted(found, key=_order))


def _order(section: Section) -> tuple[bool, str, str, bool, str]:
    """What was measured comes first, then by data and device, files with all users before others."""
    run = section.first
    profile = run.profile
    return run.counted, run.dataset, str(run.record["device"]["id"]), profile != ALL_USERS, profile


def _section(
    conditions: tuple[tuple[str, str], ...], runs: Sequence[BenchRun], budget: Budget, choose_by: str
) -> Section:
    kept, left = newest(runs)
    shown = measures(choose_by, runs[0].cutoff)
    points = to_points(kept, shown[0])
    if not all(run.judged for run in kept):
        placed = [_unjudged(point, budget) for point in points]
    else:
        axes = axes_of(points) if points else ()
        by_basis = ([p for p in points if p.first.basis == basis] for basis in BASES)
        placed = [row for members in by_basis for row in place(members, budget, axes, shown)]
    known, _ = newest([dataclasses.replace(run, valid=True) for run in runs])
    return Section(
        conditions=conditions,
        placed=tuple(sorted(placed, key=lambda row: rank(row.point, shown[0]))),
        left=left,
        disturbed=() if kept else tuple(map(_disturbed, to_points(known, shown[0]))),
        choose_by=choose_by,
    )


def _disturbed(point: Point) -> PlacedPoint:
    reasons = dict.fromkeys(reason for run in point.runs for reason in run.reasons)
    status = f"invalid: {'; '.join(reasons) or 'no reason recorded'}"
    return PlacedPoint(point=point, status=status, front=False, panels={}, missed=())


def _unjudged(point: Point, budget: Budget) -> PlacedPoint:
    return PlacedPoint(
        point=point,
        status=CERTAIN if point.first.measured else UNJUDGED,
        front=False,
        panels={},
        missed=tuple(str(check) for check in misses(point.cost, budget)),
    )


def newest(runs: Sequence[BenchRun]) -> tuple[list[BenchRun], tuple[LeftOut, ...]]:
    """The newest valid run per variant and seed; all others with the reason for leaving them out."""
    kept: dict[tuple[str, ...], BenchRun] = {}
    left: list[LeftOut] = []
    for run in sorted(runs, key=lambda r: (r.created, r.path), reverse=True):
        key = (*run.group, run.seed)
        if not run.valid:
            left.append(LeftOut(run, f"invalid: {'; '.join(run.reasons) or 'no reason recorded'}"))
        elif key in kept:
            same = kept[key].bundle_sha256 == run.bundle_sha256
            left.append(
                LeftOut(run, f"superseded by a newer run of {'this bundle' if same else 'a newer bundle'}")
            )
        else:
            kept[key] = run
    return list(kept.values()), tuple(sorted(left, key=lambda item: (item.run.name, item.run.created)))


def axes_of(points: Sequence[Point]) -> tuple[Axis, Axis, Axis]:
    """What is compared among the variants of a section: at least one."""
    runtimes = len({point.first.runtime for point in points})
    return axes_for(counted=points[0].first.counted, runtimes=runtimes, tail=has_tail(points))

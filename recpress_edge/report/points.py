"""Variants with all their seeds: what is plotted and compared."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from recpress_edge.records.budget import Cost
from recpress_edge.report.runs import Run
from recpress_edge.report.spans import Span, exact, pooled

# The names inside a file differ in length; files of one size but for that are the same size.
FILE_RESOLUTION_BYTES: Final = 256
MEMORY_RESOLUTION_BYTES: Final = 256 * 2**10


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A variant with all its seeds: what is plotted and compared."""

    label: str
    runs: tuple[Run, ...]
    """One per seed, newest each."""
    recall: Span
    """Recall@K at the K that judges; NaN where it was not measured."""
    ndcg: float
    """NDCG@K, likewise."""
    file_bytes: Span
    p50_ns: Span
    p95_ns: Span | None
    paced_p95_ns: Span | None
    """Only where every seed has one."""
    model_bytes: Span
    peak_bytes: Span

    @property
    def first(self) -> Run:
        """The lowest seed: stands for what the runs share."""
        return self.runs[0]

    @property
    def cost(self) -> Cost:
        """What a budget is held against: the worst seed in bytes, means otherwise."""
        counted = self.first.counted
        return Cost(
            file_bytes=self.file_bytes.high,
            p95_ns=None if self.p95_ns is None or counted else self.p95_ns.mean,
            paced_p95_ns=None if self.paced_p95_ns is None or counted else self.paced_p95_ns.mean,
            peak_bytes=max(run.cost.peak_bytes or 0.0 for run in self.runs),
            instructions_p50=self.p50_ns.mean if counted else None,
        )

    def span(self, key: str) -> Span:
        """The interval on an axis, by its key."""
        found = getattr(self, key)
        assert isinstance(found, Span)
        return found


def to_points(runs: Sequence[Run]) -> list[Point]:
    """Pool seeds; labels are made unique within the section. Highest Recall first."""
    groups: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.group].append(run)
    members = [tuple(sorted(group, key=lambda r: (len(r.seed), r.seed))) for group in groups.values()]
    return sorted(map(_point, _labels(members), members), key=rank)


def rank(point: Point) -> tuple[float, float, str]:
    """By what variants are listed: Recall, then file size."""
    recall = 0.0 if math.isnan(point.recall.mean) else point.recall.mean
    return -recall, point.file_bytes.mean, point.label


def _labels(groups: Sequence[tuple[Run, ...]]) -> list[str]:
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


def _point(label: str, runs: tuple[Run, ...]) -> Point:
    p95 = [run.p95_ns for run in runs if run.p95_ns is not None]
    paced = [run.paced_p95_ns for run in runs if run.paced_p95_ns is not None]
    return Point(
        label=label,
        runs=runs,
        recall=pooled([exact(run.recall) for run in runs]),
        ndcg=sum(run.ndcg for run in runs) / len(runs),
        file_bytes=pooled([exact(run.cost.file_bytes or 0.0) for run in runs]),
        p50_ns=pooled([run.p50_ns for run in runs]),
        p95_ns=pooled(p95) if len(p95) == len(runs) else None,
        paced_p95_ns=pooled(paced) if len(paced) == len(runs) else None,
        model_bytes=pooled([exact(run.model_bytes).widened(MEMORY_RESOLUTION_BYTES) for run in runs]),
        peak_bytes=pooled(
            [exact(run.cost.peak_bytes or 0.0).widened(MEMORY_RESOLUTION_BYTES) for run in runs]
        ),
    )

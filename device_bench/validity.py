"""Which figures of a series can be relied on, by the work of other processes and by its own samples.

Each series is judged by itself, and each percentile of it. Three things move figures on a machine with two
cores (benchmarks/busy_machine.py): waiting for a core lengthens the longest samples; a busy neighbour core
lengthens all of them by up to a half without any waiting; a change in between leaves neighbouring samples
alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from device_bench.contention import Counts
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import bootstrap_percentile, percentile
from recpress_edge.records.bench import HEADLINE, MEDIAN, PERCENTILES

# Share of the time wanted on a core that was spent waiting for one.
MAX_WAIT_SHARE: Final = 0.05
# How busy other work may keep the other cores, which share caches, clocks or a core's threads.
MAX_OTHER_WORK: Final = 0.15
# Between the medians of the first and the last third of the samples, the higher over the lower.
MAX_DRIFT: Final = 1.15
# Width of a percentile's 95 % interval, the higher end over the lower.
MAX_SPREAD: Final = 1.2
# A percentile with the samples that may hold a wait, over the same without them.
MAX_WAIT_EFFECT: Final = 1.1
# Samples that must lie above a percentile: p95 needs 40 samples, p99 needs 200.
LEAST_ABOVE: Final = 2
# Fewer samples show no drift.
_ORDERED: Final = 30
_DRAWS: Final = 200
# Disturbances last, so neighbours are drawn together: least size of a group, most groups.
_BLOCK: Final = 500
_BLOCKS: Final = 32


@dataclass(frozen=True, slots=True)
class SeriesVerdict:
    """The judgement of one series."""

    trusted: tuple[int, ...]
    """Percentiles that can be relied on."""
    reasons: tuple[str, ...]
    """Why the others cannot."""
    counts: Counts

    @property
    def valid(self) -> bool:
        """Whether its median can be relied on."""
        return MEDIAN in self.trusted

    def facts(self) -> dict[str, Any]:
        """As a record states it."""
        return {
            "valid": self.valid,
            "trusted": list(self.trusted),
            "reasons": list(self.reasons),
            "wait_share": _rounded(self.counts.wait_share),
            "other_work": _rounded(self.counts.other_work),
            "interruptions": self.counts.interruptions if self.counts.ran_ns else None,
        }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def judge(latency_ns: Mapping[str, Sequence[int]], counts: Mapping[str, Counts]) -> dict[str, SeriesVerdict]:
    """A verdict on every series. counts: by series; a missing one was not watched."""
    return {name: verdict(name, samples, counts.get(name, Counts())) for name, samples in latency_ns.items()}


def verdict(name: str, samples: Sequence[int], counts: Counts) -> SeriesVerdict:
    """Judge one series: as a whole, then each percentile."""
    against = [*disturbed(counts), *unsteady(samples)]
    if against:
        return SeriesVerdict((), tuple(against), counts)
    doubts = {q: doubt(name, samples, q, counts) for q in PERCENTILES[name]}
    trusted = tuple(q for q, why in doubts.items() if why is None)
    return SeriesVerdict(trusted, tuple(filter(None, doubts.values())), counts)


def disturbed(counts: Counts) -> Iterator[str]:
    """Reasons against a whole series: other work took too much."""
    waited, others = counts.wait_share, counts.other_work
    if waited is not None and waited > MAX_WAIT_SHARE:
        yield f"loaded: waited for a core {waited:.0%} of the time (at most {MAX_WAIT_SHARE:.0%})"
    if others is not None and others > MAX_OTHER_WORK:
        yield f"loaded: others used {others:.0%} of the other cores (at most {MAX_OTHER_WORK:.0%})"


def unsteady(samples: Sequence[int]) -> Iterator[str]:
    """Reasons against a whole series: its level moved, in either direction."""
    change = drift(samples)
    if len(samples) >= _ORDERED and max(1 + change, 1 / (1 + change)) > MAX_DRIFT:
        yield (
            f"unstable: the median changed by {change:+.0%} from the first to the last third of the samples "
            f"(at most {MAX_DRIFT - 1:.0%} up, and as much down)"
        )


def drift(samples: Sequence[int]) -> float:
    """Relative change of the median from the first to the last third of the samples."""
    third = max(len(samples) // 3, 1)
    first, last = float(np.median(samples[:third])), float(np.median(samples[-third:]))
    return max(last, 1.0) / max(first, 1.0) - 1


def doubt(name: str, samples: Sequence[int], q: int, counts: Counts) -> str | None:
    """Why a percentile cannot be relied on; None when it can."""
    if q > MEDIAN and len(samples) * (100 - q) < LEAST_ABOVE * 100:
        return f"p{q}: {len(samples)} samples are too few"
    found = percentile(samples, q)
    without = percentile(np.sort(samples)[: max(len(samples) - counts.interruptions, 1)], q)
    if found > MAX_WAIT_EFFECT * without:
        return (
            f"p{q} is decided by waiting for a core: {found / without:.1f} times what it is without the "
            f"{counts.interruptions} samples that may hold a wait"
        )
    block = max(_BLOCK, len(samples) // _BLOCKS)
    draws = bootstrap_percentile(samples, q, stream(0, f"validity {name} {q}"), block=block, draws=_DRAWS)
    low, high = np.quantile(draws, [0.025, 0.975])
    if high > MAX_SPREAD * low:
        return (
            f"p{q} is not settled: the ends of its 95 % interval differ {high / low:.2f}-fold "
            f"(at most {MAX_SPREAD:g})"
        )
    return None


def headline_reasons(verdicts: Mapping[str, SeriesVerdict]) -> list[str]:
    """Why the query's median, without which a run is not valid, cannot be relied on; empty when it can."""
    one = verdicts[HEADLINE]
    return [] if one.valid else [f"{HEADLINE}: {reason}" for reason in one.reasons]

"""--sustained: latency, temperature and clock over minutes, because the first minute misleads."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from device_bench.measure import (
    BLOCK_QUERIES,
    WARMUP_QUERIES,
    BlockTimer,
    Measurement,
    model_queries,
    no_garbage_collection,
)
from device_bench.state import read_state, throttle_reasons
from recpress_edge.core.stats import percentile

# A window is long enough for its p95, and there are no more of them than a plot can show.
LEAST_WINDOW_S: Final = 1.0
MOST_WINDOWS: Final = 240


def sustain(job: Measurement, state: Callable[[], Mapping[str, Any]] = read_state) -> dict[str, Any]:
    """Ask a verified bundle without a pause for ``job.sustained_s``; see :func:`sustain_queries`."""
    return sustain_queries(*model_queries(job), job.sustained_s, state)


def sustain_queries(
    answer: Callable[[Any], object],
    feeds: Sequence[Any],
    seconds: float,
    state: Callable[[], Mapping[str, Any]] = read_state,
) -> dict[str, Any]:
    """Ask without a pause for so many seconds; summarise every window; read the state between windows.

    Lists by window: at_s, its end; queries; p50_ns and p95_ns of the model alone; temp_c; clock_khz, the
    firmware's where it measures one; throttled.
    """
    timer = BlockTimer(answer, feeds)
    timer.block(WARMUP_QUERIES)
    window_s = max(LEAST_WINDOW_S, seconds / MOST_WINDOWS)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("at_s", "queries", "p50_ns", "p95_ns", "temp_c", "clock_khz", "throttled")
    }
    start = time.perf_counter()
    with no_garbage_collection():
        while (time.perf_counter() - start) < seconds:
            timer.forget()
            end = time.perf_counter() + window_s
            while time.perf_counter() < end:
                timer.block(BLOCK_QUERIES)
            samples, now = np.asarray(timer.samples), state()
            row = {
                "at_s": round(time.perf_counter() - start, 1),
                "queries": len(samples),
                "p50_ns": int(percentile(samples, 50)),
                "p95_ns": int(percentile(samples, 95)),
                "temp_c": now["temp_c"],
                "clock_khz": now["arm_clock_khz"] or now["freq_khz"],
                "throttled": now["throttled"],
            }
            for name, value in row.items():
                columns[name].append(value)
    return {"seconds": seconds, "window_s": window_s, **columns}


def sustained_warnings(found: Mapping[str, Any] | None) -> list[str]:
    """Throttling during the sustained phase; the measurement was over by then."""
    if found is None:
        return []
    bits = found["throttled"]
    for at_s, now in zip(found["at_s"], bits, strict=True):
        reasons = throttle_reasons(bits[0], now)
        if reasons:
            return [f"sustained: from {at_s:.0f} s on {reasons[-1]}"]
    return []

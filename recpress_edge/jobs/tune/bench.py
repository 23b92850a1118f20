"""Time on the target: shapes that are too slow are left out before anything is searched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import device_bench
from recpress_edge.core.errors import ConfigError, GateError, InvalidRunError
from recpress_edge.core.progress import Note, OnEvent
from recpress_edge.core.units import format_ns
from recpress_edge.jobs.tune.budget import LEAST_DIM, TableShape
from recpress_edge.records.bench import add_record, figure

TIMED_LANES: Final = ("host", "ssh")
"""Lanes whose clock is a clock; the others count instructions, or answers alone."""
QUICK: Final = {"processes": 3, "seconds": 1.0}
_NARROWER: Final = 0.6
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gauge:
    """Where bundles are measured, and the longest p95 that is allowed."""

    on: str
    max_p95_ns: int | None
    runs: Path
    """Where records go."""

    def __post_init__(self) -> None:
        lane = device_bench.bench_request((), on=self.on).target.lane
        if self.max_p95_ns is not None and lane not in TIMED_LANES:
            raise ConfigError(
                f"--max-p95 is a time, and --on {self.on} measures none. Use --on host or "
                "ssh://user@host, or leave --max-p95 out."
            )

    def measure(self, bundle: Path, on_event: OnEvent, settings: Mapping[str, Any]) -> list[Path]:
        """Measure a bundle and keep the records."""
        request = device_bench.bench_request([bundle], on=self.on, settings=settings)
        return [add_record(self.runs, record) for record in device_bench.run(request, on_event)]

    def p95_ns(self, bundle: Path, on_event: OnEvent) -> float:
        """p95 of a query, in a short measurement; InvalidRunError where it cannot be relied on."""
        request = device_bench.bench_request([bundle], on=self.on, settings=QUICK)
        (record,) = device_bench.run(request, on_event)
        path = add_record(self.runs, record)
        found = figure(record, "query", 95)
        if not record["valid"] or found is None:
            raise InvalidRunError(
                f"the p95 of {record['artifact']['name']} on {self.on} cannot be relied on (see {path}), so "
                "--max-p95 cannot be held. Stop other work and run the same command again, or leave it out."
            )
        return found


def fast_shape(
    shape: TableShape, limit_ns: int, p95_ns: Callable[[TableShape], float], on_event: OnEvent
) -> tuple[TableShape, float, bool]:
    """The widest of some narrower shapes that is fast enough, its p95, and whether it is."""
    while True:
        found = p95_ns(shape)
        on_event(Note(f"measured   {shape.recipe} at dim {shape.dim}: p95 {format_ns(found)}"))
        if found <= limit_ns or shape.dim <= LEAST_DIM:
            return shape, found, found <= limit_ns
        shape = TableShape(shape.recipe, max(int(shape.dim * _NARROWER), LEAST_DIM))


def too_slow(limit_ns: int, on: str, fastest: tuple[TableShape, float]) -> GateError:
    """No shape keeps the limit."""
    shape, found = fastest
    return GateError(
        f"no file answers within --max-p95 {format_ns(limit_ns)} on {on}: the fastest, {shape.recipe} at dim "
        f"{shape.dim}, takes {format_ns(found)}. Allow that, or take a smaller catalogue."
    )

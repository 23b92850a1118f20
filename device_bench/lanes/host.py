"""This machine: a workstation, or the board itself when device_bench is started there."""

from collections.abc import Iterator

from device_bench.lanes.cgroups import Limit
from device_bench.lanes.lane import Record
from device_bench.lanes.limits import STAGES, parse_limit, run_limited
from device_bench.record import measure_bundle
from device_bench.settings import BenchRequest
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.progress import OnEvent
from recpress_edge.records.survival import limit_text


def check(request: BenchRequest) -> None:
    """Check --limit; the protocol is checked already."""
    protocol = request.protocol
    if limit_of(request) is not None and (protocol.sustained_s or protocol.pause_ns):
        raise ConfigError(
            "--limit asks whether a bundle survives, --sustained and --pause how fast it is: one of them"
        )


def plan(request: BenchRequest) -> str:
    """The work for each bundle."""
    limit = limit_of(request)
    if limit is not None:
        most = limit_text(limit.memory_bytes, limit.cpus)
        return f"whether {len(STAGES)} processes survive within {most}; no latency"
    processes = request.protocol.processes + 4  # plus self-test, idle, memory, measuring
    pauses = f", {request.protocol.paced_s:g} s of queries with pauses" if request.protocol.pause_ns else ""
    return f"{processes} processes each, {2 * request.protocol.seconds:g} s or more of queries{pauses}"


def run(request: BenchRequest, on_event: OnEvent) -> Iterator[Record]:
    """One record a bundle: a measurement, or with --limit whether it survives."""
    protocol, limit = request.protocol, limit_of(request)
    for folder in request.bundles:
        command = request.command(folder)
        if limit is None:
            yield measure_bundle(folder, protocol, on_event, command)
        else:
            yield run_limited(folder, protocol, limit, on_event, command)


def limit_of(request: BenchRequest) -> Limit | None:
    """The limit that --limit asks for."""
    text = request.options.get("limit")
    return None if text is None else parse_limit(text)

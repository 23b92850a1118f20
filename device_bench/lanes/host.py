"""This machine: a workstation, or the board itself when device_bench is started there."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from device_bench.lanes.targets import Record, Report
from device_bench.options import Request
from device_bench.protocol import run_bundle


def check(request: Request) -> None:
    """Everything goes here: the protocol has checked itself."""


def plan(request: Request) -> str:
    """How much work a bundle is."""
    processes = request.protocol.processes + 4  # and self-test, idle, memory, measuring
    return f"{processes} processes each, {2 * request.protocol.seconds:g} s or more of queries"


def run(request: Request, bundles: Sequence[Path], report: Report) -> Iterator[Record]:
    """One record a bundle."""
    for folder in bundles:
        yield run_bundle(folder, request.protocol, report, request.command(folder))

"""``--on mcu:BOARD``: a bundle of format c as firmware of a microcontroller that qemu emulates."""

import dataclasses
from collections.abc import Iterator
from typing import Final

from device_bench.lanes.emulated import check_protocol
from device_bench.lanes.lane import Record
from device_bench.mcu.boards import BOARDS, McuBoard
from device_bench.mcu.firmware import LEVELS
from device_bench.mcu.job import McuJob, measure_on
from device_bench.mcu.tools import find_tools
from device_bench.process import measurement_of, open_tables, run_worker
from device_bench.settings import BenchRequest
from recpress_edge.core.cache import cache_root
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import scratch_folder
from recpress_edge.core.progress import Note, OnEvent
from recpress_edge.core.units import format_bytes, parse_size
from recpress_edge.device.runtime import REFERENCE

_FORMAT: Final = "c"


def check(request: BenchRequest) -> None:
    """Refuse what asks for time, cores or another runtime, and sizes that the board does not have."""
    protocol = request.protocol
    check_protocol(
        protocol, one_thread="a microcontroller has one core", no_time="which an emulator does not have"
    )
    if protocol.runtime or protocol.delegate:
        raise ConfigError("--runtime and --delegate: the engine of format c answers here. Leave them out.")
    chip_of(request)


def chip_of(request: BenchRequest) -> McuBoard:
    """The board, or a chip with less memory; ConfigError for more than the board has."""
    board = BOARDS[request.target.detail]
    return dataclasses.replace(
        board,
        flash_bytes=_size(request, "flash", board.flash_bytes),
        ram_bytes=_size(request, "ram", board.ram_bytes),
    )


def _size(request: BenchRequest, flag: str, most: int) -> int:
    text = request.options.get(flag)
    found = most if text is None else parse_size(text)
    if not 0 < found <= most:
        raise ConfigError(f"--{flag} {text}: {request.target} has {format_bytes(most)}")
    return found


def plan(request: BenchRequest) -> str:
    """The work for each bundle."""
    chip = chip_of(request)
    memory = f"{format_bytes(chip.flash_bytes)} flash and {format_bytes(chip.ram_bytes)} RAM"
    return (
        f"firmware for a {chip.core} with {memory}, compiled with {', '.join(LEVELS)}; "
        f"{request.protocol.queries} counted queries, then every evaluation user"
    )


def run(request: BenchRequest, on_event: OnEvent) -> Iterator[Record]:
    """One record a bundle. GateError for what does not fit, ArtifactError when the answers are wrong."""
    tools = find_tools(cache_root(request.options.get("cache")), on_event)
    protocol = dataclasses.replace(request.protocol, runtime=REFERENCE)
    for folder in request.bundles:
        bundle = open_tables(folder, protocol)
        if bundle.contract.format != _FORMAT:
            raise ConfigError(
                f"{folder} is {bundle.contract.format}: a microcontroller runs format {_FORMAT}. "
                f"Export the model with --format {_FORMAT}."
            )
        on_event(Note(f"{bundle.name} on {request.target}: what the reference answers"))
        wanted = run_worker("questions", measurement_of(folder, bundle, protocol), protocol.timeout_s)
        with scratch_folder("recpress-mcu-") as scratch:
            record = measure_on(
                McuJob(tools, request, folder, bundle, chip_of(request), scratch), wanted, on_event
            )
        yield record
        if not record["valid"]:
            raise ArtifactError(
                f"{bundle.name} on {request.target}: {'; '.join(record['invalid_reasons'])}. "
                "The record is kept as INVALID; the engine, the compiler or the emulator computes wrongly."
            )

"""``--on armuser:BOARD``: the board's instruction set in qemu's user mode. Answers, not times or memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from device_bench.emulation.boards import BOARDS, Identity, write_identity
from device_bench.emulation.engine import board_engine, engine_variable
from device_bench.emulation.guest import Setup, fetched_gcc, prepare
from device_bench.emulation.marks import WARMUP
from device_bench.emulation.tools import EmulationError, find_compiler, run_tool
from device_bench.lanes.emulated import (
    WRONG_IDS,
    check_ids,
    check_protocol,
    differences,
    host_section,
    must_be_equal,
)
from device_bench.lanes.lane import Record
from device_bench.measure import Measurement
from device_bench.process import measurement_of, open_tables, run_worker
from device_bench.record import artifact_facts
from device_bench.settings import BenchRequest
from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.core.cache import cache_root
from recpress_edge.core.errors import SkippedError
from recpress_edge.core.files import scratch_folder
from recpress_edge.core.progress import Note, OnEvent
from recpress_edge.device.process import Enclosure, WorkerError
from recpress_edge.records.bench import PARITY_SCHEMA, timestamp

_PLUGIN_SOURCE: Final = Path(__file__).parents[1] / "emulation" / "counting.c"
_LINE_BYTES: Final = 64
# What user-mode emulation cannot tell, and why.
_NEVER: Final = (
    {"part": "memory", "reason": "resident memory in qemu's user mode is the emulator's own: see armvm"},
    {"part": "latency", "reason": "an emulator's time says nothing about a board's"},
)


def check(request: BenchRequest) -> None:
    """Refuse what asks for time or cores."""
    check_protocol(
        request.protocol,
        one_thread="answers are compared on one thread",
        no_time="which user-mode emulation does not have",
    )


def plan(request: BenchRequest) -> str:
    """The work for each bundle."""
    board = BOARDS[request.target.detail]
    return (
        f"self-test and every evaluation user on {board.core} (as {board.model}), then "
        f"{request.protocol.queries} counted queries; cache in {cache_root(request.options.get('cache'))}"
    )


def run(request: BenchRequest, on_event: OnEvent) -> Iterator[Record]:
    """One record a bundle; ArtifactError when the ids are wrong."""
    root = cache_root(request.options.get("cache"))
    for folder in request.bundles:
        bundle = open_tables(folder, request.protocol)
        setup = prepare(bundle.contract.format, root, on_event)
        with scratch_folder("recpress-armuser-") as scratch:
            core, fetch = BOARDS[request.target.detail].cpu, partial(fetched_gcc, root, on_event)
            engine = board_engine(bundle, core, scratch, fetch)
            record = _run_one(_Board(setup, scratch, request, engine), folder, bundle, on_event)
        yield record
        check_ids(record, str(request.target))


@dataclass(frozen=True, slots=True)
class _Board:
    """One board's files, and how a process is started on it."""

    setup: Setup
    folder: Path
    request: BenchRequest
    engine: Path | None
    """What is compiled for the board's core, for a format that needs it."""

    @property
    def identity(self) -> Identity:
        return BOARDS[self.request.target.detail]

    def enclosure(self, plugin: str | None = None) -> Enclosure:
        """The guest's Python under qemu, which looks for opened files below the board's root first."""
        root = self.folder / "root"
        if not root.exists():
            write_identity(root, self.identity)
            for path in (self.setup.system.folder / "root").iterdir():
                (root / path.name).symlink_to(path)
        program, environment = self.setup.tool("qemu-aarch64")
        passed = {"PYTHONHOME": f"{root}/usr", "PYTHONPATH": str(self.setup.site.folder / "site")}
        passed |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
        passed |= engine_variable(self.engine)
        guest = [part for name, value in passed.items() for part in ("-E", f"{name}={value}")]
        command = [program, "-cpu", self.identity.cpu, "-L", str(root), "-U", "LD_LIBRARY_PATH", *guest]
        return Enclosure(
            prefix=(*command, *(("-plugin", plugin) if plugin else ())),
            python=f"{root}/usr/bin/python{self.setup.python}",
            environment=environment,
        )


def _run_one(board: _Board, folder: Path, bundle: Bundle, on_event: OnEvent) -> dict[str, Any]:
    request, created = board.request, timestamp()
    protocol, where = request.protocol, f"{bundle.name} on {request.target}"
    job = measurement_of(folder, bundle, protocol)
    host = run_worker("rank", job, protocol.timeout_s)
    on_event(Note(f"{where}: self-test and every evaluation user on {board.identity.core}"))
    found = run_worker("rank", job, protocol.timeout_s, board.enclosure())
    answers = host_section(host, found["quality"])
    wrong = not answers["ids_equal"] and must_be_equal(bundle.contract, protocol.delegate)
    if not answers["ids_equal"]:
        answers["differences"] = differences(host, found)
    on_event(Note(f"{where}: counting {protocol.queries} queries"))
    profile, skipped = None, []
    try:
        profile = counted(board, job)
    except (SkippedError, EmulationError, WorkerError) as error:
        skipped = [{"part": "profile", "reason": str(error)}]
    return {
        "schema": PARITY_SCHEMA,
        "created": created,
        "basis": "emulated",
        "on": str(request.target),
        "valid": not wrong,
        "invalid_reasons": [WRONG_IDS] if wrong else [],
        "artifact": artifact_facts(bundle),
        "device": _device(board.identity, request.target.detail),
        "software": _software(found, board.setup),
        "protocol": protocol.facts(bundle.contract.n_items, request.command(folder)),
        "selftest": found["selftest"],
        "quality": found["quality"],
        "host": answers,
        "profile": profile,
        "skipped": [*skipped, *_NEVER],
    }


def _software(found: Mapping[str, Any], setup: Setup) -> dict[str, Any]:
    compiler = {"compiler": found["built"]} if found["built"] else {}
    return {found["runtime"]: found["runtime_version"], "qemu": setup.tools.facts["qemu"], **compiler}


def _device(board: Identity, name: str) -> dict[str, Any]:
    return {
        "id": f"armuser-{name}",
        "model": f"{board.model} (identity only, in QEMU's user mode)",
        "core": board.core,
        "cpu_part": board.part,
        "dotprod": board.dotprod,
    }


def counted(board: _Board, job: Measurement) -> dict[str, Any]:
    """The plugin's counts, as medians over the queries; SkippedError without a compiler."""
    plugin, marks = board.folder / "counting.so", board.folder / "marks"
    run_tool(
        [find_compiler(), "-O2", "-shared", "-fPIC", "-o", plugin, _PLUGIN_SOURCE],
        what="compiling the counting plugin",
    )
    options = f"file={plugin},out={marks},cache={board.identity.caches}"
    run_worker("marked", job, board.request.protocol.timeout_s, board.enclosure(options))
    return summary(marks.read_text(), board.identity)


def summary(text: str, board: Identity) -> dict[str, Any]:
    """The plugin's lines (mark and five totals each) to a query's medians."""
    totals = np.array([[int(n) for n in line.split()] for line in text.splitlines()], np.int64)
    if totals.ndim != 2 or totals.shape[1] != 6 or len(totals) < WARMUP + 2:
        raise EmulationError("the counting plugin wrote no marks: this qemu runs no plugins")
    each = np.diff(totals[:, 1:], axis=0)[WARMUP:]
    instructions, simd, first, last, written = (round(float(v)) for v in np.median(each, axis=0))
    return {
        "queries": len(each),
        "instructions": instructions,
        "simd_share": round(simd / instructions, 4),
        "first_level_misses": first,
        "last_level_misses": last,
        "memory_bytes": _LINE_BYTES * (last + written),
        "caches": f"first level {board.l1_kib} KiB, {board.l1_ways} ways; last level {board.last_kib} KiB, "
        f"{board.last_ways} ways; least recently used, no prefetching",
        "label": "modelled, user mode only, marks included: 5 to 10 % off",
    }

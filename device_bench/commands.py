"""The commands, for ``device_bench`` on the device and for ``recpress-edge bench`` and ``check``."""

import argparse
import dataclasses
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, TextIO

from device_bench.api import plan, run
from device_bench.compare import compare, comparison_lines
from device_bench.hardware import device_facts
from device_bench.lanes.lane import Record
from device_bench.lanes.targets import details_of
from device_bench.options import request_of
from device_bench.settings import BenchRequest
from device_bench.show import labelled, record_lines
from device_bench.state import read_state
from recpress_edge.artifacts.manifest import full_of
from recpress_edge.artifacts.trust.options import check_one_expected, trust_of
from recpress_edge.core.errors import ConfigError, GateError, InvalidRunError, StorageError
from recpress_edge.core.files import check_free, check_there, storage_errors
from recpress_edge.core.layout import wrap_command, wrap_lines
from recpress_edge.core.printable import json_text, one_line, printable, printable_facts, printable_lines
from recpress_edge.core.progress import Event, Note
from recpress_edge.core.terminal import stdout_encoding, stopped_by_signals, text_width
from recpress_edge.core.units import format_bytes
from recpress_edge.device.guard import guard_of
from recpress_edge.device.opening import self_test_any
from recpress_edge.records import check as gate
from recpress_edge.records.bench import add_record, read_records, record_text, whole, write_record
from recpress_edge.records.survival import SURVIVED

RECORD_BYTES: Final = 16 * 2**20
"""Disk space to keep for a record; most take a tenth of it."""


def run_here(args: argparse.Namespace) -> int:
    """:func:`run_bundles` into the folder of --runs."""
    return run_bundles(args, args.runs)


def run_bundles(args: argparse.Namespace, runs: Path) -> int:
    """Measure each bundle on the target, write the records as they come, print them.

    GateError or InvalidRunError comes last, when all is written. ``args``: see options.add_run_options,
    and ``json``, ``dry_run``.
    """
    check_there(*args.bundles)
    request = request_of(args)
    _check_out(args, request)
    stream = sys.stderr if args.json else sys.stdout
    if args.dry_run:
        work = plan(request)
        for bundle in request.bundles:
            _say(_command("would run", request.command(bundle), stream), stream)
        _say([labelled("", work)], stream)
        return 0

    measured = run(request, _tell)  # everything is checked before the first bundle is measured
    _check_writable(runs if args.out is None else args.out.parent, len(request.bundles))
    records: list[tuple[Path, Record]] = []
    with stopped_by_signals():
        for record in measured:
            path = _keep(record, runs, args.out)
            records.append((path, record))
            _say([*record_lines(record), labelled("wrote", str(path)), ""], stream)
    if args.json:
        found = {"runs": [{"path": str(path), "record": record} for path, record in records]}
        print(json_text(found, encoding=stdout_encoding()))
    _say(_command("next", f"recpress-edge report {args.out or runs} -o report.html", stream), stream)
    _judge(records)
    return 0


def _keep(record: Record, runs: Path, out: Path | None) -> Path:
    """Write a record; on a full disk write it elsewhere, or print it, so that no measurement is lost."""
    try:
        return add_record(runs, record) if out is None else write_record(out, record)
    except StorageError as error:
        try:
            elsewhere = str(add_record(Path(tempfile.gettempdir()) / "recpress-runs", record))
        except StorageError:
            print(record_text(record), end="", flush=True)
            elsewhere = "on standard output"
        raise StorageError(f"{error} The record of this run is kept: {elsewhere}") from error


def _judge(records: Sequence[tuple[Path, Record]]) -> None:
    """GateError when a bundle did not survive, InvalidRunError when a run is INVALID."""
    ended = [record for _, record in records if record.get("outcome", SURVIVED) != SURVIVED]
    if ended:
        names = "; ".join(f"{record['artifact']['name']}: {record['outcome']}" for record in ended)
        raise GateError(f"{len(ended)} of {len(records)} bundles did not survive the limit ({names})")
    invalid = [str(path) for path, record in records if not record.get("valid", True)]
    if invalid:
        raise InvalidRunError(
            f"{len(invalid)} of {len(records)} runs are INVALID: kept with their reasons, not for the "
            f"headline ({', '.join(invalid)}). Stop other work, let the device cool, and run again"
        )


def _check_out(args: argparse.Namespace, request: BenchRequest) -> None:
    if args.out is None:
        if args.force:
            raise ConfigError("--force only goes with --out: other records never replace each other")
        return
    if len(request.bundles) > 1:
        raise ConfigError(f"--out names one file but there are {len(request.bundles)} bundles. Leave it out.")
    if len(details_of(request.target)) > 1:
        raise ConfigError(
            f"--out takes one file, but --on {request.target} measures several targets. Choose one of them."
        )
    check_free(args.out, force=args.force)


def _check_writable(folder: Path, bundles: int) -> None:
    """Better now than after the measurement."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    disk = shutil.disk_usage(folder)
    # A file system without a size, such as an initramfs, does not state its free space.
    if disk.total and disk.free < RECORD_BYTES * bundles:
        raise StorageError(
            f"{folder} has {format_bytes(disk.free)} free; {bundles} records may take "
            f"{format_bytes(RECORD_BYTES * bundles)}. Nothing was measured; free space "
            "or choose another folder."
        )


def _tell(event: Event) -> None:
    if isinstance(event, Note):
        _say([event.text], sys.stderr)


def _say(lines: Iterable[str], stream: TextIO) -> None:
    """Each on a line of its own, cut between words where a terminal is narrower."""
    text = "\n".join(map(printable, lines))
    print(wrap_lines(text, text_width(stream)), file=stream, flush=True)


def _command(label: str, command: str, stream: TextIO) -> list[str]:
    """Lines of a command that can be copied as one."""
    indent = len(labelled("", ""))
    return labelled(label, wrap_command(printable(command), text_width(stream), indent)).split("\n")


def check_records(args: argparse.Namespace) -> int:
    """Hold records against budgets. ``args``: see options.add_check_options, and ``json``."""
    budgets = gate.read_budgets(args.budget, args.only)
    check_there(*args.runs)
    read, skipped = read_records(args.runs)
    records = [(path, printable_facts(record)) for path, record in read]
    for line in skipped:
        _say([one_line(f"skipped: {line}")], sys.stderr)
    held = gate.hold(records, budgets)
    lines = printable_lines("\n".join(gate.verdict_lines(held)))
    print(lines, file=sys.stderr if args.json else sys.stdout)
    if args.json:
        facts = {"budgets": gate.as_json(held), "skipped": skipped}
        print(json_text(facts, encoding=stdout_encoding()))
    gate.decide(held)
    return 0


def compare_records(args: argparse.Namespace) -> int:
    """Print the ratios of two records. ``args``: see options.add_compare_options, and ``json``."""
    check_there(args.first, args.second)
    with whole(f"{args.first} or {args.second}"):
        found = compare(args.first, args.second)
    if args.json:
        print(json_text(dataclasses.asdict(found), encoding=stdout_encoding()))
    else:
        _say(comparison_lines(found), sys.stdout)
    return 0


def self_test_bundles(args: argparse.Namespace) -> int:
    """Verify each bundle and its answers. ``args``: see options.add_self_test_options, and ``json``."""
    check_there(*args.bundles)
    check_one_expected(args.expect_digest, args.bundles)
    stream, facts = sys.stderr if args.json else sys.stdout, []
    for folder in args.bundles:
        bundle, answers = self_test_any(folder, guard_of(args), trust_of(args))
        files = len(bundle.files)
        full = full_of(bundle.provenance)
        of = f" of the {full.queries} of its full bundle, {full.told}" if full else ""
        _say([f"{bundle.name}: {files} files verified, {answers} answers{of} as expected"], stream)
        facts.append({"bundle": bundle.name, "sha256": bundle.digest, "files": files, "answers": answers})
    if args.json:
        print(json_text({"bundles": facts}, encoding=stdout_encoding()))
    return 0


def print_state(_: argparse.Namespace) -> int:
    """Print what machine this is, and its state."""
    facts = {"device": device_facts(), "state": read_state()}
    print(json_text(facts, indent=2, encoding=stdout_encoding()))
    return 0

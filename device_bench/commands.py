"""What the commands do, for ``device_bench`` on the device and ``recpress-edge bench`` on the host alike."""

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from device_bench.lanes.targets import Target, lane_module
from device_bench.options import request_of
from device_bench.show import labelled, record_lines
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.core.errors import ConfigError, GateError, InvalidRunError, StorageError
from recpress_edge.core.files import check_free, storage_errors
from recpress_edge.core.printable import json_text, one_line, printable, printable_facts, printable_lines
from recpress_edge.core.terminal import stdout_encoding
from recpress_edge.core.units import format_bytes
from recpress_edge.device.apart import self_test_apart
from recpress_edge.device.guard import Guard
from recpress_edge.device.runtime import check_format
from recpress_edge.records import check as gate
from recpress_edge.records.bench import add_record, read_records, record_text, write_record
from recpress_edge.records.survival import SURVIVED

RECORD_BYTES: Final = 16 * 2**20
"""What a record may take on the disk; most take a tenth of it."""


def run_bundles(args: argparse.Namespace, runs: Path) -> int:
    """Measure each bundle on the target, write the records as they come, print them.

    GateError or InvalidRunError comes last, when all is written. ``args``: see options.add_run_options,
    and ``json``, ``dry_run``.
    """
    request = request_of(args)
    lane = lane_module(request.target)
    lane.check(request)
    _check_out(args, request.target)
    for folder in args.bundles:  # all of them before any time is spent on the first
        check_format(open_bundle(folder).contract.format, folder, request.protocol.delegate)
    stream = sys.stderr if args.json else sys.stdout
    if args.dry_run:
        lines = [labelled("would run", request.command(bundle)) for bundle in args.bundles]
        print("\n".join([*lines, labelled("", lane.plan(request))]), file=stream)
        return 0

    _check_writable(runs if args.out is None else args.out.parent, len(args.bundles))
    records: list[tuple[Path, Mapping[str, Any]]] = []
    with stopped_by_signals():
        for record in lane.run(request, args.bundles, _report):
            path = _keep(record, runs, args.out)
            records.append((path, record))
            lines = [*record_lines(record), labelled("wrote", str(path)), ""]
            print("\n".join(map(printable, lines)), file=stream, flush=True)
    if args.json:
        print(
            json_text(
                {"runs": [{"path": str(path), "record": record} for path, record in records]},
                encoding=stdout_encoding(),
            )
        )
    print(labelled("next", f"recpress-edge report {args.out or runs} -o report.html"), file=stream)
    _judge(records)
    return 0


def _keep(record: Mapping[str, Any], runs: Path, out: Path | None) -> Path:
    """Write a record. A measurement is never lost to a full disk: it is written elsewhere, or printed."""
    try:
        return add_record(runs, record) if out is None else write_record(out, record)
    except StorageError as error:
        try:
            elsewhere = str(add_record(Path(tempfile.gettempdir()) / "recpress-runs", record))
        except StorageError:
            print(record_text(record), end="", flush=True)
            elsewhere = "on standard output"
        raise StorageError(f"{error} The record of this run is kept: {elsewhere}") from error


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, so that whatever it made is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _judge(records: Sequence[tuple[Path, Mapping[str, Any]]]) -> None:
    """GateError when a bundle did not survive, InvalidRunError when a run is not to be relied on."""
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


def _check_out(args: argparse.Namespace, target: Target) -> None:
    if args.out is None:
        if args.force:
            raise ConfigError("--force only goes with --out: other records never replace each other")
        return
    if len(args.bundles) > 1:
        raise ConfigError(f"--out names one file but there are {len(args.bundles)} bundles. Leave it out.")
    if target.several:
        raise ConfigError(f"--out names one file but --on {target} makes several. Name one target of its.")
    check_free(args.out, force=args.force)


def _check_writable(folder: Path, bundles: int) -> None:
    """Better now than after the measurement."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    disk = shutil.disk_usage(folder)
    # A file system without a size, such as an initramfs, says nothing of what is free.
    if disk.total and disk.free < RECORD_BYTES * bundles:
        raise StorageError(
            f"{folder} has {format_bytes(disk.free)} free; {bundles} records may take "
            f"{format_bytes(RECORD_BYTES * bundles)}. Nothing was measured; free space "
            "or choose another folder."
        )


def _report(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)


def check_records(args: argparse.Namespace) -> int:
    """Hold records against budgets. ``args``: see options.add_check_options, and ``json``."""
    budgets = gate.read_budgets(args.budget, args.only)
    read, skipped = read_records(args.runs)
    records = [(path, printable_facts(record)) for path, record in read]
    for line in skipped:
        print(one_line(f"skipped: {line}"), file=sys.stderr)
    held = gate.hold(records, budgets)
    lines = printable_lines("\n".join(gate.verdict_lines(held)))
    print(lines, file=sys.stderr if args.json else sys.stdout)
    if args.json:
        facts = {"budgets": gate.as_json(held), "skipped": skipped}
        print(json_text(facts, encoding=stdout_encoding()))
    gate.decide(held)
    return 0


def self_test_bundles(bundles: Sequence[Path], guard: Guard) -> int:
    """Verify digests and answers of each bundle."""
    for folder in bundles:
        bundle, answers = self_test_apart(folder, guard)
        print(printable(f"{bundle.name}: {len(bundle.files)} files verified, {answers} answers as expected"))
    return 0

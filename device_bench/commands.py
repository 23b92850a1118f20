"""What the commands do, for ``device_bench`` on the device and ``recpress-edge bench`` on the host alike."""

import argparse
import datetime
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from device_bench.guard import Guard
from device_bench.lanes.targets import Target, lane_module
from device_bench.options import request_of
from device_bench.protocol import self_test_apart
from device_bench.runtimes.opening import check_format
from device_bench.show import labelled, record_lines
from recpress_edge.core import gate
from recpress_edge.core.bundle import open_bundle
from recpress_edge.core.errors import ConfigError, GateError, InvalidRunError
from recpress_edge.core.files import check_free, storage_errors
from recpress_edge.core.printable import json_text, printable
from recpress_edge.core.results import record_path, write_record
from recpress_edge.core.survival import SURVIVED
from recpress_edge.core.terminal import stdout_encoding


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

    _check_writable(runs if args.out is None else args.out.parent)
    records: list[tuple[Path, Mapping[str, Any]]] = []
    for record in lane.run(request, args.bundles, _report):
        created = datetime.datetime.fromisoformat(record["created"])
        path = args.out or record_path(
            runs, record["device"]["id"], record["artifact"]["bundle_sha256"], created
        )
        write_record(path, record)
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
            f"headline ({', '.join(invalid)})"
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


def _check_writable(folder: Path) -> None:
    """Better now than after the measurement."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


def _report(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)


def check_records(args: argparse.Namespace) -> int:
    """Hold records against budgets. ``args``: see options.add_check_options, and ``json``."""
    held = gate.hold(args.runs, gate.read_budgets(args.budget, args.only))
    print("\n".join(map(printable, gate.verdict_lines(held))), file=sys.stderr if args.json else sys.stdout)
    if args.json:
        print(json_text({"budgets": gate.as_json(held)}, encoding=stdout_encoding()))
    gate.decide(held)
    return 0


def self_test_bundles(bundles: Sequence[Path], guard: Guard) -> int:
    """Verify digests and answers of each bundle."""
    for folder in bundles:
        bundle, answers = self_test_apart(folder, guard)
        print(printable(f"{bundle.name}: {len(bundle.files)} files verified, {answers} answers as expected"))
    return 0

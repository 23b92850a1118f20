"""recpress-edge export --all: students × formats × recipes, one status each, past every failure."""

import argparse
from collections.abc import Sequence
from typing import Any

from recpress_edge.cli.common import add_executor_options, emit, executor_of, names_of, next_steps, say, table
from recpress_edge.cli.events import print_events
from recpress_edge.cli.export.of_format import format_options
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.metrics import DEFAULT_CUTOFF, metric_title, shown_metrics
from recpress_edge.core.progress import Event
from recpress_edge.core.units import format_bytes, format_share
from recpress_edge.jobs.sweep import RowEvent, SweepRequest, SweepResult, SweepRow

LISTS = ("students", "formats", "recipes")
SWEEP_FLAGS = (*LISTS, "jobs", "ray")
SINGLE_FLAGS = ("student", "teacher", "recipe", "format", "core", "out", "profile", "user", "fit")


def add_sweep_options(parser: argparse.ArgumentParser) -> None:
    """Add what only goes with --all."""
    group = parser.add_argument_group("a sweep")
    group.add_argument(
        "--all", action="store_true", help="students × formats × recipes, with a status for each"
    )
    group.add_argument(
        "--students",
        metavar="A,B",
        help="names or model folders (default: every trained student of the data set in WORK/models, and a "
        "baseline of each of their sizes)",
    )
    group.add_argument("--formats", metavar="A,B", help="default: all")
    group.add_argument("--recipes", metavar="A,B", help="default: all")
    add_executor_options(parser, "models trained, then bundles written")


def run_sweep(args: argparse.Namespace) -> int:
    """Exit code 0: all that is supported is done; 3: some below the gate; 1: some failed, or nothing is."""
    result = _sweep(args, _request(args))
    say(args)
    say(args, _table(result.rows))
    for why in result.left_out:
        say(args, f"left out   {why}")
    say(args, f"rows       {', '.join(f'{count} {status}' for status, count in result.counts.items())}")
    if not args.dry_run:
        next_steps(args, [f"device_bench run {row.bundle}" for row in result.rows if row.bundle][:1])
    emit(args, result.facts())
    return result.exit_code


def _sweep(args: argparse.Namespace, request: SweepRequest) -> SweepResult:
    executor = executor_of(args)
    with print_events(args) as on_event:

        def tell(event: Event) -> None:
            if isinstance(event, RowEvent):
                say(args, _line(event.row))
            on_event(event)

        return request.plan(tell) if args.dry_run else request.run(tell, executor)


def check_single(args: argparse.Namespace) -> None:
    """Without --all: a student is needed, and the flags of a sweep say nothing."""
    for name in SWEEP_FLAGS:
        if getattr(args, name) is not None:
            raise ConfigError(f"--{name} only goes with --all")
    if args.student is None:
        raise ConfigError("give --student NAME, or --all for every student that is trained")


def _request(args: argparse.Namespace) -> SweepRequest:
    """The flags of a single export are refused."""
    flags = (
        ("--int8", args.int8),
        ("--with-evaluation", args.with_evaluation),
        ("--lean", args.lean),
        ("--order-only", args.order_only),
    )
    given = [f"--{name}" for name in SINGLE_FLAGS if getattr(args, name) is not None]
    given += [flag for flag, on in flags if on]
    given += format_options(args).words
    given += ["--set"] if args.set else []
    if given:
        raise ConfigError(f"{given[0]} is for one student; with --all use --students, --formats, --recipes")
    listed: dict[str, Any] = {
        flag: tuple(names_of(flag, getattr(args, flag))) for flag in LISTS if getattr(args, flag) is not None
    }
    kept = ("data", "seed", "titles", "force", "device", "threads", "work")
    if args.item_features:
        listed["item_features"] = tuple(names_of("item-features", args.item_features))
    kept_words = {flag: getattr(args, flag) for flag in kept}
    return SweepRequest(**kept_words, **listed, plugin=tuple(args.plugin))


def _line(row: SweepRow) -> str:
    what = f"{row.student} seed {row.seed} {row.format} {row.recipe}"
    return "  ".join(filter(None, (f"{row.status:<13}", what, row.bundle, row.reason)))


def _table(rows: Sequence[SweepRow]) -> str:
    k = next((row.cutoff for row in rows if row.cutoff), DEFAULT_CUTOFF)  # one data set has one
    shown = shown_metrics(k)
    metrics = (f"valid {metric_title(name)}" for name in shown)
    headers = ("student", "seed", "format", "recipe", "file", "bundle", *metrics, f"overlap@{k}", "status")
    return table(headers, [_cells(row, shown) for row in rows])


def _cells(row: SweepRow, shown: Sequence[str]) -> list[str]:
    return [
        row.student,
        str(row.seed),
        row.format,
        row.recipe,
        *("–" if size is None else format_bytes(size) for size in (row.file_bytes, row.bundle_bytes)),
        *(format_share(row.metrics.get(name)) for name in shown),
        format_share(row.overlap),
        row.status,
    ]

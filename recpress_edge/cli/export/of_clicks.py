"""``recpress-edge export`` of a click model: its flags, and what is said of its bundle."""

import argparse
import shlex
from typing import Any

from recpress_edge.artifacts.clicks.contract import FORMAT_RECIPES
from recpress_edge.artifacts.clicks.folded import RECIPES
from recpress_edge.artifacts.clicks.metrics import CLICK_METRICS, TITLES
from recpress_edge.cli.common import next_steps, request_of, say
from recpress_edge.cli.export.of_format import format_options
from recpress_edge.cli.export.of_rankers import run_ranker
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.units import format_bytes, format_share
from recpress_edge.jobs.rankers.clicks import ClickExportRequest, ClickExportResult
from recpress_export.options import NO_OPTIONS

TABLES_ONLY = ("core", "profile", "user", "titles", "item_features", "plugin")
"""Flags that bundles of tables and networks have alone."""


def add_fit_option(parser: argparse.ArgumentParser) -> None:
    """``--fit``."""
    parser.add_argument(
        "--fit",
        metavar="BYTES",
        help="of a click model: the first of int8, int8-fields and int4-fields whose file has so many bytes "
        "at most and keeps the gate, such as 64KiB; says what was tried and why it was not taken",
    )


def refuse_fit(args: argparse.Namespace) -> None:
    """ConfigError for ``--fit`` of a student that is no click model."""
    if args.fit:
        raise ConfigError("--fit is for click models: of others --recipe says how the tables are stored.")


def run_clicks(args: argparse.Namespace) -> int:
    """Exit code 0 when the bundle is there, whether written now or before."""
    return run_ranker(args, _request(args), _report)


def _request(args: argparse.Namespace) -> ClickExportRequest:
    for name in TABLES_ONLY:
        if getattr(args, name):
            raise ConfigError(
                f"--{name.replace('_', '-')} is not for {args.student}, a click model: its bundle ranks "
                "candidates for a row of features. Leave it out."
            )
    if format_options(args) != NO_OPTIONS:
        raise ConfigError(
            f"--order, --model-h and --build are of formats c and web; {args.student} is a click model, "
            f"exported as {' or '.join(FORMAT_RECIPES)}. Leave them out."
        )
    return request_of(ClickExportRequest, args)


def _report(args: argparse.Namespace, result: ClickExportResult) -> None:
    bundle, folder = result.exported.bundle, shlex.quote(str(result.exported.bundle.folder))
    contract, clicks = bundle.contract, bundle.quality["clicks"]
    say(args, f"student    {bundle.provenance['student']}  ·  a click model × {contract.n_items:,} items")
    say(args, f"asked by   {', '.join(field.name for field in contract.fields)}")
    say(args, f"folded     {', '.join(contract.folded)} into a row of each item")
    for one in result.tried:
        say(args, f"{'not':<9}  {one.recipe}: {one.why}")
    verb = "unchanged" if result.exported.unchanged else "wrote"
    say(args, f"{verb:<9}  {bundle.model_path}   {format_bytes(bundle.model_bytes)}   {contract.recipe}")
    say(args, f"recipe     {RECIPES[contract.recipe]}")
    say(args, f"against    the trained model, on {clicks['rows']:,} validation rows:")
    for metric in CLICK_METRICS:
        before, after = (format_share(clicks[part][metric]) for part in ("before", "after"))
        say(args, f"             {TITLES[metric]:<12} {before} → {after}")
    inside = "no test rows; --with-evaluation brings them, for device_bench to judge the file by"
    if (rows := bundle.evaluation()) is not None:
        inside = f"{len(rows.labels):,} test rows, to judge the file on a device; no application needs them"
    say(args, f"inside     {inside}")
    if clicks["gate"]["overruled"]:
        say(args, f"gate       NOT MET, overruled by --force: {clicks['gate']['failure']}")
    asked = len(bundle.selftest())
    say(
        args,
        f"bundle     {folder}/   {format_bytes(bundle.total_bytes)} in all   sha256 {bundle.digest[:16]}…   "
        f"self-test: {asked} requests, passed",
    )
    next_steps(args, _commands(folder, contract.fields[0].name, result))


def _commands(folder: str, field: str, result: ClickExportResult) -> list[str]:
    """What to run next: ask with the first value that the self-test knows."""
    values: Any = result.exported.bundle.selftest()[0].values[field]
    return [
        f"recpress-edge recommend {folder} --value {shlex.quote(f'{field}={values}')}",
        f"device_bench run {folder}",
        f"recpress-edge inspect {folder}",
    ]

"""``recpress-edge data``: list, fetch, stats, import."""

import argparse
import textwrap
from pathlib import Path
from typing import Any, Final

from recpress_edge.cli.common import (
    add_common_options,
    command_again,
    emit,
    next_steps,
    request_of,
    say,
    table,
)
from recpress_edge.cli.data.import_options import add_import_options
from recpress_edge.cli.events import print_events
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.units import counted
from recpress_edge.data.interactions import Dataset
from recpress_edge.jobs.data import FetchRequest, data_facts, list_data, load_data
from recpress_edge.jobs.data_import import ImportPreview, ImportRequest, ImportResult

_WIDTH: Final = 80
"""Characters of a line in the usual terminal."""


def add_options(data: argparse.ArgumentParser) -> None:
    """Add the four verbs."""
    verbs = data.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="data sets that are here, and those that can be fetched")
    fetch = verbs.add_parser("fetch", help="download a public set, check it, split it")
    stats = verbs.add_parser("stats", help="counts of one data set")
    importing = verbs.add_parser(
        "import",
        help="bring your own log",
        description="Reads a log of who took what (delimited text, Parquet, JSON, SQLite by --query, "
        "RecBole, lists; compressed or not), asks where it can be read in two ways, holds out what models "
        "are judged by and stores all of it below --work. Nothing is written before everything is clear; "
        "--preview shows the first eight rows as they are understood.",
    )
    for parser, run in ((listing, _list), (fetch, _fetch), (stats, _stats), (importing, _import)):
        add_common_options(parser)
        parser.set_defaults(func=run)
    for parser in (fetch, stats):
        parser.add_argument("name", metavar="NAME", help="see 'recpress-edge data list'")
    fetch.add_argument("--force", action="store_true", help="replace the data set of this name")
    add_import_options(importing)


def _list(args: argparse.Namespace) -> int:
    entries = list_data(args.work)
    heading = {
        "name": "data set",
        "state": "state",
        "users": "users",
        "items": "items",
        "about": "what it is",
    }
    for entry in [heading, *entries]:
        name, state, users, items = (_text(entry.get(key)) for key in ("name", "state", "users", "items"))
        say(args, f"{name:<17}  {state:<8}  {users:>11}  {items:>11}")
        say(args, textwrap.indent(textwrap.fill(entry["about"], _WIDTH - 2), "  "))
    say(args)
    next_steps(args, ["recpress-edge data fetch NAME", "recpress-edge data import PATH --name NAME"])
    emit(args, {"datasets": entries})
    return 0


def _fetch(args: argparse.Namespace) -> int:
    request = request_of(FetchRequest, args)
    plan = request.plan()
    say(args, f"licence    {plan.chosen.how.licence}")
    if plan.local:
        say(args, f"copy       in {plan.local}, its digests checked")
    for file in plan.files:
        say(args, f"download   {file.url}")
        say(args, f"           must be {file.digest}")
    if args.dry_run:
        written = [plan.target] if plan.local else [plan.downloads, plan.target]
        say(args, f"dry run    would write {' and '.join(map(str, written))}")
        emit(args, plan.facts())
        return 0
    with print_events(args) as on_event:
        result = request.run(on_event)
    _report(args, result)
    return 0


def _stats(args: argparse.Namespace) -> int:
    if args.dry_run:
        raise ConfigError("data stats only reads: remove --dry-run")
    with print_events(args) as on_event:
        dataset = load_data(args.name, args.work, on_event)
    facts = data_facts(dataset, args.work)
    say(
        args,
        f"data       {dataset.name}: {dataset.n_users:,} users × {dataset.n_items:,} items",
    )
    say(args, f"split      {dataset.protocol}")
    if dataset.ties:
        say(args, f"ties       {dataset.ties}")
    for note in facts.get("strangers", ()):
        say(args, f"careful    {note}")
    say(args, f"licence    {dataset.licence}")
    _say_features(args, facts)
    say(args)
    say(args, _parts_table(dataset))
    say(args)
    say(args, f"unseen     {facts['items_never_in_train']:,} items never occur in train")
    say(args, f"density    {100 * facts['density']:.3f} % of all pairs")
    say(args, f"digest     {facts['digest']}")
    emit(args, facts)
    return 0


def _say_features(args: argparse.Namespace, facts: dict[str, Any]) -> None:
    """Titles and feature columns; nothing where there are none."""
    if facts["titles"] is not None:
        say(args, f"titles     {facts['titles']:,} of {facts['n_items']:,} items have one")
    if facts["features"]:
        say(args)
        rows = [
            [side, column["name"], column["kind"], _extent(column), f"{column['missing']:,}"]
            for side, columns in facts["features"].items()
            for column in columns
        ]
        say(args, table(["of", "feature", "kind", "values", "missing"], rows))


def _extent(column: dict[str, Any]) -> str:
    if "values" not in column:
        return f"{column['least']:g} to {column['most']:g}"
    most = column.get("most_in_a_row")
    return f"{column['values']:,}" + (f", up to {most} a row" if most else "")


def _import(args: argparse.Namespace) -> int:
    request = request_of(ImportRequest, args)
    with print_events(args) as on_event:
        if args.preview:
            return _preview(args, request.preview(on_event))
        result = request.plan(on_event) if args.dry_run else request.run(on_event)
    if args.dry_run:
        say(args, f"dry run    would write {result.target}")
    _report(args, result)
    return 0


def _preview(args: argparse.Namespace, found: ImportPreview) -> int:
    """The first rows of a log as they are understood."""
    for note in found.read.notes:
        say(args, f"read       {note}")
    rows = found.rows()
    say(args)
    say(args, table(list(rows[0]), [[_text(value) for value in row.values()] for row in rows]))
    say(args)
    say(args, f"rows       {len(rows):,} of {len(found.read.log):,}; nothing was written")
    for question in found.read.questions:
        say(args, f"question   {question}")
    if not found.read.questions:
        next_steps(args, [command_again(args, without="--preview")])
    emit(args, found.facts())
    return 0


def _report(args: argparse.Namespace, result: ImportResult) -> None:
    dataset, record = result.prepared.dataset, result.prepared.record
    for note in record["read"]:
        say(args, f"read       {note}")
    for note in (note for of_table in record.get("tables", ()) for note in of_table["read"]):
        say(args, f"table      {note}")
    for note in record["strangers"]:
        say(args, f"careful    {note}")
    rows = record["rows"]
    left_out = {
        "that cannot be read": rows["left_out_bad_lines"],
        "by --only or --where": rows["left_out_not_chosen"],
        "without an id": rows["left_out_missing"],
        "of strangers": rows["left_out_strangers"],
    }
    texts = [f"{count:,} {reason}" for reason, count in left_out.items() if count]
    if texts:
        say(args, f"left out   {', '.join(texts)}")
    removed = {
        "rated too low": rows["removed_low_ratings"],
        "duplicates": rows["removed_duplicates"],
        "of rare users or items": rows["removed_rare"],
    }
    texts = [f"{count:,} {reason}" for reason, count in removed.items() if count]
    say(args, f"removed    {', '.join(texts) or 'nothing'}; {rows['kept']:,} of {rows['read']:,} rows stay")
    say(
        args,
        f"data       {dataset.name}: {dataset.n_users:,} users × {dataset.n_items:,} items",
    )
    alone = record["split"]["users_not_held_out"]
    per_user = not record["split"]["kind"].startswith("time:")  # which has a note of its own
    few = f"; {counted(alone, 'user')} with too few items, in train alone" if alone and per_user else ""
    say(args, f"split      {dataset.protocol}{few}")
    if dataset.ties:
        say(args, f"ties       {dataset.ties}")
    say(args)
    say(args, _parts_table(dataset))
    say(args)
    if result.written:
        say(args, f"wrote      {result.target}")
        first = f"export --data {dataset.name} --student soft_dim32 --int8"
        if dataset.labelled is not None:
            first = f"train --data {dataset.name} --teacher deepfm_dim16"
        commands = [
            f"recpress-edge {first}{_work_option(args)}",
            f"recpress-edge data stats {dataset.name}{_work_option(args)}",
        ]
        next_steps(args, commands)
    emit(args, result.facts())


def _parts_table(dataset: Dataset) -> str:
    parts = {"train": dataset.train, "valid": dataset.valid, "test": dataset.test}
    labelled = {} if dataset.labelled is None else dataset.labelled.facts()
    rows = [
        [
            name,
            *([f"{labelled[name]['rows']:,}", f"{labelled[name]['share']:.1%}"] if labelled else []),
            f"{len(part):,}",
            f"{int((part.counts() > 0).sum()):,}",
            f"{int((part.item_counts() > 0).sum()):,}",
        ]
        for name, part in parts.items()
    ]
    of_labels = ["rows", "label 1"] if labelled else []
    return table(["part", *of_labels, "interactions", "users", "items"], rows)


def _work_option(args: argparse.Namespace) -> str:
    return "" if args.work == Path() else f" --work {args.work}"


def _text(value: object) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)

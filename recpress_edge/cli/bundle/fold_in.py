"""recpress-edge bundle fold-in: new items, from interactions of known users or by similar items."""

import argparse
from pathlib import Path

from recpress_edge.cli.bundle.update import is_signed, say_updated
from recpress_edge.cli.common import add_common_options, emit, positive_int, request_of, say
from recpress_edge.cli.events import print_events
from recpress_edge.core.terminal import stopped_by_signals
from recpress_edge.core.units import counted
from recpress_edge.device.guard import add_guard_options, guard_of
from recpress_edge.jobs.fold_in import Folded, FoldInRequest

_SHOWN = 5


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb and its flags."""
    fold_in = verbs.add_parser(
        "fold-in",
        help="append new items: their vectors are made from interactions, or from similar items",
        description="Makes a vector for each item of the log that the bundle does not have, in closed form "
        "against the bundle's own users, and appends it as 'bundle update' does: checked before it takes the "
        "old bundle's place, which is kept as BUNDLE.previous. Nothing is trained; users and items that are "
        "there stay as they are. A new item enters the first 50 of about as many users as an item does on "
        "average, until the next training.",
        epilog="examples: recpress-edge bundle fold-in dist/soft_dim32-int8 --interactions today.parquet; "
        "recpress-edge bundle fold-in dist/soft_dim32-int8 --like N1=242,50",
    )
    add_common_options(fold_in)
    fold_in.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    fold_in.add_argument(
        "--interactions",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a log with the new items, read as 'data import' reads it: a file, a glob or a folder of parts; "
        "rows of unknown users and of items that are there count for nothing. May be given again",
    )
    fold_in.add_argument(
        "--like",
        action="append",
        default=[],
        metavar="NEW=ID,ID",
        help="a new item that nobody was with yet: the mean of these items. May be given again",
    )
    fold_in.add_argument(
        "--min-interactions",
        type=positive_int,
        default=1,
        metavar="N",
        help="fold in only items that at least N known users were with (default: 1)",
    )
    fold_in.add_argument("--columns", metavar="SPEC", help="for example user=buyer,item=sku")
    fold_in.add_argument("--format", default="auto", help="of the log (default: the file shows it)")
    fold_in.add_argument("--where", metavar="SQL", help="count only rows for which this holds")
    fold_in.add_argument("--out", type=Path, metavar="DIR", help="write there and leave BUNDLE alone")
    fold_in.add_argument("--force", action="store_true", help="replace what is at --out")
    add_guard_options(fold_in)
    fold_in.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    request = request_of(FoldInRequest, args, guard=guard_of(args))
    if args.dry_run:
        with print_events(args) as on_event:
            folded = request.plan(on_event)
        _say_folded(args, folded, "would")
        emit(args, {"dry_run": True, **folded.facts()})
        return 0
    was_signed = is_signed(args)
    with print_events(args) as on_event, stopped_by_signals():
        result = request.run(on_event)
    _say_folded(args, result.folded, "folded in")
    say_updated(args, result.updated, was_signed=was_signed)
    emit(args, result.facts())
    return 0


def _say_folded(args: argparse.Namespace, folded: Folded, verb: str) -> None:
    told, names = folded.counted, folded.changes.append_ids
    alike = sum(not count for count in folded.per_item)
    made = f"{counted(len(names) - alike, 'item')} from {counted(told.interactions, 'interaction')}"
    say(args, f"{verb:<9}  {made}" + (f", {alike:,} by items that they are like" if alike else ""))
    if told.known_items or told.unknown_users:
        say(
            args,
            f"no use     {counted(told.known_items, 'interaction')} with items that are there, "
            f"{told.unknown_users:,} of unknown users",
        )
    if told.left_out:
        shown = ", ".join(told.left_out[:_SHOWN]) + (", …" if len(told.left_out) > _SHOWN else "")
        say(args, f"left out   {counted(len(told.left_out), 'new item')} with too few known users: {shown}")
    if folded.shrunk:
        say(args, f"shortened  {folded.shrunk:,} rows, to the range of the bundle's item scales")

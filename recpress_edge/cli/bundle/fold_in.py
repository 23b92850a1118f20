"""recpress-edge bundle fold-in: new items, from interactions of known users, similar items or features."""

import argparse
from pathlib import Path

from recpress_edge.artifacts.trust.options import add_trust_options, trust_of
from recpress_edge.cli.bundle.update import is_signed, say_updated
from recpress_edge.cli.common import (
    ExamplesFormatter,
    add_bad_lines_option,
    add_common_options,
    command_again,
    emit,
    next_steps,
    positive_int,
    request_of,
    say,
)
from recpress_edge.cli.events import print_events
from recpress_edge.core.terminal import hanging, stopped_by_signals
from recpress_edge.core.units import counted
from recpress_edge.data.ids import FORMS
from recpress_edge.device.guard import add_guard_options, guard_of
from recpress_edge.jobs.fold_in.features import ALIKE_ITEMS, Recovery
from recpress_edge.jobs.fold_in.request import Folded, FoldInRequest
from recpress_edge.models.new_rows import REACH

_SHOWN = 5


def add_options(fold_in: argparse.ArgumentParser) -> None:
    """Describe the verb and add its flags."""
    fold_in.description = (
        "Makes a vector for each new item, in closed form against what the bundle holds, and "
        "appends it as 'bundle update' does: checked before it takes the old bundle's place, which is kept "
        "as BUNDLE.previous. Nothing is trained; users and items that are there stay as they are. A new item "
        "enters the first 50 of about as many users as an item does on average, until the next training; one "
        "of --like is as long as those that it is like, and goes to most users where they are popular. Where "
        "several ways make an item, its interactions win over its features."
    )
    fold_in.epilog = """\
examples:
  recpress-edge bundle fold-in dist/soft_dim32-int8 --interactions today.parquet
  recpress-edge bundle fold-in dist/soft_dim32-int8 --like N1=242,50
  recpress-edge bundle fold-in dist/soft_dim32-int8 --dry-run \\
      --features items.csv
  recpress-edge bundle fold-in dist/soft_dim32-int8 --features movies.dat \\
      --item-features genres=3:many,title=2:words"""
    fold_in.formatter_class = ExamplesFormatter
    add_common_options(fold_in)
    fold_in.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    fold_in.add_argument(
        "--interactions",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a log with the new items, read as 'data import' reads it: a file, a glob or a folder of parts; "
        "rows of unknown users and of items that are there count for nothing; of a history bundle users are "
        "known by the known items that they have in this log. May be given again",
    )
    fold_in.add_argument(
        "--like",
        action="append",
        default=[],
        metavar="NEW=ID,ID",
        help="a new item that nobody was with yet: the mean direction and length of these items. "
        "May be given again",
    )
    fold_in.add_argument(
        "--min-interactions",
        type=positive_int,
        default=1,
        metavar="N",
        help="fold in only items that at least N known users were with (default: 1)",
    )
    _add_feature_options(fold_in)
    _add_reading_options(fold_in)
    fold_in.add_argument("--out", type=Path, metavar="DIR", help="write there and leave BUNDLE alone")
    fold_in.add_argument("--force", action="store_true", help="replace what is at --out")
    add_guard_options(fold_in)
    add_trust_options(fold_in)
    fold_in.set_defaults(func=_run)


def _add_reading_options(fold_in: argparse.ArgumentParser) -> None:
    fold_in.add_argument("--columns", metavar="SPEC", help="for example user=buyer,item=sku")
    fold_in.add_argument("--format", default="auto", help="of the log (default: the file shows it)")
    fold_in.add_argument("--where", metavar="SQL", help="count only rows for which this holds")
    fold_in.add_argument("--header", choices=("yes", "no"), help="of the log (default: found)")
    fold_in.add_argument(
        "--missing", default="", metavar="WORDS", help="ids of the log that stand for no value"
    )
    fold_in.add_argument(
        "--ids",
        choices=FORMS,
        help="of the log and of tables: to the letter, or as 'data import --ids cleaned' makes them "
        "(default: ask where it matters)",
    )
    add_bad_lines_option(fold_in)


def _add_feature_options(fold_in: argparse.ArgumentParser) -> None:
    group = fold_in.add_argument_group(
        "features",
        "A linear map from features to vectors is learned from the items that the bundle knows and makes one "
        "for each row whose id it does not know. How well it finds known items again, each left out in turn, "
        "is printed; where that is no better than the mean vector, it is refused.",
    )
    group.add_argument(
        "--features",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a table with a row for each item, known and new, read as 'data import --items' reads it; with "
        "a second --features known and new ones may be apart",
    )
    group.add_argument(
        "--item-id", metavar="COLUMN", help="its ids, as the bundle has them (default: by name, or the first)"
    )
    group.add_argument(
        "--item-features",
        metavar="COLUMNS",
        help="[NAME=]COLUMN[:KIND] with commas between, as of 'data import', and KIND words for texts "
        "(default: every column; texts of which most stand once are taken by their words)",
    )
    group.add_argument("--table-encoding", metavar="NAME", help="for example latin1 (default: utf-8)")
    group.add_argument("--table-separator", metavar="MARK", help="default: found")
    group.add_argument("--table-header", choices=("yes", "no"), help="default: found")


def _run(args: argparse.Namespace) -> int:
    request = request_of(FoldInRequest, args, guard=guard_of(args), trust=trust_of(args))
    if args.dry_run:
        with print_events(args) as on_event:
            folded = request.plan(on_event)
        _say_folded(args, folded, "would")
        next_steps(args, [command_again(args, without="--dry-run")])
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
    of_log = folded.changes.append_history is not None  # a history bundle's users are made of the log
    by_features = folded.n_by_features
    alike = sum(not count for count in folded.per_item) - by_features
    interactions = f"{counted(len(names) - alike - by_features, 'item')} from "
    ways = [
        f"{interactions}{counted(told.interactions, 'interaction')}" if told.interactions else "",
        f"{alike:,} by items that they are like" if alike else "",
        f"{by_features:,} by features" if by_features else "",
    ]
    say(args, hanging(verb, ", ".join(filter(None, ways))))
    if told.known_items or told.unknown_users:
        known = f"{counted(told.known_items, 'interaction')} with items that are there"
        nobody = "users of whom the log holds no known item" if of_log else "unknown users"
        say(args, hanging("no use", f"{known}, {told.unknown_users:,} of {nobody}"))
    if told.left_out:
        shown = ", ".join(told.left_out[:_SHOWN]) + (", …" if len(told.left_out) > _SHOWN else "")
        why = (
            "no value that known items share"
            if folded.recovery
            else f"too few {'users with known items' if of_log else 'known users'}"
        )
        say(args, hanging("left out", f"{counted(len(told.left_out), 'new item')} with {why}: {shown}"))
    if folded.recovery:
        _say_recovery(args, folded.recovery)
    if folded.shrunk:
        say(args, f"shortened  {folded.shrunk:,} rows, to the range of the bundle's item scales")


def _say_recovery(args: argparse.Namespace, found: Recovery) -> None:
    learned = f"from {counted(found.known, 'known item')}: {'; '.join(found.values)}"
    explains = (
        f"{100 * found.explained:.1f} % of the variance of their vectors, each left out in turn (the mean "
        "vector: 0 %)"
    )
    say(args, hanging("learned", learned))
    say(args, hanging("explains", explains))
    if found.recall:
        recall = found.recall
        reached = (
            f"{recall['features']:.3f} by features, of {found.pairs:,} held-out pairs whose item is left "
            f"out; {recall['alike']:.3f} by the {ALIKE_ITEMS} most alike items, {recall['mean']:.3f} by the "
            f"mean vector, {recall['own_direction']:.3f} in its own direction; 0 in lists of popular items"
        )
        say(args, hanging(f"recall@{REACH}", reached))

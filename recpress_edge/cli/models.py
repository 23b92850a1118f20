"""``recpress-edge models``: what is trained, with its figures."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.clicks.metrics import CLICK_METRICS, TITLES
from recpress_edge.cli.common import add_common_options, emit, only_reads, request_of, say, table
from recpress_edge.cli.tables import add_table_options, check_tables, write_tables
from recpress_edge.core.metrics import BALANCED, CHOICES
from recpress_edge.core.progress import left_out_words
from recpress_edge.core.units import format_bytes, format_share
from recpress_edge.jobs.models import SHOWN, ModelsRequest

_SHORT: Final = {"recall": "R", "ndcg": "N"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Lists the models in WORK/models with their figures, best first. Each is checked: a damaged one is "
        "named, and the exit code is 1."
    )
    add_common_options(parser)
    parser.add_argument("--data", metavar="NAME", help="only those of this data set")
    parser.add_argument(
        "--sort",
        choices=CHOICES,
        default=BALANCED,
        metavar="METRIC",
        help=f"on validation: {', '.join(CHOICES)} (default: {BALANCED}, what models are chosen by: the "
        "geometric mean of Recall at the K that judges and NDCG@10)",
    )
    add_table_options(parser, latex="test figures, mean ± standard deviation over seeds")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, or 1 where a model is damaged."""
    only_reads(args)
    check_tables(args)
    result = request_of(ModelsRequest, args).run()
    rows = result.table.rows()
    for data in dict.fromkeys(row["data"] for row in rows):
        say(args, f"data       {data}")
        say(args)
        for headers, metrics, clicks in ((_HEADERS, SHOWN, False), (_CLICK_HEADERS, CLICK_METRICS, True)):
            of_kind = [row for row in rows if row["data"] == data and _is_click_model(row) == clicks]
            if of_kind:
                say(args, table(headers, [_cells(row, metrics) for row in of_kind]))
                say(args)
    if rows:
        say(args, f"R Recall, N NDCG; v on validation, t on test; best first by {args.sort} on validation")
        for most in sorted({row["without_last"] for row in rows if row["without_last"]}):
            say(args, f"*          trained{left_out_words(most)}: from its lists a second stage learns")
    else:
        of_data = f" of data set {args.data}" if args.data else ""
        say(args, f"no model{of_data} is trained in {args.work / 'models'}")
    for folder in result.unfinished:
        say(args, f"unfinished {folder}")
    for why in result.damaged:
        say(args, f"damaged    {why}")
    write_tables(args, result.table, result.latex)
    emit(args, result.facts())
    return 1 if result.damaged else 0


_MADE: Final = ("seed", "epoch", "seconds", "file", "teacher")
_HEADERS: Final = (
    "model",
    *(
        f"{_SHORT[name.partition('@')[0]]}@{name.partition('@')[2]} {split[0]}"
        for split in ("valid", "test")
        for name in SHOWN
    ),
    *_MADE,
)
_CLICK_HEADERS: Final = (
    "click model",
    *(f"{TITLES[name]} {split[0]}" for split in ("valid", "test") for name in CLICK_METRICS),
    *_MADE,
)


def _is_click_model(row: Mapping[str, Any]) -> bool:
    return any(row[f"{split}_auc"] is not None for split in ("valid", "test"))


def _cells(row: Mapping[str, Any], metrics: Sequence[str]) -> list[str]:
    """One line of the table."""
    figures = [format_share(row[f"{split}_{name}"]) for split in ("valid", "test") for name in metrics]
    seconds = "–" if row["seconds"] is None else f"{row['seconds']:.1f}"
    plugin = f" by {row['plugin']}" if row["plugin"] else ""
    begun = f" from {row['from']}" if row["from"] else ""
    return [
        f"{Path(row['folder']).name}{plugin}{begun}{' *' if row['without_last'] else ''}",
        *figures,
        str(row["seed"]),
        str(row["chosen_epoch"]),
        seconds,
        format_bytes(row["file_bytes"]),
        row["teacher"] or "–",
    ]

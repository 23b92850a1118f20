"""The options of ``recpress-edge data import``, those of ImportRequest."""

import argparse
from pathlib import Path

from recpress_edge.cli.common import add_bad_lines_option
from recpress_edge.data.ids import FORMS
from recpress_edge.data.strangers import CHOICES


def add_import_options(parser: argparse.ArgumentParser) -> None:
    """Everything but the options that all commands have."""
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="the log: a file, several alike, a glob, a folder of parts, or - for standard input; with "
        "--test-file, its training part",
    )
    parser.add_argument("--name", required=True, help="what to call the data set")
    parser.add_argument(
        "--format",
        default="auto",
        help="delimited, inter, json, netflix, adjacency, counted-adjacency (default: the file shows it, "
        "as it shows Parquet, gzip, bzip2, xz, zstd and zip)",
    )
    _add_column_options(parser)
    _add_reading_options(parser)
    _add_table_options(parser)
    parser.add_argument("--valid-file", type=Path, metavar="PATH", help="ready validation part")
    parser.add_argument("--test-file", type=Path, metavar="PATH", help="ready test part")
    parser.add_argument(
        "--split",
        help="loo-random, loo-time, loo-order (of the lines), ratio:60/20/20 of each user; time:80/10/10 or "
        "time:2024-05-01, one cut for all; rows:80/10/10 of a log with labels; or given (default: "
        "loo-random, with labels rows:80/10/10; with --test-file, given)",
    )
    parser.add_argument(
        "--strangers",
        choices=CHOICES,
        help="rows of --valid-file and --test-file whose user or item the training file lacks: counted, or "
        "left out (default: counted, and a question where they are more than half)",
    )
    labels = parser.add_argument_group(
        "labels",
        "of a log that holds what was refused too: click models learn from its rows, the others "
        "from the pairs of label 1",
    )
    labels.add_argument("--label", metavar="COLUMN", help="the column of 1, taken, and 0, not taken")
    labels.add_argument(
        "--label-from", type=float, metavar="R", help="rows rated so high are 1, lower ones 0"
    )
    parser.add_argument("--min-rating", type=float, metavar="R", help="drop rows rated lower")
    parser.add_argument("--min-user", type=int, default=1, metavar="N", help="fewest items a user must have")
    parser.add_argument("--min-item", type=int, default=1, metavar="N", help="fewest users an item must have")
    parser.add_argument("--seed", type=int, help="of a split that draws (default: 0)")
    parser.add_argument(
        "--licence", default="not stated", metavar="TEXT", help="terms of the data, for the model card"
    )
    parser.add_argument(
        "--preview", action="store_true", help="show the first rows as they are understood, and write nothing"
    )
    parser.add_argument("--force", action="store_true", help="replace the data set of this name")


def _add_column_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--columns", metavar="SPEC", help="for example user=buyer,item=sku,rating=3,time=ts")
    for role in ("user", "item", "rating", "time"):
        what = f"the column of the {role}: its name or its position from 1"
        parser.add_argument(f"--{role}", metavar="COLUMN", help=what)
    parser.add_argument(
        "--weight",
        metavar="COLUMN",
        help="how often or how long: kept with the data set, added up where a user and an item are repeated; "
        "als learns from it",
    )
    parser.add_argument(
        "--where",
        metavar="SQL",
        help="count only rows for which this holds: \"event = 'purchase' AND price::DOUBLE > 0\"",
    )
    parser.add_argument(
        "--query",
        metavar="SQL",
        help='read the result of this instead: "SELECT uid AS user, unnest(items) AS item FROM log"; of an '
        "SQLite file, in its own SQL",
    )


def _add_reading_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--member", metavar="NAME", help="the log within a zip archive of several files")
    parser.add_argument(
        "--separator",
        metavar="MARK",
        help="tab, comma, semicolon, pipe, space, ::, or the mark itself (default: found in the first lines)",
    )
    parser.add_argument(
        "--header", choices=("yes", "no"), help="default: yes if the first line names known columns"
    )
    parser.add_argument(
        "--encoding", metavar="NAME", help="for example gbk (default: by its mark, else utf-8)"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="COLUMN=VALUES",
        help="count only rows with these values, for example event=purchase,addtocart; event=* takes all",
    )
    parser.add_argument(
        "--missing", default="", metavar="WORDS", help="ids that stand for no value, for example NULL,nan"
    )
    parser.add_argument(
        "--ids",
        choices=FORMS,
        help="keep ids to the letter, or take out .0 and what does not show (default: ask where it matters)",
    )
    parser.add_argument(
        "--time-unit",
        choices=("s", "ms", "us", "ns", "by-size", "yyyymmdd"),
        help="of the times (default: by their size, if it is one for all)",
    )
    parser.add_argument(
        "--date-order",
        choices=("dmy", "mdy"),
        help="of times such as 3/4/2024: day or month first (default: by the numbers above 12)",
    )
    add_bad_lines_option(parser)


def _add_table_options(parser: argparse.ArgumentParser) -> None:
    """Tables of items and users, and further columns of the log."""
    group = parser.add_argument_group(
        "titles and features",
        "COLUMN is a header name or a place from 1. COLUMNS are [NAME=]COLUMN[:KIND[:SEPARATOR]] with commas "
        "between, for example genres=3:many,year:numeric; KIND is categorical, numeric, many, integer or "
        "hashed (default: by the values). Numeric, many and hashed take a size for click models: "
        "city:hashed:512.",
    )
    group.add_argument("--items", type=Path, metavar="FILE", help="a table with a row for each item")
    group.add_argument("--title", metavar="COLUMN", help="its titles, which are shown with answers")
    group.add_argument(
        "--item-id", metavar="COLUMN", help="its ids, as the log has them (default: by name, or the first)"
    )
    group.add_argument("--item-features", metavar="COLUMNS", help="what else of it to keep")
    group.add_argument("--users", type=Path, metavar="FILE", help="a table with a row for each user")
    group.add_argument("--user-id", metavar="COLUMN", help="its ids, likewise")
    group.add_argument("--user-features", metavar="COLUMNS", help="what of it to keep")
    group.add_argument("--context", metavar="COLUMNS", help="columns of the log itself to keep")
    group.add_argument(
        "--time-features",
        metavar="NAMES",
        help="of the log's times: hour, weekday (0 is Monday), in UTC; gap, seconds since "
        "the user's row before",
    )
    group.add_argument(
        "--table-encoding",
        metavar="NAME",
        help="of both tables, for example latin1 (default: by its mark, else utf-8)",
    )
    group.add_argument("--table-separator", metavar="MARK", help="of both tables (default: found)")
    group.add_argument("--table-header", choices=("yes", "no"), help="of both tables (default: found)")

"""The options of ``recpress-edge data import`` on titles and features, those of TableOptions."""

import argparse
from pathlib import Path


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Tables of items and users, and further columns of the log."""
    group = parser.add_argument_group(
        "titles and features",
        "COLUMN is a header name or a place from 1. COLUMNS are [NAME=]COLUMN[:KIND[:SEPARATOR]] with commas "
        "between, for example genres=3:many,year:numeric; KIND is categorical, numeric or many (default: by "
        "the values).",
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
        "--table-encoding",
        metavar="NAME",
        help="of both tables, for example latin1 (default: by its mark, else utf-8)",
    )
    group.add_argument("--table-separator", metavar="MARK", help="of both tables (default: found)")
    group.add_argument("--table-header", choices=("yes", "no"), help="of both tables (default: found)")

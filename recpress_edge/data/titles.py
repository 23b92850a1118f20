"""Titles of items, from a table with two columns: id and title."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import DataError
from recpress_edge.data.readers.delimited import records
from recpress_edge.data.readers.names import plain
from recpress_edge.data.readers.plain import text_lines

HEADINGS: Final = frozenset({"title", "titles", "name", "names", "label"})


def read_titles(path: Path, item_ids: Sequence[str]) -> tuple[str, ...]:
    """The title of each item, in the order of the ids; empty where the table has none.

    The table is separated by tabs, or else by commas; its first line may name the columns. DataError for
    ids that are no items, for a second title of an item, and for other than two columns.
    """
    lines = text_lines(path)
    separator = "tab" if "\t" in lines[0] else "comma"
    items = {name: index for index, name in enumerate(item_ids)}
    titles: dict[str, str] = {}
    for number, fields, _ in records(lines, separator):
        if len(fields) != 2:
            raise DataError(
                f"{path}, line {number}: {len(fields)} columns, and a table of titles has two, id and title. "
                f"Write a title that holds a {separator} in quotes."
            )
        name, title = fields[0].strip(), " ".join(fields[1].split())
        if number == 1 and name not in items and plain(title) in HEADINGS:
            continue
        if name in titles:
            raise DataError(f"{path}, line {number}: item {name!r} has a title already. Keep one of them.")
        titles[name] = title
    unknown = [name for name in titles if name not in items]
    if unknown:
        raise DataError(
            f"{path}: {len(unknown):,} of {len(titles):,} ids are no items of the data set, the first is "
            f"{unknown[0]!r}. Write ids as they are in the log, and leave out items that it does not hold."
        )
    return tuple(titles.get(name, "") for name in item_ids)

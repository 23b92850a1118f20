"""Titles of items: text from outside that people read in answers."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.features.encode import MISSING_TEXTS
from recpress_edge.data.readers.delimited import records
from recpress_edge.data.readers.names import plain
from recpress_edge.data.readers.plain import text_lines

HEADINGS: Final = frozenset({"title", "titles", "name", "names", "label"})
LONGEST_TITLE: Final = 200
"""Characters; what is longer is cut."""
_BIDI: Final = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""Marks that turn the direction of the text that follows, in a terminal and on a page."""
_STEERING: Final = ("Cc", "Zl", "Zp")


def clean_title(text: str) -> str:
    """A title in one line without control characters, cut where it is long; nothing for no value."""
    bare = text
    if not text.isprintable():
        bare = text.translate(_BIDI).encode("utf-8", "replace").decode()  # JSON may hold half a character
        bare = "".join(" " if unicodedata.category(c) in _STEERING else c for c in bare)
    bare = " ".join(bare.split())
    if bare in MISSING_TEXTS:
        return ""
    return bare if len(bare) <= LONGEST_TITLE else bare[: LONGEST_TITLE - 1].rstrip() + "…"


def describe_titles(titles: Sequence[str]) -> str:
    """How many items have a title, and how many share one with another."""
    named = [title for title in titles if title]
    shared = sum(count for count in Counter(named).values() if count > 1)
    words = f"{len(named):,} of {len(titles):,} items have one"
    return words + (f"; {shared:,} share theirs with another item" if shared else "")


def read_titles(path: Path, item_ids: Sequence[str]) -> tuple[str, ...]:
    """The title of each item, in the order of the ids; empty where the table has none.

    The table is separated by tabs, or else by commas; its first line may name the columns. DataError for
    ids that are no items, for a second title of an item, and for other than two columns.
    """
    try:
        lines = text_lines(path)
    except ConfigError as error:  # which names a flag of the import
        found = str(error).replace("Say what it is with --encoding, such as", "It may be")
        raise ConfigError(found.replace("; or convert it", ". Convert it")) from None
    separator = "tab" if "\t" in lines[0] else "comma"
    items = {name: index for index, name in enumerate(item_ids)}
    titles: dict[str, str] = {}
    for number, fields, _ in records(lines, separator):
        if len(fields) != 2:
            raise DataError(
                f"{path}, line {number}: {len(fields)} columns, and a table of titles has two, id and title. "
                f"Write a title that holds a {separator} in quotes; a table with more columns goes with the "
                "log: recpress-edge data import LOG --items FILE --title COLUMN"
            )
        name, title = fields[0].strip(), clean_title(fields[1])
        if number == 1 and name not in items and plain(fields[1]) in HEADINGS:
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

"""Which format a file is in, where that can be told."""

from pathlib import Path

from recpress_edge.core.errors import DataError
from recpress_edge.data.columns import HEADER_NAMES, SEPARATORS, split_spaces
from recpress_edge.data.lines import shorten

SNIFFED_LINES = 1000


def sniff_format(path: Path, lines: list[str]) -> str:
    """The only format that the first lines fit; raises :class:`DataError` when several or none do."""
    head = [line for line in lines[:SNIFFED_LINES] if line.strip(" \t")]
    if path.suffix == ".inter" or ":token" in head[0]:
        return "inter"
    fits = [name for name, fit in _FITS.items() if fit(head)]
    if len(fits) == 1:
        return fits[0]
    found = f"it could be {' or '.join(fits)}" if fits else "it looks like none of them"
    raise DataError(
        f"{path}: cannot tell the format from {shorten(head[0])}: {found}. "
        "Say which with --format delimited|inter|adjacency|counted-adjacency"
    )


def _is_delimited(head: list[str]) -> bool:
    mark = next((mark for mark in SEPARATORS.values() if mark in head[0]), None)
    if mark is None:
        return False
    if mark != " " or _has_header(split_spaces(head[0])):
        return True  # a broken line in such a file is for the reader to report
    widths = {len(split_spaces(line)) for line in head}
    return len(widths) == 1 and widths <= {2, 3, 4}


def _is_adjacency(head: list[str]) -> bool:
    rows = _space_lists(head)
    users = [row[0] for row in rows]
    return any(len(row) > 1 for row in rows) and len(set(users)) == len(users)


def _is_counted(head: list[str]) -> bool:
    rows = _space_lists(head)
    return bool(rows) and all(row[0] == str(len(row) - 1) for row in rows)


def _space_lists(head: list[str]) -> list[list[str]]:
    """The lines as lists, or none where another separator or a header rules lists out."""
    if any(mark in head[0] for mark in ("\t", ",", "::")) or _has_header(split_spaces(head[0])):
        return []
    return [split_spaces(line) for line in head]


def _has_header(fields: list[str]) -> bool:
    known = HEADER_NAMES["user"] | HEADER_NAMES["item"]
    return any(field.lower().replace("_", "") in known for field in fields)


_FITS = {"delimited": _is_delimited, "adjacency": _is_adjacency, "counted-adjacency": _is_counted}

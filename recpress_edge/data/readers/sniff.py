"""Which format a file is in, where that can be told."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.readers.delimited import SEPARATORS, split_spaces
from recpress_edge.data.readers.lines import shorten
from recpress_edge.data.readers.names import HEADER_NAMES, plain

SNIFFED_LINES = 1000
BROKEN: Final = 10
"""One line in so many may be broken: the others still look like a table's."""

_FOREIGN: Final[tuple[tuple[str, str, str], ...]] = (
    # what the first line begins with, what it is, what to do
    (r"<[?!a-zA-Z]", "XML or HTML", "Write one interaction a line instead."),
    (r"(?i)(insert into|create table|drop table|-- \w+.* dump|/\*!)", "an SQL dump",
     "Load it, and export the table as CSV."),
    (r"version https://git-lfs", "a pointer of Git LFS", "Fetch the file that it stands for: git lfs pull."),
    (r"(?i)@relation", "an ARFF file", "Remove all lines up to and including @data."),
    (r"\S+( \d+:[\d.]+)+\s*$", "a libsvm file", "Write a row for each user and item instead."),
    (r"%%MatrixMarket", "a MatrixMarket file",
     "Remove the lines led by % and the line of sizes after them, and import the rest with "
     "--columns user=1,item=2."),
    (r"\{\s*u?'\w", "Python dictionaries, not JSON",
     "Convert them: python -c \"import ast, json, sys; [print(json.dumps(ast.literal_eval(line))) for line "
     "in sys.stdin]\" < {name} > log.jsonl"),
)  # fmt: skip
_BLOCK_LINE: Final = re.compile(r"\s*[\w/ .-]+:(\s.*)?|\s*")
_PAIR: Final = re.compile(r"\s*[\w/ .-]+:\s")


def refuse_foreign(path: Path, lines: Sequence[str]) -> None:
    """Raise a ConfigError where a text is no table and no lists: blocks, markup, programs."""
    head = [line for line in lines[:SNIFFED_LINES] if line.strip()]
    first = head[0].lstrip()
    for pattern, what, todo in _FOREIGN:
        if re.match(pattern, first) and not _is_json(first):
            raise ConfigError(
                f"{path} is {what}, which is not read: {shorten(first)}. {todo.format(name=path.name)}"
            )
    if _is_blocks(lines[:SNIFFED_LINES]):
        raise ConfigError(
            f"{path} holds blocks, in which an interaction takes several lines: {shorten(head[0])}, "
            f"{shorten(head[min(1, len(head) - 1)])}. They are not read. Write user, item, rating and time "
            "of each block in one line, with separators between them."
        )
    if len(head) > 1 and all(re.fullmatch(r"\s*[\[(].*[\])][,;]?\s*", line) for line in head[1:]):
        raise ConfigError(
            f"{path} holds the lists or tuples of a program: {shorten(head[1])}. Take the brackets off, for "
            f"example: tr -d '()[]' < {path.name} > log.csv"
        )


def is_json(lines: Sequence[str]) -> bool:
    """Whether the lines are JSON objects, or an array of them."""
    first = next(line for line in lines if line.strip())
    return _is_json(first.lstrip())


def is_inter(path: Path, lines: Sequence[str]) -> bool:
    """Whether the file is one of RecBole's, by its name or typed header."""
    return path.suffix == ".inter" or ":token" in next(line for line in lines if line.strip(" \t"))


def sniff_format(path: Path, lines: Sequence[str], are_pairs: Callable[[], bool]) -> str:
    """The only format that the first lines fit; raises :class:`ConfigError` when several or none do.

    Where ``are_pairs`` says that every line is a pair of ids, lists and a table are the same rows: a table.
    """
    head = [line for line in lines[:SNIFFED_LINES] if line.strip(" \t")]
    fits = [name for name, fit in _FITS.items() if fit(head)]
    if fits == ["delimited", "adjacency"] and are_pairs():
        return "delimited"
    if len(fits) == 1:
        return fits[0]
    found = f"it could be {' or '.join(fits)}" if fits else "it looks like none of them"
    raise ConfigError(
        f"{path}: cannot tell the format from {shorten(head[0])}: {found}. {_below(head)}"
        "Say which with --format delimited|inter|adjacency|counted-adjacency|json|netflix"
    )


def _below(head: Sequence[str]) -> str:
    """The advice where a title stands above a table: the mark of most lines is not in the first."""
    for mark in _marks_of_most(head):
        first = next(line for line in head if mark in line)
        return f"If a table begins at {shorten(first)}, remove the lines above it. "
    return ""


def _marks_of_most(head: Sequence[str]) -> list[str]:
    """The separators other than a blank that more than half of the lines hold."""
    marks = [mark for mark in SEPARATORS.values() if mark != " "]
    return [mark for mark in marks if sum(mark in line for line in head) > len(head) / 2]


def _is_json(first: str) -> bool:
    return first.startswith(('{"', '[{"', '{ "')) or first.strip() in ("[", "{", "[{", "[ {")


def _is_blocks(lines: Sequence[str]) -> bool:
    """'key: value' in every line, or an id and a colon alone above its rows."""
    head = [line for line in lines if line.strip()]
    if any(mark in head[0] for mark in ("\t", "::")):
        return False
    pairs = (
        all(map(_BLOCK_LINE.fullmatch, lines))
        and sum(bool(_PAIR.match(line)) for line in head) > len(head) / 2
    )
    return pairs or re.fullmatch(r"\s*[^\s,;|]+:\s*", head[0]) is not None


def _is_delimited(head: list[str]) -> bool:
    mark = next((mark for mark in SEPARATORS.values() if mark in head[0]), None)
    if mark is None:
        return False
    if mark != " " or _has_header(split_spaces(head[0])) or '"' in head[0]:
        return True  # a broken line in such a file is for the reader to report
    widths = [len(split_spaces(line)) for line in head]
    usual, count = Counter(widths).most_common(1)[0]
    cut = all(width == usual for width in widths[:-1]) and widths[-1] < usual
    return usual in (2, 3, 4) and (cut or len(head) - count <= len(head) // BROKEN)


def _is_adjacency(head: list[str]) -> bool:
    rows = _space_lists(head)
    users = [row[0] for row in rows]
    listing = sum(len(row) > 1 for row in rows)
    return listing > len(rows) / 2 and len(set(users)) == len(users)


def _is_counted(head: list[str]) -> bool:
    rows = _space_lists(head)
    return bool(rows) and all(row[0] == str(len(row) - 1) for row in rows)


def _space_lists(head: list[str]) -> list[list[str]]:
    """The lines as lists, or none where another separator, quotes or a header rules lists out.

    One that most lines hold is another separator, though a title above the table has none.
    """
    marks = [mark for mark in SEPARATORS.values() if mark != " "]
    if any(mark in head[0] for mark in (*marks, '"')) or _has_header(split_spaces(head[0])):
        return []
    if _marks_of_most(head):
        return []
    return [split_spaces(line) for line in head]


def _has_header(fields: list[str]) -> bool:
    known = HEADER_NAMES["user"] | HEADER_NAMES["item"]
    return any(plain(field) in known for field in fields)


_FITS = {"delimited": _is_delimited, "adjacency": _is_adjacency, "counted-adjacency": _is_counted}

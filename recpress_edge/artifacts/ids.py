"""users.txt and items.txt: one external id a line; line n is the id of index n.

popular.txt, of an all-users bundle: indices of items, one a line, the most popular first.
"""

import re
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.errors import ArtifactError, ConfigError, DataError

USERS_FILE: Final = "users.txt"
ITEMS_FILE: Final = "items.txt"
POPULAR_FILE: Final = "popular.txt"
MOST_POPULAR: Final = 10_000
"""Lines that a reader takes; exports write fewer."""
_DIGITS: Final = 11
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]*")
_INTEGERS: Final = re.compile(r"(?:(?:0|-?[1-9][0-9]*)\n)*")


def is_integer(text: str) -> bool:
    """Whether an id is an integer in its one usual form: '7' and '-7', not '07' or '+7'."""
    return _INTEGER.fullmatch(text) is not None


def are_integers(texts: Sequence[str]) -> bool:
    """Whether :func:`is_integer` is true of all, in one pass over them."""
    joined = "\n".join((*texts, ""))
    return _INTEGERS.fullmatch(joined) is not None and joined.count("\n") == len(texts)


def id_text(kind: str, value: Any) -> str:
    """An id as it is stored: a text as it is, an integer as its decimal digits; others are a ConfigError."""
    if isinstance(value, str):
        return value
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(int(value))
    raise ConfigError(
        f"{kind} {value!r} is a {type(value).__name__}: an id is a text or a whole number, such as '12' or 12"
    )


def index_of(kind: str, value: Any, ids: Sequence[str]) -> int:
    """The place of an id among several; one that is not there is a ConfigError."""
    name = id_text(kind, value)
    if name not in ids:
        raise ConfigError(f"unknown {kind} {value!r}: not one of {len(ids):,} {kind}s")
    return ids.index(name)


def encode_lines(texts: Sequence[str]) -> bytes:
    """One text a line; none may hold a line break."""
    return "".join(f"{text}\n" for text in texts).encode()


def read_lines(where: Path, count: int, kind: str = "lines") -> list[str]:
    """Exactly ``count`` lines of UTF-8; ArtifactError for any other content."""
    try:
        data = where.read_bytes()
    except FileNotFoundError:
        raise ArtifactError(f"no such file: {where}", fault="missing") from None
    found = data.count(b"\n")
    if found != count or data[-1:] not in (b"", b"\n"):  # counted before a list is made of them
        raise ArtifactError(f"{where} must hold {count} {kind}, found {found}", fault="content")
    try:
        return data.decode().split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{where} is not UTF-8: {error}", fault="content") from None


def encode_ids(kind: str, ids: Sequence[str]) -> bytes:
    """The ids of users or items, ``kind`` "user" or "item"; DataError unless they are distinct lines."""
    for index, name in enumerate(ids):
        if not name or "\n" in name or "\r" in name:
            raise DataError(
                f"{kind} id {name!r} (index {index}) is empty or holds a line break; rename it in the log"
            )
    if len(set(ids)) != len(ids):
        raise DataError(f"the {kind} ids are not distinct: {len(ids)} ids, {len(set(ids))} different ones")
    return encode_lines(ids)


def read_ids(where: Path, count: int) -> list[str]:
    """The ids in the order of their indices; ArtifactError unless they are ``count`` distinct lines."""
    ids = read_lines(where, count, "distinct lines")
    if len(set(ids)) != count or "" in ids:
        raise ArtifactError(f"{where} must hold {count} distinct lines, found {len(ids)}", fault="content")
    return ids


def read_popular(where: Path, n_items: int) -> tuple[int, ...]:
    """Item indices, the most popular first; ArtifactError unless they are distinct and of the catalogue."""
    data = where.read_bytes()
    count = data.count(b"\n")
    if count > min(MOST_POPULAR, n_items):
        raise ArtifactError(
            f"{where} must hold {min(MOST_POPULAR, n_items)} lines at most, found {count}", fault="content"
        )
    lines = read_lines(where, count)
    if not all(line.isascii() and line.isdigit() and len(line) < _DIGITS for line in lines):
        raise ArtifactError(f"{where} must hold item indices, one a line", fault="content")
    found = tuple(map(int, lines))
    if len(set(found)) != count or max(found, default=0) >= n_items:
        raise ArtifactError(f"{where} names an item twice, or one outside 0..{n_items - 1}", fault="content")
    return found

"""Which column is what: separators, headers and the choices a user may make."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.lines import shorten

SEPARATORS: Final[Mapping[str, str]] = {"tab": "\t", "::": "::", "comma": ",", "space": " "}
"""Names accepted for --separator; tried in this order when none is given."""

ROLES: Final = ("user", "item", "rating", "time")

HEADER_NAMES: Final[Mapping[str, frozenset[str]]] = {
    # compared in lower case without '_', '-' and spaces: userId, user_id and 'User ID' are one
    "user": frozenset({"user", "userid", "uid", "customer", "customerid", "reviewerid", "visitorid"}),
    "item": frozenset(
        {"item", "itemid", "iid", "movie", "movieid", "product", "productid", "asin", "bookid", "artistid"}
        | {"trackid", "songid", "articleid", "venueid", "locationid", "poiid", "parentasin", "isbn"}
    ),
    "rating": frozenset({"rating", "score", "stars", "overall"}),
    "time": frozenset({"timestamp", "time", "unixtime", "unixreviewtime", "ts"}),
}

FIRST_UNIX_TIME: Final = 1e8
"""In a third column without a header, a number from here on is a time (after March 1973), not a rating."""


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """What the user said about the columns; None means: find out."""

    separator: str | None = None
    """A key of SEPARATORS."""
    columns: Mapping[str, str] | None = None
    """Role to header name, or to position from 1."""
    header: bool | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How the lines of one delimited file are taken apart."""

    split: Callable[[str], list[str]]
    width: int
    """Fields in every line."""
    at: Mapping[str, int]
    """Role to position from 0; always has user and item."""
    has_header: bool
    note: str
    """What was found, in words."""


def parse_columns(text: str) -> dict[str, str]:
    """'user=buyer,item=sku,rating=3' to a mapping; values are header names or positions from 1."""
    chosen: dict[str, str] = {}
    for pair in text.split(","):
        role, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or role not in ROLES or not value or role in chosen:
            raise ConfigError(
                f"--columns {text!r}: cannot read {pair!r}. Write for example user=buyer,item=sku,rating=3; "
                f"the roles are {', '.join(ROLES)}, each once; a value is a header name or a position from 1."
            )
        chosen[role] = value
    missing = [role for role in ("user", "item") if role not in chosen]
    if missing:
        raise ConfigError(f"--columns {text!r} does not say which column is the {missing[0]}")
    return chosen


def find_layout(path: Path, first: str, choice: ColumnChoice) -> Layout:
    """The layout of a delimited file, from its first line and what the user said."""
    name, split = _splitter(path, first, choice.separator)
    fields = split(first)
    named = {role: _by_name(fields, HEADER_NAMES[role]) for role in ROLES}
    recognised = named["user"] is not None and named["item"] is not None
    if choice.columns is not None:
        by_name = [value for value in choice.columns.values() if not _is_position(value)]
        if by_name and choice.header is False:
            raise ConfigError(f"--header no leaves no names to look {by_name[0]!r} up in; use positions")
        has_header = bool(by_name) or (recognised if choice.header is None else choice.header)
        at = {role: _find(path, fields, role, value) for role, value in choice.columns.items()}
    else:
        has_header = recognised if choice.header is None else choice.header
        if has_header and not recognised:
            raise DataError(
                f"{path}: the header {shorten(first)} names no user and item column that is known. "
                "Say which they are, for example --columns user=1,item=2"
            )
        at = (
            {role: p for role, p in named.items() if p is not None} if has_header else _by_place(path, fields)
        )
    if len(set(at.values())) < len(at):
        raise ConfigError(
            f"{path}: two roles point at one column: {describe(at, fields if has_header else [])}"
        )
    header = "header" if has_header else "no header"
    note = f"{header}, {name}-separated, {describe(at, fields if has_header else [])}"
    return Layout(split, len(fields), at, has_header, note)


def inter_layout(path: Path, first: str) -> Layout:
    """The layout of a RecBole atomic file, from its typed header ``user_id:token<tab>item_id:token…``."""
    typed = [field.partition(":") for field in first.split("\t")]
    if not all(colon and kind in ("token", "float", "token_seq", "float_seq") for _, colon, kind in typed):
        raise DataError(
            f"{path}: {shorten(first)} is not the typed header of an .inter file. Expected tab-separated "
            "name:type with the types token, float, token_seq, float_seq, such as 'user_id:token'. "
            "For a plain table use --format delimited."
        )
    wanted = {"user": ("user_id", "token"), "item": ("item_id", "token")}
    wanted |= {"rating": ("rating", "float"), "time": ("timestamp", "float")}
    found = {(name, kind): place for place, (name, _, kind) in enumerate(typed)}
    at = {role: found[key] for role, key in wanted.items() if key in found}
    for role in ("user", "item"):
        if role not in at:
            raise DataError(f"{path}: no column {':'.join(wanted[role])} in the header {shorten(first)}")
    names = [name for name, _, _ in typed]
    return Layout(_plain("\t"), len(typed), at, True, f"typed header, {describe(at, names)}")


def describe(at: Mapping[str, int], names: Sequence[str]) -> str:
    """'user = column 1 (userId), item = …'; columns that no role uses are named as ignored."""
    parts = [
        f"{role} = column {place + 1}" + (f" ({names[place]})" if names else "") for role, place in at.items()
    ]
    ignored = [name for place, name in enumerate(names) if place not in at.values()]
    return ", ".join(parts) + (f"; ignored: {', '.join(ignored)}" if ignored else "")


def _splitter(path: Path, first: str, chosen: str | None) -> tuple[str, Callable[[str], list[str]]]:
    name = chosen or next((known for known, mark in SEPARATORS.items() if mark in first), None)
    if name is None:
        raise DataError(
            f"{path}: no tab, '::', comma or space in the first line {shorten(first)}. "
            "Expected user and item in one line."
        )
    if SEPARATORS[name] not in first:
        raise DataError(f"{path}: no {name} in the first line {shorten(first)}, but --separator says so")
    return name, {"comma": _commas, "space": split_spaces}.get(name) or _plain(SEPARATORS[name])


def split_spaces(line: str) -> list[str]:
    """Fields between runs of blanks and tabs. Not str.split(): that also cuts at odd Unicode spaces."""
    fields = line.replace("\t", " ").split(" ")
    return [field for field in fields if field] if "" in fields else fields


def _plain(mark: str) -> Callable[[str], list[str]]:
    return lambda line: line.split(mark)


def _commas(line: str) -> list[str]:
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error:
        return []  # an open quote: no width fits, so the line is reported


def _by_name(fields: Sequence[str], names: frozenset[str]) -> int | None:
    plain = (field.strip().lower().translate({ord(c): None for c in "_- "}) for field in fields)
    return next((place for place, field in enumerate(plain) if field in names), None)


def _is_position(value: str) -> bool:
    return value.isascii() and value.isdigit()


def _find(path: Path, fields: Sequence[str], role: str, value: str) -> int:
    if _is_position(value):
        place = int(value) - 1
        if not 0 <= place < len(fields):
            raise ConfigError(f"--columns {role}={value}: {path} has {len(fields)} columns, counted from 1")
        return place
    stripped = [field.strip() for field in fields]
    if value not in stripped:
        raise ConfigError(f"--columns {role}={value}: no such column in {path}. Found: {', '.join(stripped)}")
    return stripped.index(value)


def _by_place(path: Path, fields: Sequence[str]) -> dict[str, int]:
    if len(fields) not in (2, 3, 4):
        raise DataError(
            f"{path}: {len(fields)} columns and no known header. Without one, 2 to 4 columns are read as "
            "user, item, rating, time. Say which they are, for example --columns user=1,item=2,time=5"
        )
    if len(fields) == 3:
        return {"user": 0, "item": 1, "time" if _looks_like_time(fields[2]) else "rating": 2}
    return {role: place for place, role in enumerate(ROLES[: len(fields)])}


def _looks_like_time(text: str) -> bool:
    try:
        return float(text) >= FIRST_UNIX_TIME
    except ValueError:
        return False

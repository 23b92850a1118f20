"""Which column is what: by name, by place, or as the user says."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.readers.delimited import Record
from recpress_edge.data.readers.guess import check_guess, doubt_of_words, likely_columns, third_column
from recpress_edge.data.readers.lines import shorten
from recpress_edge.data.readers.names import ROLES, known_places, looks_like_names, visible


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """What the user said about the columns; None means: find out."""

    separator: str | None = None
    """A key of SEPARATORS."""
    columns: Mapping[str, str] | None = None
    """Role to header name, or to position from 1."""
    header: bool | None = None
    context: tuple[str, ...] = ()
    """Columns of --context: header names, or positions from 1."""
    others: bool = False
    """Whether roles that ``columns`` leaves out are found by name, as where nothing is said."""

    def said(self) -> Collection[str]:
        """The roles whose columns the user named."""
        return (self.columns or {}).keys()


@dataclass(frozen=True, slots=True)
class Layout:
    """What the fields of a table are."""

    width: int
    """Fields in every row."""
    at: Mapping[str, int]
    """Role to position from 0; always has user and item."""
    names: tuple[str, ...]
    """Of the columns, or none where the table has no header."""
    note: str
    """What was found, in words."""
    context: Mapping[str, int] = field(default_factory=dict)
    """Columns of --context, as they were asked for, to positions from 0."""

    def ignored(self) -> list[int]:
        """Places of the columns that no role uses."""
        return [place for place in range(self.width) if place not in self.at.values()]

    def columns(self) -> dict[str, str]:
        """Role to its column, as --columns takes it."""
        return {role: self.called(place) for role, place in self.at.items()}

    def with_context(self, path: Path, choice: ColumnChoice | None) -> "Layout":
        """The same with its columns of --context found."""
        columns = () if choice is None else choice.context
        context = {
            column: find_column(path, self, f"--context, --label or --weight {column}", column)
            for column in columns
        }
        if taken := [column for column, place in context.items() if place in self.at.values()]:
            what = f"--context, --label or --weight {taken[0]} is the user, item, rating or time already"
            raise ConfigError(f"{what}. Name those that are, without it: --columns user=COLUMN,item=COLUMN")
        roles = self.note.partition("; ignored: ")[0]
        rest = [place for place in self.ignored() if self.names and place not in context.values()]
        note = f"{roles}, context = {', '.join(map(self.called, context.values()))}" + (
            f"; ignored: {', '.join(map(self.called, rest))}" if rest else ""
        )
        return replace(self, context=context, note=note) if context else self

    def called(self, place: int) -> str:
        """A column as --columns and --only take it: its name, or its position from 1."""
        unique = self.names and self.names.count(self.names[place]) == 1 and self.names[place].strip()
        return self.names[place].strip() if unique else str(place + 1)


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


def find_layout(path: Path, head: Sequence[Record], separator: str, choice: ColumnChoice) -> Layout:
    """The layout of a delimited file, from its first records and what the user said."""
    first, body = head[0][1], [fields for _, fields, _ in head[1:]]
    if len(first) < len(("user", "item")):
        raise ConfigError(
            f"{path}: the first line {shorten(head[0][2])} is not two fields or more: a quote in it does not "
            "close, or stands around the whole line. Correct it, or say --separator."
        )
    has_header = _has_header(path, head[0][2], first, body, choice)
    shifted = has_header and bool(body) and _has_row_numbers(first, body)
    names = tuple(map(visible, ["(row)", *first] if shifted else first)) if has_header else ()
    width = len(first) + shifted
    at = _chosen(path, names, width, choice)
    if has_header:
        at = at if choice.columns and not choice.others else by_name(path, names, at)
    elif not at:
        at = _by_place(path, [first, *body])
    elif missing := [role for role in ("user", "item") if role not in at]:
        raise ConfigError(f"{path} has no header: say --{missing[0]} too, the position of its column from 1")
    _check_distinct(path, at, names)
    header = "header" if has_header else "no header" + doubt_of_words(head[0][2], choice.header)
    numbers = ", row numbers without a name" if shifted else ""
    note = f"{header}{numbers}, {separator}-separated, {describe(at, names)}"
    return Layout(width, at, names, note).with_context(path, choice)


def named_layout(path: Path, names: tuple[str, ...], choice: ColumnChoice | None) -> Layout:
    """The layout of a table whose columns have names for certain."""
    choice = choice or ColumnChoice()
    at = _chosen(path, names, len(names), choice)
    if not choice.columns or choice.others:
        at = by_name(path, names, at)
    _check_distinct(path, at, names)
    return Layout(len(names), at, names, describe(at, names)).with_context(path, choice)


def _chosen(path: Path, names: Sequence[str], width: int, choice: ColumnChoice) -> dict[str, int]:
    """Role to place, of the roles that the user named."""
    flag = "--{role} {value}" if choice.others else "--columns {role}={value}"
    return {
        role: _find(path, names, width, flag.format(role=role, value=value), value)
        for role, value in (choice.columns or {}).items()
    }


def _check_distinct(path: Path, at: Mapping[str, int], names: Sequence[str]) -> None:
    if len(set(at.values())) < len(at):
        raise ConfigError(f"{path}: two roles point at one column: {describe(at, names)}")


def inter_layout(path: Path, first: str, choice: ColumnChoice | None) -> Layout:
    """The layout of a RecBole atomic file, from its typed header ``user_id:token<tab>item_id:token…``."""
    typed = [field.partition(":") for field in first.split("\t")]
    if not all(colon and kind in ("token", "float", "token_seq", "float_seq") for _, colon, kind in typed):
        raise DataError(
            f"{path}: {shorten(first)} is not the typed header of an .inter file. Expected tab-separated "
            "name:type with the types token, float, token_seq, float_seq, such as 'user_id:token'. "
            "For a plain table use --format delimited."
        )
    names = tuple(name for name, _, _ in typed)
    if choice is not None and choice.columns is not None:
        layout = named_layout(path, names, choice)
        return replace(layout, note=f"typed header, {layout.note}")
    lists = [name for name, _, kind in typed if kind.endswith("_seq") and _may_hold_items(name)]
    if lists:
        raise ConfigError(
            f"{path}: the column {lists[0]} holds a list in each row, such as a user's items so far. "
            "Lists are not read. Write a row for each interaction; or, where every item of the lists "
            "has its own row as the item, say --columns user=user_id,item=item_id, which leaves them out."
        )
    wanted = {"user": ("user_id", "token"), "item": ("item_id", "token")}
    wanted |= {"rating": ("rating", "float"), "time": ("timestamp", "float")}
    found = {(name, kind): place for place, (name, _, kind) in enumerate(typed)}
    at = {role: found[key] for role, key in wanted.items() if key in found}
    for role in ("user", "item"):
        if role not in at:
            raise DataError(
                f"{path}: no column {':'.join(wanted[role])} in the header {shorten(first)}. "
                "Say which it is, for example --columns user=uid,item=iid"
            )
    return Layout(len(typed), at, names, f"typed header, {describe(at, names)}").with_context(path, choice)


def _may_hold_items(name: str) -> bool:
    return any(word in name for word in ("item", "list", "seq", "hist"))


def describe(at: Mapping[str, int], names: Sequence[str]) -> str:
    """'user = column 1 (userId), item = …'; columns that no role uses are named as ignored."""
    parts = [
        f"{role} = column {place + 1}" + (f" ({names[place]})" if names else "") for role, place in at.items()
    ]
    ignored = [name or f"column {place + 1}" for place, name in enumerate(names) if place not in at.values()]
    return ", ".join(parts) + (f"; ignored: {', '.join(ignored)}" if ignored else "")


def by_name(path: Path, names: Sequence[str], chosen: Mapping[str, int]) -> dict[str, int]:
    """Role to place: as chosen, else by the names that are known; two candidates, or none, are a question."""
    taken = set(chosen.values())
    places = {
        role: [chosen[role]] if role in chosen else [place for place in found if place not in taken]
        for role, found in known_places(names).items()
    }
    for role in ("user", "item"):
        if not places[role]:
            raise ConfigError(
                f"{path}: the header {shorten(', '.join(names))} names no {role} column that is known. "
                f"Say which columns they are, for example --columns {_example(names)}"
            )
    for role, found in places.items():
        if len(found) > 1:
            _ask(path, names, role, places)
    return {role: found[0] for role, found in places.items() if found}


def _ask(path: Path, names: Sequence[str], role: str, places: Mapping[str, Sequence[int]]) -> NoReturn:
    candidates = [f"{names[place]} (column {place + 1})" for place in places[role]]
    answers = []
    for place in places[role]:
        parts = {other: str(found[0] + 1) for other, found in places.items() if found} | {
            role: str(place + 1)
        }
        spec = ",".join(f"{other}={_called(names, int(at) - 1)}" for other, at in parts.items())
        answers.append(f"--columns {shlex.quote(spec)}")
    raise ConfigError(
        f"{path}: {len(candidates)} columns may be the {role}: {', '.join(candidates)}. Say which: "
        + " or ".join(answers)
    )


def _called(names: Sequence[str], place: int) -> str:
    name = names[place].strip()
    return name if name and names.count(names[place]) == 1 and not set(name) & set(",=") else str(place + 1)


def _example(names: Sequence[str]) -> str:
    """--columns for a header: what is known by name, else the first columns that are not taken."""
    places = known_places(names)
    at = {role: found[0] for role, found in places.items() if found}
    for role in ("user", "item"):
        free = [place for place in range(len(names)) if place not in at.values()]
        if role not in at and free:
            at[role] = free[0]
    return shlex.quote(",".join(f"{role}={_called(names, at[role])}" for role in ROLES if role in at))


def _has_header(
    path: Path, line: str, first: Sequence[str], body: Sequence[Sequence[str]], choice: ColumnChoice
) -> bool:
    values = [*(choice.columns or {}).values(), *choice.context]
    by_name = [value for value in values if not _is_position(value)]
    if by_name and choice.header is False:
        raise ConfigError(f"--header no leaves no names to look {by_name[0]!r} up in; use positions")
    if by_name or choice.header is not None:
        return bool(by_name) or bool(choice.header)
    known = known_places(first)
    if known["user"] and known["item"]:
        return True
    width = len(first)
    if looks_like_names(first, [row for row in body if len(row) in (width, width + 1)]):
        columns = "" if choice.columns else f"--columns {_example(first)} "
        raise ConfigError(
            f"{path}: the first line {shorten(line)} looks like a header, but names no known user and item "
            f"column. Say which they are, for example {columns}--header yes; "
            "or --header no if it is an interaction."
        )
    return False


def _has_row_numbers(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """R's layout, and that of a printed data frame: each line is led by its number, the header is not."""
    led = [row[0] for row in body if len(row) == len(first) + 1]
    return len(led) == len(body) and any(
        led == [str(number) for number in range(start, start + len(led))] for start in (0, 1)
    )


def _is_position(value: str) -> bool:
    return value.isascii() and value.isdigit()


def find_column(path: Path, layout: Layout, flag: str, value: str) -> int:
    """The place of a column that is named or counted from 1; one that is not there is a ConfigError."""
    return _find(path, layout.names, layout.width, flag, value)


def _find(path: Path, names: Sequence[str], width: int, flag: str, value: str) -> int:
    stripped = [name.strip() for name in names]
    if stripped.count(value) > 1:
        raise ConfigError(f"{flag}: {path} has {stripped.count(value)} columns of that name; give a position")
    if value in stripped:
        return stripped.index(value)
    if not _is_position(value):
        found = f"Found: {', '.join(stripped)}" if names else f"It has {width} columns without names"
        raise ConfigError(f"{flag}: no such column in {path}. {found}")
    if not 0 < int(value) <= width:
        raise ConfigError(f"{flag}: {path} has {width} columns, counted from 1")
    return int(value) - 1


def _by_place(path: Path, rows: Sequence[Sequence[str]]) -> dict[str, int]:
    width = len(rows[0])
    columns = [[row[at].strip(" ") for row in rows if len(row) == width] for at in range(width)]
    if width not in (2, 3, 4):
        raise ConfigError(
            f"{path}: {width} columns and no known header. Without one, 2 to 4 columns are read as user, "
            f"item, rating, time. Say which they are, for example {likely_columns(columns)}"
        )
    at = {role: place for place, role in enumerate(ROLES[:width])}
    if width == 3:
        at = {"user": 0, "item": 1, third_column(path, columns[2]): 2}
    check_guess(path, columns, at)
    return at

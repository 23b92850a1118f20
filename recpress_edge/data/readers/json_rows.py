"""JSON objects as rows: one a line, or one array of them."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.readers.delimited import Record
from recpress_edge.data.readers.lines import shorten

Parsed = tuple[int, Any, str]
"""Number of a line, its value, the line."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""Half a character, which no text in UTF-8 holds."""
_NAMED_LINES: Final = 1000
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_CHUNK: Final = 1 << 20


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; ValueError where it says two things of one key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_Number, parse_int=_Number, parse_constant=lambda name: None
)


@dataclass(frozen=True, slots=True)
class JsonRows:
    """The keys of the objects and a record for each."""

    names: tuple[str, ...]
    """Keys of the objects, in the order in which they are met."""
    whole: bool
    """Whether every row is an object."""
    records: Callable[[], Iterator[Record]]
    """From the first on at each call: fields in the order of ``names``, none for a line that is no object."""
    note: str


def read_json_rows(
    path: Path, lines: Callable[[], Iterator[str]], write: Callable[[list[str]], object] = len
) -> JsonRows:
    """Rows from JSON lines or an array of objects; other JSON is a ConfigError that says what to do.

    lines: gives all lines of the file. write: takes the fields of each object, of the keys met until then.
    """
    first = next(line for line in lines() if line.strip())
    array = first.lstrip().startswith("[")

    def parsed() -> Iterator[Parsed]:
        return _array(path, lines()) if array else _objects(lines())

    note = "an array of JSON objects" if array else "JSON lines"
    head = list(islice(parsed(), _NAMED_LINES))
    objects = [value for _, value, _ in head if isinstance(value, dict)]
    if not objects:
        raise ConfigError(
            f"{path} looks like JSON, but is not one object a line: {shorten(first)}. Write one a line, "
            f'such as {{"user_id": "u1", "item_id": "i1"}}, for example: '
            f"jq -c '.[]' {path.name} > log.jsonl"
        )
    if len(head) == 1 and all(isinstance(value, list | dict) for value in objects[0].values()):
        raise ConfigError(
            f"{path} is one JSON object, {shorten(first)}, not a row for each interaction. Where it lists "
            "the items of users: jq -c 'to_entries[] | .key as $u | .value[] | {user_id: $u, item_id: .}' "
            f"{path.name} > log.jsonl"
        )
    keys, whole = dict[str, None](), True
    for _, value, _ in parsed():
        if isinstance(value, dict):
            keys |= dict.fromkeys(value)
            write(_fields(value, keys))
            whole = whole and bool(keys)
        else:
            whole = False
    names = tuple(keys)
    return JsonRows(
        names, whole, lambda: ((at, _fields(value, names), line) for at, value, line in parsed()), note
    )


def _objects(lines: Iterable[str]) -> Iterator[Parsed]:
    return ((at, _parse(line), line) for at, line in enumerate(lines, 1) if line.strip())


def _array(path: Path, lines: Iterable[str]) -> Iterator[Parsed]:
    """The objects of an array, of which one at a time is held."""
    source, number = _Elements(lines), 0
    wrong = ConfigError(
        f"{path} looks like JSON, but is no array of objects such as "
        '[{"user_id": "u1", "item_id": "i1"}, …]: write it so, or one object a line.'
    )
    mark = source.mark()
    while mark in ("[", ","):
        found = source.value() if source.mark() == "{" else None
        if found is None:
            raise wrong
        number += 1
        yield number, *found
        mark = source.mark()
        if mark == "[":
            raise wrong
    if mark != "]" or source.mark():
        raise wrong


class _Elements:
    """The text of an array, of which no more is held than a value takes, or a line."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self._text, self._at = iter(lines), "", 0

    def mark(self) -> str:
        """The next character that is no blank, which is taken; '' after the last."""
        while True:
            self._at = _BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                self._at += 1
                return self._text[self._at - 1]
            if not self._more(0):
                return ""

    def value(self) -> tuple[Any, str] | None:
        """The value whose first character was taken, and its text; None where there is none."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at - 1)
            except (ValueError, RecursionError):
                if not self._more(1):
                    return None
                continue
            text = self._text[self._at - 1 : end]
            self._at = end
            return value, text

    def _more(self, kept: int) -> bool:
        """Add as many characters as are there, and many at least; ``kept`` before the place stay."""
        parts, added = [self._text[self._at - kept :]], 0
        for line in self._lines:
            parts.append(line + "\n")
            added += len(line) + 1
            if added >= max(len(parts[0]), _CHUNK):
                break
        self._text, self._at = "".join(parts), kept
        return added > 0


def _parse(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def _fields(value: Any, names: Iterable[str]) -> list[str]:
    if not isinstance(value, dict):
        return []
    return [_SURROGATE.sub("\ufffd", _text(value.get(name))) for name in names]


def _text(value: Any) -> str:
    """A value as it is written; lists and objects stay JSON, so that they are seen."""
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    if isinstance(value, _Number):
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_json, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json(key)}: {_json(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)

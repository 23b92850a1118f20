"""JSON objects as rows: one a line, or one array of them."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
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


@dataclass(frozen=True, slots=True)
class JsonRows:
    """The keys of the objects and a record for each."""

    names: tuple[str, ...]
    """Keys of the objects, in the order in which they are met."""
    records: Callable[[], Iterator[Record]]
    """From the first on at each call: fields in the order of ``names``, none for a line that is no object."""
    note: str


def read_json_rows(path: Path, lines: Callable[[], Iterator[str]]) -> JsonRows:
    """Rows from JSON lines or an array of objects; other JSON is a ConfigError that says what to do.

    lines: gives all lines of the file.
    """
    first = next(line for line in lines() if line.strip())
    array = _array(path, lines()) if first.lstrip().startswith("[") else None

    def parsed() -> Iterator[Parsed]:
        return _objects(lines()) if array is None else iter(array)

    note = "JSON lines" if array is None else "an array of JSON objects"
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
    names = tuple(
        dict.fromkeys(name for _, value, _ in parsed() if isinstance(value, dict) for name in value)
    )
    return JsonRows(names, lambda: ((at, _fields(value, names), line) for at, value, line in parsed()), note)


def _objects(lines: Iterable[str]) -> Iterator[Parsed]:
    return ((at, _parse(line), line) for at, line in enumerate(lines, 1) if line.strip())


def _array(path: Path, lines: Iterable[str]) -> list[Parsed]:
    value = _parse("\n".join(lines))
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return [(place + 1, row, json.dumps(row, ensure_ascii=False)) for place, row in enumerate(value)]
    raise ConfigError(
        f"{path} looks like JSON, but is no array of objects such as "
        '[{"user_id": "u1", "item_id": "i1"}, …]: write it so, or one object a line.'
    )


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def _fields(value: Any, names: Sequence[str]) -> list[str]:
    if not isinstance(value, dict):
        return []
    return [_SURROGATE.sub("\ufffd", _text(value.get(name))) for name in names]


def _text(value: Any) -> str:
    """A value as an id or number is written; lists and objects stay JSON, so that they are seen."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)

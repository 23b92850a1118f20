"""What a file says, by Python's csv, json, gzip, bz2 and zipfile: readings that share no code with ours.

A file that keeps to RFC 4180 has one reading. Where it does not, what the standard leaves open gives several:
whether a carriage return alone ends a line, whether a quote that does not fit is a character, whether blanks
at the ends of a field are a part of it, whether lines led by # or % above the table are comments.
"""

import bz2
import codecs
import csv
import gzip
import io
import itertools
import json
import math
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from _mutated_files import NAMES, Written

Pair = tuple[str, str]
_KNOWN: Final = {"userid": 0, "user": 0, "itemid": 1, "item": 1, "rating": 2, "timestamp": 3}
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


_RETURN: Final = "\uf8ff"
"""In place of a carriage return that ends no line: csv refuses one in a field without quotes."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One reading of a file: its distinct pairs, and where it has times each user's items in their order."""

    pairs: frozenset[Pair]
    order: tuple[tuple[str, tuple[str, ...]], ...] | None


def readings(data: bytes, how: Written, *, declared: bool) -> list[Seen]:
    """All readings in which every row is whole; none where the file can only be refused.

    ``declared``: the columns are those of ``how``; otherwise they are found in the header, or by place, and
    nothing needs ratings or times.
    """
    found: list[Seen] = []
    for text in _texts(_unpacked(data)):
        tables = _json_tables(text) if not how.mark else _tables(text, how, declared=declared)
        for names, rows in tables:
            for strip in (False, True):
                one = _seen(names, rows, strip=strip, numbers=declared)
                if one is not None and one not in found:
                    found.append(one)
    return found


def _unpacked(data: bytes) -> bytes:
    """The bytes within a container, however many there are; nothing where it is damaged."""
    try:
        for _ in range(3):
            if data.startswith(b"\x1f\x8b"):
                data = gzip.decompress(data)
            elif data.startswith(b"BZh"):
                data = bz2.decompress(data)
            elif data.startswith(b"PK\x03\x04"):
                with zipfile.ZipFile(io.BytesIO(data)) as file:
                    data = file.read(file.namelist()[0])
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return b""
    return data


def _texts(data: bytes) -> Iterator[str]:
    """The text by its mark, else as UTF-8; nothing where it is neither."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeError:
        return
    yield text
    bare = text.removeprefix("\ufeff").rstrip("\x1a")
    if bare != text:
        yield bare


Read = tuple[Sequence[str] | None, list[list[Any]]]
"""Names of the columns, None for those of the dialect in their places; and the rows."""


def _tables(text: str, how: Written, *, declared: bool) -> Iterator[Read]:
    for body in _without_comments(text):
        for rows in itertools.chain(
            *(_records(body, one) for one in ([how] if declared else _found(body, how)))
        ):
            rows = [row for row in rows if row and not (len(row) == 1 and not row[0].strip(" \t"))]
            if not rows:
                continue
            for header in {how.header} if declared else {True, False}:
                width = len(rows[0])
                if any(len(row) != width for row in rows):
                    continue
                if how.name == "inter":
                    yield [field.partition(":")[0] for field in rows[0]], rows[1:]
                elif declared:
                    yield None, rows[header:]
                elif header:
                    yield rows[0], rows[1:]
                else:
                    yield None, rows


def _found(text: str, how: Written) -> list[Written]:
    """The dialect with the separator that gives every line as many fields as the others: tab, '::', or the
    one with most of them.
    """
    if how.name == "inter":
        return [how]
    widths: dict[str, int] = {}
    torn = whole = False
    for mark in (",", ";", "\t", "|", "::", " "):
        for rows in _records(text, replace(how, mark=mark)):
            found = {len(row) for row in rows if row and (len(row) > 1 or row[0].strip(" \t"))}
            if len(found) == 1 and found != {1}:
                in_fields = any('"' in field for row in rows for field in row)
                torn |= mark == " " and in_fields
                whole |= mark == " " and not in_fields
                widths[mark] = max(widths.get(mark, 0), *found)
    for mark in ("\t", "::"):
        if mark in widths:
            return [replace(how, mark=mark)]
    if torn and not whole and len(widths) > 1:  # blanks within quotes
        del widths[" "]
    most = max(widths.values(), default=0)
    return [replace(how, mark=mark) for mark, width in widths.items() if width == most] or [how]


def _without_comments(text: str) -> Iterator[str]:
    """The text, and what is left of it below lines led by # or % or a declared separator; blanks above go."""
    yield text
    rest = text
    while (line := rest.partition("\n"))[1] and re.match(r"\s*$|[#%]|\"?sep=", line[0]):
        if line[0][:1] in ("#", "%"):
            yield line[0].lstrip("#% \t") + "\n" + line[2]
        rest = line[2]
        yield rest


def _records(text: str, how: Written) -> Iterator[list[list[str]]]:
    """Rows of fields, by each way to see line ends and quotes that do not fit."""
    windows = text.replace("\r\n", "\n")
    ends = [windows, windows.replace("\r", "\n")]
    for body in dict.fromkeys(ends):
        if how.mark == "::":
            yield [[_unquoted(field) for field in line.split("::")] for line in body.split("\n")]
            yield [line.split("::") for line in body.split("\n")]
            continue
        if how.mark == " ":
            for quoting, tab in itertools.product((csv.QUOTE_MINIMAL, csv.QUOTE_NONE), ("\t", " ")):
                for rows in _by_csv(body.replace("\t", tab), " ", quoting=quoting):
                    yield [[field for field in row if field] for row in rows]
            continue
        for quoting, skip in itertools.product((csv.QUOTE_MINIMAL, csv.QUOTE_NONE), (False, True)):
            if quoting == csv.QUOTE_NONE and how.mark != "\t":
                continue
            yield from _by_csv(body, how.mark, quoting=quoting, skip=skip)


def _by_csv(text: str, mark: str, *, quoting: int, skip: bool = False) -> Iterator[list[list[str]]]:
    """Strictly; where that fails, with quotes that do not fit as characters."""
    lines = [f"{line}\n" for line in text.replace("\r", _RETURN).split("\n")]
    for strict in (True, False):
        try:
            rows = list(
                csv.reader(lines, delimiter=mark, quoting=quoting, strict=strict, skipinitialspace=skip)  # type: ignore[arg-type]
            )
        except csv.Error:
            continue
        yield [[field.replace(_RETURN, "\r") for field in row] for row in rows]
        if strict:
            return


def _unquoted(field: str) -> str:
    bare = field.strip(" ")
    return bare[1:-1].replace('""', '"') if len(bare) > 1 and bare[0] == bare[-1] == '"' else field


def _json_tables(text: str) -> Iterator[Read]:
    """Objects by their keys: one a line, or an array."""
    for bodies in (text.split("\n"), [text]):
        try:
            values = [json.loads(body, parse_float=str, parse_int=str) for body in bodies if body.strip()]
        except (ValueError, RecursionError):
            continue
        if len(values) == 1 and isinstance(values[0], list):
            values = values[0]
        if values and all(isinstance(value, dict) for value in values):
            names = [name for name in NAMES if any(name in value for value in values)]
            yield names, [[value.get(name) for name in names] for value in values]


def _seen(
    names: Sequence[str] | None, rows: Sequence[Sequence[Any]], *, strip: bool, numbers: bool
) -> Seen | None:
    """The reading of rows whose columns have these names; None where a row is not whole.

    ``numbers``: ratings and times must be there; otherwise a time that cannot be read takes the order.
    """
    at = {place: place for place in range(min(len(rows[0]) if rows else 0, len(NAMES)))}
    if names is not None:
        at = {}
        for place, name in enumerate(names):
            role = _KNOWN.get(re.sub(r"[\W_]+", "", name).lower())
            if role is not None:
                at.setdefault(role, place)
    if not rows or 0 not in at or 1 not in at:
        return None
    triples = []
    for row in rows:
        user, item = (_text(row[at[role]], strip=strip) for role in (0, 1))
        rating, time = (_number(row[at[role]]) if role in at else 0.0 for role in (2, 3))
        if not user or not item or (numbers and (rating is None or time is None)):
            return None
        triples.append((user, item, math.nan if time is None else time))
    pairs = [triple[:2] for triple in triples]
    order: dict[str, list[str]] = {}
    for user, item, _ in sorted(triples, key=lambda triple: triple[2]):
        order.setdefault(user, []).append(item)
    timed = 3 in at and not any(math.isnan(time) for *_, time in triples)
    whole = timed and len(set(pairs)) == len(pairs)
    ordered = tuple(sorted((user, tuple(items)) for user, items in order.items())) if whole else None
    return Seen(frozenset(pairs), ordered)


def _text(value: Any, *, strip: bool) -> str:
    if value is None or isinstance(value, list | dict):
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.strip(" \t") if strip else text


def _number(value: Any) -> float | None:
    text = str(value).strip()
    if re.fullmatch(r"[+-]?\d+,\d{1,2}", text):
        text = text.replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        return _date(text)
    return number if math.isfinite(number) and "_" not in text else None


def _date(text: str) -> float | None:
    """Only the one date among the words of the mutations."""
    return 1_577_836_800.0 if text == "2020-01-01" else None

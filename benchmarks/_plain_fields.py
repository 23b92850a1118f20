"""Rows of a click bundle's fields, written from the contract's text: no numpy, and nothing of the library."""

import struct
import unicodedata
from typing import Any, Final

REFUSED: Final = "refused"
"""In place of a row: a value that a field does not take."""
_DIGITS: Final = frozenset("0123456789")


class UnfitError(Exception):
    """A value that its field does not take."""


def plain_row(fields: list[tuple[dict[str, Any], list[str]]], values: dict[str, Any]) -> list[int] | str:
    """The row of a request, or REFUSED. ``fields``: entries of a contract, each with its vocabulary."""
    row: list[int] = []
    try:
        for entry, vocabulary in fields:
            row += _of_field(entry, vocabulary, values.get(entry["name"]))
    except UnfitError:
        return REFUSED
    return row


def _of_field(entry: dict[str, Any], vocabulary: list[str], value: Any) -> list[int]:
    kind = entry["kind"]
    if kind == "many":
        texts = [text for one in (value or []) if (text := _text(one)) != ""]
        rows = [_place(vocabulary, text) for text in first_ones(texts, entry["capacity"])]
        if not rows:
            rows = [0]
        return rows + [-1] * (entry["capacity"] - len(rows))
    if kind in ("categorical", "hashed"):
        text = _text(value)
        if text == "":
            return [0]
        if kind == "categorical":
            return [_place(vocabulary, text)]
        return [2 + remainder(_fnv1a(text.encode("utf-8"), entry["seed"]), entry["buckets"])]
    number = _number(value)
    if number is None:
        return [0]
    if kind == "integer":
        whole = number == number // 1 if abs(number) != float("inf") else False
        if not whole or number < entry["least"] or number > entry["most"]:
            return [1]
        return [2 + int(number) - entry["least"]]
    narrow = float32(number)
    return [2 + sum(1 for edge in entry["edges"] if reaches(narrow, float32(edge)))]


def _place(vocabulary: list[str], text: str) -> int:
    for line, known in enumerate(vocabulary):
        if known == text:
            return 2 + line
    return 1


def _fnv1a(data: bytes, seed: int) -> int:
    found = 2166136261 ^ seed
    for byte in data:
        found ^= byte
        found = found * 16777619 % 4294967296
    return found


def remainder(found: int, buckets: int) -> int:
    """Of an unsigned hash."""
    return found % buckets


def reaches(value: float, edge: float) -> bool:
    """Whether a value is at an edge or above it."""
    return value >= edge


def first_ones(texts: list[str], capacity: int) -> list[str]:
    """Those of many values that count."""
    return texts[:capacity]


def normal(text: str) -> str:
    """Form NFC."""
    return unicodedata.normalize("NFC", text)


def _parsed(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UnfitError from None


def float32(number: float) -> float:
    """The nearest float32, beyond its range infinite."""
    try:
        (found,) = struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
    return float(found)


def _text(value: Any) -> str:
    if value is None or (type(value) is float and value != value):  # NaN
        return ""
    if type(value) is int:
        return str(value)
    if type(value) is not str:
        raise UnfitError
    return normal(value)


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    if type(value) is str:
        check_digits(value)
        value = _parsed(value)
    elif type(value) is int:
        if abs(value) > 10**310:
            value = float("inf") if value > 0 else float("-inf")
        value = float(value)
    elif type(value) is not float:
        raise UnfitError
    return None if value != value else value


def check_digits(text: str) -> None:
    """A sign, digits with a point, an exponent; all but digits may be left out, and no letter more."""
    rest = text[1:] if text[0] in "+-" else text
    mantissa, mark, exponent = rest.replace("E", "e").partition("e")
    before, _, after = mantissa.partition(".")
    if not (before + after) or not _DIGITS.issuperset(before + after):
        raise UnfitError
    power = exponent[1:] if exponent[:1] in ("+", "-") else exponent
    if mark and (not power or not _DIGITS.issuperset(power)):
        raise UnfitError

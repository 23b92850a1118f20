"""Texts of a column to a feature column: what kind they are, as asked or as found."""

import ast
import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from recpress_edge.core.arrays import I32
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.units import counted
from recpress_edge.data.features.columns import (
    CATEGORICAL,
    HASHED,
    INTEGER,
    KINDS,
    MANY,
    MISSING_CODE,
    NUMERIC,
    FeatureColumn,
)
from recpress_edge.data.log import TextColumn
from recpress_edge.data.readers.delimited import SEPARATORS
from recpress_edge.data.times import read_number

MISSING_TEXTS: Final = frozenset({"", "nan", "NaN", "NULL", "null", "None", "<NA>", "N/A", "\\N"})
"""What programs write for no value; in this spelling, and no other."""
LONGEST_VALUE: Final = 256
"""Characters; a longer text is a description, and no value that two rows share."""
_SIZED: Final = (NUMERIC, HASHED, MANY)
_MOST_SIZE: Final = 2**24


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """A column that is asked for, [NAME=]COLUMN[:KIND[:SEPARATOR][:SIZE]]."""

    column: str
    """A header name, or a place from 1."""
    name: str | None = None
    """What to call it; None is as its header does."""
    kind: str | None = None
    """One of KINDS; None is found out."""
    separator: str | None = None
    """Between the values of a row, a key of SEPARATORS."""
    size: int = 0
    """Of FeatureColumn; 0 is the usual."""

    def words(self) -> str:
        """The column as it is asked for."""
        called = self.column if self.name is None else f"{self.name}={self.column}"
        size = str(self.size) if self.size else None
        return ":".join(filter(None, (called, self.kind, self.separator, size)))


def parse_specs(flag: str, text: str) -> tuple[FeatureSpec, ...]:
    """'genres:many,year:numeric,studio=4' of ``flag``; ConfigError for any other form."""
    specs: list[FeatureSpec] = []
    for part in text.split(","):
        spec = _parse_spec(part)
        if spec is None or spec.column in [known.column for known in specs]:
            raise ConfigError(
                f"{flag} {text!r}: cannot read {part.strip()!r}. Write names or places of columns, each "
                f"once, where needed with a name of your own and a kind: genres=3:many,year:{NUMERIC},"
                f"studio:{CATEGORICAL},hour:{INTEGER},city:{HASHED}; with what parts many values: "
                f"tags:many:semicolon, one of {', '.join(SEPARATORS)}; and with a size, how many values of a "
                "row count or how many buckets there are: tags:many:semicolon:6,city:hashed:512"
            )
        specs.append(spec)
    return tuple(specs)


def _parse_spec(part: str) -> FeatureSpec | None:
    """'genres=3:many:pipe:6'; None for any other form."""
    called, *rest = (word.strip() for word in part.split(":"))
    name, equals, column = (word.strip() for word in called.rpartition("="))
    kind, more = (rest[0], rest[1:]) if rest else (None, [])
    separator = more.pop(0) if more and kind == MANY and more[0] in SEPARATORS else None
    size = more.pop(0) if more and kind in _SIZED else ""
    sized = not size or (size.isascii() and size.isdigit() and 1 <= int(size[:9]) <= _MOST_SIZE)
    known = column and bool(name) == bool(equals) and name.isprintable() and (kind is None or kind in KINDS)
    if not known or not sized or more:
        return None
    return FeatureSpec(column, name or None, kind, separator, int(size or 0))


def encode_column(spec: FeatureSpec, texts: TextColumn, declared: str | None) -> tuple[FeatureColumn, str]:
    """The feature column of ``texts``, and what it is in words.

    ``declared``: the type that the file itself states, RecBole's; None where it states none.
    """
    bare = [_bare(texts.name, text) for text in texts.values]
    used = np.zeros(len(bare), np.bool_)
    used[texts.codes[texts.codes >= 0]] = True
    known = [text for text, is_used in zip(bare, used.tolist(), strict=True) if is_used and text]
    if not known:
        raise DataError(f"feature {texts.name!r}: no row has a value. Leave it out, or name another column.")
    kind, found = (spec.kind, "") if spec.kind else _find_kind(known, declared)
    if kind in (NUMERIC, INTEGER):
        column, note = _numbers(texts, bare, kind), ""
    elif kind == MANY:
        parting = spec.separator or (
            "space" if declared == "token_seq" else _find_separator(texts.name, known)
        )
        column, note = _many(texts, bare, parting), f", parted by {parting}"
    else:
        column, note = _categories(texts, bare, kind), ""
    column = replace(column, size=spec.size)
    return column, f"{texts.name}: {_in_words(column)}{note}{found}{_missing_words(texts, bare)}"


def _bare(name: str, text: str) -> str:
    """A text in one Unicode form without odd blanks; nothing where it stands for no value."""
    bare = text if text.isascii() else unicodedata.normalize("NFC", text)
    bare = " ".join("".join(c if c.isprintable() or c.isspace() else " " for c in bare).split())
    if len(bare) > LONGEST_VALUE and not bare.startswith("["):
        raise DataError(
            f"feature {name!r}: a value has {len(bare):,} characters, more than {LONGEST_VALUE}: "
            f"{bare[:40]!r}… Free text is no feature. Leave the column out."
        )
    return "" if bare in MISSING_TEXTS else bare


def _find_kind(known: Sequence[str], declared: str | None) -> tuple[str, str]:
    """The kind of a column, and where another one is as likely, how to have that."""
    if declared is not None:
        kinds = {"float": NUMERIC, "token_seq": MANY, "token": CATEGORICAL}
        if declared not in kinds:
            raise ConfigError(f"columns of type {declared} are not taken as features. Leave it out.")
        return kinds[declared], ""
    if all(text[0] == "[" and text[-1] == "]" for text in known) or any("|" in text for text in known):
        return MANY, ""
    numbers = [read_number(text) for text in known]
    if any(number is None for number in numbers):
        return CATEGORICAL, ""
    if all(text.lstrip("-").isdigit() for text in known):
        return CATEGORICAL, " of whole numbers (:numeric takes them as amounts)"
    return NUMERIC, ""


def _find_separator(name: str, known: Sequence[str]) -> str:
    if all(text[0] == "[" and text[-1] == "]" for text in known):
        return "list"
    present = [mark for mark in ("pipe", "semicolon", "comma") if any(SEPARATORS[mark] in t for t in known)]
    if "pipe" in present or len(present) == 1:
        return present[0]
    if present:
        answers = " or ".join(f"{name}:many:{mark}" for mark in present)
        raise ConfigError(f"feature {name!r}: {' and '.join(present)} may part its values. Say {answers}")
    raise ConfigError(
        f"feature {name!r}: no pipe, semicolon or comma parts its values, such as {known[0]!r}. Say what "
        f"does, for example {name}:many:space, or {name}:categorical if each row has one value."
    )


def _numbers(texts: TextColumn, bare: Sequence[str], kind: str) -> FeatureColumn:
    values = [read_number(text) if text else np.nan for text in bare]
    whole = kind == INTEGER
    wrong = [
        text
        for text, value in zip(bare, values, strict=True)
        if value is None or (whole and value == value and value != int(value))
    ]
    if wrong:
        what = "whole numbers" if whole else "finite numbers"
        raise DataError(
            f"feature {texts.name!r}: {len(wrong):,} values are no {what}, such as {wrong[0]!r}. "
            f"Correct them, or say {texts.name}:categorical to keep them as texts."
        )
    table = np.array([*values, np.nan], np.float64)  # the last for MISSING_CODE
    return FeatureColumn(texts.name, kind, numbers=table[texts.codes])


def _categories(texts: TextColumn, bare: Sequence[str], kind: str) -> FeatureColumn:
    values, places = _vocabulary([[text] if text else [] for text in bare], texts.codes)
    table = np.array([*(row[0] if row else MISSING_CODE for row in places), MISSING_CODE], np.int32)
    return FeatureColumn(texts.name, kind, values, codes=table[texts.codes])


def _many(texts: TextColumn, bare: Sequence[str], parting: str) -> FeatureColumn:
    part: Callable[[str], list[str]]
    if parting == "list":
        part = lambda text: _listed(texts.name, text)  # noqa: E731
    elif parting == "space":
        part = str.split
    else:
        part = lambda text: text.split(SEPARATORS[parting])  # noqa: E731
    rows = [[word for raw in part(text) if (word := _bare(texts.name, raw))] for text in bare]
    rows = [list(dict.fromkeys(row)) for row in rows]
    values, places = _vocabulary(rows, texts.codes)
    lengths = np.array([*map(len, places), 0], np.int64)
    indptr = np.concatenate([[0], np.cumsum(lengths[texts.codes])]).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    flat = np.array([code for row in places for code in row], np.int32)
    within = np.arange(indptr[-1]) - np.repeat(indptr[:-1], np.diff(indptr))
    codes = flat[np.repeat(starts[texts.codes], np.diff(indptr)) + within]
    return FeatureColumn(texts.name, MANY, values, codes=codes, indptr=indptr)


def _vocabulary(rows: Sequence[Sequence[str]], codes: I32) -> tuple[tuple[str, ...], list[list[int]]]:
    """The values that some row uses, in order of code point, and the places of each text's values in them."""
    used = np.unique(codes[codes >= 0]).tolist()
    values = sorted({value for at in used for value in rows[at]})
    index = {value: place for place, value in enumerate(values)}
    return tuple(values), [[index[value] for value in row if value in index] for row in rows]


def _listed(name: str, text: str) -> list[str]:
    """The values of '["a", "b"]' or "['a', 'b']"."""
    for read in (json.loads, ast.literal_eval):
        try:
            found: Any = read(text) if text else []
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list) and all(isinstance(value, str | int | float) for value in found):
            return [str(value) for value in found]
    raise DataError(f"feature {name!r}: {text[:80]!r} is no list of texts or numbers. Write it as a|b|c.")


def _in_words(column: FeatureColumn) -> str:
    facts = column.facts()
    if column.numbers is not None:
        whole = "whole " if column.kind == INTEGER else ""
        return f"{whole}numbers from {facts['least']:g} to {facts['most']:g}"
    if column.kind == MANY:
        return f"{len(column.values):,} values, up to {facts['most_in_a_row']} a row"
    if column.kind == HASHED:
        return f"{counted(len(column.values), 'text')}, hashed"
    return counted(len(column.values), "category", "categories")


def _missing_words(texts: TextColumn, bare: Sequence[str]) -> str:
    rows = np.bincount(texts.codes[texts.codes >= 0], minlength=len(bare)).tolist()
    words: Counter[str] = Counter()
    for text, value, count in zip(texts.values, bare, rows, strict=True):
        if not value and text.strip() and count:
            words[text.strip()] += count
    return "".join(f", {count:,} {word!r} taken as no value" for word, count in sorted(words.items()))

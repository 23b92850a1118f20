"""Tables of items, known and new, to feature columns of both."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from recpress_edge.core.arrays import I64
from recpress_edge.core.errors import DataError
from recpress_edge.data.features.columns import FeatureColumn
from recpress_edge.data.features.design import words_of
from recpress_edge.data.features.encode import MISSING_TEXTS, FeatureSpec, encode_column, parse_specs
from recpress_edge.data.features.match import ID_NAMES, find_ids
from recpress_edge.data.features.table import SideTable, TableForm, read_side_table
from recpress_edge.data.log import TextColumn
from recpress_edge.data.times import read_number

WORDS: Final = "words"
"""Kind of a column of texts whose words count; of a fold-in alone."""
_FLAG: Final = "--item-features"


@dataclass(frozen=True, slots=True)
class AskedTables:
    """Tables of items, and what of them is taken."""

    paths: tuple[Path, ...]
    item_id: str | None = None
    """None: by a known name, or the first column."""
    columns: str | None = None
    """As ``data import --item-features``, and of kind WORDS; None: every column."""
    form: TableForm = dataclasses.field(default_factory=TableForm)
    clean: Callable[[str], str] = str
    """What is done to its ids."""


@dataclass(frozen=True, slots=True, eq=False)
class ItemTable:
    """Features of known items, then of new ones."""

    columns: tuple[FeatureColumn, ...]
    known: I64
    """(K,) indices of the known items that the tables have, ascending."""
    new: tuple[str, ...]
    """Ids of the others, in the order of the tables."""


def read_item_tables(asked: AskedTables, item_ids: Sequence[str]) -> ItemTable:
    """The rows of all tables, matched to the known ``item_ids``; DataError where rows of one id differ."""
    specs = None if asked.columns is None else _specs(asked.columns)
    names = [column for spec, _ in specs or () for column in [spec.column]]
    wanted = [*names, *([] if asked.item_id is None else [asked.item_id])]
    found: dict[str, tuple[str, list[str]]] = {}
    kinds: list[str | None] = []
    for path in asked.paths:
        table = read_side_table(path, asked.form, wanted, ID_NAMES["item"])
        key = find_ids(table, "item", item_ids, asked.item_id, asked.clean)
        specs = specs or _all_columns(table, key)
        places = [table.place(f"{_FLAG} {spec.column}", spec.column) for spec, _ in specs]
        kinds = kinds or [table.kind(place) for place in places]
        _add_rows(found, table, key, places, asked.clean)
    known = np.array([at for at, name in enumerate(item_ids) if name in found], np.int64)
    there = set(item_ids)
    new = tuple(name for name in found if name not in there)
    rows = [found[name][1] for name in (*(item_ids[at] for at in known.tolist()), *new)]
    texts = [[row[at].strip() for row in rows] for at in range(len(specs or ()))]
    columns = [
        _column(spec, kind, declared, column)
        for (spec, kind), declared, column in zip(specs or (), kinds, texts, strict=True)
        if asked.columns is not None or not MISSING_TEXTS.issuperset(column)
    ]
    if not columns:
        raise DataError(f"{asked.paths[0]} has no column with values beside its ids")
    return ItemTable(tuple(columns), known, new)


def _specs(text: str) -> list[tuple[FeatureSpec, str | None]]:
    """What is asked for, and WORDS where that is its kind."""
    parts = text.split(",")
    ending = f":{WORDS}"
    specs = parse_specs(_FLAG, ",".join(part.strip().removesuffix(ending) for part in parts))
    return [
        (spec, WORDS if part.strip().endswith(ending) else None)
        for spec, part in zip(specs, parts, strict=True)
    ]


def _all_columns(table: SideTable, key: int) -> list[tuple[FeatureSpec, str | None]]:
    """Every column but the ids, by name where the table has names."""
    names = table.layout.names
    return [
        (FeatureSpec(names[at] if names else str(at + 1)), None)
        for at in range(table.layout.width)
        if at != key
    ]


def _add_rows(
    found: dict[str, tuple[str, list[str]]],
    table: SideTable,
    key: int,
    places: Sequence[int],
    clean: Callable[[str], str],
) -> None:
    for number, fields in table.rows:
        bare = fields[key].strip(" \t")
        name = clean(bare) if bare else ""
        row = [fields[place] for place in places]
        where = f"{table.path} line {number}"
        if name and found.setdefault(name, (where, row))[1] != row:
            raise DataError(f"{found[name][0]} and {where} are of {name!r} and differ. Keep one.")


def _column(spec: FeatureSpec, kind: str | None, declared: str | None, texts: Sequence[str]) -> FeatureColumn:
    name = spec.name or (f"column-{spec.column}" if spec.column.isdigit() else spec.column)
    found_out = spec.kind is None and (declared == "token_seq" or (declared is None and _is_prose(texts)))
    if kind == WORDS or found_out:
        return words_of(name, ["" if text in MISSING_TEXTS else text for text in texts])
    index: dict[str, int] = {}
    codes = np.array([index.setdefault(text, len(index)) for text in texts], np.int32)
    return encode_column(spec, TextColumn(name, tuple(index), codes), declared)[0]


def _is_prose(texts: Sequence[str]) -> bool:
    """Whether texts are of several words, and most of them stand once."""
    known = [text for text in texts if text not in MISSING_TEXTS]
    if not known or any("|" in text or text[0] == "[" for text in known):
        return False
    several = sum(" " in text for text in known)
    return 2 * len(set(known)) > len(known) and 2 * several > len(known) and read_number(known[0]) is None

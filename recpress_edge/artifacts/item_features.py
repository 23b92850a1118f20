"""item_features.tsv: columns of the items, shown with answers; a line of names, then a line an item."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.ids import encode_lines, read_lines
from recpress_edge.core.errors import ArtifactError, DataError
from recpress_edge.core.files import write_atomic

FEATURES_FILE: Final = "item_features.tsv"
MOST_COLUMNS: Final = 64


def write_item_features(folder: Path, columns: Mapping[str, Sequence[str]]) -> None:
    """One line an item, in their order, tabs between; DataError for a text with a tab or a line break."""
    if len(columns) > MOST_COLUMNS:
        raise DataError(f"{len(columns)} item features are more than the {MOST_COLUMNS} that a bundle takes")
    rows = list(zip(*([name, *texts] for name, texts in columns.items()), strict=True))
    for row in rows:
        if wrong := [text for text in row if set(text) & set("\t\n\r")]:
            raise DataError(f"an item feature holds a tab or a line break: {wrong[0]!r}. Correct its table.")
    write_atomic(folder / FEATURES_FILE, encode_lines(list(map("\t".join, rows))))


def read_item_features(folder: Path, n_items: int) -> dict[str, list[str]]:
    """The texts of each column (I,), empty where there is none; ArtifactError for any other content."""
    where = folder / FEATURES_FILE
    lines = read_lines(where, n_items + 1)
    tabs = lines[0].count("\t")  # counted before a list is made of them
    if tabs >= MOST_COLUMNS or any(line.count("\t") != tabs for line in lines):
        raise ArtifactError(
            f"{where} must hold as many columns in every line, at most {MOST_COLUMNS}", fault="content"
        )
    names, *rows = (line.split("\t") for line in lines)
    if len(set(names)) != len(names):
        raise ArtifactError(f"{where} must hold columns of different names", fault="content")
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}

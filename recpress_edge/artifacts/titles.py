"""titles.txt: a title of each item, for people who read an answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.ids import encode_lines, read_lines
from recpress_edge.core.errors import DataError
from recpress_edge.core.files import write_atomic

TITLES_FILE: Final = "titles.txt"


def write_titles(folder: Path, titles: Sequence[str]) -> None:
    """One title a line, in the order of the items; DataError for one with a line break."""
    for index, title in enumerate(titles):
        if "\n" in title or "\r" in title:
            raise DataError(f"the title of item {index} holds a line break: {title!r}. Rename it in the log.")
    write_atomic(folder / TITLES_FILE, encode_lines(titles))


def read_titles(folder: Path, n_items: int) -> list[str]:
    """The title of each item (I,), empty where it has none; ArtifactError for any other content."""
    return read_lines(folder / TITLES_FILE, n_items)

"""titles.txt: a title of each item, for people who read an answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ArtifactError, DataError
from recpress_edge.core.files import write_atomic

TITLES_FILE: Final = "titles.txt"


def write_titles(folder: Path, titles: Sequence[str]) -> None:
    """One title a line, in the order of the items; DataError for one with a line break."""
    for index, title in enumerate(titles):
        if "\n" in title or "\r" in title:
            raise DataError(f"the title of item {index} holds a line break: {title!r}. Rename it in the log.")
    write_atomic(folder / TITLES_FILE, "".join(f"{title}\n" for title in titles).encode())


def read_titles(folder: Path, n_items: int) -> list[str]:
    """The title of each item (I,), empty where it has none; ArtifactError for any other content."""
    where = folder / TITLES_FILE
    data = where.read_bytes()
    found = data.count(b"\n")
    if found != n_items or data[-1:] not in (b"", b"\n"):  # counted before a list is made of them
        raise ArtifactError(f"{where} must hold {n_items} lines, found {found}", fault="content")
    try:
        return data.decode().split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{where} is not UTF-8: {error}", fault="content") from None

"""Which of our formats a file is in: said by the user, or shown by its content."""

from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.readers.columns import ColumnChoice
from recpress_edge.data.readers.delimited import find_start, split_spaces
from recpress_edge.data.readers.forms import sqlite_tables
from recpress_edge.data.readers.netflix import is_netflix
from recpress_edge.data.readers.plain import PlainFile
from recpress_edge.data.readers.sniff import is_inter, is_json, refuse_foreign, sniff_format

TABLES: Final = ("delimited", "inter", "json", "netflix", "parquet")


def find_format(path: Path, plain: PlainFile, fmt: str, choice: ColumnChoice | None, *, chosen: bool) -> str:
    """The format of a file, as said or found; flags that it does not take are a ConfigError.

    ``chosen``: whether --only or --where say which rows count.
    """
    found = _of_text(path, plain, fmt, choice) if plain.kind == "text" else _of_table(path, plain, fmt)
    if (choice is not None or chosen) and found not in TABLES:
        raise ConfigError(
            "--columns, --separator, --header, --only, --where and --context are for --format delimited, not "
            f"{found}"
        )
    if found != "delimited" and choice is not None and (choice.separator or choice.header is not None):
        raise ConfigError(f"--separator and --header are for --format delimited, not {found}")
    return found


def _of_table(path: Path, plain: PlainFile, fmt: str) -> str:
    if fmt != "auto":
        raise ConfigError(f"{path} is {plain.kind} and not {fmt}. Leave --format out.")
    if plain.kind == "sqlite":
        raise ConfigError(
            f"{path} is an SQLite database. Say what to read, for example --query "
            f'"SELECT user_id, item_id FROM TABLE". {sqlite_tables(path, plain)}'
        )
    return plain.kind


def _of_text(path: Path, plain: PlainFile, fmt: str, choice: ColumnChoice | None) -> str:
    head = plain.head()
    if not any(line.strip() for line in head):
        raise DataError(f"{path}: the first {len(head):,} lines are blank. Remove them.")
    if fmt in ("auto", "netflix") and is_netflix(head):
        return "netflix"
    if fmt in ("auto", "delimited"):
        refuse_foreign(path, head)
    if fmt not in ("auto", "json", "inter") and is_json(head):
        raise ConfigError(f"{path} holds JSON and is not {fmt}. Say --format json, or leave --format out.")
    if fmt.endswith("adjacency") and is_inter(Path(), head):
        raise ConfigError(f"{path} has the typed header of RecBole and is not {fmt}. Leave --format out.")
    if fmt != "auto":
        return fmt
    if is_json(head):
        return "json"
    if is_inter(path, head):
        return "inter"
    if choice is not None:
        return "delimited"
    start = find_start(head)
    return sniff_format(path, list(start.rows(head)), lambda: _are_pairs(plain))


def _are_pairs(plain: PlainFile) -> bool:
    """Whether every line of the file is two words."""
    return all(len(split_spaces(line)) in (0, 2) for line in find_start(plain.head()).rows(plain.lines()))

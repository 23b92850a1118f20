"""Changes to a catalogue: which items are appended, replaced or retired, checked against the bundle's ids."""

import difflib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import MAX_FILE_BYTES
from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import DataError, unknown_name
from recpress_edge.core.files import canonical_json, sha256_bytes, sha256_file

IDS: Final = ("append_ids", "replace_ids", "retire_ids")
ROWS: Final = {"append_ids": "append_emb", "replace_ids": "replace_emb"}
HISTORY_ROWS: Final = {"append_ids": "append_history", "replace_ids": "replace_history"}
"""Beside them, of a history bundle."""
# Above it the list of exclusions, which every request pays for, should be a smaller catalogue instead.
MAX_RETIRED: Final = 100_000
MAX_PACKING: Final = 30
"""Unpacked bytes over packed ones: texts of four bytes a character shrink to a tenth, vectors hardly."""
MAX_UNPACKED: Final = 2**26
_SIMILAR_IDS: Final = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What an items file asks for. Embeddings are (n, dim) float32, one row per id."""

    append_ids: tuple[str, ...]
    append_emb: F32
    replace_ids: tuple[str, ...]
    replace_emb: F32
    retire_ids: tuple[str, ...]
    sha256: str
    """Digest of the file, or of the ids where there is none."""
    append_history: F32 | None = None
    """(n, dim) of a history bundle: what a new item adds to the vector of whoever consumed it."""
    replace_history: F32 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """The same changes as indices. An index keeps its meaning for ever; new items come behind the others."""

    item_ids: tuple[str, ...]
    """Every id after the change."""
    rows: I64
    """Indices whose vector is new: the replaced, then the appended."""
    emb: F32
    """Their vectors, (n, dim)."""
    retired: tuple[int, ...]
    """All retired indices after the change, ascending."""
    history: F32 | None = None
    """(n, dim) of a history bundle: their rows in histories."""


def read_changes(path: Path) -> Changes:
    """Read an npz of ``append_ids``, ``append_emb``, ``replace_ids``, ``replace_emb``, ``retire_ids``.

    Of a history bundle with ``append_history`` and ``replace_history`` too.

    Each is optional, ids are text arrays. Anything that does not fit is a :class:`DataError`.
    """
    arrays = _read_arrays(path)
    for name in arrays:
        if name not in (known := (*IDS, *ROWS.values(), *HISTORY_ROWS.values())):
            raise unknown_name(f"array in {path}", name, list(known))
    ids = {name: _ids(path, name, arrays.get(name)) for name in IDS}
    rows = {emb: _rows(path, emb, arrays.get(emb), name, ids[name]) for name, emb in ROWS.items()}
    history = {
        emb: _rows(path, emb, arrays[emb], name, ids[name])
        for name, emb in HISTORY_ROWS.items()
        if emb in arrays
    }
    if not any(ids.values()):
        raise DataError(f"{path} asks for nothing: it has no {', no '.join(IDS)}")
    owner: dict[str, str] = {}
    for name in IDS:
        for item in ids[name]:
            if item in owner:
                where = f"in {owner[item]} and in {name}" if owner[item] != name else f"twice in {name}"
                raise DataError(f"{path}: item id {item!r} is {where}; give each id once")
            owner[item] = name
    return Changes(
        ids["append_ids"],
        rows["append_emb"],
        ids["replace_ids"],
        rows["replace_emb"],
        ids["retire_ids"],
        sha256_file(path),
        **history,
    )


def retirement(item_ids: Sequence[str]) -> Changes:
    """The change that retires items, and nothing else; DataError where one is named twice, or none is."""
    names = tuple(item_ids)
    if not names:
        raise DataError("no item is named: give the ids that are never to be recommended again")
    for place, name in enumerate(names):
        if name in names[:place]:
            raise DataError(f"item id {name!r} is given twice; give each id once")
    none = np.empty((0, 0), np.float32)
    return Changes((), none, (), none, names, sha256_bytes(canonical_json({"retire_ids": names})))


def _read_arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """All arrays, without pickles; what the members declare is checked before they are unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
            most = min(MAX_FILE_BYTES, MAX_UNPACKED + MAX_PACKING * path.stat().st_size)
            if sum(sizes.values()) > most:
                raise DataError(f"{path} claims {sum(sizes.values())} bytes, more than {most}")
            arrays = {}
            for name in sizes:
                with archive.open(name) as file:
                    arrays[name.removesuffix(".npy")] = np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"no such file: {path}") from None
    except (OSError, zipfile.BadZipFile, ValueError, EOFError, MemoryError, NotImplementedError) as error:
        hint = " Save ids as text (dtype str), not as objects." if "Object" in str(error) else ""
        raise DataError(f"{path} is not an npz file of plain arrays: {error}.{hint}") from None
    return arrays


def _ids(path: Path, name: str, array: NDArray[Any] | None) -> tuple[str, ...]:
    if array is None:
        return ()
    if array.ndim != 1 or (array.size and array.dtype.kind != "U"):
        raise DataError(
            f"{path}: {name} is {array.dtype} {array.shape}, expected text (n,): np.array(['id', …])"
        )
    for item in array.tolist():
        if not item or "\n" in item or "\r" in item:
            raise DataError(f"{path}: {name} holds {item!r}, which is empty or has a line break")
    return tuple(array.tolist())


def _rows(path: Path, name: str, array: NDArray[Any] | None, ids_name: str, ids: tuple[str, ...]) -> F32:
    if array is None and not ids:
        return np.empty((0, 0), np.float32)
    if array is None:
        raise DataError(f"{path}: {ids_name} needs {name}, a row of float32 for each id")
    if array.dtype != np.float32 or array.ndim != 2 or len(array) != len(ids):
        raise DataError(
            f"{path}: {name} is {array.dtype} {array.shape}, expected float32 ({len(ids)}, dim), "
            f"one row for each of {ids_name}"
        )
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if bad.size:
        raise DataError(f"{path}: {name} has NaN or infinity in row {bad[0]} (item id {ids[bad[0]]!r})")
    return array


def place(changes: Changes, item_ids: Sequence[str], retired: Sequence[int], dim: int) -> Placed:
    """Find every id's index. DataError on an id that is unknown, retired already, or there already."""
    index = {name: row for row, name in enumerate(item_ids)}
    gone = set(retired)
    for name in changes.append_ids:
        if name in index:
            state = "is retired, and an id never comes back" if index[name] in gone else "is there already"
            raise DataError(
                f"append_ids: item id {name!r} {state} (index {index[name]}). "
                + ("Append it under a new id." if index[name] in gone else "Use replace_ids for it.")
            )
    found = {name: _find(name, item_ids, index, gone) for name in (*changes.replace_ids, *changes.retire_ids)}
    none = np.empty((0, dim), np.float32)
    own = (changes.replace_emb, changes.append_emb)
    made = (changes.replace_history, changes.append_history)
    for what, emb in zip((*ROWS.values(), *HISTORY_ROWS.values()), (*own[::-1], *made[::-1]), strict=True):
        if emb is not None and len(emb) and emb.shape[1] != dim:
            raise DataError(f"{what} has dim {emb.shape[1]}, the bundle has dim {dim}")
    rows = [found[name] for name in changes.replace_ids]
    rows += range(len(item_ids), len(item_ids) + len(changes.append_ids))
    now_retired = sorted(gone | {found[name] for name in changes.retire_ids})
    if len(now_retired) > MAX_RETIRED:
        raise DataError(
            f"{len(now_retired):,} retired items are more than {MAX_RETIRED:,}. "
            "Train and export on the smaller catalogue instead."
        )
    if len(now_retired) == len(item_ids) + len(changes.append_ids):
        raise DataError("that retires every item: nothing would be left to recommend")
    history = [emb for emb in made if emb is not None and len(emb)]
    return Placed(
        (*item_ids, *changes.append_ids),
        np.array(rows, np.int64),
        np.concatenate([none, *(emb for emb in own if len(emb))]),
        tuple(now_retired),
        np.concatenate(history) if history else None,
    )


def _find(name: str, item_ids: Sequence[str], index: Mapping[str, int], gone: set[int]) -> int:
    row = index.get(name)
    if row is None:
        hint = _similar(name, item_ids)
        where = f"Ids are those of items.txt, to the letter: {len(item_ids):,} such as {item_ids[0]!r}."
        raise DataError(f"unknown item id {name!r}. {f'Did you mean {hint!r}?' if hint else where}")
    if row in gone:
        raise DataError(f"item id {name!r} (index {row}) is retired already; an id never comes back")
    return row


def _similar(name: str, item_ids: Sequence[str]) -> str | None:
    """The nearest id; in a large catalogue only among ids of about the same length."""
    plain = name.strip().casefold()
    near = [other for other in item_ids if abs(len(other) - len(name)) <= 2]
    same = next((other for other in near if other.strip().casefold() == plain), None)
    return same or next(iter(difflib.get_close_matches(name, near[:_SIMILAR_IDS], n=1)), None)

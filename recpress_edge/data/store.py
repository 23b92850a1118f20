"""Data sets on disk: ``<work>/data/<name>/`` with a manifest, the split and the ids.

manifest.json   what it is, how it was made, digests of everything
split.npz       indptr and indices of train, valid, test, and ranks where the order is known; no pickle
users.txt       external id of each user index, one a line (only a line feed ends a line)
items.txt       likewise
titles.txt      a title of each item, one a line, empty where it has none; where titles were given
*_features.npz  of user, item or context: columns of :mod:`recpress_edge.data.features.files`, where given
labels.npz      users, items, labels and sizes of :class:`LabelledRows`, of a data set with labels
"""

import io
import re
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.clicks.fields import SIDES
from recpress_edge.artifacts.ids import encode_lines
from recpress_edge.artifacts.titles import TITLES_FILE
from recpress_edge.core.errors import ArtifactError, ConfigError, DataError
from recpress_edge.core.files import (
    check_ours,
    new_directory,
    read_json,
    sha256_bytes,
    write_atomic,
    write_json,
)
from recpress_edge.core.npz import npz_bytes
from recpress_edge.data.features.columns import Features
from recpress_edge.data.features.files import from_bytes, to_bytes
from recpress_edge.data.features.rows import PARTS, LabelledRows
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.data.prepare import Prepared
from recpress_edge.data.weights import weigh

# History: 1 first.
SCHEMA: Final = "recpress.data/1"
_LABELS: Final = "labels.npz"
_FILES: Final = ("split.npz", "users.txt", "items.txt")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def stored_path(work: Path, name: str) -> Path | None:
    """:func:`dataset_path` where a data set is there; None of one that is built."""
    folder = dataset_path(work, name)
    return folder if folder.exists() else None


def dataset_path(work: Path, name: str) -> Path:
    """Where a data set of this name lives; a name that is no plain folder name is a ConfigError."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot name a data set: use up to 64 letters, digits, '.', '_' and '-', "
            "led by a letter or digit"
        )
    return work / "data" / name


def check_new(work: Path, name: str, *, force: bool) -> Path:
    """The folder a new data set will take; an existing one is a ConfigError unless forced."""
    target = dataset_path(work, name)
    check_ours(target, "manifest.json")
    if target.exists() and not force:
        raise ConfigError(
            f"data set {name!r} exists already, in {target}. "
            "Choose another name, or add --force to replace it."
        )
    return target


def save_dataset(prepared: Prepared, work: Path, *, force: bool = False) -> Path:
    """Write a data set whole or not at all; returns its folder."""
    dataset = prepared.dataset
    target = check_new(work, dataset.name, force=force)
    arrays = {
        f"{part}_{field}": getattr(getattr(dataset, part), field)
        for part in PARTS
        for field in ("indptr", "indices", "ranks")
        if getattr(getattr(dataset, part), field) is not None
    }
    files = {
        "split.npz": npz_bytes(arrays),
        "users.txt": _encode_ids(dataset.user_ids),
        "items.txt": _encode_ids(dataset.item_ids),
        **({} if dataset.titles is None else {TITLES_FILE: encode_lines(dataset.titles)}),
        **{_features_file(side): to_bytes(table) for side, table in _features_of(dataset).tables().items()},
        **({} if dataset.labelled is None else {_LABELS: _label_bytes(dataset.labelled)}),
    }
    manifest = {
        "schema": SCHEMA,
        "name": dataset.name,
        "n_users": dataset.n_users,
        "n_items": dataset.n_items,
        "interactions": {part: len(getattr(dataset, part)) for part in PARTS},
        "protocol": dataset.protocol,
        "ties": dataset.ties,
        "licence": dataset.licence,
        **prepared.record,
        "digest": dataset.digest(),
        "order_digest": dataset.order_digest(),
        "features": _features_of(dataset).facts(),
        "features_digest": dataset.features_digest(),
        **_label_facts(dataset),
        "part_digests": {part: getattr(dataset, part).digest() for part in PARTS},
        "files": {name: sha256_bytes(data) for name, data in files.items()},
    }
    with new_directory(target, force=force) as draft:
        for name, data in files.items():
            write_atomic(draft / name, data)
        write_json(draft / "manifest.json", manifest)
    return target


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a stored data set, with its schema checked."""
    manifest = read_json(folder / "manifest.json")
    if manifest.get("schema") != SCHEMA:
        raise _damaged(
            folder, f"the manifest says schema {manifest.get('schema')!r}, this version reads {SCHEMA!r}"
        )
    return manifest


def open_dataset(folder: Path) -> Dataset:
    """Read a data set back; one changed byte is an :class:`ArtifactError`."""
    manifest = read_manifest(folder)
    data = {name: _verified(folder, name, manifest) for name in (*_FILES, *_optional(folder, manifest))}
    try:
        users, items = _decode_ids(data["users.txt"]), _decode_ids(data["items.txt"])
        with np.load(io.BytesIO(data["split.npz"]), allow_pickle=False) as arrays:
            parts = [
                Interactions(
                    len(users),
                    len(items),
                    arrays[f"{part}_indptr"],
                    arrays[f"{part}_indices"],
                    arrays.get(f"{part}_ranks"),
                )
                for part in PARTS
            ]
        texts = [manifest[key] for key in ("name", "protocol", "licence", "digest", "ties")]
        labelled = _read_labels(data[_LABELS], len(users), len(items)) if _LABELS in data else None
        context_rows = sum(map(len, parts)) if labelled is None else len(labelled)
        more = _read_more(data, len(users), len(items), context_rows)
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile, DataError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from None
    train, valid, test = parts
    name, protocol, licence, digest, ties = texts
    titles, features = more
    dataset = Dataset(
        name, train, valid, test, users, items, protocol, licence, ties, titles, features, labelled
    )
    if dataset.digest() != digest:
        raise _damaged(folder, f"its digest is {dataset.digest()}, the manifest says {digest}")
    if dataset.order_digest() != manifest.get("order_digest"):
        raise _damaged(folder, f"its order has digest {dataset.order_digest()}, the manifest says another")
    if dataset.features_digest() != manifest.get("features_digest"):
        raise _damaged(
            folder, f"its features have digest {dataset.features_digest()}, the manifest says another"
        )
    if dataset.labels_digest() != manifest.get("labels_digest"):
        raise _damaged(folder, f"its labels have digest {dataset.labels_digest()}, the manifest says another")
    return dataset if labelled else weigh(dataset)


def _optional(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """The files that only some data sets have, of those that the manifest lists."""
    known = [TITLES_FILE, *map(_features_file, SIDES), _LABELS]
    files = manifest.get("files")
    listed = list(files) if isinstance(files, dict) else []
    if unknown := [name for name in listed if name not in (*_FILES, *known)]:
        raise _damaged(folder, f"the manifest lists {unknown[0]!r}, which no data set has")
    return [name for name in known if name in listed]


def _read_more(
    data: dict[str, bytes], n_users: int, n_items: int, n_context: int
) -> tuple[tuple[str, ...] | None, Features | None]:
    titles = _decode_ids(data[TITLES_FILE]) if TITLES_FILE in data else None
    if titles is not None and len(titles) != n_items:
        raise ValueError(f"{len(titles)} titles for {n_items} items")
    tables = {side: from_bytes(data[name]) for side in SIDES if (name := _features_file(side)) in data}
    if not tables:
        return titles, None
    features = Features(**tables)
    features.check(n_users, n_items, n_context)
    return titles, features


def _label_bytes(rows: LabelledRows) -> bytes:
    sizes = np.array(rows.sizes, np.int64)
    return npz_bytes({"users": rows.users, "items": rows.items, "labels": rows.labels, "sizes": sizes})


def _read_labels(data: bytes, n_users: int, n_items: int) -> LabelledRows:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        train, valid, test = arrays["sizes"].tolist()
        users, items = (arrays[name].astype(np.int32, casting="safe") for name in ("users", "items"))
        rows = LabelledRows(
            users, items, arrays["labels"].astype(np.uint8, casting="safe"), (train, valid, test)
        )
    rows.check(n_users, n_items)
    return rows


def _label_facts(dataset: Dataset) -> dict[str, Any]:
    """Of a manifest; nothing without labels."""
    if dataset.labelled is None:
        return {}
    return {"labelled": dataset.labelled.facts(), "labels_digest": dataset.labels_digest()}


def _features_of(dataset: Dataset) -> Features:
    return dataset.features or Features()


def _features_file(side: str) -> str:
    return f"{side}_features.npz"


def stored_names(work: Path) -> list[str]:
    """Names of the data sets in a work folder."""
    folder = work / "data"
    if not folder.is_dir():
        return []
    return sorted(
        p.name for p in folder.iterdir() if _NAME.fullmatch(p.name) and (p / "manifest.json").is_file()
    )


def _verified(folder: Path, name: str, manifest: dict[str, Any]) -> bytes:
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        raise _damaged(folder, f"cannot read {name}: {error.strerror or error}") from None
    files = manifest.get("files")
    expected = files.get(name) if isinstance(files, dict) else None
    if sha256_bytes(data) != expected:
        raise _damaged(folder, f"{name} has SHA-256 {sha256_bytes(data)}, the manifest says {expected}")
    return data


def _damaged(folder: Path, reason: str) -> ArtifactError:
    return ArtifactError(
        f"data set {folder} is damaged: {reason}. "
        "Import or fetch it again with --force, or delete the folder."
    )


def _encode_ids(ids: tuple[str, ...]) -> bytes:
    broken = next((name for name in ids if "\n" in name or not name), None)
    if broken is not None:
        raise DataError(f"the id {broken[:80]!r} is empty or holds a line feed: ids are stored one a line")
    return encode_lines(ids)


def _decode_ids(data: bytes) -> tuple[str, ...]:
    text = data.decode()
    if not text.endswith("\n"):
        raise ValueError("the last id has no line end")
    return tuple(text[:-1].split("\n"))

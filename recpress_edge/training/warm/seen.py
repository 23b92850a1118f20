"""What of a data set's held-out pairs an earlier model learned from, by a sample of what it was trained on.

A split by time of a log that grew holds out what came last. Of a log that was put back to an earlier state
it holds out what a model of the later state was trained on. A model keeps the SAMPLE pairs of its train rows
with the lowest hashes; a pair's hash is of its two ids, so that it is the same in any other state of the log.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import sha256_bytes, write_atomic
from recpress_edge.data.interactions import Dataset, Interactions

U64 = NDArray[np.uint64]

PAIRS_FILE: Final = "train_pairs.bin"
"""The sample: little-endian u64, ascending."""
PAIRS: Final = "train_pairs"
"""Key of model.json: its SHA-256, and of how many pairs it is."""
SAMPLE: Final = 2**14
MOST_SEEN: Final = 0.01
"""Of the held-out pairs: a few deleted interactions may bring older ones there."""
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)


def write_train_pairs(folder: Path, data: Dataset) -> dict[str, Any]:
    """Keep the sample beside a model. Returns what its record says of that."""
    kept = np.unique(_hashes(data, data.train))[:SAMPLE].astype("<u8").tobytes()
    write_atomic(folder / PAIRS_FILE, kept)
    return {PAIRS: {"sha256": sha256_bytes(kept), "of": len(data.train)}}


def seen_share(folder: Path, facts: Mapping[str, Any], data: Dataset) -> float:
    """Share of what a data set holds out that the model in a folder was trained on, as the sample tells.

    0 of a model that keeps none. ArtifactError where it is not what ``facts``, its record, state.
    """
    stated = facts.get(PAIRS)
    if stated is None:
        return 0.0
    path = folder / PAIRS_FILE
    kept = path.read_bytes() if path.is_file() else b""
    if sha256_bytes(kept) != stated["sha256"]:
        raise ArtifactError(f"{path} is not what model.json states. Train the model again.")
    sample = np.frombuffer(kept, "<u8").astype(np.uint64)
    held = _hashes(data, data.valid, data.test)
    # where it is not all of them, it has every pair up to its last
    told = held if sample.size == stated["of"] else held[held <= sample[-1]]
    return float(np.isin(told, sample).mean()) if told.size else 0.0


def _hashes(data: Dataset, *parts: Interactions) -> U64:
    """Of each pair (n,) of all parts."""
    users, items = (
        np.array([_hash(kind, name) for name in ids], np.uint64)
        for kind, ids in ((b"user", data.user_ids), (b"item", data.item_ids))
    )
    pairs = [users[part.users()] ^ (items[part.indices] * _ODD) for part in parts]
    mixed = np.concatenate(pairs) * _ODD
    return np.asarray(mixed ^ (mixed >> np.uint64(32)), np.uint64)


def _hash(kind: bytes, name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8, person=kind).digest(), "little")

"""Logs of any length for the benchmark of reading: popular and rare items, busy and idle users, seeded."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np

from recpress_edge.core.rng import stream

CONTAINERS: Final = ("csv", "csv.gz", "parquet")
KINDS: Final = ("integers", "text")
CHUNK_ROWS: Final = 1_000_000
_COUNTS: Final = {1_000_000: (100_000, 50_000), 20_000_000: (1_000_000, 500_000)}
_FIRST_TIME, _LAST_TIME = 1_300_000_000, 1_700_000_000
_USER_STEP, _ITEM_STEP = 7_368_787, 15_485_863
"""Primes that scatter the numbers of users and items, so that no id is its own index."""

_IDS: Final = {
    "integers": "u AS user_id, i AS item_id",
    "text": "'u_' || u AS user_id, 'B0' || to_base(i, 36, 8) AS item_id",
}
_COPY: Final = {
    "csv": "FORMAT csv, HEADER",
    "csv.gz": "FORMAT csv, HEADER, COMPRESSION gzip",
    "parquet": "FORMAT parquet",
}


@dataclass(frozen=True, slots=True)
class LogShape:
    """One file to read."""

    rows: int
    kind: str
    """One of KINDS: what the ids are."""
    container: str
    """One of CONTAINERS."""

    @property
    def name(self) -> str:
        return f"{self.rows // 1_000_000}m-{self.kind}.{self.container}"


def write_log(shape: LogShape, folder: Path, seed: int = 0) -> Path:
    """The file of this shape, made unless it is there: user_id, item_id, rating, timestamp."""
    target = folder / shape.name
    if target.exists():
        return target
    draft, scratch = folder / f"draft-{shape.name}", folder / f"draft-{shape.name}.duckdb"
    scratch.unlink(missing_ok=True)
    with duckdb.connect(str(scratch), config={"threads": 2, "memory_limit": "4GB"}) as db:
        db.execute("CREATE TABLE log (u BIGINT, i BIGINT, rating FLOAT, timestamp BIGINT)")
        for chunk in chunks(shape.rows, seed):
            db.register("chunk", chunk)
            db.execute("INSERT INTO log SELECT * FROM chunk")
        query = f"SELECT {_IDS[shape.kind]}, rating, timestamp FROM log"
        db.execute(f"COPY ({query}) TO '{draft}' ({_COPY[shape.container]})")
    scratch.unlink()
    return draft.rename(target)


def chunks(rows: int, seed: int) -> Iterator[dict[str, Any]]:
    """The rows in order of time, in pieces: Zipf .9 items, lognormal users, half-star ratings."""
    n_users, n_items = _COUNTS.get(rows, (max(rows // 30, 10), max(rows // 100, 10)))
    by_item = np.cumsum(np.arange(1, n_items + 1) ** -0.9)
    by_user = np.cumsum(stream(seed, "reading users").lognormal(0.0, 1.2, n_users))
    spread = (_LAST_TIME - _FIRST_TIME) / rows
    for start in range(0, rows, CHUNK_ROWS):
        rng, count = stream(seed, "reading rows", start), min(CHUNK_ROWS, rows - start)
        users = np.searchsorted(by_user, rng.random(count) * by_user[-1])
        items = np.searchsorted(by_item, rng.random(count) * by_item[-1])
        yield {
            "u": (users + 1) * _USER_STEP % 1_000_000_007,
            "i": (items + 1) * _ITEM_STEP % 10_000_000_019,
            "rating": (rng.integers(1, 11, count) / 2).astype(np.float32),
            "timestamp": (_FIRST_TIME + (start + np.arange(count)) * spread).astype(np.int64),
        }

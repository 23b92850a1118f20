"""What every subject must come to, and how it is measured. Needs numpy alone."""

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Answer:
    """A log: rows in the order of the file, ids numbered in ascending order."""

    users: NDArray[np.int32]
    """Index into ``user_ids`` (n,)."""
    items: NDArray[np.int32]
    ratings: NDArray[np.float64]
    times: NDArray[np.float64]
    """Unix seconds."""
    user_ids: list[str]
    item_ids: list[str]

    def digest(self) -> str:
        """SHA-256 over all of it."""
        found = hashlib.sha256()
        for column in (self.users, self.items, self.ratings, self.times):
            found.update(np.ascontiguousarray(column).view(np.uint8).data)
        for ids in (self.user_ids, self.item_ids):
            found.update("\n".join(ids).encode())
        return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Start:
    """When the process that runs a subject was started."""

    monotonic_ns: int
    busy_s: float
    """Seconds for which the machine had been busy, all cores together."""

    @classmethod
    def now(cls) -> "Start":
        return cls(time.monotonic_ns(), busy_seconds())

    def spent(self) -> dict[str, Any]:
        """Wall and CPU seconds and peak memory of this process until now, and the share of the machine's
        cores that everything else used.
        """
        wall_s, used = (time.monotonic_ns() - self.monotonic_ns) / 1e9, os.times()
        cpu_s = used.user + used.system
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        others_s = busy_seconds() - self.busy_s - cpu_s
        return {
            "wall_s": wall_s,
            "cpu_s": cpu_s,
            "peak_memory_bytes": int(peak[1]) * 1024 if peak else None,
            "others_share": max(others_s, 0.0) / wall_s / (os.cpu_count() or 1),
        }


def busy_seconds() -> float:
    """Seconds for which the machine was busy since its start, all cores together, stolen time among them."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def main(read: Callable[[Path], Answer], whole: Callable[[Path, Path], int] | None = None) -> None:
    """Run a subject as it is asked: MONOTONIC_NS BUSY_S PATH, and FOLDER for a whole import.

    Prints JSON: what was spent, and what shows that all subjects did the same.
    """
    start, path = Start(int(sys.argv[1]), float(sys.argv[2])), Path(sys.argv[3])
    if len(sys.argv) == 4:
        answer = read(path)
        print(json.dumps(start.spent() | {"same": answer.digest()}))
        return
    folder = Path(sys.argv[4])
    pairs = whole(path, folder) if whole else split_and_write(read(path), folder)
    print(json.dumps(start.spent() | {"same": f"{pairs} pairs"}))


def split_and_write(answer: Answer, folder: Path) -> int:
    """The rest of an import, in numpy: distinct pairs, 80/10/10 of each user's at random, files.

    Gives the number of pairs.
    """
    n_users, n_items = len(answer.user_ids), len(answer.item_ids)
    earliest_first = np.argsort(answer.times, kind="stable")
    keys = answer.users.astype(np.int64) * n_items + answer.items
    keys, first = np.unique(keys[earliest_first], return_index=True)
    users, items = (part.astype(np.int32) for part in np.divmod(keys, n_items))
    counts = np.bincount(users, minlength=n_users)
    place_by_time = _places(users, first, counts)
    place = _places(users, np.random.default_rng(0).random(len(users)), counts)
    total = counts[users]
    part = (place >= -(-total * 80 // 100)).astype(np.int8) + (place >= -(-total * 90 // 100))
    arrays: dict[str, Any] = {}
    for number, name in enumerate(("train", "valid", "test")):
        rows = part == number
        arrays[f"{name}_indptr"] = np.append(0, np.cumsum(np.bincount(users[rows], minlength=n_users)))
        arrays[f"{name}_indices"] = items[rows]
        arrays[f"{name}_ranks"] = place_by_time[rows]
    np.savez_compressed(folder / "split.npz", **arrays)
    (folder / "users.txt").write_text("\n".join(answer.user_ids), encoding="utf-8")
    (folder / "items.txt").write_text("\n".join(answer.item_ids), encoding="utf-8")
    return len(keys)


def _places(users: NDArray[np.int32], by: NDArray[Any], counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """The place of each pair among its user's, in ascending order of ``by`` (n,); users are ascending."""
    order = np.lexsort((by, users))
    place = np.empty(len(users), np.int32)
    place[order] = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place

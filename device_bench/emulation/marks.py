"""Inside qemu-user: mark every query, so that the counting plugin can tell them apart."""

import ctypes
from typing import Any

import numpy as np

from device_bench.measure import Measurement, no_garbage_collection
from recpress_edge.core.rng import stream

MARK = 0x5EED
WARMUP = 3


def marked_queries(job: Measurement) -> dict[str, Any]:
    """Ask ``job.queries`` seeded queries (any user, up to 32 seen items) with a mark before and after each.

    The first WARMUP are not reported: the caches are empty then.
    """
    contract = job.contract
    runtime = job.open()
    rng = stream(job.seed, "bench marked")
    feeds = []
    for _ in range(WARMUP + job.queries):
        seen = np.unique(
            rng.integers(0, contract.n_items, min(int(rng.integers(0, 33)), contract.n_items - 1))
        )
        user = int(rng.integers(contract.n_users)) if contract.n_users else None
        feeds.append(runtime.prepare(user, seen, job.k))
    mark = ctypes.CDLL(None).syscall
    number, nothing = ctypes.c_long(MARK), ctypes.c_long(0)
    marks = [ctypes.c_long(n) for n in range(len(feeds) + 1)]
    run = runtime.run
    with no_garbage_collection():
        for position, feed in enumerate(feeds):
            mark(number, nothing, marks[position])
            run(feed)
        mark(number, nothing, marks[-1])
    return {"marked": len(feeds)}

"""What a microcontroller is asked, and what the reference answers: a worker's job."""

from collections.abc import Mapping, Sequence
from typing import Any

from device_bench.measure import Measurement, open_verified
from device_bench.quality import ranking_quality
from recpress_edge.core.rng import stream
from recpress_edge.device.query import Answer
from recpress_edge.device.verify import Verified


def questions(job: Measurement) -> dict[str, Any]:
    """Verify, then answer in numpy what the board is going to be asked.

    ``ranked``: every evaluation user with a long list, as other lanes rank them; ``counted``: the queries
    whose instructions are counted, in the order of the seed. Each: users, seen, items, scores.
    """
    verified, answers = open_verified(job), list[Answer]()
    quality = ranking_quality(verified, answers.append)
    asked = verified.asked
    rows = stream(job.seed, "bench queries").permutation(asked.users.size)[: job.queries].tolist()
    return {
        "quality": quality,
        "selftest": {"queries": len(verified.test.users), "exact": verified.runtime.exact},
        "ranked": _asked(verified, range(asked.users.size), answers),
        "counted": _asked(
            verified, rows, [verified.runtime.recommend(asked.user(r), asked.seen(r), job.k) for r in rows]
        ),
        "runtime": verified.runtime.name,
        "runtime_version": verified.runtime.version,
    }


def _asked(verified: Verified, rows: Sequence[int], answers: Sequence[Answer]) -> Mapping[str, Any]:
    asked = verified.asked
    return {
        "users": [asked.user(row) or 0 for row in rows],
        "seen": [asked.seen(row).tolist() for row in rows],
        "items": [items.tolist() for items, _ in answers],
        "scores": [scores.tolist() for _, scores in answers],
    }

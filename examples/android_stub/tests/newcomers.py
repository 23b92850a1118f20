"""What Python answers to users whom a bundle does not know, from the bundles of a test run."""

import itertools
from pathlib import Path
from typing import Any

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import write_json
from recpress_edge.core.rng import stream
from recpress_edge.device.recommender import Recommender

BUNDLES = ("int8-dim", "fp32", "int8-dim-c", "retired", "few-items", "int8-dim-history", "fp32-single-user")
HISTORIES = (None, "int8-dim-history", "int4-item-history-c", "fp32")
"""Who answers from what was seen; the last holds users, which is refused."""


def write_newcomers(bundles: Path, target: Path) -> None:
    """Each bundle asked in every way, for a stranger and for a user whom it knows."""
    opened = {name: Recommender.load(bundles / name) for name in {*BUNDLES, *HISTORIES} - {None}}
    rng = stream(0, "newcomers of the Android stub")
    cases = []
    for name, history, popular in itertools.product(BUNDLES, HISTORIES, (False, True)):
        recommender = opened[name]
        ids = (bundles / name / "items.txt").read_text().split("\n")[:-1]
        known = next(iter((bundles / name / "users.txt").read_text().split("\n")), "") or None
        some = [ids[n] for n in rng.integers(0, len(ids), int(rng.integers(1, 25))).tolist()]
        for user, seen, strict, k in (
            *(("nobody", seen, False, 9) for seen in (some, [], [*some, "nothing"], ids)),
            *(("nobody", [*some, "nothing"], True, 9), ("nobody", some, True, 10_000)),
            *(("nobody", some, False, 0), (known, some, False, 5), (None, some, False, 5)),
        ):
            asked = {"user": user, "seen": seen, "k": k, "strict": strict, "popular": popular}
            said = _said(recommender, opened.get(history or ""), asked)
            cases.append({"bundle": name, "history": history} | asked | said)
    write_json(target, {"cases": cases})


def _said(recommender: Recommender, history: Recommender | None, asked: dict[str, Any]) -> dict[str, Any]:
    user, seen, k, strict, popular = asked.values()
    try:
        found = recommender.recommend(user, seen, k, strict=strict, or_popular=popular, or_history=history)
    except ConfigError:
        return {"source": "refused"}
    scores = [None if score != score else score for score in found.scores.tolist()]
    facts = {"items": found.items, "scores": scores, "unknown": list(found.unknown)}
    return {"source": found.source} | facts

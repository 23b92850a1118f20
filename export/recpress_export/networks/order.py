"""Whether a network from outside stands where its flags say: the order of its ids, the side of its padding.

Nothing in a file tells; what the network finds does.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import I64
from recpress_edge.core.errors import ArtifactError, DataError
from recpress_export.networks.outside import Asked, Row
from recpress_export.networks.soundness import Trials
from recpress_export.networks.wiring import Pad, Places

_STAGES: Final = ((300, 2.0), (1500, 3.5))
"""Users by whom another order of the ids is judged, and the standard errors by which it must be better."""
_TIMES: Final = 1.5
"""And as a share of what the given order finds."""
_SHORT: Final = 5
"""Items of a history by which its side of padding is judged."""
_FIRST: Final = 10


def check_order(asked: Asked, trials: Trials) -> None:
    """DataError where the network finds far more held-out items with its ids moved by one place."""
    for moved, where, flags in _moves(asked.places):
        better = _finds_more(asked, dataclasses.replace(asked, places=moved), trials)
        if better is not None:
            raise DataError(
                f"the network finds what is held out in the first {_FIRST} for {better.own} of "
                f"{better.users} users, for {better.found} if each {where}: the ids are not in the "
                f"network's order. Correct {flags}."
            )


def _moves(places: Places) -> Iterator[tuple[Places, str, str]]:
    """Places with the items or the users moved by one, what that is in words, and the flags that say it."""
    for of_index, of_column in ((a, b) for a in (0, 1, -1) for b in (0, 1, -1) if a or b):
        moved = dataclasses.replace(
            places,
            item_index=_moved(places.item_index, of_index),
            item_column=_moved(places.item_column, of_column),
        )
        where = f"id stands {_words(of_index)} in the history and {_words(of_column)} in the scores"
        yield moved, where, "--item-ids, --item-offset or --output-offset"
    for by in (1, -1) if places.user_index.size else ():
        moved = dataclasses.replace(places, user_index=_moved(places.user_index, by))
        yield moved, f"user stands {_words(by)}", "--user-ids or --user-offset"


def check_side(asked: Asked, trials: Trials) -> None:
    """DataError where the network finds far more after short histories that are padded on the other side."""
    wiring = asked.wiring
    if "history" not in wiring.inputs or wiring.pad == "none":
        return
    other: Pad = "right" if wiring.pad == "left" else "left"
    turned = dataclasses.replace(asked, wiring=dataclasses.replace(wiring, pad=other))
    better = _finds_more(asked, turned, trials, _SHORT)
    if better is not None:
        raise DataError(
            f"after {_SHORT} items the network finds what is held out in the first {_FIRST} for {better.own} "
            f"of {better.users} users, and for {better.found} if histories are padded on the other side: "
            f"--pad {other}?"
        )


class _Better(NamedTuple):
    own: int
    found: int
    users: int


def _finds_more(asked: Asked, other: Asked, trials: Trials, last: int = 0) -> _Better | None:
    """How many users find something by each of two ways, where the other is certainly better.

    ``last``: items of a history that are given; 0: all. A sign test over the users who find something one
    way only, at first of some users, and where that is doubtful of more.
    """
    for most, errors in _STAGES:
        chosen = [(at, (user, history[-last:])) for at, (user, history) in trials.rows(most)]
        own, found = (_hits(network, trials, chosen) for network in (asked, other))
        gained, lost = int((found & ~own).sum()), int((own & ~found).sum())
        if gained - lost <= errors * np.sqrt(gained + lost) or found.sum() < _TIMES * own.sum():
            return None
    return _Better(int(own.sum()), int(found.sum()), len(chosen))


def _words(by: int) -> str:
    return {0: "where it is", 1: "one place later", -1: "one place earlier"}[by]


def _moved(places: I64, by: int) -> I64:
    return np.where(places >= 0, np.clip(places + by, 0, places.max()), -1)


def _hits(asked: Asked, trials: Trials, chosen: Sequence[tuple[int, Row]]) -> NDArray[np.bool_]:
    """Whether a held-out item is among each user's first ten (B,); not so where the network fails."""
    hits = np.zeros(len(chosen), np.bool_)
    for number, (at, row) in enumerate(chosen):
        try:
            scores = asked.scores([row])[0]
        except (ArtifactError, DataError):  # an index beyond the network's table
            return np.zeros(len(chosen), np.bool_)
        scores[row[1]] = -np.inf
        first = np.argpartition(-scores, min(_FIRST, scores.size - 1))[:_FIRST]
        hits[number] = np.isin(trials.users.relevant(at), first).any()
    return hits

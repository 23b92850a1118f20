"""The self-test of a lean bundle: a few of the full one's questions, with shorter answers."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from recpress_edge.artifacts.clicks.selftest import ClickQuestion
from recpress_edge.artifacts.selftest import SelfTest
from recpress_edge.artifacts.two_stages.selftest import TwoStageQuestion

QUERIES: Final = 8
"""Of a self-test of tables: a wrong kernel is wrong for almost everybody."""
K: Final = 10
CANDIDATES: Final = 50
"""That a question of a click model keeps beside those of its answer."""

Q = TypeVar("Q", ClickQuestion, TwoStageQuestion)


def shortened(test: SelfTest) -> SelfTest:
    """QUERIES of the questions, spread over all, with answers of K items.

    The one with the largest score is among them: the contract's tolerance is a share of it.
    """
    count = len(test.users)
    peaks = [max(map(abs, row[:K])) for row in test.scores]
    places = {round(at * (count - 1) / max(QUERIES - 2, 1)) for at in range(QUERIES - 1)}
    kept = sorted({*places, peaks.index(max(peaks))})

    return SelfTest(
        min(K, test.k),
        tuple(test.users[place] for place in kept),
        tuple(test.seen[place] for place in kept),
        tuple(test.items[place][:K] for place in kept),
        tuple(test.scores[place][:K] for place in kept),
    )


def covering(questions: Sequence[Q], missing: Callable[[tuple[Q, ...]], Iterable[str]]) -> tuple[Q, ...]:
    """Questions that leave out nothing which all of them ask with, few, in their order; answers of K items.

    ``missing``: what some questions leave out. The one with the largest score is among them.
    """
    peaks = [max(map(abs, one.scores[:K])) for one in questions]
    kept = {peaks.index(max(peaks))}
    lacking = set(missing(tuple(questions[place] for place in sorted(kept))))
    for place in range(len(questions)):
        tried = tuple(questions[one] for one in sorted({*kept, place}))
        if (still := set(missing(tried))) < lacking:
            kept, lacking = {*kept, place}, still
    return tuple(_cut(questions[place]) for place in sorted(kept))


def _cut(question: Q) -> Q:
    """The first K of an answer; of a click model among fewer candidates: those items stay the best of them."""
    answer = {"items": question.items[:K], "scores": question.scores[:K]}
    if isinstance(question, ClickQuestion):
        left = [item for item in question.candidates if item not in question.items[:K]]
        answer["candidates"] = tuple(sorted({*question.items[:K], *left[:CANDIDATES]}))
    return dataclasses.replace(question, **answer)

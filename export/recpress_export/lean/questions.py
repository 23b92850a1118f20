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
    """Questions that leave out nothing which all of them ask with, few, in their order.

    ``missing``: what some questions leave out. The one with the largest score is among them.
    """
    peaks = [max(map(abs, one.scores[:K])) for one in questions]
    kept: list[int] = [peaks.index(max(peaks))]
    lacking = set(missing((questions[kept[0]],)))
    for place in range(len(questions)):
        tried = sorted({*kept, place})
        still = set(missing(tuple(questions[one] for one in tried)))
        if still < lacking:
            kept, lacking = tried, still
    return tuple(questions[place] for place in kept)


def short_click(question: ClickQuestion) -> ClickQuestion:
    """The first K of an answer, among fewer candidates: those items stay the best of them."""
    items = question.items[:K]
    others = [item for item in question.candidates if item not in items]
    candidates = tuple(sorted({*items, *others[:CANDIDATES]}))
    return dataclasses.replace(question, items=items, scores=question.scores[:K], candidates=candidates)


def short_stages(question: TwoStageQuestion) -> TwoStageQuestion:
    """The first K of an answer."""
    return dataclasses.replace(question, items=question.items[:K], scores=question.scores[:K])

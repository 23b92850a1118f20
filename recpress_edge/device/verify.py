"""The bundle's own test: wrong answers are found before anything is timed."""

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recpress_edge.artifacts.bundle import Bundle, Contract, SelfTest, open_bundle
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.registry import named
from recpress_edge.device.runtime import Answering, Believing, Runtime, check_format, open_runtime

if TYPE_CHECKING:
    from recpress_edge.artifacts.evaluation import Evaluation

_EVALUATION: Final = "recpress_edge.artifacts.evaluation:Evaluation"

# What a runtime may lose that quantises an exact file again (XNNPACK). Measured on CiteULike students and on
# random tables: scores off by .006 of a list's largest at most, overlap .993 or more on average.
REQUANTISED_SCORE: Final = 0.02
"""Largest difference of a score, as a share of the largest score of its list; ids may differ in such ties."""
REQUANTISED_OVERLAP: Final = 0.95
"""Least mean share of a list that is expected there."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A bundle of which everything was read and checked, and whose model answered as it should."""

    bundle: Bundle
    runtime: Runtime
    test: SelfTest
    evaluation: "Evaluation | None"
    """None where the bundle carries no rows to measure its quality on."""
    user_ids: list[str]
    item_ids: list[str]
    popular: tuple[int, ...] | None = None
    """Items by popularity, for users whom the bundle does not know; None where none travel along."""
    titles: list[str] | None = None
    """Of the items, empty where one has none; None where no titles travel along."""
    features: Mapping[str, list[str]] = field(default_factory=dict)
    """Columns of the items that are shown with answers, by name."""
    overlap: float | None = None
    """With the expected answers, where the runtime quantises again."""

    @property
    def asked(self) -> "Evaluation":
        """What is timed and ranked: the evaluation rows, or the self-test's queries where there are none."""
        if self.evaluation is not None:
            return self.evaluation
        of_queries: Evaluation = named(_EVALUATION).of_queries(self.test)
        return of_queries


def verify_bundle(
    folder: Path, threads: int = 1, delegate: str | None = None, runtime: str | None = None
) -> Verified:
    """Digests, every file's content, then the model's answers; ArtifactError at the first doubt."""
    return verify_opened(open_bundle(folder), threads, delegate, runtime)


def verify_opened(
    bundle: Bundle, threads: int = 1, delegate: str | None = None, runtime: str | None = None
) -> Verified:
    """:func:`verify_bundle` of a bundle whose digests are checked."""
    folder = bundle.folder
    check_format(bundle.contract.format, folder, delegate)
    test, evaluation = bundle.selftest(), bundle.evaluation()
    if evaluation is not None and not evaluation.relevant_indices.size:
        raise ArtifactError(
            f"{folder} has no evaluation user with a relevant item: recall is undefined", fault="content"
        )
    user_ids, item_ids, titles = bundle.user_ids(), bundle.item_ids(), bundle.titles()
    features, popular = bundle.item_features(), bundle.popular()
    opened = open_runtime(bundle.model_path, bundle.contract, threads, delegate, runtime)
    overlap = check_answers(opened, test, bundle.contract)
    return Verified(
        *(bundle, opened, test, evaluation, user_ids, item_ids, popular),
        titles=titles,
        features=features,
        overlap=overlap,
    )


def check_answers(runtime: Answering, test: SelfTest, contract: Contract) -> float | None:
    """Every query of the self-test must be answered as stated; ArtifactError names the first that is not.

    An exact contract asks for equal ids and equal scores. Otherwise scores may differ by the
    contract's tolerance, and ids where the stated scores tie within it. A runtime that quantises an
    exact file again is held to REQUANTISED_SCORE and REQUANTISED_OVERLAP; then the overlap is returned.
    What a runtime believes of a file is looked at first: no few questions would show it.
    """
    if isinstance(runtime, Believing):
        runtime.audit()
    requantised = contract.exact and not runtime.exact
    shared = []
    for user, seen, items, scores in zip(test.users, test.seen, test.items, test.scores, strict=True):
        got_items, got_scores = runtime.recommend(user, seen, test.k)
        if runtime.exact:
            wrong = first_difference(got_items.tolist(), items) or (
                None if got_scores.tolist() == array("f", scores).tolist() else "scores differ"
            )
        else:
            largest = REQUANTISED_SCORE * max(abs(score) for score in scores)
            tolerance = largest if requantised else contract.score_tolerance
            wrong = difference_beyond_ties(got_items.tolist(), got_scores.tolist(), items, scores, tolerance)
        if not wrong and set(got_items.tolist()) & set(seen):
            wrong = f"recommends a seen item: {sorted(set(got_items.tolist()) & set(seen))[0]}"
        if wrong:
            raise _failed(runtime, f"at {'a history' if user is None else f'user {user}'}", wrong)
        shared.append(len(set(got_items.tolist()) & set(items)) / len(items))
    if not requantised:
        return None
    overlap = math.fsum(shared) / len(shared)
    if overlap < REQUANTISED_OVERLAP:
        raise _failed(runtime, "in all", f"overlap {overlap:.4f}, expected {REQUANTISED_OVERLAP} at least")
    return overlap


def _failed(runtime: Answering, where: str, wrong: str) -> ArtifactError:
    return ArtifactError(
        f"self-test failed {where} ({runtime.name} {runtime.version}): {wrong}. "
        "Nothing was timed. Export the bundle again; if it still fails, this runtime is at fault.",
        fault="answers",
    )


def first_difference(got: Sequence[int], want: Sequence[int]) -> str | None:
    """Where two ranking lists part, in words; None when they are equal."""
    for rank, (left, right) in enumerate(zip(got, want, strict=False), start=1):
        if left != right:
            return f"rank {rank} is item {left}, expected {right}"
    return f"{len(got)} items, expected {len(want)}" if len(got) != len(want) else None


def difference_beyond_ties(
    got: Sequence[int],
    got_scores: Sequence[float],
    want: Sequence[int],
    want_scores: Sequence[float],
    tolerance: float,
) -> str | None:
    """As :func:`first_difference`, but items whose scores tie within the tolerance may change places.

    Both of two scores may be off by the tolerance, so a tie is a distance of at most twice that. An
    item that is not in the expected list must tie with the last one there.
    """
    if len(got) != len(want) or len(set(got)) != len(got):
        return first_difference(got, want) or "an item is listed twice"
    expected = dict(zip(want, want_scores, strict=True))
    for rank, (item, score) in enumerate(zip(got, got_scores, strict=True)):
        if not abs(score - want_scores[rank]) <= tolerance:  # also catches NaN
            return f"rank {rank + 1} scores {score:.6g}, expected {want_scores[rank]:.6g} ± {tolerance:g}"
        own = expected.get(item, want_scores[-1])
        if item != want[rank] and not abs(own - want_scores[rank]) <= 2 * tolerance:
            return f"rank {rank + 1} is item {item}, expected {want[rank]}, and their scores do not tie"
    return None

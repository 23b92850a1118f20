"""The bundle's own test: wrong answers are found before anything is timed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from device_bench.runtimes.onnx_runtime import OnnxRuntime
from recpress_edge.core.bundle import Bundle, Contract, Evaluation, SelfTest, open_bundle
from recpress_edge.core.errors import ArtifactError


@dataclass(frozen=True, slots=True)
class Verified:
    """A bundle of which everything was read and checked, and whose model answered as it should."""

    bundle: Bundle
    runtime: OnnxRuntime
    test: SelfTest
    evaluation: Evaluation
    user_ids: list[str]
    item_ids: list[str]


def verify_bundle(folder: Path, threads: int = 1) -> Verified:
    """Digests, every file's content, then the model's answers; ArtifactError at the first doubt."""
    bundle = open_bundle(folder)
    check_format(bundle)
    test, evaluation = bundle.selftest(), bundle.evaluation()
    if not evaluation.relevant_indices.size:
        raise ArtifactError(f"{folder} has no evaluation user with a relevant item: recall is undefined")
    user_ids, item_ids = bundle.user_ids(), bundle.item_ids()
    runtime = OnnxRuntime(bundle.model_path, bundle.contract, threads)
    check_answers(runtime, test, bundle.contract)
    return Verified(bundle, runtime, test, evaluation, user_ids, item_ids)


def check_format(bundle: Bundle) -> None:
    """This bench runs ONNX files."""
    if bundle.contract.format != "onnx":
        raise ArtifactError(
            f"{bundle.folder} holds a {bundle.contract.format!r} model; this device_bench runs 'onnx'. "
            "Export the student as ONNX, or install a newer recpress-edge."
        )


def check_answers(runtime: OnnxRuntime, test: SelfTest, contract: Contract) -> None:
    """Every query of the self-test must be answered as stated; ArtifactError names the first that is not.

    An exact contract asks for equal ids and equal scores. Otherwise scores may differ by the
    contract's tolerance, and ids where the stated scores tie within it.
    """
    for user, seen, items, scores in zip(test.users, test.seen, test.items, test.scores, strict=True):
        got_items, got_scores = runtime.recommend(user, seen, test.k)
        if contract.exact:
            wrong = first_difference(got_items.tolist(), items) or (
                None if np.array_equal(got_scores, np.array(scores, np.float32)) else "scores differ"
            )
        else:
            wrong = difference_beyond_ties(
                got_items.tolist(), got_scores.tolist(), items, scores, contract.score_tolerance
            )
        if not wrong and set(got_items.tolist()) & set(seen):
            wrong = f"recommends a seen item: {sorted(set(got_items.tolist()) & set(seen))[0]}"
        if wrong:
            raise ArtifactError(
                f"self-test failed at user {user} ({runtime.name} {runtime.version}): {wrong}. "
                "Nothing was timed. Export the bundle again; if it still fails, this runtime is at fault."
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

"""What the second stage of a file adds to its own first stage, by the file's lists, and the gate of that."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.evaluation import Evaluation
from recpress_edge.artifacts.two_stages.contract import RECIPE, TwoStageContract
from recpress_edge.artifacts.two_stages.evaluation import StageEvaluation
from recpress_edge.core.arrays import I32, I64
from recpress_edge.core.errors import GateError
from recpress_edge.core.metrics import stated_cutoff
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import paired_bootstrap
from recpress_edge.device.two_stages.runtimes import StagedLists, StagedRequest, TwoStageRuntime
from recpress_export.student import stage

K: Final = 10
GATED_BY: Final = "ndcg@10"
MOST_COMPARED: Final = 10_000
"""Held-out users of a split at most whom numpy is asked about too; more are drawn."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOut:
    """Requests of a split (N,), and the item that was taken."""

    users: I64
    rows: I32
    """What a request states (N, W)."""
    hidden: tuple[I64, I64]
    """indptr (N + 1,) and items of what is no candidate; oldest first where the first stage reads them."""
    taken: I64

    def seen(self, at: int) -> I64:
        """What is no candidate of a request."""
        found: I64 = self.hidden[1][self.hidden[0][at] : self.hidden[0][at + 1]]
        return found

    def asked(self, at: int, contract: TwoStageContract, k: int | None = None) -> StagedRequest:
        """One request; ``k``: None for all that the first stage finds."""
        seen, user = self.seen(at), int(self.users[at]) if contract.n_users else None
        retrieve = min(contract.candidates, contract.n_items - np.unique(seen).size)
        return StagedRequest(user, seen, self.rows[at], retrieve, min(k or retrieve, retrieve))

    def evaluation(self, contract: TwoStageContract) -> StageEvaluation:
        """The same as a bundle carries it: without saying whose they are where it knows nobody."""
        indptr, items = self.hidden
        asked = Evaluation(
            self.users.astype(np.int32),
            indptr.astype(np.int64),
            items.astype(np.int32),
            np.arange(self.users.size + 1, dtype=np.int64),
            self.taken.astype(np.int32),
        )
        return StageEvaluation(asked if contract.n_users else asked.anonymous(), self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class SplitRanks:
    """Of the held-out item of each user (N,), from 0; what the first stage did not find is behind all."""

    first: I64
    both: I64
    found: float
    """Share of them that the first stage found."""
    compared: int
    """Users whose list numpy gives too, to the bit."""


def split_ranks(
    file: TwoStageRuntime, reference: TwoStageRuntime, held: HeldOut, contract: TwoStageContract
) -> SplitRanks:
    """The lists of a split; GateError where numpy's differ from the file's in an id or a score."""
    first, both = np.full((2, held.users.size), contract.n_items, np.int64)
    compared = np.zeros(held.users.size, np.bool_)
    compared[stream(0, "compared users").permutation(held.users.size)[:MOST_COMPARED]] = True
    for at in range(held.users.size):
        asked = held.asked(at, contract)
        found = file.lists(asked)
        if compared[at]:
            _check_equal(found, reference.lists(asked), asked)
        for ranks, items in ((both, found.items), (first, found.first_items)):
            place = np.flatnonzero(items == held.taken[at])
            if place.size:
                ranks[at] = place[0]
    return SplitRanks(first, both, float((first < contract.n_items).mean()), int(compared.sum()))


def _check_equal(found: StagedLists, wanted: StagedLists, asked: StagedRequest) -> None:
    for field in dataclasses.fields(StagedLists):
        if not np.array_equal(getattr(found, field.name), getattr(wanted, field.name)):
            raise GateError(
                f"the file answers {_whom(asked)} with items {found.items.tolist()[:K]}, numpy with "
                f"{wanted.items.tolist()[:K]} ({field.name}): it does not compute its tables."
            )


def _whom(asked: StagedRequest) -> str:
    return f"the history {asked.seen.tolist()[-5:]}" if asked.user is None else f"user {asked.user}"


def _metrics(ranks: I64) -> dict[str, Any]:
    """Recall and NDCG of one held-out item a user (N,)."""
    gained = np.where(ranks < K, 1.0 / np.log2(ranks + 2.0), 0.0)
    return {
        GATED_BY: gained,
        **{f"recall@{k}": (ranks < k).astype(np.float64) for k in (K, 50)},
    }


def _gain(ranks: SplitRanks) -> dict[str, Any]:
    """Of each metric both means, the difference and its 95 % interval over users."""
    before, after = _metrics(ranks.first), _metrics(ranks.both)
    found: dict[str, Any] = {"users": ranks.first.size, "found": ranks.found, "compared": ranks.compared}
    for name, values in before.items():
        interval = paired_bootstrap(values, after[name], stream(0, f"two stages {name}"))
        means = {"first": float(values.mean()), "both": float(after[name].mean())}
        found[name] = {**means, "gain": interval.mean, "low": interval.low, "high": interval.high}
    return found


def quality_of(
    facts: Mapping[str, Any], name: str, ranks: Mapping[str, SplitRanks], n_bytes: int
) -> dict[str, Any]:
    """The chain of metrics, what the second stage adds, and whether that meets the gate; ``facts``: the
    model's record.
    """
    gains = {split: _gain(of_split) for split, of_split in ranks.items()}
    teacher, first = facts.get("teacher"), facts["first_stage"]
    failure = _failure(first["name"], gains["valid"][GATED_BY])
    chain = [stage("teacher", teacher["name"], None, teacher["metrics"])] if teacher else []
    after = {
        split: {name: gain[name]["both"] for name in _metrics(np.zeros(1, np.int64))}
        for split, gain in gains.items()
    }
    chain += [
        stage("first stage", first["name"], None, first["metrics"]),
        stage("two stages", str(facts["name"]), None, facts["metrics"]),
        stage(RECIPE, name, n_bytes, after),
    ]
    gate = {"met": failure is None, "failure": failure, "overruled": failure is not None}
    return {"cutoff": stated_cutoff(facts), "chain": chain, "stages": {"gain": gains, "gate": gate}}


def gate_words(gate: Mapping[str, Any]) -> str:
    """Whether it is met, and who judged."""
    told = "met" if gate["met"] else f"NOT MET, overruled by --force: {gate['failure']}"
    return f"{told} (by validation users, who chose the epoch too: test is the stricter row)"


def _failure(first: str, gain: Mapping[str, float]) -> str | None:
    """Why the second stage is not worth its bytes, in a sentence; None where it is."""
    if gain["low"] > 0:
        return None
    return (
        f"valid NDCG@10 {gain['first']:.4f} of the first stage alone became {gain['both']:.4f}: "
        f"{gain['gain']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}] with 95 % confidence, not above "
        f"0. Ship the first stage alone: recpress-edge export --student {first} --int8."
    )

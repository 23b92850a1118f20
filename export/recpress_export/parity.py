"""Run a written file for every validation user and compare its rankings with a reference's."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.quantize import F16, QuantizedTables
from recpress_edge.core.config import load_config, read_toml
from recpress_edge.core.errors import DataError, GateError
from recpress_edge.core.metrics import (
    is_certain,
    ndcg_by_user,
    overlap_by_user,
    recall_by_user,
    reported_cutoffs,
    without_certain,
)
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import Interval, paired_bootstrap
from recpress_edge.device.query import Answer, SeenItems
from recpress_edge.device.reference import ReferenceRuntime, scaled_by_item
from recpress_export.popularity import Third, recall_by_third

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

GATES: Final = Path(__file__).with_name("export.toml")
LIST_LENGTH: Final = 50
_EXACT_FLOAT32: Final = 2**24


class Runtime(Protocol):
    """Anything that recommends."""

    def recommend(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Answer: ...


class Update(Protocol):
    """How long work reports itself: done of total, with a word on what it is doing."""

    def __call__(self, done: float, total: float, note: str = "") -> None: ...


def silent(done: float, total: float, note: str = "") -> None:
    """An Update that says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a recipe may lose; see export.toml."""

    min_overlap: float
    max_recall_loss: float
    max_ndcg_loss: float
    max_item_shift: float
    lost_users: int

    def allowed_loss(self, metric: str, before: float, n_users: int) -> float:
        """Largest mean loss of a metric over so many users, and never more than half of what there is."""
        limit = self.max_recall_loss if metric.startswith("recall") else self.max_ndcg_loss
        return min(max(limit, self.lost_users / n_users), before / 2)

    def allowed_shift(self, n_users: int) -> float:
        """Largest share of so many users whose list one item may enter or leave: of several never all."""
        allowed = max(self.max_item_shift, self.lost_users / n_users)
        return min(allowed, (n_users - 1) / n_users) if n_users > 1 else allowed


def load_gate(recipe: str, path: Path = GATES) -> Gate:
    """The gate of a recipe."""
    return load_config(Gate, read_toml(path)["gate"][recipe], f"{path.name} [gate.{recipe}]")


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """Ranking lists of the evaluation's users: items (B, K) padded with -1, scores (B, K) with 0."""

    items: I64
    scores: F32

    def of(self, row: int) -> tuple[I64, F32]:
        """One list without its padding."""
        length = int((self.items[row] >= 0).sum())
        return self.items[row, :length], self.scores[row, :length]

    def lengths(self) -> I64:
        return np.asarray((self.items >= 0).sum(axis=1))


def rank(runtime: Runtime, users: Evaluation, update: Update = silent, note: str = "") -> Lists:
    """The first 50 unseen items of each user."""
    count = users.users.size
    items = np.full((count, LIST_LENGTH), -1, np.int64)
    scores = np.zeros((count, LIST_LENGTH), np.float32)
    for row in range(count):
        found, values = runtime.recommend(users.user(row), users.seen(row), LIST_LENGTH)
        items[row, : found.size], scores[row, : found.size] = found, values
        if row % 100 == 0:
            update(row, count, note)
    update(count, count, note)
    return Lists(items, scores)


def int8_reference(tables: QuantizedTables) -> ReferenceRuntime:
    """The integer answer, through float32 products where these are exact: every partial sum < 2^24."""
    kind = np.float32 if tables.item_q.shape[1] * 127 * 127 < _EXACT_FLOAT32 else np.float64
    users, items = tables.user_q.astype(kind), tables.item_q.astype(kind)
    scale = tables.user_scale
    return ReferenceRuntime(
        len(users),
        len(items),
        scaled_by_item(lambda user: items @ users[user], tables.item_row_scale),
        lambda user: scale[user],
    )


def float64_reference(user_emb: F32 | F16, item_emb: F32 | F16) -> ReferenceRuntime:
    """The answer of the float tables with products in float64."""
    users, items = user_emb.astype(np.float64), item_emb.astype(np.float64)
    return ReferenceRuntime(len(users), len(items), lambda user: items @ users[user], lambda _: np.float32(1))


@dataclass(frozen=True, slots=True)
class Overlap:
    """Share of a list that the reference holds too: over users the mean, and the lowest."""

    mean: float
    lowest: float


@dataclass(frozen=True, slots=True)
class Change:
    """A metric of the reference and of the file, and the mean difference with its bootstrap interval."""

    before: float
    after: float
    delta: Interval


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Yardstick:
    """By what two rankings of the same users are compared."""

    users: Evaluation
    """The validation users."""
    item_counts: I64
    """(I,) train interactions of each item of the catalogue."""
    cutoff: int
    """The K that judges; see core.metrics.judging_cutoff."""
    seed: int
    """Of the bootstrap, and of nothing else."""

    @property
    def n_items(self) -> int:
        return int(self.item_counts.size)


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a file's rankings are from its reference's."""

    reference: str
    """What the file is compared with."""
    users: int
    cutoff: int
    """The K that judges."""
    overlap: Mapping[str, Overlap]
    """overlap@10 and overlap@cutoff."""
    change: Mapping[str, Change]
    """recall@cutoff, ndcg@cutoff."""
    item_shift: float
    """Largest change of the share of users in whose first ``cutoff`` an item stands."""
    certain: bool
    """Whether nobody has more than ``cutoff`` candidates: then no ranking differs from another."""
    identical_users: int
    """Users whose list of 50 is the same, in the same order."""
    first_difference: float | None
    """First rank (from 1) that differs: the median over the other users."""
    metrics_before: Mapping[str, float | None]
    metrics_after: Mapping[str, float | None]
    by_popularity: Mapping[str, Third]
    """Recall@cutoff by head, mid and tail: thirds of the train interactions."""
    exact_users: int | None = None
    """Users for whom ids and scores equal the integer reference; None where the recipe is not exact."""

    def facts(self) -> dict[str, Any]:
        """As plain JSON."""
        return dataclasses.asdict(self)


def compare(reference: Lists, found: Lists, by: Yardstick, name: str, exact: int | None = None) -> Parity:
    """Both rankings of the same users. ``name``: of the reference; ``exact``: see Parity.exact_users."""
    users, k = by.users, by.cutoff
    if not users.users.size:
        raise DataError("the data set has no validation users, so the export cannot be checked")
    relevant = [users.relevant(row).tolist() for row in range(users.users.size)]
    candidates = users.candidates(by.n_items)
    before, after = _metrics(reference.items, relevant, k), _metrics(found.items, relevant, k)
    differs = reference.items != found.items
    other = differs.any(axis=1)
    first = reference.items[:, :k], found.items[:, :k]
    return Parity(
        reference=name,
        users=int(users.users.size),
        cutoff=k,
        overlap={f"overlap@{n}": _overlap(reference, found, n) for n in sorted({10, k})},
        change={m: _change(before[m], after[m], by.seed, m) for m in (f"recall@{k}", f"ndcg@{k}")},
        item_shift=_item_shift(*first, by.n_items),
        certain=is_certain(k, candidates),
        identical_users=int((~other).sum()),
        first_difference=float(np.median(differs[other].argmax(axis=1) + 1)) if other.any() else None,
        metrics_before=without_certain(_means(before), candidates),
        metrics_after=without_certain(_means(after), candidates),
        by_popularity=recall_by_third(*first, relevant, by.item_counts, by.seed),
        exact_users=exact,
    )


def _metrics(items: I64, relevant: list[list[int]], judge: int) -> dict[str, F64]:
    cutoffs = reported_cutoffs(judge)
    return {
        **{f"recall@{k}": recall_by_user(items[:, :k], relevant) for k in cutoffs},
        **{f"ndcg@{k}": ndcg_by_user(items[:, :k], relevant) for k in cutoffs},
    }


def _means(by_user: Mapping[str, F64]) -> dict[str, float]:
    return {metric: float(np.nanmean(values)) for metric, values in by_user.items()}


def _item_shift(before: I64, after: I64, n_items: int) -> float:
    """Largest change of an item's share of lists (B, K): one wrong row shows here, and hardly in the mean."""
    left, right = (np.bincount(items[items >= 0], minlength=n_items) for items in (before, after))
    return float(np.abs(left - right).max() / len(before))


def _overlap(reference: Lists, found: Lists, k: int) -> Overlap:
    left, right = reference.items[:, :k], found.items[:, :k]
    # Padding must not count as shared (-1 on one side, -2 on the other), nor lengthen a list.
    shared = overlap_by_user(left, np.where(right < 0, -2, right)) * left.shape[1]
    shares = shared / np.maximum(np.minimum(reference.lengths(), k), 1)
    return Overlap(float(shares.mean()), float(shares.min()))


def _change(before: F64, after: F64, seed: int, metric: str) -> Change:
    interval = paired_bootstrap(before, after, stream(seed, f"parity {metric}"))
    return Change(float(np.nanmean(before)), float(np.nanmean(after)), interval)


def gate_failure(parity: Parity, gate: Gate, recipe: str) -> str | None:
    """The figure that is below the gate, its limit and the limit's key; None where the gate is met."""
    where, k = f"({GATES.name} [gate.{recipe}])", parity.cutoff
    if parity.certain:
        return (
            f"it could not fail: none of the {parity.users} validation users has more than {k} items "
            f"to rank, so overlap@{k} and Recall@{k} are 1 for any file"
        )
    overlap = parity.overlap[f"overlap@{k}"].mean
    if not overlap >= gate.min_overlap:
        return f"overlap@{k} {overlap:.4f} < min_overlap {gate.min_overlap} {where}"
    allowed = gate.allowed_shift(parity.users)
    if not parity.item_shift <= allowed:
        return (
            f"an item enters or leaves the first {k} of {100 * parity.item_shift:.1f} % of "
            f"{parity.users} validation users, allowed {100 * allowed:.1f} % by max_item_shift {where}"
        )
    return next(filter(None, (_loss(parity, gate, metric, where) for metric in parity.change)), None)


def _loss(parity: Parity, gate: Gate, metric: str, where: str) -> str | None:
    """What a metric loses beyond its limit."""
    change = parity.change[metric]
    loss, allowed = -change.delta.mean, gate.allowed_loss(metric, change.before, parity.users)
    if loss <= allowed:
        return None
    kind, _, k = metric.partition("@")
    name = {"recall": "Recall", "ndcg": "NDCG"}[kind]
    return (
        f"{name}@{k} loses {loss:.4f} on {parity.users} validation users, "
        f"allowed {allowed:.4f} by max_{kind}_loss {where}"
    )


def gate_facts(gate: Gate, parity: Parity, failure: str | None, *, overruled: bool) -> dict[str, Any]:
    """The gate, what it allowed, what came of it, and whether it was overruled, as plain JSON."""
    allowed = {
        f"allowed_{metric.partition('@')[0]}_loss": gate.allowed_loss(metric, change.before, parity.users)
        for metric, change in parity.change.items()
    }
    facts = {"met": failure is None, "failure": failure, "overruled": failure is not None and overruled}
    return dataclasses.asdict(gate) | allowed | facts


def gate_error(failure: str, recipe: str, *, of_history: bool = False) -> GateError:
    """What the user is told where the gate is not met; ``of_history``: it is lost before any rounding."""
    if of_history:
        advice = " --profile all-users holds the user table itself; another seed or dim may lose less."
    elif recipe == "fp32":
        advice = ""
    else:
        advice = " A plain export (fp32) keeps the ranking; so may another recipe, seed or dim."
    return GateError(
        f"parity gate failed: {failure}.{advice} --force publishes it all the same, and the bundle says so."
    )

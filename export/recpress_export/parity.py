"""Run a written file for every validation user and compare its rankings with a reference's."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from device_bench.runtimes.query import Answer, SeenItems
from device_bench.runtimes.reference import ReferenceRuntime, scaled_by_item
from recpress_edge.core.bundle import Evaluation
from recpress_edge.core.config import load_config, read_toml
from recpress_edge.core.errors import DataError, GateError
from recpress_edge.core.metrics import ndcg_by_user, overlap_by_user, recall_by_user
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import Interval, paired_bootstrap
from recpress_export.popularity import Third, recall_by_third
from recpress_export.quantize import F16, QuantizedTables

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

GATES: Final = Path(__file__).with_name("export.toml")
LIST_LENGTH: Final = 50
OVERLAP_CUTOFFS: Final = (10, 50)
METRIC_CUTOFFS: Final = (10, 20, 50)
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

    min_overlap_at_50: float
    max_recall_at_50_loss: float
    lost_users: int

    def allowed_loss(self, n_users: int) -> float:
        """Largest mean loss of Recall@50 over that many users."""
        return max(self.max_recall_at_50_loss, self.lost_users / n_users)


def load_gate(recipe: str, path: Path = GATES) -> Gate:
    """The gate of a recipe."""
    return load_config(Gate, read_toml(path)["gate"][recipe], f"{path.name} [gate.{recipe}]")


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """Ranking lists of the evaluation's users: items (B, K) padded with -1, scores (B, K) with 0."""

    items: I64
    scores: F32

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


def check_exact(found: Lists, reference: Lists, users: Evaluation) -> int:
    """Ids and scores must be equal for each user, else GateError. Returns the number of users."""
    same = (found.items == reference.items).all(axis=1) & (found.scores == reference.scores).all(axis=1)
    if not same.all():
        row = int(np.argmin(same))
        at = int(
            np.argmax(
                (found.items[row] != reference.items[row]) | (found.scores[row] != reference.scores[row])
            )
        )
        raise GateError(
            f"the file is not exact: {int((~same).sum())} of {same.size} users differ from the numpy "
            f"reference, first user {users.users[row]} at rank {at + 1}: item {found.items[row, at]} "
            f"score {found.scores[row, at]}, expected item {reference.items[row, at]} "
            f"score {reference.scores[row, at]}"
        )
    return int(same.size)


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


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a file's rankings are from its reference's."""

    reference: str
    """What the file is compared with."""
    users: int
    overlap: Mapping[str, Overlap]
    """overlap@10, overlap@50."""
    change: Mapping[str, Change]
    """recall@50, ndcg@50."""
    identical_users: int
    """Users whose list of 50 is the same, in the same order."""
    first_difference: float | None
    """First rank (from 1) that differs: the median over the other users."""
    metrics_before: Mapping[str, float]
    metrics_after: Mapping[str, float]
    by_popularity: Mapping[str, Third]
    """Recall@50 by head, mid and tail: thirds of the train interactions."""
    exact_users: int | None = None
    """Users for whom ids and scores equal the integer reference; None where the recipe is not exact."""

    def facts(self) -> dict[str, Any]:
        """As plain JSON."""
        return dataclasses.asdict(self)


def compare(
    reference: Lists,
    found: Lists,
    users: Evaluation,
    seed: int,
    name: str,
    exact: int | None,
    item_counts: I64,
) -> Parity:
    """Both rankings of the same users. ``seed`` drives the bootstrap only; item_counts (I,) in train."""
    if not users.users.size:
        raise DataError("the data set has no validation users, so the export cannot be checked")
    relevant = [users.relevant(row).tolist() for row in range(users.users.size)]
    before, after = _metrics(reference.items, relevant), _metrics(found.items, relevant)
    differs = reference.items != found.items
    other = differs.any(axis=1)
    return Parity(
        reference=name,
        users=int(users.users.size),
        overlap={f"overlap@{k}": _overlap(reference, found, k) for k in OVERLAP_CUTOFFS},
        change={m: _change(before[m], after[m], seed, m) for m in ("recall@50", "ndcg@50")},
        identical_users=int((~other).sum()),
        first_difference=float(np.median(differs[other].argmax(axis=1) + 1)) if other.any() else None,
        metrics_before={m: float(np.nanmean(values)) for m, values in before.items()},
        metrics_after={m: float(np.nanmean(values)) for m, values in after.items()},
        by_popularity=recall_by_third(reference.items, found.items, relevant, item_counts, seed),
        exact_users=exact,
    )


def _metrics(items: I64, relevant: list[list[int]]) -> dict[str, F64]:
    return {
        **{f"recall@{k}": recall_by_user(items[:, :k], relevant) for k in METRIC_CUTOFFS},
        **{f"ndcg@{k}": ndcg_by_user(items[:, :k], relevant) for k in METRIC_CUTOFFS},
    }


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
    where = f"({GATES.name} [gate.{recipe}])"
    overlap = parity.overlap["overlap@50"].mean
    if not overlap >= gate.min_overlap_at_50:
        return f"overlap@50 {overlap:.4f} < min_overlap_at_50 {gate.min_overlap_at_50} {where}"
    loss = -parity.change["recall@50"].delta.mean
    if not loss <= gate.allowed_loss(parity.users):
        return (
            f"Recall@50 loses {loss:.4f} on {parity.users} validation users, "
            f"allowed {gate.allowed_loss(parity.users):.4f} {where}"
        )
    return None


def gate_facts(gate: Gate, failure: str | None, *, overruled: bool) -> dict[str, Any]:
    """The gate, what came of it, and whether it was overruled, as plain JSON."""
    facts = {"met": failure is None, "failure": failure, "overruled": failure is not None and overruled}
    return dataclasses.asdict(gate) | facts


def gate_error(failure: str, recipe: str) -> GateError:
    """What the user is told where the gate is not met."""
    advice = " A plain export (fp32) keeps the ranking; so may another recipe, seed or dim."
    advice = "" if recipe == "fp32" else advice
    return GateError(
        f"parity gate failed: {failure}.{advice} --force publishes it all the same, and the bundle says so."
    )

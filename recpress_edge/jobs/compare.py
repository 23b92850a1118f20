"""Two models on the same users: is one better, and how sure is that?"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from recpress_edge.core.arrays import F64, I64, Bool
from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.core.metrics import DEFAULT_CUTOFF, is_certain, shown_metrics
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import TestedDifference, compare_by_user
from recpress_edge.core.units import format_change, format_recall
from recpress_edge.data.holdout import Split
from recpress_edge.jobs.contenders import MeasuredUsers, Measurer, Run, runs_of
from recpress_edge.records.result_table import ResultTable, to_latex

LEAST_SAMPLES: Final = 40
"""Resamples: with fewer, less than one lies outside either end of a 95 % interval."""
_METRIC: Final = re.compile(r"(recall|ndcg)@([1-9]\d{0,3})")


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """One of the two: its runs, and what each user gets."""

    name: str
    runs: tuple[Run, ...]
    values: F64
    """(S, B, M): of S seeds, B users and M metrics, as in ``ComparisonResult``."""

    @property
    def means(self) -> F64:
        """Over seeds and users (M,)."""
        return np.asarray(self.values.mean(axis=(0, 1)), np.float64)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ComparisonResult:
    """Two contenders and the tested difference of each metric, second − first."""

    first: Contender
    second: Contender
    split: Split
    metrics: tuple[str, ...]
    users: I64
    """Indices of the evaluated users (B,); -1 where only bundles without users were asked."""
    user_ids: list[str]
    """Their ids (B,); empty where those are unknown."""
    differences: tuple[TestedDifference, ...]
    over_seeds: bool
    """Whether the intervals cover seeds as well as users: each has several, or one and is the same in any."""
    samples: int
    seed: int

    @property
    def knows(self) -> str:
        """What each knows of the users, where one knows more than the other; else empty."""
        first, second = (one.runs[0] for one in (self.first, self.second))
        if self.split != "test" or first.reads_history == second.reads_history:
            return ""
        more, less = (first, second) if first.reads_history else (second, first)
        models = not (more.is_bundle or less.is_bundle)
        return (
            f"{more.name} is asked with the train and validation items of a test user, {less.name} knows the "
            "train items alone: a difference may be what it was told. "
            + ("With --split valid both know the same." if models else "Compare bundles of one profile.")
        )

    @property
    def table(self) -> ResultTable:
        """One row a metric."""
        rows = [
            {
                "metric": name,
                "first": self.first.name,
                "second": self.second.name,
                "first_seeds": len(self.first.runs),
                "second_seeds": len(self.second.runs),
                "first_mean": float(self.first.means[at]),
                "second_mean": float(self.second.means[at]),
                "difference": found.interval.mean,
                "low": found.interval.low,
                "high": found.interval.high,
                "p": found.p,
                "users": self.users.size,
                "split": self.split,
            }
            for at, (name, found) in enumerate(zip(self.metrics, self.differences, strict=True))
        ]
        return ResultTable.of_rows(rows)

    @property
    def per_user(self) -> ResultTable:
        """One row a user and run: the user's id, the run, and every metric."""
        pairs = [(one, at) for one in (self.first, self.second) for at in range(len(one.runs))]
        users = len(self.users)
        known: Sequence[str | None] = self.user_ids or [None] * users
        lines = np.concatenate([one.values[at] for one, at in pairs])  # (runs · B, M)
        return ResultTable(
            {
                "user": [*known] * len(pairs),
                "row": list(range(users)) * len(pairs),
                "model": [one.name for one, _ in pairs for _ in range(users)],
                "seed": [one.runs[at].seed for one, at in pairs for _ in range(users)],
                **{name: lines[:, at].tolist() for at, name in enumerate(self.metrics)},
            }
        )

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "split": self.split,
            "users": int(self.users.size),
            "samples": self.samples,
            "seed": self.seed,
            "over_seeds": self.over_seeds,
            **({"knows": self.knows} if self.knows else {}),
            **{
                side: {
                    "name": one.name,
                    "runs": [{"folder": str(r.folder), "seed": r.seed} for r in one.runs],
                }
                for side, one in (("first", self.first), ("second", self.second))
            },
            "dataset": {key: self.first.runs[0].dataset.get(key) for key in ("name", "digest", "protocol")},
            "metrics": self.table.rows(),
        }

    def latex(self) -> str:
        """One line a metric."""
        rows = [
            [
                row["metric"],
                format_recall(row["first_mean"]),
                format_recall(row["second_mean"]),
                format_change(row["difference"]),
                f"[{format_change(row['low'])}, {format_change(row['high'])}]",
                format_p(row["p"], self.samples),
            ]
            for row in self.table.rows()
        ]
        headers = ["metric", self.first.name, self.second.name, "difference", "95 % interval", "p"]
        return to_latex(headers, rows)


def format_p(p: float, samples: int) -> str:
    """A p value as text; below what so many draws can tell, that bound."""
    least = 1 / (1 + samples)
    return f"< {2 * least:.1g}" if p <= least else f"{p:.4f}".removeprefix("0")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRequest:
    """``recpress-edge compare``."""

    models: tuple[str, ...]
    """Two, each a name (every seed that is trained), or folders of models or bundles with commas between."""
    split: Split = "test"
    metric: tuple[str, ...] = ()
    """recall@K or ndcg@K; none: recall@10, ndcg@10, and recall at the K that judges the data set."""
    samples: int = 10_000
    seed: int = 0
    """Of the resampling."""
    data: str | None = None
    """The data set of models that are given by name; None: the only one there is."""
    work: Path = Path()

    def run(self, on_event: OnEvent = silent) -> ComparisonResult:
        """Measure both on every user and test the difference; ConfigError where they cannot be compared."""
        first, second = self._checked()
        names = self.metric or shown_metrics(first[0].cutoff)
        measurer = Measurer(self.split, names, self.work, on_event)
        found = [[measurer.measure(run) for run in runs] for runs in (first, second)]
        every = [one for side in found for one in side]
        for one in every[1:]:
            _check_same(every[0], one)
        telling = self._telling(names, every[0])
        values = [np.stack([one.values[telling].T for one in side]) for side in found]
        names = tuple(name for name, kept in zip(names, telling, strict=True) if kept)
        both = [
            Contender(runs[0].name, tuple(runs), side)
            for runs, side in zip((first, second), values, strict=True)
        ]
        over_seeds = _several(first, second)
        found_differences = compare_by_user(
            values[0], values[1], stream(self.seed, "compare"), over_seeds=over_seeds, draws=self.samples
        )
        known = next((one for one in every if one.user_ids), every[0])
        return ComparisonResult(
            first=both[0],
            second=both[1],
            split=self.split,
            metrics=names,
            users=known.asked.users.astype(np.int64),
            user_ids=known.user_ids,
            differences=tuple(found_differences),
            over_seeds=over_seeds,
            samples=self.samples,
            seed=self.seed,
        )

    def _checked(self) -> tuple[list[Run], list[Run]]:
        """The runs of both; what can be refused without measuring is refused here."""
        if len(self.models) != 2:
            raise ConfigError(f"two models are compared, got {len(self.models)}")
        if self.split not in get_args(Split):
            raise unknown_name("split", self.split, get_args(Split))
        for name in self.metric:
            if not _METRIC.fullmatch(name):
                raise ConfigError(
                    f"--metric must be recall@K or ndcg@K, such as recall@{DEFAULT_CUTOFF}; got {name!r}"
                )
        if self.samples < LEAST_SAMPLES:
            raise ConfigError(
                f"--samples must be at least {LEAST_SAMPLES}, got {self.samples}: fewer resamples have no "
                "95 % interval"
            )
        first, second = (runs_of(text, self.data, self.work) for text in self.models)
        _check_comparable([*first, *second])
        shared = {run.folder.resolve() for run in first} & {run.folder.resolve() for run in second}
        if shared:
            raise ConfigError(f"both are {sorted(map(str, shared))[0]}: give two models")
        return first, second

    def _telling(self, names: Sequence[str], measured: MeasuredUsers) -> Bool:
        """Which metrics are not 1 by necessity (M,); one that was asked for by name must not be."""
        n_items, retired = measured.catalogue
        candidates = measured.asked.candidates(n_items, retired)
        certain = [name.startswith("recall@") and is_certain(int(name[7:]), candidates) for name in names]
        for name, tells_nothing in zip(names, certain, strict=True):
            if tells_nothing and self.metric:
                raise ConfigError(f"{name} is 1 in whatever order: no user has more items to rank")
        if all(certain):
            raise ConfigError(f"no metric tells anything: {', '.join(names)} are 1 in whatever order")
        return ~np.array(certain)


def _several(first: Sequence[Run], second: Sequence[Run]) -> bool:
    both = (first, second)
    return all(len(runs) > 1 or runs[0].seedless for runs in both) and any(len(runs) > 1 for runs in both)


def _check_comparable(runs: Sequence[Run]) -> None:
    """ConfigError where two were trained on other data or are judged by another K."""
    first = runs[0]
    for run in runs[1:]:
        for what, one, other in (
            ("data set", first.dataset.get("name"), run.dataset.get("name")),
            ("protocol", first.dataset.get("protocol"), run.dataset.get("protocol")),
            ("digest of the data set", first.dataset.get("digest"), run.dataset.get("digest")),
            ("judging K", first.cutoff, run.cutoff),
        ):
            if one != other:
                raise ConfigError(
                    f"{first.folder} and {run.folder} cannot be compared: the {what} differs, "
                    f"{one} and {other}"
                )


def _check_same(first: MeasuredUsers, other: MeasuredUsers) -> None:
    """ConfigError where two were asked for other users, hits or catalogues, or had other items masked."""
    if first.catalogue != other.catalogue:
        raise ConfigError(
            "their catalogues differ: one of them was updated. Compare what has the same items."
        )
    left, right = first.asked, other.asked
    if left is right:
        return
    users = left.users.size == right.users.size and (
        min(left.users.min(initial=0), right.users.min(initial=0)) < 0
        or np.array_equal(left.users, right.users)
    )
    same = (
        users
        and _rows(left.relevant_indptr, left.relevant_indices)
        == _rows(right.relevant_indptr, right.relevant_indices)
        and _rows(left.seen_indptr, left.seen_indices) == _rows(right.seen_indptr, right.seen_indices)
    )
    if not same:
        raise ConfigError("they were evaluated on other users, held-out items or masked items")


def _rows(starts: I64, items: np.ndarray[Any, Any]) -> list[list[int]]:
    return [sorted(items[a:b].tolist()) for a, b in itertools.pairwise(starts.tolist())]

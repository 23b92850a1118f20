"""Teachers on Gowalla, the LightGCN split: plan, published figures, goals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from recpress_edge.core.errors import unknown_name
from recpress_edge.distill.students import parse_name
from recpress_edge.studies.study import ClaimVerdict

DATA: Final = "gowalla"
RECALL: Final = "recall@20"
NDCG: Final = "ndcg@20"
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Study:
    """One teacher: how it is made, what was published of it, and what ours has to reach."""

    label: str
    published: tuple[float, float] | None
    """Test Recall@20 and NDCG@20."""
    goal: float | None
    """Least test Recall@20 of ours."""
    method: Mapping[str, Any] = field(default_factory=lambda: _NONE)
    training: Mapping[str, Any] = field(default_factory=lambda: _NONE)


STUDIES: Final[Mapping[str, Study]] = {
    "pop": Study("popularity", None, None),
    "itemknn": Study("item-kNN", None, None),
    "bpr_dim64": Study(
        "MF-BPR",
        (0.1627, 0.1378),
        0.158,
        {
            "learning_rate": 0.005,
            "weight_decay": 0.005,
            "batch_size": 8192,
            "init_std": 0.05,
            "candidates": 32,
        },
        {"epochs": 30, "evaluate_every": 3, "patience": 2},
    ),
    "lightgcn_dim64": Study(
        "LightGCN",
        (0.1824, 0.1547),
        0.178,
        {"learning_rate": 0.01, "l2": 0.001, "batch_size": 16384, "candidates": 32},
        {"epochs": 40, "evaluate_every": 4, "patience": 1},
    ),
    "ease": Study("EASE", (0.1765, 0.1467), 0.174, {"l2": 100.0}),
    "multvae_dim64": Study(
        "Mult-VAE",
        (0.1641, 0.1335),
        0.160,
        {"learning_rate": 0.003, "beta": 0.4, "anneal_epochs": 40},
        {"epochs": 32, "evaluate_every": 4, "patience": 2},
    ),
    "neumf_dim64": Study(
        "NeuMF",
        (0.1399, 0.1212),
        0.135,
        {
            "learning_rate": 0.005,
            "weight_decay": 0.02,
            "batch_size": 8192,
            "negatives": 8,
            "product_weight": 1.0,
        },
        {"epochs": 9, "evaluate_every": 9},
    ),
}

PROTOCOL: Final = (
    "Gowalla, the LightGCN split, full ranking, Recall@20 = hits / |relevant| and NDCG@20 on test; the epoch "
    "chosen on validation, then trained again on train and validation for as many epochs"
)
DIFFERENCES: Final = (
    "Published figures train on the whole train file and mostly choose on test. Ours choose the epoch on a "
    "tenth of that file (by Recall@50, as everywhere here) and train again on all of it; the figure without "
    "training again stands beside.",
    "MF-BPR and LightGCN learn from the hardest of several uniform negatives, in large batches with large "
    "steps, for tens of epochs; those published from one uniform negative, LightGCN for 1000 epochs.",
    "Mult-VAE's decoder is one linear layer, and its code narrower.",
    "NeuMF is trained at once, without its authors' pre-training; its products start as plain factorisation.",
    "Settings were found by hand on validation: EASE's weight on 8,000 of the users (50, 100 and 250), those "
    "of the others on 4,000 in one to six short runs each, NeuMF's on 1,500 in some fifteen, its epochs too.",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One teacher, trained twice and measured; a closed form has no epoch to choose and is fitted once."""

    name: str
    seed: int
    settings: Mapping[str, Any]
    epochs: int
    """Chosen on validation."""
    seconds: float
    """Of the training on train and validation."""
    peak_memory_bytes: int | None
    test: Mapping[str, float]
    """What stands beside the published figures."""
    choosing: "Choosing | None"


@dataclass(frozen=True, slots=True)
class Choosing:
    """The model trained on train alone, on whose validation the epoch was chosen."""

    seconds: float
    valid: Mapping[str, float]
    test: Mapping[str, float]


def parse_teachers(text: str | None) -> list[str]:
    """'ease,bpr_dim64' in the order of the table; None for all. A name without its size stands for ours."""
    if text is None:
        return list(STUDIES)
    by_method = {parse_name(name, "teacher").method: name for name in STUDIES}
    asked = []
    for name in text.split(","):
        if name not in STUDIES and name not in by_method:
            raise unknown_name("teacher of this study", name, list(STUDIES))
        asked.append(by_method.get(name, name))
    return [name for name in STUDIES if name in asked]


def table_rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """One row a teacher: ours on test, the published figures, and how ours came about."""
    rows = []
    for outcome in outcomes:
        study = STUDIES[outcome.name]
        published = [f"{value:.4f}" for value in study.published] if study.published else ["", ""]
        rows.append(
            [
                f"{study.label} ({outcome.name})",
                f"{outcome.test[RECALL]:.4f}",
                f"{outcome.test[NDCG]:.4f}",
                *published,
                f"{study.goal:.3f}" if study.goal else "",
                *_choosing(outcome),
                f"{outcome.seconds / 60:.1f}",
            ]
        )
    return rows


def _choosing(outcome: Outcome) -> list[str]:
    if outcome.choosing is None:
        return [""] * 4
    before = outcome.choosing
    recalls = [f"{metrics[RECALL]:.4f}" for metrics in (before.test, before.valid)]
    return [*recalls, str(outcome.epochs), f"{before.seconds / 60:.1f}"]


HEADERS: Final = (
    "teacher",
    "R@20",
    "N@20",
    "published R@20",
    "published N@20",
    "goal",
    "R@20 train alone",
    "valid R@20",
    "epochs",
    "minutes choosing",
    "minutes",
)


def verdicts(outcomes: Sequence[Outcome]) -> list[ClaimVerdict]:
    """The goals of the teachers that were trained."""
    found = []
    for outcome in outcomes:
        study = STUDIES[outcome.name]
        if study.goal is not None and study.published is not None:
            recall = outcome.test[RECALL]
            gap = recall - study.published[0]
            claim = f"{study.label} reaches test Recall@20 {study.goal:.3f}"
            evidence = f"{recall:.4f}, {gap:+.4f} to the published"
            found.append(ClaimVerdict(claim, recall >= study.goal, evidence))
    return found

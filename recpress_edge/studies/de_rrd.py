"""DE-RRD (Kang et al., CIKM 2020) and IR-RRD (Inf. Sci. 2021) on CiteULike by LOO-499: plan and goals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Final

from recpress_edge.core.errors import unknown_name
from recpress_edge.studies.study import ClaimVerdict, spread

DATA: Final = "citeulike"
DIM: Final = 20
TEACHER: Final = "bpr_dim200"
TEACHER_TRAINING: Final[Mapping[str, Any]] = {"epochs": 100, "keep": "last"}
"""As in the topology study, whose teacher this is."""
STUDENT_TRAINING: Final[Mapping[str, Any]] = {"epochs": 200}
"""As long as brings the student without distillation to that of the reference runs."""
UNTIL_STALLED: Final[Mapping[str, Any]] = {"epochs": 400, "evaluate_every": 10, "patience": 4}
"""The other rule: every student until 40 epochs bring nothing on validation."""
STUDENT_METHOD: Final[Mapping[str, Mapping[str, Any]]] = {"irrrd": {"item_weight": 2e-3}}
"""Settings of a method that are not its defaults."""
SEED_OF_NEGATIVES: Final = 0
METRICS: Final = ("hit@5", "ndcg@5", "hit@10", "hit@20")
METHODS: Final = ("bpr", "de", "rrd", "de_rrd", "irrrd")
MORE_METHODS: Final = ("rd", "cd", "dcd", "unkd")
"""In the paper's table or of its family, with no reference run and no goal of ours."""

PROTOCOL: Final = (
    "CiteULike leave-one-out, the held-out item against 499 sampled unobserved items (LOO-499), "
    "BPR dim 20 students of a BPR dim 200 teacher, best epoch on validation"
)


def differences(until_stalled: bool) -> tuple[str, ...]:
    """What is not as in the reference runs."""
    epochs = (UNTIL_STALLED if until_stalled else STUDENT_TRAINING)["epochs"]
    stop = "until 40 epochs bring nothing on validation, for up to " if until_stalled else ""
    return (
        "The authors' split and their 499 negatives are not obtainable: the split is that of Topology "
        "Distillation, the negatives are drawn once, seed 0, the same for all models.",
        "The best epoch is chosen by full-ranking Recall@50 on validation, as everywhere here, not by H@5 of "
        "LOO-499.",
        f"Students train {stop}{epochs} epochs (the teacher 100); theirs until validation stalls, for up to "
        "1000.",
        f"Temperature of DE's assignment falls over the {epochs} epochs of the schedule.",
        f"IR-RRD's item lists weigh {STUDENT_METHOD['irrrd']['item_weight']:g}, chosen on validation among "
        "0.0005, 0.002 and 0.005; the authors' 0.0005.",
    )


# Reference runs of the authors' program on a CiteULike like this one, seed 0, best-validation epoch.
REFERENCE: Final[Mapping[str, Mapping[str, float]]] = {
    "bpr": {"hit@5": 0.4486, "ndcg@5": 0.3353, "hit@10": 0.5559, "hit@20": 0.6584},
    "de": {"hit@5": 0.4773, "ndcg@5": 0.3595, "hit@10": 0.5796, "hit@20": 0.6729},
    "rrd": {"hit@5": 0.4698, "ndcg@5": 0.3554, "hit@10": 0.5727, "hit@20": 0.6679},
    "irrrd": {"hit@5": 0.4947, "ndcg@5": 0.3747, "hit@10": 0.5951, "hit@20": 0.6915},
}
# H@5 in the paper's table.
PAPER: Final[Mapping[str, float]] = {
    "teacher": 0.5135,
    "bpr": 0.4441,
    "rd": 0.4533,
    "cd": 0.4550,
    "de": 0.4817,
    "rrd": 0.4622,
    "de_rrd": 0.4843,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trained model, measured."""

    name: str
    method: str
    """'teacher' for the teacher."""
    seed: int
    chosen_epoch: int
    seconds: float
    seconds_per_epoch: float
    peak_memory_bytes: int | None
    valid: Mapping[str, float]
    test: Mapping[str, float]
    recall_at_50: float
    """Full-ranking test Recall@50, for comparison with the other studies."""


def parse_methods(text: str | None) -> list[str]:
    """'bpr,rrd' in the order of the tables; None for the five that have a goal."""
    if text is None:
        return list(METHODS)
    known = (*METHODS, *MORE_METHODS)
    asked = text.split(",")
    for method in asked:
        if method not in known:
            raise unknown_name("method of this study", method, known)
    return [method for method in known if method in asked]


def by_method(outcomes: Sequence[Outcome], metric: str) -> dict[str, list[float]]:
    """Test metric of every seed, by method."""
    found: dict[str, list[float]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.method, []).append(outcome.test[metric])
    return found


def table_rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """One row a model: our metrics (mean over seeds), the spread of H@5, the reference's and the paper's."""
    rows = []
    for method, values in by_method(outcomes, "hit@5").items():
        name = next(o.name for o in outcomes if o.method == method)
        ours = [f"{mean(by_method(outcomes, metric)[method]):.4f}" for metric in METRICS]
        reference = REFERENCE.get(method, {}).get("hit@5")
        paper = PAPER.get(method)
        rows.append(
            [
                name,
                *ours,
                spread(values),
                f"{reference:.4f}" if reference else "",
                f"{paper:.4f}" if paper else "",
            ]
        )
    return rows


def verdicts(outcomes: Sequence[Outcome]) -> list[ClaimVerdict]:
    """The goals that the trained methods can be held against, on the mean H@5 over seeds."""
    means = {method: mean(values) for method, values in by_method(outcomes, "hit@5").items()}
    found = []
    if "bpr" in means:
        gap = means["bpr"] - REFERENCE["bpr"]["hit@5"]
        found.append(
            ClaimVerdict(
                "the student without distillation is within .015 of the reference run",
                abs(gap) <= 0.015,
                f"{means['bpr']:.4f}, {gap:+.4f}",
            )
        )
    for method, goal in (("de", 0.465), ("rrd", 0.46), ("irrrd", 0.485)):
        if method in means:
            claim = f"{method} reaches H@5 {goal:.3f}"
            found.append(ClaimVerdict(claim, means[method] >= goal, f"{means[method]:.4f}"))
    if {"de", "rrd", "de_rrd"} <= set(means):
        order = ", ".join(f"{method} {means[method]:.4f}" for method in ("de", "rrd", "de_rrd"))
        above = means["de_rrd"] > max(means["de"], means["rrd"])
        found.append(ClaimVerdict("DE-RRD is above both of its parts", above, order))
    return found

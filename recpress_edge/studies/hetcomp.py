"""HetComp (Kang et al., WWW 2023) on CiteULike split 60/20/20, student dim 6: plan, table, goals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from recpress_edge.studies.study import ClaimVerdict

DATA: Final = "citeulike-602020"
IMPORT: Final = (
    f"recpress-edge data import PATH/citeulike/users.dat --name {DATA} --format counted-adjacency "
    "--min-user 5 --split ratio:60/20/20"
)
DIM: Final = 6
METRIC: Final = "recall@50"
KINDS: Final[Mapping[str, str]] = {
    # teacher -> what the paper calls its kind
    "bpr_dim64": "MF",
    "cml_dim64": "ML",
    "neumf_dim64": "DL",
    "lightgcn_dim64": "GNN",
    "multvae_dim200": "AE",
    "iae_dim200": "I-AE",
}
PLAIN: Final = f"bpr_dim{DIM}"
HETCOMP: Final = f"hetcomp_dim{DIM}"
SINGLE: Final = f"rrd_dim{DIM}"
"""From every teacher."""
SINGLE_OF_TABLES: Final = tuple(f"{method}_dim{DIM}" for method in ("ftd", "htd", "irrrd"))
"""From the strongest teacher that is tables, which they need."""
PLAIN_TRAINING: Final[Mapping[str, Any]] = {"epochs": 400}
"""Of the students beside BPR, as in the study of DE-RRD until validation stalls."""
HETCOMP_METHOD: Final[Mapping[str, Any]] = {"sharpness": 100.0}
HETCOMP_TRAINING: Final[Mapping[str, Any]] = {"epochs": 1000}
"""Of HetComp from all teachers and from one: until 50 epochs bring nothing on validation."""

PROTOCOL: Final = (
    "CiteULike, users with 5 items and more, 60/20/20 per user, full ranking, Recall@50 = hits / |relevant|, "
    "the best epoch on validation, all students dim 6 with inner products"
)
DIFFERENCES: Final = (
    "The paper's tables are not at hand; ensemble, teachers, the student without distillation, every "
    "single-teacher distillation and HetComp stand side by side instead.",
    "HetComp's batches are users with whole rows, each once an epoch, with Adam's step 1e-2; the authors' "
    "are 1024 interactions, 1e-3.",
    "An item at rank r of a teacher counts e^(−r/100), chosen on validation among 10, 30 and 100; the "
    "authors' counts e^(−r/10).",
    "Single-teacher distillation is RRD from each teacher's final ranking, methods that need a teacher's "
    "tables from the strongest that has them, and HetComp's own losses from the strongest of all.",
    "Seeds are those of the student alone and of HetComp's: every teacher, and every student that another "
    "method taught, is trained once.",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One model of the table."""

    name: str
    part: Literal["teacher", "ensemble", "plain", "single", "hetcomp alone", "hetcomp"]
    teacher: str
    """Whom it learned from; empty for none."""
    folder: str
    """Its name below models/."""
    seed: int
    chosen_epoch: int
    seconds: float
    peak_memory_bytes: int | None
    valid: Mapping[str, float]
    test: Mapping[str, float]


def ensemble_of(teachers: Sequence[str]) -> str:
    """The name of the teachers together; one is its own ensemble."""
    return teachers[0] if len(teachers) == 1 else f"ensemble:{'+'.join(teachers)}"


def best(outcomes: Sequence[Outcome], part: str) -> Outcome | None:
    """The best of a part, on validation."""
    some = [outcome for outcome in outcomes if outcome.part == part]
    return max(some, key=lambda outcome: outcome.valid[METRIC]) if some else None


def table_rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """One row a model: whom it learned from, and its metrics."""
    return [
        [
            outcome.name,
            outcome.part,
            outcome.teacher,
            str(outcome.seed),
            str(outcome.chosen_epoch),
            *(f"{outcome.test[name]:.4f}" for name in ("recall@10", "recall@50", "ndcg@50")),
            f"{outcome.valid[METRIC]:.4f}",
        ]
        for outcome in outcomes
    ]


def verdicts(outcomes: Sequence[Outcome]) -> list[ClaimVerdict]:
    """HetComp against the student without distillation and those of one teacher, seed by seed.

    What was trained with fewer seeds is compared with every one of HetComp's.
    """
    found = []
    for claim, part in (
        ("HetComp is above the same student without distillation", "plain"),
        ("HetComp is above the best distillation from one teacher by another method", "single"),
        ("HetComp is above its own losses from the best teacher alone", "hetcomp alone"),
    ):
        seeds = sorted({outcome.seed for outcome in outcomes if outcome.part == "hetcomp"})
        pairs = []
        for seed in seeds:
            of_seed = [outcome for outcome in outcomes if outcome.seed == seed]
            ours, other = best(of_seed, "hetcomp"), best(of_seed, part) or best(outcomes, part)
            if ours and other:
                source = f" from {other.teacher}" if other.teacher else ""
                pairs.append((ours.test[METRIC], other.test[METRIC], other.name + source))
        if pairs:
            evidence = ", ".join(f"{ours:.4f} and {other:.4f} ({name})" for ours, other, name in pairs)
            found.append(ClaimVerdict(claim, all(ours > other for ours, other, _ in pairs), evidence))
    return found

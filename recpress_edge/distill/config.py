"""Settings of the distillation methods. No torch here: settings are read and hashed before it is needed."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from recpress_edge.core.config import (
    Bounded,
    NotNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ShareFloat,
    at_least,
)
from recpress_edge.models.config import LATER, BPRConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class FTDConfig(BPRConfig):
    """Full topology distillation (Kang et al., KDD 2021) beside BPR."""

    topology_weight: NotNegativeFloat = 1e-3
    """λ: weight of the topology term. It is a sum over the pairs of a batch, so it depends on batch_size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HTDConfig(BPRConfig):
    """Hierarchical topology distillation (Kang et al., KDD 2021) beside BPR."""

    topology_weight: NotNegativeFloat = 1e-3
    """λ: weight of the topology and hint terms together."""
    gamma: ShareFloat = 0.5
    """γ: share of the topology terms H and M; the experts' hint term gets 1 − γ."""
    experts: PositiveInt = 30
    """Groups, hence experts, of each side; users and items have their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftConfig(Bounded):
    """Soft-target listwise distillation: cosine scores, softmax over the whole catalogue."""

    learning_rate: PositiveFloat = 0.02
    """Step size of Adam, constant: a decay to zero gave no better validation recall in as many epochs."""
    temperature: Annotated[float, at_least(0.02)] = 0.08
    """τ: scores are cosine / τ. Below 0.02 the exponentials would leave float32."""
    teacher_weight: ShareFloat = 0.7
    """w: share of the teacher's distribution in the targets; the train items get the rest."""
    top_items: PositiveInt = 100
    """Length of the teacher's list of unobserved items."""
    teacher_temperature: PositiveFloat = 0.2
    """Temperature of the softmax over the teacher's scores on its list (cosines, for a cosine teacher)."""
    batch_users: PositiveInt = 256
    """Users per step, each with its whole row of scores."""
    init_std: PositiveFloat = 0.1
    """Standard deviation of the initial embeddings; only their direction is scored."""
    targets: Literal["usual", "scores", "ranks"] = field(default="usual", metadata=LATER)
    """What the teacher's list weighs by: 'usual' is scores for a teacher with tables, ranks for any other."""
    rank_scale: PositiveFloat = field(default=30.0, metadata=LATER)
    """With ranks, the item at rank r weighs e^(−r / rank_scale)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldInConfig(Bounded):
    """How a history table is distilled from a student's user table; chosen on the CiteULike valid split."""

    section: ClassVar[str] = "fold_in"

    learning_rate: PositiveFloat = 0.03
    """First step size of Adam, relative to the root mean square of the item table; falls to zero."""
    epochs: PositiveInt = 15
    batch_users: PositiveInt = 256

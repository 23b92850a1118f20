"""Settings of the distillation methods. No torch here: settings are read and hashed before it is needed."""

from dataclasses import dataclass, field
from typing import Literal

from recpress_edge.core.errors import ConfigError
from recpress_edge.models.config import LATER, BPRConfig, check_not_negative, check_positive


@dataclass(frozen=True, slots=True, kw_only=True)
class FTDConfig(BPRConfig):
    """Full topology distillation (Kang et al., KDD 2021) beside BPR."""

    topology_weight: float = 1e-3
    """λ: weight of the topology term. It is a sum over the pairs of a batch, so it depends on batch_size."""

    def __post_init__(self) -> None:
        BPRConfig.__post_init__(self)
        check_not_negative("method", topology_weight=self.topology_weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class HTDConfig(BPRConfig):
    """Hierarchical topology distillation (Kang et al., KDD 2021) beside BPR."""

    topology_weight: float = 1e-3
    """λ: weight of the topology and hint terms together."""
    gamma: float = 0.5
    """γ: share of the topology terms H and M; the experts' hint term gets 1 − γ."""
    experts: int = 30
    """Groups, hence experts, of each side; users and items have their own."""

    def __post_init__(self) -> None:
        BPRConfig.__post_init__(self)
        check_not_negative("method", topology_weight=self.topology_weight)
        check_positive("method", experts=self.experts)
        if not 0 <= self.gamma <= 1:
            raise ConfigError(f"method.gamma must be between 0 and 1, got {self.gamma}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftConfig:
    """Soft-target listwise distillation: cosine scores, softmax over the whole catalogue."""

    learning_rate: float = 0.02
    """Step size of Adam, constant: a decay to zero gave no better validation recall in as many epochs."""
    temperature: float = 0.08
    """τ: scores are cosine / τ. Below 0.02 the exponentials would leave float32."""
    teacher_weight: float = 0.7
    """w: share of the teacher's distribution in the targets; the train items get the rest."""
    top_items: int = 100
    """Length of the teacher's list of unobserved items."""
    teacher_temperature: float = 0.2
    """Temperature of the softmax over the teacher's scores on its list (cosines, for a cosine teacher)."""
    batch_users: int = 256
    """Users per step, each with its whole row of scores."""
    init_std: float = 0.1
    """Standard deviation of the initial embeddings; only their direction is scored."""
    targets: Literal["usual", "scores", "ranks"] = field(default="usual", metadata=LATER)
    """What the teacher's list weighs by: 'usual' is scores for a teacher with tables, ranks for any other."""
    rank_scale: float = field(default=30.0, metadata=LATER)
    """With ranks, the item at rank r weighs e^(−r / rank_scale)."""

    def __post_init__(self) -> None:
        check_positive(
            "method",
            learning_rate=self.learning_rate,
            top_items=self.top_items,
            teacher_temperature=self.teacher_temperature,
            batch_users=self.batch_users,
            init_std=self.init_std,
            rank_scale=self.rank_scale,
        )
        if not self.temperature >= 0.02:
            raise ConfigError(f"method.temperature must be at least 0.02, got {self.temperature}")
        if not 0 <= self.teacher_weight <= 1:
            raise ConfigError(f"method.teacher_weight must be between 0 and 1, got {self.teacher_weight}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldInConfig:
    """How a history table is distilled from a student's user table; chosen on the CiteULike valid split."""

    learning_rate: float = 0.03
    """First step size of Adam, relative to the root mean square of the item table; falls to zero."""
    epochs: int = 15
    batch_users: int = 256

    def __post_init__(self) -> None:
        check_positive(
            "fold_in", learning_rate=self.learning_rate, epochs=self.epochs, batch_users=self.batch_users
        )

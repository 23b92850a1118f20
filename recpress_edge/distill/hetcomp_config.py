"""Settings of HetComp. No torch here."""

from dataclasses import dataclass

from recpress_edge.core.errors import ConfigError
from recpress_edge.models.config import check_not_negative, check_positive


@dataclass(frozen=True, slots=True, kw_only=True)
class HetCompConfig:
    """Distillation from heterogeneous teachers along their trajectories (Kang et al., WWW 2023)."""

    learning_rate: float = 1e-2
    """Step size of Adam."""
    weight_decay: float = 1e-5
    """L2 added to the gradient of every row at every step."""
    batch_users: int = 256
    """Users per step, each with its whole row of scores."""
    init_std: float = 0.1
    """Standard deviation of the initial embeddings."""
    top_items: int = 100
    """Unobserved items of the fused ranking."""
    observed_items: int = 10
    """Train items of the fused ranking."""
    sharpness: float = 10.0
    """An item at rank r of a teacher counts e^(−r / sharpness)."""
    overall_weight: float = 1e-2
    """Weight of the loss until every user has reached the end of every trajectory."""
    fine_weight: float = 5e-3
    """Weight of the fine-grained loss after that."""
    long_list: int = 50
    """First of the two lists of unobserved items whose order the fine-grained loss learns."""
    short_list: int = 10
    """The other, which counts the first items once more."""
    alpha: float = 1.05
    """A user moves on when its discrepancy has fallen by this factor; nearer to 1 later."""
    alpha_decay: float = 0.995
    """alpha is multiplied by this at every look."""
    check_every: int = 10
    """Epochs between two looks at the discrepancies."""

    def __post_init__(self) -> None:
        check_positive(
            "method",
            learning_rate=self.learning_rate,
            batch_users=self.batch_users,
            init_std=self.init_std,
            top_items=self.top_items,
            observed_items=self.observed_items,
            sharpness=self.sharpness,
            long_list=self.long_list,
            short_list=self.short_list,
            alpha=self.alpha,
            alpha_decay=self.alpha_decay,
            check_every=self.check_every,
        )
        check_not_negative(
            "method",
            weight_decay=self.weight_decay,
            overall_weight=self.overall_weight,
            fine_weight=self.fine_weight,
        )
        if max(self.long_list, self.short_list) > self.top_items:
            raise ConfigError(
                f"method.long_list and method.short_list must be at most method.top_items, {self.top_items}: "
                f"got {self.long_list} and {self.short_list}"
            )

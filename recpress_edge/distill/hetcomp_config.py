"""Settings of HetComp. No torch here."""

from dataclasses import dataclass

from recpress_edge.core.config import Bounded, NotNegativeFloat, PositiveFloat, PositiveInt
from recpress_edge.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class HetCompConfig(Bounded):
    """Distillation from heterogeneous teachers along their trajectories (Kang et al., WWW 2023)."""

    learning_rate: PositiveFloat = 1e-2
    """Step size of Adam."""
    weight_decay: NotNegativeFloat = 1e-5
    """L2 added to the gradient of every row at every step."""
    batch_users: PositiveInt = 256
    """Users per step, each with its whole row of scores."""
    init_std: PositiveFloat = 0.1
    """Standard deviation of the initial embeddings."""
    top_items: PositiveInt = 100
    """Unobserved items of the fused ranking."""
    observed_items: PositiveInt = 10
    """Train items of the fused ranking."""
    sharpness: PositiveFloat = 10.0
    """An item at rank r of a teacher counts e^(−r / sharpness)."""
    overall_weight: NotNegativeFloat = 1e-2
    """Weight of the loss until every user has reached the end of every trajectory."""
    fine_weight: NotNegativeFloat = 5e-3
    """Weight of the fine-grained loss after that."""
    long_list: PositiveInt = 50
    """First of the two lists of unobserved items whose order the fine-grained loss learns."""
    short_list: PositiveInt = 10
    """The other, which counts the first items once more."""
    alpha: PositiveFloat = 1.05
    """A user moves on when its discrepancy has fallen by this factor; nearer to 1 later."""
    alpha_decay: PositiveFloat = 0.995
    """alpha is multiplied by this at every look."""
    check_every: PositiveInt = 10
    """Epochs between two looks at the discrepancies."""

    def __post_init__(self) -> None:
        Bounded.__post_init__(self)
        if max(self.long_list, self.short_list) > self.top_items:
            raise ConfigError(
                f"method.long_list and method.short_list must be at most method.top_items, {self.top_items}: "
                f"got {self.long_list} and {self.short_list}"
            )

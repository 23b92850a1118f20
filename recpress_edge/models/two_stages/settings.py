"""Settings of the second stage. No torch: settings are read and hashed before it is needed."""

from dataclasses import dataclass

from recpress_edge.core.config import (
    BelowOneFloat,
    Bounded,
    NotNegativeFloat,
    NotNegativeInt,
    PositiveFloat,
    PositiveInt,
    ShareFloat,
)
from recpress_edge.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class RerankConfig(Bounded):
    """A DeepFM that ranks again the best items of a first stage: z = a · s₁ + f(x)."""

    first: str = "soft_dim32"
    """The first stage: a student of two tables, which finds the candidates."""
    candidates: PositiveInt = 200
    """Items that the first stage finds."""
    positives: PositiveInt = 15
    """The last train items of each user, which the second stage learns to rank, never more than half. The
    lists come from a first stage that was trained without them."""
    negatives: PositiveInt = 30
    """Candidates drawn, in each epoch, beside the one that was taken."""
    last_items: NotNegativeInt = 2
    """Fields of the items consumed last."""
    layers: tuple[int, ...] = (64, 32)
    """Widths of the hidden layers."""
    learning_rate: PositiveFloat = 2e-3
    """Step size of Adam in the first epoch."""
    decay: PositiveFloat = 0.3
    """The step size is multiplied by this after each evaluation that validation does not like better."""
    batch_lists: PositiveInt = 256
    """Lists per step."""
    init_std: PositiveFloat = 0.05
    """Standard deviation of the initial embeddings of user and context; items' are zero."""
    l2: NotNegativeFloat = 1e-3
    """λ: half of it times the squared length of all embeddings and weights of items is added to the loss."""
    dropout: BelowOneFloat = 0.1
    """Share of every hidden layer that is dropped in training."""
    min_count: PositiveInt = 2
    """Values in fewer train rows than this become the row of unknown values."""
    replaced: ShareFloat = 0.01
    """Chance of a value of user or context, in each epoch, to be missing or unknown, half each."""
    teacher_weight: ShareFloat = 0.7
    """w: share of the teacher's distribution over candidates in the loss; what was taken gets the rest."""
    temperature: PositiveFloat = 1.0
    """T: scores of both sides are divided by it where they are compared."""

    def __post_init__(self) -> None:
        Bounded.__post_init__(self)
        if not self.layers or min(self.layers) < 1:
            raise ConfigError(f"method.layers must be widths of at least 1, got {list(self.layers)}")
        if self.negatives >= self.candidates:
            raise ConfigError(
                f"method.negatives {self.negatives} are drawn from method.candidates {self.candidates}, so "
                "they must be fewer."
            )

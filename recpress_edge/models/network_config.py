"""Settings of the models that are networks. No torch here: they are read and hashed before it is needed."""

from dataclasses import dataclass

from recpress_edge.core.errors import ConfigError
from recpress_edge.models.config import check_not_negative, check_positive


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuMFConfig:
    """Neural matrix factorisation (He et al., WWW 2017), trained from the start without its pre-training."""

    learning_rate: float = 2e-3
    """Step size of Adam."""
    weight_decay: float = 1e-3
    """L2 added to the gradient of every parameter at every step, as in bpr."""
    batch_size: int = 1024
    """Positives per step, each with its negatives. The loss is a sum, so the weight decay depends on it."""
    negatives: int = 4
    """Unobserved items drawn for each positive, anew each epoch."""
    init_std: float = 0.01
    """Standard deviation of the initial embeddings."""

    def __post_init__(self) -> None:
        check_positive(
            "method",
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            negatives=self.negatives,
            init_std=self.init_std,
        )
        check_not_negative("method", weight_decay=self.weight_decay)


@dataclass(frozen=True, slots=True, kw_only=True)
class SASRecConfig:
    """A causal transformer over each user's sequence (Kang and McAuley, ICDM 2018)."""

    learning_rate: float = 1e-3
    """Step size of Adam."""
    weight_decay: float = 0.0
    """L2 added to the gradient of every parameter at every step."""
    layers: int = 2
    heads: int = 2
    """Of each attention; must divide the embedding size."""
    widening: int = 4
    """Inner size of the feed-forward parts over the embedding size."""
    history_length: int = 50
    """Tokens the model reads: the start token and the last history_length − 1 items."""
    dropout: float = 0.3
    """Share of the values set to zero in training, after the embeddings and in every sublayer."""
    batch_users: int = 128
    """Sequences per step, of about the same length."""
    init_std: float = 0.02
    """Standard deviation of the initial embeddings and weights."""

    def __post_init__(self) -> None:
        check_positive(
            "method",
            learning_rate=self.learning_rate,
            layers=self.layers,
            heads=self.heads,
            widening=self.widening,
            batch_users=self.batch_users,
            init_std=self.init_std,
        )
        check_not_negative("method", weight_decay=self.weight_decay)
        if self.history_length < 2:
            raise ConfigError(f"method.history_length must be at least 2, got {self.history_length}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"method.dropout must be at least 0 and below 1, got {self.dropout}")

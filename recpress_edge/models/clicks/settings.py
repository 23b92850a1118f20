"""Settings of the click models. No torch: settings are read and hashed before it is needed."""

from dataclasses import dataclass
from typing import Final

from recpress_edge.core.config import (
    BelowOneFloat,
    Bounded,
    NotNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ShareFloat,
)
from recpress_edge.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ClickConfig(Bounded):
    """What all click models share."""

    learning_rate: PositiveFloat = 2e-3
    """Step size of Adam in the first epoch."""
    decay: PositiveFloat = 0.1
    """The step size is multiplied by this after each epoch that validation does not like better."""
    batch_size: PositiveInt = 2048
    """Rows per step."""
    init_std: PositiveFloat = 0.01
    """Standard deviation of the initial embeddings and linear weights."""
    linear_l2: NotNegativeFloat = 1e-3
    """λ: half of it times the squared length of all linear weights is added to the loss at every step."""
    min_count: PositiveInt = 2
    """Values in fewer train rows than this become the row of unknown values."""
    replaced: ShareFloat = 0.01
    """Chance of a value, in each epoch, to be replaced by missing or by unknown, half each: so that these
    rows are learned too."""
    teacher_weight: ShareFloat = 0.9
    """w: share of the teachers' soft labels in the loss, the labels get the rest; of a model with a teacher,
    like all that follow."""
    temperature: PositiveFloat = 1.0
    """T: logits of both sides are divided by it where they are compared."""
    gated: bool = False
    """Whether the weights of an ensemble's members depend on the row, and are learned; else all are equal."""
    hint_weight: NotNegativeFloat = 0.0
    """Weight of the squared distance between the teachers' last hidden layers and a linear map of the
    student's."""


TAUGHT: Final = ("teacher_weight", "temperature", "gated", "hint_weight")
"""Settings that need a teacher."""


@dataclass(frozen=True, kw_only=True)
class LRConfig(ClickConfig):
    """Logistic regression: a weight for each value."""

    linear_l2: NotNegativeFloat = 1e-5
    """λ: half of it times the squared length of all linear weights is added to the loss at every step."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedConfig(ClickConfig):
    """What models with embeddings share."""

    l2: NotNegativeFloat = 0.01
    """λ: half of it times the squared length of the whole embedding table is added to the loss at every
    step, not of the rows in the batch alone."""


@dataclass(frozen=True, kw_only=True)
class FMConfig(EmbeddedConfig):
    """Factorisation machine (Rendle, ICDM 2010)."""

    l2: NotNegativeFloat = 1e-4
    """λ: half of it times the squared length of the whole embedding table is added to the loss at every
    step, not of the rows in the batch alone."""


@dataclass(frozen=True, kw_only=True)
class DeepFMConfig(EmbeddedConfig):
    """DeepFM (Guo et al., IJCAI 2017): FM and a network on one table of embeddings."""

    layers: tuple[int, ...] = (128, 64)
    """Widths of the hidden layers."""
    dropout: BelowOneFloat = 0.1
    """Share of every hidden layer that is dropped in training."""
    batch_norm: bool = True
    """Whether every hidden layer is normalised over the batch."""

    def __post_init__(self) -> None:
        Bounded.__post_init__(self)
        if not self.layers or min(self.layers) < 1:
            raise ConfigError(f"method.layers must be widths of at least 1, got {list(self.layers)}")


@dataclass(frozen=True, kw_only=True)
class WideDeepConfig(DeepFMConfig):
    """Wide & Deep (Cheng et al., DLRS 2016): linear weights, also of crosses, and a network."""

    crosses: tuple[str, ...] = ()
    """Pairs of fields whose values get a weight together, such as user*hour; of one value each."""
    cross_buckets: PositiveInt = 4096
    """Into which the pairs of values of a cross are hashed."""

    def __post_init__(self) -> None:
        DeepFMConfig.__post_init__(self)
        for cross in self.crosses:
            if len(self.pair(cross)) != 2 or not all(self.pair(cross)):
                raise ConfigError(f"method.crosses: write two fields with * between, not {cross!r}")

    @staticmethod
    def pair(cross: str) -> list[str]:
        """The fields of a cross."""
        return [name.strip() for name in cross.split("*")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickEnsembleConfig(Bounded):
    """An ensemble of click models has nothing to set: it is the mean of their logits."""

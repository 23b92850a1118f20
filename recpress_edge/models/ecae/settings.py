"""Settings of the collaborative autoencoder and of the autoencoder that is a history bundle. No torch."""

from dataclasses import dataclass

from recpress_edge.core.config import (
    BelowOneFloat,
    Bounded,
    NotNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ShareFloat,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ECAEConfig(Bounded):
    """ECAE (after Pan, He and Yu, Neurocomputing 332, 2019); both hidden layers are as wide as the dim."""

    retraining_weight: NotNegativeFloat = 1.0
    """λ: weight of the retraining network's loss beside the generator's. With 0 it learns nothing, and the
    generator alone recommends."""
    soft_share: ShareFloat = 0.5
    """μ: share of the generated data in what the retraining network learns; the rest is the user's items."""
    temperature: PositiveFloat = 1.0
    """T of the softmax that generates data."""
    through: bool = False
    """Whether gradients of the retraining network reach the generator through the data that it generates."""
    dropout: BelowOneFloat = 0.5
    """Share of each network's input that is hidden in each step."""
    learning_rate: PositiveFloat = 3e-3
    """Step size of Adam."""
    batch_users: PositiveInt = 128
    """Users per step, each with its whole rows of scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AEConfig(Bounded):
    """An autoencoder with one hidden layer, as wide as the dim: a history bundle with a tanh."""

    soft_share: ShareFloat = 0.5
    """μ: share of the teacher's distribution over the catalogue in what is learned, the user's own items
    included; the rest is the items. Without a teacher nothing is shared."""
    temperature: PositiveFloat = 1.0
    """T: the teacher's scores are divided by it before their softmax."""
    dropout: BelowOneFloat = 0.5
    """Share of a user's items that is hidden from the hidden layer in each step."""
    learning_rate: PositiveFloat = 3e-3
    """Step size of Adam."""
    batch_users: PositiveInt = 128
    """Users per step, each with its whole row of scores."""

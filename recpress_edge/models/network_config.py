"""Settings of the models that are networks. No torch here: they are read and hashed before it is needed."""

from dataclasses import dataclass, field
from typing import Annotated

from recpress_edge.core.config import (
    BelowOneFloat,
    Bounded,
    NotNegativeFloat,
    PositiveFloat,
    PositiveInt,
    at_least,
)
from recpress_edge.models.config import LATER


@dataclass(frozen=True, kw_only=True)  # without slots, so that it can stand beside another base
class PointwiseSettings:
    """What a NeuMF has beside any method's settings, whatever it learns from."""

    learning_rate: PositiveFloat = 2e-3
    """Step size of Adam."""
    negatives: PositiveInt = 4
    """Unobserved items drawn for each positive, anew each epoch."""
    product_weight: NotNegativeFloat = field(default=0.0, metadata=LATER)
    """What every product first counts in the score: with 1 that part starts as plain factorisation. 0 draws
    these weights like the other ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuMFConfig(PointwiseSettings, Bounded):
    """Neural matrix factorisation (He et al., WWW 2017), trained from the start without its pre-training."""

    weight_decay: NotNegativeFloat = 1e-3
    """L2 added to the gradient of every parameter at every step, as in bpr."""
    batch_size: PositiveInt = 1024
    """Positives per step, each with its negatives. The loss is a sum, so the weight decay depends on it."""
    init_std: PositiveFloat = 0.01
    """Standard deviation of the initial embeddings."""
    candidates: PositiveInt = field(default=1, metadata=LATER)
    """Unobserved items drawn for each negative, of which the highest scored is taken; 1 takes any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SASRecConfig(Bounded):
    """A causal transformer over each user's sequence (Kang and McAuley, ICDM 2018)."""

    learning_rate: PositiveFloat = 1e-3
    """Step size of Adam."""
    weight_decay: NotNegativeFloat = 0.0
    """L2 added to the gradient of every parameter at every step."""
    layers: PositiveInt = 2
    heads: PositiveInt = 2
    """Of each attention; must divide the embedding size."""
    widening: PositiveInt = 4
    """Inner size of the feed-forward parts over the embedding size."""
    history_length: Annotated[int, at_least(2)] = 50
    """Tokens the model reads: the start token and the last history_length − 1 items."""
    dropout: BelowOneFloat = 0.3
    """Share of the values set to zero in training, after the embeddings and in every sublayer."""
    batch_users: PositiveInt = 128
    """Sequences per step, of about the same length."""
    init_std: PositiveFloat = 0.02
    """Standard deviation of the initial embeddings and weights."""

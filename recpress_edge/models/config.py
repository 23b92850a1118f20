"""Settings of the base models. No torch here: settings are read and hashed before it is needed."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from recpress_edge.core.errors import ConfigError

LATER: Final[Mapping[str, bool]] = MappingProxyType({"later": True})
"""Metadata of a field that was added after models were trained without it: see :func:`deciding`."""


def deciding(config: Any) -> dict[str, Any]:
    """The settings that a model's key is made from.

    A field added later is left out while it has its default, which means what was done before there was
    a choice: models trained then are still found.
    """
    return {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if not (field.metadata.get("later") and getattr(config, field.name) == field.default)
    }


def check_positive(where: str, **values: float) -> None:
    """Every value must be above zero; the error names the first that is not."""
    for name, value in values.items():
        if not value > 0:
            raise ConfigError(f"{where}.{name} must be above 0, got {value}")


def check_not_negative(where: str, **values: float) -> None:
    """Every value must be at least zero."""
    for name, value in values.items():
        if not value >= 0:
            raise ConfigError(f"{where}.{name} must be at least 0, got {value}")


def check_share(where: str, **values: float) -> None:
    """Every value must be at least zero and below one."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ConfigError(f"{where}.{name} must be at least 0 and below 1, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BPRConfig:
    """Matrix factorisation by Bayesian personalised ranking (Rendle et al., UAI 2009)."""

    learning_rate: float = 1e-3
    """Step size of Adam."""
    weight_decay: float = 1e-3
    """L2 added to the gradient of every row at every step, also of rows that are not in the batch."""
    batch_size: int = 1024
    """Positives per step. The loss is a sum, so the balance with the weight decay depends on it."""
    init_std: float = 0.01
    """Standard deviation of the initial embeddings."""

    def __post_init__(self) -> None:
        check_positive(
            "method", learning_rate=self.learning_rate, batch_size=self.batch_size, init_std=self.init_std
        )
        check_not_negative("method", weight_decay=self.weight_decay)


@dataclass(frozen=True, slots=True, kw_only=True)
class LightGCNConfig:
    """LightGCN (He et al., SIGIR 2020)."""

    layers: int = 3
    """Steps along the graph; the layers are averaged, the embeddings themselves included."""
    learning_rate: float = 0.005
    """Step size of Adam."""
    l2: float = 1e-4
    """Weight of the squared length of the drawn embeddings, half, per positive."""
    batch_size: int = 8192
    """Positives per step, each step a propagation over the whole graph."""
    negatives: int = 1
    """Uniform unobserved items for each positive."""
    init_std: float = 0.1
    """Standard deviation of the initial embeddings."""

    def __post_init__(self) -> None:
        check_positive(
            "method",
            layers=self.layers,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            negatives=self.negatives,
            init_std=self.init_std,
        )
        check_not_negative("method", l2=self.l2)


@dataclass(frozen=True, slots=True, kw_only=True)
class CMLConfig:
    """Collaborative metric learning (Hsieh et al., WWW 2017)."""

    margin: float = 0.5
    """m: how much nearer, in squared distance, the consumed item must be."""
    negatives: int = 10
    """Uniform unobserved items for each positive; the nearest counts."""
    covariance_weight: float = 1.0
    """Weight of the squared covariances between dimensions, per positive."""
    learning_rate: float = 0.005
    """Step size of Adam."""
    batch_size: int = 1024
    """Positives per step."""
    init_std: float = 0.5
    """Length of the initial vectors, about; the ball has radius 1."""

    def __post_init__(self) -> None:
        check_positive(
            "method",
            margin=self.margin,
            negatives=self.negatives,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            init_std=self.init_std,
        )
        check_not_negative("method", covariance_weight=self.covariance_weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class MultVAEConfig:
    """Mult-VAE (Liang et al., WWW 2018); the latent size is the model's dim."""

    hidden: int = 600
    """Width of the encoder's tanh layer."""
    beta: float = 0.2
    """β at its end: weight of the divergence from the prior."""
    anneal_epochs: int = 20
    """Epochs over which β grows from 0."""
    dropout: float = 0.5
    """Share of a user's items that is hidden from the encoder in each step."""
    learning_rate: float = 1e-3
    """Step size of Adam."""
    batch_users: int = 500
    """Users per step, each with its whole row of scores."""

    def __post_init__(self) -> None:
        check_positive(
            "method",
            hidden=self.hidden,
            anneal_epochs=self.anneal_epochs,
            learning_rate=self.learning_rate,
            batch_users=self.batch_users,
        )
        check_not_negative("method", beta=self.beta)
        check_share("method", dropout=self.dropout)


@dataclass(frozen=True, slots=True, kw_only=True)
class IAEConfig:
    """An autoencoder of items; the size of its code is the model's dim."""

    hidden: int = 600
    """Width of the encoder's tanh layer."""
    dropout: float = 0.5
    """Share of an item's users that is hidden from the encoder in each step."""
    learning_rate: float = 1e-3
    """Step size of Adam."""
    weight_decay: float = 0.0
    """L2 added to the gradient of every weight."""
    batch_items: int = 500
    """Items per step, each with its whole row of users."""

    def __post_init__(self) -> None:
        check_positive(
            "method", hidden=self.hidden, learning_rate=self.learning_rate, batch_items=self.batch_items
        )
        check_not_negative("method", weight_decay=self.weight_decay)
        check_share("method", dropout=self.dropout)


@dataclass(frozen=True, slots=True, kw_only=True)
class PopConfig:
    """Popularity has nothing to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemKNNConfig:
    """Item k-nearest neighbours by cosine similarity."""

    neighbours: int = 100
    """K: the most similar items that are kept for each item."""
    shrink: float = 0.0
    """Added to the denominator of the similarity: discounts items that few have in common."""

    def __post_init__(self) -> None:
        check_positive("method", neighbours=self.neighbours)
        check_not_negative("method", shrink=self.shrink)


@dataclass(frozen=True, slots=True, kw_only=True)
class EASEConfig:
    """EASE (Steck, WWW 2019)."""

    l2: float = 50.0
    """λ: weight of the squared weights between items."""
    precision: Literal["float32", "float64"] = "float32"
    """Of the matrix that is inverted: 4 or 8 bytes times the square of its size."""
    invert: Literal["smaller", "items", "users"] = "smaller"
    """Which matrix is inverted; both give the same scores."""

    def __post_init__(self) -> None:
        check_positive("method", l2=self.l2)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleConfig:
    """Rankings of several teachers, fused."""

    fusion: Literal["reciprocal", "importance"] = "reciprocal"
    """What rank r = 0, 1, … is worth: 1 / (offset + r), or e^(−r / scale)."""
    offset: float = 20.0
    scale: float = 10.0

    def __post_init__(self) -> None:
        check_positive("method", offset=self.offset, scale=self.scale)

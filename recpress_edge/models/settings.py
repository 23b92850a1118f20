"""Settings of the base models. No torch: settings are read and hashed before it is needed."""

from dataclasses import dataclass
from typing import Literal

from recpress_edge.core.config import (
    BelowOneFloat,
    Bounded,
    NotNegativeFloat,
    PositiveFloat,
    PositiveInt,
)

Form = Literal["by-size", "dense", "rows"]
Growth = Literal["by-size", "none"]


@dataclass(frozen=True, kw_only=True)  # without slots: distillation terms add theirs
class BPRConfig(Bounded):
    """Matrix factorisation by Bayesian personalised ranking (Rendle et al., UAI 2009)."""

    learning_rate: PositiveFloat = 1e-3
    """Step size of Adam."""
    weight_decay: NotNegativeFloat = 1e-3
    """L2 added to the gradient of every row at every step, also of rows that are not in the batch (lazily,
    where rows are moved: see optimizer)."""
    batch_size: PositiveInt = 1024
    """Positives per step. The loss is a sum, so the balance with the weight decay depends on it."""
    init_std: PositiveFloat = 0.01
    """Standard deviation of the initial embeddings."""
    candidates: PositiveInt = 1
    """Unobserved items drawn for each negative, of which the highest scored is taken; 1 takes any."""
    optimizer: Form = "by-size"
    """Adam over both tables in every step (dense), or over the rows that a step has drawn (rows). By size: by
    rows from 100,000 users and items on, and dense where a recipe's rounding is learned."""
    batch_growth: Growth = "by-size"
    """By size the batch is batch_size for each whole million of interactions, once at least: an epoch has
    about as many steps as one of a million, and a row as much weight decay. Students with terms keep
    batch_size: a term is no sum over positives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LightGCNConfig(Bounded):
    """LightGCN (He et al., SIGIR 2020)."""

    layers: PositiveInt = 3
    """Steps along the graph; the layers are averaged, the embeddings themselves included."""
    learning_rate: PositiveFloat = 0.005
    """Step size of Adam."""
    l2: NotNegativeFloat = 1e-4
    """Weight of the squared length of the drawn embeddings, half, per positive."""
    batch_size: PositiveInt = 8192
    """Positives per step, each step a propagation over the whole graph."""
    negatives: PositiveInt = 1
    """Unobserved items for each positive."""
    init_std: PositiveFloat = 0.1
    """Standard deviation of the initial embeddings."""
    candidates: PositiveInt = 1
    """Unobserved items drawn for each negative, of which the highest scored is taken; 1 takes any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CMLConfig(Bounded):
    """Collaborative metric learning (Hsieh et al., WWW 2017)."""

    margin: PositiveFloat = 0.5
    """m: how much nearer, in squared distance, the consumed item must be."""
    negatives: PositiveInt = 10
    """Uniform unobserved items for each positive; the nearest counts."""
    covariance_weight: NotNegativeFloat = 1.0
    """Weight of the squared covariances between dimensions, per positive."""
    learning_rate: PositiveFloat = 0.005
    """Step size of Adam."""
    batch_size: PositiveInt = 1024
    """Positives per step."""
    init_std: PositiveFloat = 0.5
    """Length of the initial vectors, about; the ball has radius 1."""
    optimizer: Form = "by-size"
    """Adam over both tables in every step (dense), or over the rows that a step has drawn (rows). By size: by
    rows from 100,000 users and items on, and dense where a recipe's rounding is learned."""
    batch_growth: Growth = "by-size"
    """By size the batch is batch_size for each whole million of interactions, once at least: an epoch has
    about as many steps as one of a million, and a row as much weight decay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MultVAEConfig(Bounded):
    """Mult-VAE (Liang et al., WWW 2018); the latent size is the model's dim."""

    hidden: PositiveInt = 600
    """Width of the encoder's tanh layer."""
    beta: NotNegativeFloat = 0.2
    """β at its end: weight of the divergence from the prior."""
    anneal_epochs: PositiveInt = 20
    """Epochs over which β grows from 0."""
    dropout: BelowOneFloat = 0.5
    """Share of a user's items that is hidden from the encoder in each step."""
    learning_rate: PositiveFloat = 1e-3
    """Step size of Adam."""
    batch_users: PositiveInt = 500
    """Users per step, each with its whole row of scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IAEConfig(Bounded):
    """An autoencoder of items; the size of its code is the model's dim."""

    hidden: PositiveInt = 600
    """Width of the encoder's tanh layer."""
    dropout: BelowOneFloat = 0.5
    """Share of an item's users that is hidden from the encoder in each step."""
    learning_rate: PositiveFloat = 1e-3
    """Step size of Adam."""
    weight_decay: NotNegativeFloat = 0.0
    """L2 added to the gradient of every weight."""
    batch_items: PositiveInt = 500
    """Items per step, each with its whole row of users."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PopConfig(Bounded):
    """Popularity has nothing to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SVDConfig(Bounded):
    """Truncated SVD of a teacher's scores."""

    offset: PositiveFloat = 20.0
    """Of a teacher that only ranks: an item at place r = 0, 1, … is worth 1 / (offset + r), a train item
    1 / offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PureSVDConfig(Bounded):
    """PureSVD (Cremonesi et al., RecSys 2010) has nothing to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ALSConfig(Bounded):
    """Alternating least squares on implicit feedback (Hu et al., ICDM 2008; Rendle et al., RecSys 2022)."""

    unobserved: PositiveFloat | None = None
    """α0: weight of an unobserved pair, where an observed one adds 1. None: chosen on validation."""
    l2: PositiveFloat | None = None
    """λ: weight of a row's squared length, times what its pairs weigh. None: chosen on validation."""
    weight_power: NotNegativeFloat | None = None
    """Of a data set with weights (``data import --weight``): an observed pair adds its weight to this power,
    over their mean, instead of 1; 0 leaves them out. None: chosen on validation."""
    iterations: PositiveInt = 16
    """At most: a pass over all users, then over all items. Stops earlier when validation stalls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemKNNConfig(Bounded):
    """Item k-nearest neighbours by cosine similarity."""

    neighbours: PositiveInt = 100
    """K: the most similar items that are kept for each item."""
    shrink: NotNegativeFloat | None = None
    """Added to the denominator of the similarity: discounts items that few have in common. None: chosen on
    validation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EASEConfig(Bounded):
    """EASE (Steck, WWW 2019)."""

    l2: PositiveFloat | None = None
    """λ: weight of the squared weights between items. None: chosen on validation."""
    precision: Literal["float32", "float64"] = "float32"
    """Of the matrix that is inverted: 4 or 8 bytes times the square of its size."""
    invert: Literal["smaller", "items", "users"] = "smaller"
    """Which matrix is inverted; both give the same scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleConfig(Bounded):
    """Rankings of several teachers, fused."""

    fusion: Literal["reciprocal", "importance"] = "reciprocal"
    """What rank r = 0, 1, … is worth: 1 / (offset + r), or e^(−r / scale)."""
    offset: PositiveFloat = 20.0
    scale: PositiveFloat = 10.0


@dataclass(frozen=True, kw_only=True)  # without slots: distillation terms add theirs
class NeuMFConfig(Bounded):
    """Neural matrix factorisation (He et al., WWW 2017), trained from the start without its pre-training."""

    learning_rate: PositiveFloat = 2e-3
    """Step size of Adam."""
    weight_decay: NotNegativeFloat = 1e-3
    """L2 added to the gradient of every parameter at every step, as in bpr."""
    batch_size: PositiveInt = 1024
    """Positives per step, each with its negatives. The loss is a sum, so the weight decay depends on it."""
    init_std: PositiveFloat = 0.01
    """Standard deviation of the initial embeddings."""
    negatives: PositiveInt = 4
    """Unobserved items drawn for each positive, again in each epoch."""
    candidates: PositiveInt = 1
    """Unobserved items drawn for each negative, of which the highest scored is taken; 1 takes any."""
    product_weight: NotNegativeFloat = 0.0
    """Initial weight of every product in the score: with 1 that part starts as plain factorisation. 0 draws
    these weights like the other ones."""
    optimizer: Form = "by-size"
    """Adam over both tables in every step (dense), or over the rows that a step has drawn (rows). By size: by
    rows from 100,000 users and items on, and dense where a recipe's rounding is learned."""
    batch_growth: Growth = "by-size"
    """By size the batch is batch_size for each whole million of interactions, once at least: an epoch has
    about as many steps as one of a million, and a row as much weight decay. Students with terms keep
    batch_size: a term is no sum over positives."""

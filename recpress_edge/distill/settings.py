"""Settings of the distillation methods. No torch: settings are read and hashed before it is needed.

The settings of a term name what it adds to its base model's; :func:`beside` joins both for one student.
"""

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from recpress_edge.core.config import (
    Bounded,
    NotNegativeFloat,
    NotNegativeInt,
    PositiveFloat,
    PositiveInt,
    ShareFloat,
    at_least,
)
from recpress_edge.core.errors import ConfigError


def beside(base: type[Any], *terms: type[Any]) -> type[Any]:
    """The settings of a base model with those of its terms, in one flat frozen dataclass."""
    name = "+".join(kind.__name__.removesuffix("Config") for kind in (base, *terms)) + "Config"
    return dataclasses.make_dataclass(name, [], bases=(*reversed(terms), base), frozen=True, kw_only=True)


class TeacherLists(ABC):
    """Settings of a method that keeps lists of its teacher's, which can fill a small machine's memory."""

    __slots__ = ()
    place_bytes: ClassVar[int] = 24
    """What a place takes at most: measured peaks over the places."""
    shorten: ClassVar[str] = "Set a smaller method.pool"
    """What to do where the lists do not fit."""

    @abstractmethod
    def places(self, users: int, items: int) -> int:
        """Places of all lists together."""


@dataclass(frozen=True, kw_only=True)
class FTDConfig:
    """Full topology distillation (Kang et al., KDD 2021)."""

    topology_weight: NotNegativeFloat = 1e-3
    """λ: weight of the topology term. It is a sum over the pairs of a batch, so it depends on batch_size."""


@dataclass(frozen=True, kw_only=True)
class HTDConfig(FTDConfig):
    """Hierarchical topology distillation (Kang et al., KDD 2021)."""

    gamma: ShareFloat = 0.5
    """γ: share of the topology terms H and M; the experts' hint term gets 1 − γ."""
    experts: PositiveInt = 30
    """Groups, hence experts, of each side; users and items have their own."""


@dataclass(frozen=True, kw_only=True)
class DEConfig:
    """Distillation experts (Kang et al., CIKM 2020)."""

    expert_weight: NotNegativeFloat = 1e-2
    """Weight of the experts' hint loss, a sum over the batch's entities."""
    experts: PositiveInt = 30
    """Experts of each side; users and items have their own."""


@dataclass(frozen=True, kw_only=True)
class RRDConfig(TeacherLists):
    """Relaxed ranking distillation (Kang et al., CIKM 2020)."""

    place_bytes: ClassVar[int] = 12

    list_weight: NotNegativeFloat = 1e-3
    """Weight of the list loss, a sum over the batch's users."""
    pool: PositiveInt = 500
    """The teacher's best unobserved items of a user, from which the interesting ones are drawn."""
    interesting: PositiveInt = 40
    """K: items of the list whose order is learned."""
    uninteresting: PositiveInt = 40
    """L: items from outside the pool that are to stay below all of the list."""
    sharpness: PositiveFloat = 10.0
    """Interesting items are drawn with p ∝ exp(−rank / sharpness)."""
    deterministic: bool = False
    """Take the first K of the pool instead of drawing; its authors later found drawing unnecessary."""

    def places(self, users: int, items: int) -> int:
        return users * min(self.pool, items)


@dataclass(frozen=True, kw_only=True)
class IRRRDConfig(RRDConfig):
    """RRD with the same loss over the users of an item (Kang et al., Inf. Sci. 2021)."""

    shorten: ClassVar[str] = "Set a smaller method.pool and method.item_pool"

    item_weight: NotNegativeFloat = 5e-4
    """Weight of the item side's list loss, a sum over the batch's items."""
    item_pool: PositiveInt = 100
    """The teacher's best users of an item; one of rank 100 would be drawn once in 20,000 times."""
    item_interesting: PositiveInt = 20
    """K of the item side."""
    item_uninteresting: PositiveInt = 20
    """L of the item side."""

    def places(self, users: int, items: int) -> int:
        return users * min(self.pool, items) + items * min(self.item_pool, users)


@dataclass(frozen=True, kw_only=True)
class RDConfig(TeacherLists):
    """Ranking distillation (Tang and Wang, KDD 2018)."""

    place_bytes: ClassVar[int] = 8
    shorten: ClassVar[str] = "Set a smaller method.sampled"

    list_weight: NotNegativeFloat = 0.5
    """Weight of the term. Each user's weights sum to 1 before the discrepancy takes its share."""
    top_items: PositiveInt = 15
    """K: the teacher's best unobserved items, taken as positives."""
    sharpness: PositiveFloat = 10.0
    """Weight by position ∝ exp(−rank / sharpness)."""
    steepness: PositiveFloat = 0.1
    """μ of the weight by discrepancy, tanh(μ · (student's rank − teacher's rank))."""
    sampled: PositiveInt = 100
    """Unobserved items drawn to estimate the student's rank."""
    dynamic_from: NotNegativeInt = 20
    """Epochs with the weight by position alone, until the student's ranks mean something."""

    def places(self, users: int, items: int) -> int:
        return users * (self.top_items + self.sampled)


@dataclass(frozen=True, kw_only=True)
class CDConfig(TeacherLists):
    """Collaborative distillation (Lee et al., ICDM 2019)."""

    place_bytes: ClassVar[int] = 12

    list_weight: NotNegativeFloat = 5e-2
    """Weight of the term, a sum over the drawn items of the batch's users."""
    pool: PositiveInt = 500
    """The teacher's best unobserved items of a user, from which the labelled ones are drawn."""
    drawn: PositiveInt = 50
    """K: items drawn for each user and epoch."""
    sharpness: PositiveFloat = 20.0
    """Items are drawn with p ∝ exp(−rank / sharpness)."""
    label_decay: PositiveFloat = 300.0
    """The soft label of an item is exp(−rank / label_decay). A label below a half pushes the item beneath
    those that were not drawn: with 50 the student ends below the one without a teacher."""

    def places(self, users: int, items: int) -> int:
        return users * min(self.pool, items)


@dataclass(frozen=True, kw_only=True)
class DCDConfig(TeacherLists):
    """Dual correction (Lee and Kim, CIKM 2021)."""

    shorten: ClassVar[str] = "Set a smaller method.pool and method.item_pool"

    list_weight: NotNegativeFloat = 1e-3
    """Weight of the user side's list loss, a sum over the batch's users."""
    item_weight: NotNegativeFloat = 5e-4
    """Weight of the item side's."""
    pool: PositiveInt = 500
    """Length of the lists of teacher and student that are compared; what is not listed ranks here."""
    item_pool: PositiveInt = 100
    """The same, for the users of an item."""
    corrected: PositiveInt = 40
    """Items of each kind, under- and overestimated, drawn for a user; half as many users for an item."""
    steepness: PositiveFloat = 0.01
    """ε: drawn with p ∝ tanh(ε · difference of the ranks)."""
    refresh_every: PositiveInt = 10
    """Epochs between two looks at the student's rankings."""

    def places(self, users: int, items: int) -> int:
        return users * min(self.pool, items) + items * min(self.item_pool, users)


@dataclass(frozen=True, kw_only=True)
class UnKDConfig(TeacherLists):
    """Unbiased distillation (Chen et al., WSDM 2023)."""

    list_weight: NotNegativeFloat = 1e-2
    """Weight of the term, a sum over the drawn pairs of the batch's users."""
    pool: PositiveInt = 1000
    """The teacher's best unobserved items of a user, parted into the groups."""
    groups: PositiveInt = 4
    """Groups of items by popularity, of equally many interactions each."""
    pairs: PositiveInt = 10
    """Pairs drawn for each user, group and epoch."""
    sharpness: PositiveFloat = 20.0
    """Items of a pair are drawn with p ∝ exp(−rank within the group / sharpness)."""

    def places(self, users: int, items: int) -> int:
        return users * min(self.pool, items)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftConfig(TeacherLists, Bounded):
    """Soft-target listwise distillation: a softmax over the whole catalogue, from the SVD of the teacher."""

    place_bytes: ClassVar[int] = 40
    shorten: ClassVar[str] = "Set a smaller method.top_items"

    start: Literal["svd", "noise"] = "svd"
    """First tables: those nearest to the teacher's scores, or without a teacher to the interactions; or drawn
    ones."""
    score: Literal["inner", "cosine"] | None = None
    """Logits are the inner product, held between −40 and 40, or cosine / temperature. None: chosen on
    validation, the inner product without one."""
    learning_rate: PositiveFloat | None = None
    """First step size of Adam, in root mean squares of the first tables; it falls to zero along half a
    cosine. None: chosen on validation among .003, .01, .03, .1 and .3."""
    teacher_weight: ShareFloat | None = None
    """w: share of the teacher's distribution in the targets; the train items get the rest. None: chosen on
    validation among .3, .5, .7 and .9."""
    top_items: PositiveInt = 100
    """Length of the teacher's list of unobserved items."""
    targets: Literal["ranks", "scores"] = "ranks"
    """What the teacher's list weighs by: rank, whatever the teacher's scores are, or a softmax of them."""
    rank_scale: PositiveFloat = 30.0
    """With ranks, the item at rank r weighs e^(−r / rank_scale) …"""
    head_scale: PositiveFloat = 5.0
    """… and e^(−r / head_scale) in a second distribution, which teaches what belongs on top."""
    head_share: ShareFloat = 0.4
    """Share of that second distribution in the teacher's."""
    teacher_temperature: PositiveFloat = 0.2
    """With scores, temperature of their softmax (cosines, for a cosine teacher)."""
    temperature: Annotated[float, at_least(0.02)] = 0.08
    """τ of the cosine score. Below 0.02 the exponentials would leave float32."""
    batch_users: PositiveInt = 256
    """Users per step at most, each with its whole row of scores: fewer where an epoch would have under 20
    steps, but 32 at least."""
    init_std: PositiveFloat = 0.1
    """Standard deviation of drawn embeddings; of dimensions that the SVD lacks, in its root mean square."""

    softmax: Literal["by-size", "full", "sampled"] = "by-size"
    """Over the whole catalogue in every step, or over items sampled for it. By size: sampled where users
    times items are four thousand millions or more, and full where a recipe's rounding is learned. Tables
    with a sampled softmax are moved by rows."""
    sampled_items: PositiveInt = 4096
    """Items drawn by popularity for a step of a sampled softmax, beside the train items of its users."""

    def places(self, users: int, items: int) -> int:
        return users * min(self.top_items, items)


@dataclass(frozen=True, slots=True, kw_only=True)
class HetCompConfig(TeacherLists, Bounded):
    """Distillation from heterogeneous teachers along their trajectories (Kang et al., WWW 2023)."""

    shorten: ClassVar[str] = "Set a smaller method.top_items"

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

    def places(self, users: int, items: int) -> int:
        return users * min(self.top_items, items)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldInConfig(Bounded):
    """How a history table is distilled from a student's user table; chosen on the CiteULike valid split."""

    section: ClassVar[str] = "fold_in"

    learning_rate: PositiveFloat = 0.03
    """First step size of Adam, relative to the root mean square of the item table; falls to zero."""
    epochs: PositiveInt = 15
    batch_users: PositiveInt = 256

"""Settings of BPR students that learn one teacher's embeddings or rankings beside. No torch here."""

from dataclasses import dataclass

from recpress_edge.core.config import NotNegativeFloat, NotNegativeInt, PositiveFloat, PositiveInt
from recpress_edge.models.config import BPRConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class DEConfig(BPRConfig):
    """Distillation experts (Kang et al., CIKM 2020) beside BPR."""

    expert_weight: NotNegativeFloat = 1e-2
    """Weight of the experts' hint loss, a sum over the batch's entities."""
    experts: PositiveInt = 30
    """Experts of each side; users and items have their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RRDConfig(BPRConfig):
    """Relaxed ranking distillation (Kang et al., CIKM 2020) beside BPR."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DERRDConfig(RRDConfig):
    """DE and RRD together."""

    expert_weight: NotNegativeFloat = 1e-2
    """As in DE."""
    experts: PositiveInt = 30
    """As in DE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IRRRDConfig(RRDConfig):
    """RRD with the same loss over the users of an item (Kang et al., Inf. Sci. 2021)."""

    item_weight: NotNegativeFloat = 5e-4
    """Weight of the item side's list loss, a sum over the batch's items."""
    item_pool: PositiveInt = 100
    """The teacher's best users of an item; one of rank 100 would be drawn once in 20,000 times."""
    item_interesting: PositiveInt = 20
    """K of the item side."""
    item_uninteresting: PositiveInt = 20
    """L of the item side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RDConfig(BPRConfig):
    """Ranking distillation (Tang and Wang, KDD 2018) beside BPR."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CDConfig(BPRConfig):
    """Collaborative distillation (Lee et al., ICDM 2019) beside BPR."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DCDConfig(BPRConfig):
    """Dual correction (Lee and Kim, CIKM 2021) beside BPR."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class UnKDConfig(BPRConfig):
    """Unbiased distillation (Chen et al., WSDM 2023) beside BPR."""

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

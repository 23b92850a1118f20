"""Settings of BPR students that learn one teacher's embeddings or rankings beside. No torch here."""

from dataclasses import dataclass

from recpress_edge.models.config import BPRConfig, check_not_negative, check_positive


@dataclass(frozen=True, slots=True, kw_only=True)
class DEConfig(BPRConfig):
    """Distillation experts (Kang et al., CIKM 2020) beside BPR."""

    expert_weight: float = 1e-2
    """Weight of the experts' hint loss, a sum over the batch's entities."""
    experts: int = 30
    """Experts of each side; users and items have their own."""

    def __post_init__(self) -> None:
        BPRConfig.__post_init__(self)
        check_not_negative("method", expert_weight=self.expert_weight)
        check_positive("method", experts=self.experts)


@dataclass(frozen=True, slots=True, kw_only=True)
class RRDConfig(BPRConfig):
    """Relaxed ranking distillation (Kang et al., CIKM 2020) beside BPR."""

    list_weight: float = 1e-3
    """Weight of the list loss, a sum over the batch's users."""
    pool: int = 500
    """The teacher's best unobserved items of a user, from which the interesting ones are drawn."""
    interesting: int = 40
    """K: items of the list whose order is learned."""
    uninteresting: int = 40
    """L: items from outside the pool that are to stay below all of the list."""
    sharpness: float = 10.0
    """Interesting items are drawn with p ∝ exp(−rank / sharpness)."""
    deterministic: bool = False
    """Take the first K of the pool instead of drawing; its authors later found drawing unnecessary."""

    def __post_init__(self) -> None:
        BPRConfig.__post_init__(self)
        check_not_negative("method", list_weight=self.list_weight)
        check_positive(
            "method",
            pool=self.pool,
            interesting=self.interesting,
            uninteresting=self.uninteresting,
            sharpness=self.sharpness,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DERRDConfig(RRDConfig):
    """DE and RRD together."""

    expert_weight: float = 1e-2
    """As in DE."""
    experts: int = 30
    """As in DE."""

    def __post_init__(self) -> None:
        RRDConfig.__post_init__(self)
        check_not_negative("method", expert_weight=self.expert_weight)
        check_positive("method", experts=self.experts)


@dataclass(frozen=True, slots=True, kw_only=True)
class IRRRDConfig(RRDConfig):
    """RRD with the same loss over the users of an item (Kang et al., Inf. Sci. 2021)."""

    item_weight: float = 5e-4
    """Weight of the item side's list loss, a sum over the batch's items."""
    item_pool: int = 100
    """The teacher's best users of an item; one of rank 100 would be drawn once in 20,000 times."""
    item_interesting: int = 20
    """K of the item side."""
    item_uninteresting: int = 20
    """L of the item side."""

    def __post_init__(self) -> None:
        RRDConfig.__post_init__(self)
        check_not_negative("method", item_weight=self.item_weight)
        check_positive(
            "method",
            item_pool=self.item_pool,
            item_interesting=self.item_interesting,
            item_uninteresting=self.item_uninteresting,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RDConfig(BPRConfig):
    """Ranking distillation (Tang and Wang, KDD 2018) beside BPR."""

    list_weight: float = 0.1
    """Weight of the term. Each user's weights sum to 1 before the discrepancy takes its share."""
    top_items: int = 15
    """K: the teacher's best unobserved items, taken as positives."""
    sharpness: float = 10.0
    """Weight by position ∝ exp(−rank / sharpness)."""
    steepness: float = 0.1
    """μ of the weight by discrepancy, tanh(μ · (student's rank − teacher's rank))."""
    sampled: int = 100
    """Unobserved items drawn to estimate the student's rank."""
    dynamic_from: int = 20
    """Epochs with the weight by position alone, until the student's ranks mean something."""

    def __post_init__(self) -> None:
        BPRConfig.__post_init__(self)
        check_not_negative("method", list_weight=self.list_weight, dynamic_from=self.dynamic_from)
        check_positive(
            "method",
            top_items=self.top_items,
            sharpness=self.sharpness,
            steepness=self.steepness,
            sampled=self.sampled,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CDConfig(BPRConfig):
    """Collaborative distillation (Lee et al., ICDM 2019) beside BPR."""

    list_weight: float = 1e-2
    """Weight of the term, a sum over the drawn items of the batch's users."""
    pool: int = 500
    """The teacher's best unobserved items of a user, from which the labelled ones are drawn."""
    drawn: int = 50
    """K: items drawn for each user and epoch."""
    sharpness: float = 50.0
    """Items are drawn with p ∝ exp(−rank / sharpness)."""
    label_decay: float = 50.0
    """The soft label of an item is exp(−rank / label_decay)."""

    def __post_init__(self) -> None:
        BPRConfig.__post_init__(self)
        check_not_negative("method", list_weight=self.list_weight)
        check_positive(
            "method",
            pool=self.pool,
            drawn=self.drawn,
            sharpness=self.sharpness,
            label_decay=self.label_decay,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DCDConfig(BPRConfig):
    """Dual correction (Lee and Kim, CIKM 2021) beside BPR."""

    list_weight: float = 1e-3
    """Weight of the user side's list loss, a sum over the batch's users."""
    item_weight: float = 5e-4
    """Weight of the item side's."""
    pool: int = 500
    """Length of the lists of teacher and student that are compared; what is not listed ranks here."""
    item_pool: int = 100
    """The same, for the users of an item."""
    corrected: int = 40
    """Items of each kind, under- and overestimated, drawn for a user; half as many users for an item."""
    steepness: float = 0.01
    """ε: drawn with p ∝ tanh(ε · difference of the ranks)."""
    refresh_every: int = 10
    """Epochs between two looks at the student's rankings."""

    def __post_init__(self) -> None:
        BPRConfig.__post_init__(self)
        check_not_negative("method", list_weight=self.list_weight, item_weight=self.item_weight)
        check_positive(
            "method",
            pool=self.pool,
            item_pool=self.item_pool,
            corrected=self.corrected,
            steepness=self.steepness,
            refresh_every=self.refresh_every,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnKDConfig(BPRConfig):
    """Unbiased distillation (Chen et al., WSDM 2023) beside BPR."""

    list_weight: float = 1e-2
    """Weight of the term, a sum over the drawn pairs of the batch's users."""
    pool: int = 1000
    """The teacher's best unobserved items of a user, parted into the groups."""
    groups: int = 4
    """Groups of items by popularity, of equally many interactions each."""
    pairs: int = 10
    """Pairs drawn for each user, group and epoch."""
    sharpness: float = 20.0
    """Items of a pair are drawn with p ∝ exp(−rank within the group / sharpness)."""

    def __post_init__(self) -> None:
        BPRConfig.__post_init__(self)
        check_not_negative("method", list_weight=self.list_weight)
        check_positive(
            "method", pool=self.pool, groups=self.groups, pairs=self.pairs, sharpness=self.sharpness
        )

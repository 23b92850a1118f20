"""The table of methods: one row says all that depends on a method. Code is named as "module:attribute"."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from recpress_edge.distill.settings import (
    CDConfig,
    DCDConfig,
    DEConfig,
    FTDConfig,
    HetCompConfig,
    HTDConfig,
    IRRRDConfig,
    RDConfig,
    RRDConfig,
    SoftConfig,
    UnKDConfig,
    beside,
)
from recpress_edge.models.clicks import settings as clicks
from recpress_edge.models.ecae.settings import AEConfig, ECAEConfig
from recpress_edge.models.sequences.settings import AdaRecConfig, BERT4RecConfig, LRHConfig, SASRecConfig
from recpress_edge.models.settings import (
    ALSConfig,
    BPRConfig,
    CMLConfig,
    EASEConfig,
    EnsembleConfig,
    IAEConfig,
    ItemKNNConfig,
    LightGCNConfig,
    MultVAEConfig,
    NeuMFConfig,
    PopConfig,
    PureSVDConfig,
    SVDConfig,
)
from recpress_edge.models.teacher import Knowledge
from recpress_edge.models.two_stages.settings import RerankConfig

Network = Literal["neumf", "sasrec", "bert4rec", "lrh", "adarec", "ecae", "ae"]
Role = Literal["teacher", "student"]
Warm = Literal["rows", "lists"]
"""What an earlier model is to a new one. Where tables are learned row by row, it begins with its rows and has
its settings; tables that are computed again have their lists compared with the earlier ones."""
LARGE: Final = 20_000
"""Users or items, whichever are fewer: EASE inverts a matrix of as many rows."""
LARGE_TEACHER_DIMS: Final[Mapping[int, int]] = {LARGE: 400, 100_000: 200}
"""Dimensions of the teacher of large data, by what the smaller side is above: memory grows with both."""
BOTH: Final[tuple[Role, ...]] = ("teacher", "student")


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRow:
    """One method: where it is, what it needs of a teacher and what it gives as one."""

    where: str
    """Class of the model, imported when a model is made; of a student with terms, of its base."""
    terms: Mapping[str, str] = field(default_factory=dict)
    """Distillation terms added to the base's own loss, by name."""
    config: type[Any]
    roles: tuple[Role, ...] = BOTH
    """A teacher learns from interactions alone; a student is small enough to ship."""
    needs: Knowledge | None = None
    """What it takes from a teacher: nothing, embeddings, their product, rankings, scores of all items, scores
    after every place of a sequence, or trajectories."""
    alone: bool = True
    """Whether it can learn without a teacher."""
    usual_teacher: str | None = None
    usual_teacher_of_large: str | None = None
    """The method that teaches on data of which both sides are above LARGE, where the usual teacher takes too
    long: as wide as the student, and as LARGE_TEACHER_DIMS at least. None: the usual one."""
    gives: Knowledge = "embeddings"
    """A model with rows that stand for users and items gives embeddings, hence rankings too; a network that
    gives scores has such rows, and scores all items; one that gives
    clicks learns from rows with labels, and teaches those that need clicks alone."""
    has_dim: bool = True
    """Whether its name ends in _dim<N>."""
    closed_form: bool = False
    """Computed at once: no epochs, and no seed."""
    network: Network | None = None
    """Kind of network; None for a model that is two tables, or that only ranks."""
    ordered: bool = False
    """Learns from the order in which users consumed their items."""
    weighted: bool = False
    """Learns from the weights of interactions, where a data set has them."""
    stages: bool = False
    """Ranks again what a first stage found, which is part of it."""
    warm: Warm | None = None
    """What an earlier model of its kind is to it; None: nothing, so that it takes none."""
    released: bool = False
    """Whether the training revision stands for its code; if not, its models are found by its source too."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Usual settings of the loop, of a method that is not in the table of training/settings.py."""
    plugin: str | None = None
    """File or package that brought it; None for what is built in."""

    @property
    def sources(self) -> tuple[str, ...]:
        """All code that the row names."""
        return self.where, *self.terms.values()


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRow:
    """A model that takes terms."""

    where: str
    config: type[Any]
    network: Network | None = None


BASES: Final[Mapping[str, BaseRow]] = {
    "bpr": BaseRow(where="recpress_edge.distill.bases:DistilledBPR", config=BPRConfig),
    "neumf": BaseRow(where="recpress_edge.distill.bases:DistilledNeuMF", config=NeuMFConfig, network="neumf"),
}


def distilled(
    base: str, terms: Mapping[str, str], *configs: type[Any], needs: Knowledge, **more: Any
) -> MethodRow:
    """The row of a base model with terms; ``configs`` are the terms' settings."""
    row = BASES[base]
    warm = "rows" if base == "bpr" else None
    columns: dict[str, Any] = {"usual_teacher": "soft_dim200", "warm": warm, **more}
    return MethodRow(
        where=row.where,
        terms=terms,
        config=beside(row.config, *configs),
        roles=("student",),
        needs=needs,
        alone=False,
        network=row.network,
        **columns,
    )


_EXPERTS: Final = {"experts": "recpress_edge.distill.de:ExpertTerm"}
_LISTS: Final = {"lists": "recpress_edge.distill.rrd:user_lists"}
_FULL_TOPOLOGY: Final = {"topology": "recpress_edge.distill.topology:FullTopologyTerm"}
_TOPOLOGY: Final = {"topology": "recpress_edge.distill.topology:HierarchicalTopologyTerm"}

_BEST_TEACHERS: Final[Mapping[str, Any]] = {
    "usual_teacher": "ensemble:soft_dim200+als_dim64+ease",
    "usual_teacher_of_large": "als",
}
"""Of the default student, and of the SVD that it is held against: both know the same."""


def _click_row(name: str, config: type[Any], *, has_dim: bool = True) -> MethodRow:
    """The row of a click model."""
    return MethodRow(
        where=f"recpress_edge.models.clicks.method:{name}",
        config=config,
        needs="clicks",
        gives="clicks",
        usual_teacher="ensemble:deepfm_dim8+deepfm_dim12+wide_deep_dim8+wide_deep_dim12",
        has_dim=has_dim,
        released=True,
    )


def _taught_by_sequences(where: str, config: type[Any], **more: Any) -> MethodRow:
    """The row of a student of what a transformer says at a place."""
    more |= {"needs": "sequences", "usual_teacher": "sasrec_dim64", "gives": "rankings"}
    return MethodRow(where=f"recpress_edge.{where}", config=config, ordered=True, released=True, **more)


def _closed_row(where: str, config: type[Any], **more: Any) -> MethodRow:
    """The row of a model that is computed at once."""
    where = f"recpress_edge.models.closed.{where}"
    return MethodRow(where=where, config=config, closed_form=True, released=True, **more)


_RANKS: Final[Mapping[str, Any]] = {"roles": ("teacher",), "gives": "rankings", "has_dim": False}

METHODS: Final[dict[str, MethodRow]] = {
    "bpr": MethodRow(where="recpress_edge.models.bpr:BPR", config=BPRConfig, warm="rows", released=True),
    "ftd": distilled("bpr", _FULL_TOPOLOGY, FTDConfig, needs="embeddings", released=True),
    "htd": distilled("bpr", _TOPOLOGY, HTDConfig, needs="embeddings", released=True),
    "de": distilled("bpr", _EXPERTS, DEConfig, needs="embeddings", released=True),
    "rrd": distilled("bpr", _LISTS, RRDConfig, needs="rankings", released=True),
    "de_rrd": distilled(
        "bpr", {**_EXPERTS, **_LISTS}, RRDConfig, DEConfig, needs="embeddings", released=True
    ),
    # The users of an item come from the whole product, which rankings of items alone do not hold.
    "irrrd": distilled(
        "bpr",
        {**_LISTS, "item_lists": "recpress_edge.distill.rrd:item_lists"},
        IRRRDConfig,
        needs="product",
        released=True,
    ),
    "rd": distilled(
        "bpr", {"list": "recpress_edge.distill.rd:TopListTerm"}, RDConfig, needs="rankings", released=True
    ),
    "cd": distilled(
        "bpr", {"labels": "recpress_edge.distill.cd:SoftLabelTerm"}, CDConfig, needs="rankings", released=True
    ),
    "dcd": distilled(
        "bpr",
        {
            "users": "recpress_edge.distill.dcd:CorrectionTerm",
            "items": "recpress_edge.distill.dcd:item_corrections",
        },
        DCDConfig,
        needs="product",
        released=True,
    ),
    "unkd": distilled(
        "bpr",
        {"pairs": "recpress_edge.distill.unkd:GroupPairsTerm"},
        UnKDConfig,
        needs="rankings",
        released=True,
    ),
    "hetcomp": MethodRow(
        where="recpress_edge.distill.hetcomp:HetComp",
        config=HetCompConfig,
        roles=("student",),
        needs="trajectories",
        alone=False,
        usual_teacher="ensemble:bpr_dim64+soft_dim64",
        released=True,
    ),
    "soft": MethodRow(
        where="recpress_edge.distill.soft:Soft",
        config=SoftConfig,
        needs="rankings",
        **_BEST_TEACHERS,
        warm="rows",
        released=True,
    ),
    "neumf": MethodRow(
        where="recpress_edge.models.neumf:NeuMFMethod", config=NeuMFConfig, network="neumf", released=True
    ),
    "rrd-neumf": distilled("neumf", _LISTS, RRDConfig, needs="rankings", released=True),
    "ftd-neumf": distilled("neumf", _FULL_TOPOLOGY, FTDConfig, needs="embeddings", released=True),
    "htd-neumf": distilled("neumf", _TOPOLOGY, HTDConfig, needs="embeddings", released=True),
    "de-neumf": distilled("neumf", _EXPERTS, DEConfig, needs="embeddings", released=True),
    "sasrec": MethodRow(
        where="recpress_edge.distill.sequences.sasrec:sasrec",
        config=SASRecConfig,
        needs="sequences",
        gives="sequences",
        network="sasrec",
        ordered=True,
        released=True,
    ),
    "bert4rec": MethodRow(
        where="recpress_edge.models.sequences.bert4rec:BERT4RecMethod",
        config=BERT4RecConfig,
        gives="rankings",
        network="bert4rec",
        ordered=True,
        released=True,
    ),
    "lrh": _taught_by_sequences("distill.sequences.lrh:LRHMethod", LRHConfig, network="lrh"),
    "adarec": _taught_by_sequences("distill.sequences.search:adarec", AdaRecConfig, network="adarec"),
    "rerank": _taught_by_sequences(
        "models.two_stages.method:Rerank", RerankConfig, roles=("student",), stages=True
    ),
    "lightgcn": MethodRow(
        where="recpress_edge.models.lightgcn:LightGCN", config=LightGCNConfig, released=True
    ),
    "cml": MethodRow(where="recpress_edge.models.cml:CML", config=CMLConfig, released=True),
    "multvae": MethodRow(where="recpress_edge.models.multvae:MultVAE", config=MultVAEConfig, released=True),
    "ecae": MethodRow(
        where="recpress_edge.models.ecae.method:ECAE",
        config=ECAEConfig,
        roles=("teacher",),
        gives="scores",
        network="ecae",
        released=True,
    ),
    "ae": MethodRow(
        where="recpress_edge.distill.autoencoder.student:AEMethod",
        config=AEConfig,
        needs="scores",
        usual_teacher="ecae_dim200",
        usual_teacher_of_large="als",
        gives="rankings",
        network="ae",
        released=True,
    ),
    "iae": MethodRow(where="recpress_edge.models.iae:IAE", config=IAEConfig, released=True),
    "pop": _closed_row("pop:Pop", PopConfig, has_dim=False),
    "svd": _closed_row(
        "svd:SVD", SVDConfig, roles=("student",), needs="rankings", alone=False, **_BEST_TEACHERS
    ),
    "puresvd": _closed_row("svd:PureSVD", PureSVDConfig),
    "als": _closed_row("als:ALS", ALSConfig, weighted=True, warm="lists"),
    "itemknn": _closed_row("itemknn:ItemKNN", ItemKNNConfig, **_RANKS),
    "ease": _closed_row("ease:EASE", EASEConfig, **_RANKS),
    "ensemble": _closed_row("ensemble:Ensemble", EnsembleConfig, **_RANKS),
    "lr": _click_row("LR", clicks.LRConfig, has_dim=False),
    "fm": _click_row("FM", clicks.FMConfig),
    "wide_deep": _click_row("WideDeep", clicks.WideDeepConfig),
    "deepfm": _click_row("DeepFM", clicks.DeepFMConfig),
}

CLICK_ENSEMBLE: Final = replace(
    METHODS["ensemble"],
    where="recpress_edge.training.clicks.ensemble:fuse_clicks",
    config=clicks.ClickEnsembleConfig,
    gives="clicks",
)
"""Of an ensemble of click models: the mean of their logits, made from trained models and not from data."""

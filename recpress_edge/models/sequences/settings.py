"""Settings of the models that read sequences. No torch: settings are read and hashed before it is needed."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from recpress_edge.artifacts.cell import MOST_CELLS, MOST_NODES, Cell
from recpress_edge.core.config import (
    BelowOneFloat,
    Bound,
    Bounded,
    NotNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ShareFloat,
    at_least,
)
from recpress_edge.core.errors import ConfigError

Decays = Literal["learned", "none"]
SequenceLoss = Literal["ce", "sampled-ce", "bce", "gbce"]
USUAL_SAMPLED: Final = 256
USUAL_CALIBRATION: Final = 0.75
LARGE_CATALOGUE: Final = 50_000
"""Items beyond which each step of a student compares a sample of them: whole rows cost places times items."""

STUDENT_COMPARED: Final = 1000
"""Items that stand for such a catalogue in each step of a transformer that is taught."""


def _from_one_to(most: int) -> Bound:
    return Bound(f"between 1 and {most}", lambda value: 1 <= value <= most)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig(Bounded):
    """What transformers of sequences have in common."""

    learning_rate: PositiveFloat = 1e-3
    """Step size of Adam."""
    weight_decay: NotNegativeFloat = 0.0
    """L2 added to the gradient of every parameter at every step."""
    layers: PositiveInt = 2
    """Blocks of attention and feed-forward, one upon the other."""
    heads: PositiveInt = 2
    """Of each attention; must divide the embedding size."""
    widening: PositiveInt = 4
    """Inner size of the feed-forward parts over the embedding size."""
    history_length: Annotated[int, at_least(2)] = 50
    """Tokens the model reads: one of its own and the last history_length − 1 items."""
    dropout: BelowOneFloat = 0.3
    """Share of the values set to zero in training, after the embeddings and in every sublayer."""
    init_std: PositiveFloat = 0.02
    """Standard deviation of the initial embeddings and weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SASRecConfig(TransformerConfig):
    """A causal transformer over each user's sequence (Kang and McAuley, ICDM 2018)."""

    batch_users: PositiveInt = 128
    """Sequences per step, of about the same length."""
    loss: SequenceLoss = "ce"
    """Of the next item against all others (ce), against sampled_items that the user has not, which all places
    of a sequence share (sampled-ce, gbce), or against one other of each place (bce)."""
    sampled_items: PositiveInt | None = None
    """Of sampled-ce and gbce; None: 256."""
    calibration: ShareFloat | None = None
    """t of gbce: 0 is bce, with 1 a score stands for the chance of its item; None: 0.75."""
    teacher_weight: ShareFloat = 0.7
    """w of a student with a teacher: share of the teacher's distribution in what is learned; the rest is the
    next item."""
    hint_weight: NotNegativeFloat = 0.0
    """Weight of the squared distance between a linear map of a student's states and the teacher's normalised
    ones."""

    def __post_init__(self) -> None:
        Bounded.__post_init__(self)
        for name, losses in (("sampled_items", ("sampled-ce", "gbce")), ("calibration", ("gbce",))):
            if getattr(self, name) is not None and self.loss not in losses:
                raise ConfigError(
                    f"method.{name} changes nothing with method.loss {self.loss}: it belongs to "
                    f"{' and '.join(losses)}. Leave it out, or set method.loss."
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class BERT4RecConfig(TransformerConfig):
    """A bidirectional transformer that fills in masked items (Sun et al., CIKM 2019)."""

    dropout: BelowOneFloat = 0.2
    """Share of the values set to zero in training, after the embeddings and in every sublayer."""
    mask_share: Annotated[float, Bound("above 0 and at most 1", lambda value: 0 < value <= 1)] = 0.2
    """ρ: chance of each place to be masked; one of a sequence is, whatever is drawn."""
    most_masked: PositiveInt = 40
    """Places of a sequence that are masked at most."""
    last_share: ShareFloat = 0.1
    """Share of the sequences of which the last item alone is masked, as in a question."""
    batch_places: PositiveInt = 6400
    """Places per step, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LRHConfig(Bounded):
    """A linear-recurrent history: a sum of the items read in which each dimension forgets at its own rate."""

    learning_rate: PositiveFloat = 0.03
    """Step size of Adam; it falls to 0 along half a cosine over the epochs."""
    history_length: PositiveInt = 30
    """Items that the model reads, the last ones."""
    decays: Decays = "learned"
    """'none' holds all decays at 1: a sum without order, as in the history profile of two tables."""
    least_decay: BelowOneFloat = 0.12
    """Decay of the first dimension at the start; the others are spread evenly up to most_decay."""
    most_decay: BelowOneFloat = 0.98
    """Decay of the last dimension at the start."""
    window: Annotated[int, at_least(2)] = 100
    """Places of a sequence that are trained together; longer sequences are cut into several."""
    batch_places: PositiveInt = 1024
    """Places per step, about."""
    teacher_weight: ShareFloat = 0.7
    """w: share of the teacher's distribution in what is learned; the rest is the next item."""
    hint_weight: NotNegativeFloat = 0.0
    """Weight of the squared distance between a linear map of the states and the teacher's normalised ones."""
    sampled_items: PositiveInt = 1000
    """Items that stand for the catalogue in each step where it has more than 50,000."""
    init_std: PositiveFloat = 0.3
    """Standard deviation of the initial tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaRecConfig(Bounded):
    """A small causal network of one cell, found by a search, in the manner of AdaRec (arXiv 2107.07173)."""

    learning_rate: PositiveFloat = 0.02
    """Step size of Adam; it falls to 0 along half a cosine over the epochs."""
    cell: str = ""
    """Operations of the cell's edges, such as conv3+skip+max3, by node and source: none, skip, average3,
    max3, conv3, conv5, dilated3, dilated5, attention. Empty: they are searched."""
    cells: Annotated[int, _from_one_to(MOST_CELLS)] = 2
    """How often the cell stands, one upon the other; each with weights of its own."""
    nodes: Annotated[int, _from_one_to(MOST_NODES)] = 2
    """Nodes of a cell. Node n reads the cell's input and all nodes before it: K nodes have K (K + 1) / 2
    edges."""
    history_length: Annotated[int, at_least(2)] = 50
    """Tokens that a cell with attention reads: one of its own and the last history_length − 1 items. Any
    other cell reads its receptive field."""
    dropout: BelowOneFloat = 0.1
    """Share of the values set to zero in training, after the embeddings and behind every cell."""
    window: Annotated[int, at_least(2)] = 100
    """Places of a sequence that are trained together; longer sequences are cut into several."""
    batch_places: PositiveInt = 1024
    """Places per step, about."""
    teacher_weight: ShareFloat = 0.5
    """γ: share of the teacher in what is learned; the rest is the next item."""
    layer_weight: NotNegativeFloat = 1.0
    """Weight of the distance between layers beside the teacher's distribution, within γ."""
    adaptive: bool = False
    """Whether layers that are near to the other side's weigh more from batch to batch; else all weigh alike.
    """
    sampled_items: PositiveInt = 1000
    """Items that stand for the catalogue in each step where it has more than 50,000."""
    init_std: PositiveFloat = 0.1
    """Standard deviation of the initial tables."""
    cost: Literal["macs", "bytes"] = "macs"
    """What a searched operation costs: MACs a token, or bytes in float32; over the dearest one's."""
    cost_weight: NotNegativeFloat = 0.1
    """β: weight of the cell's cost in what the search minimises."""
    search_epochs: PositiveInt = 6
    """Epochs of the search at most; it ends when each edge's best operation has a chance of decided."""
    search_rate: PositiveFloat = 0.02
    """Step size of Adam for the operations' chances."""
    search_share: Annotated[float, Bound("above 0 and below 1", lambda value: 0 < value < 1)] = 0.1
    """Share of the users from whom the search learns the chances, and no weights."""
    decided: ShareFloat = 0.6
    """Chance of an edge's best operation from which on it is decided."""

    def __post_init__(self) -> None:
        Bounded.__post_init__(self)
        if self.cell:
            self.given_cell()

    def given_cell(self) -> Cell:
        """The cell that is trained, of settings that name one; ConfigError where it is none."""
        return Cell.named(self.cell, self.nodes, self.cells)


def check_heads(config: TransformerConfig, dim: int) -> None:
    """ConfigError where the heads do not divide the size of the embeddings."""
    if dim % config.heads:
        raise ConfigError(f"method.heads {config.heads} does not divide the embedding size {dim}")


def check_length(config: SASRecConfig, teacher_length: int) -> None:
    """ConfigError where a taught transformer reads more tokens than its teacher."""
    if config.history_length > teacher_length:
        raise ConfigError(
            f"method.history_length {config.history_length} is more than the {teacher_length} "
            "tokens that the teacher reads: what lies beyond is not learned. Set it to that or less."
        )


def check_positions(config: AdaRecConfig, teacher_length: int | None) -> None:
    """ConfigError where no window reaches the last positions of a cell that attends, or may be found to."""
    learned = min(config.window, teacher_length or config.window)
    if config.history_length > learned and (not config.cell or config.given_cell().attends):
        raise ConfigError(
            f"method.history_length {config.history_length} is more than the {learned} places that are "
            "trained together (method.window, and the tokens that the teacher reads), so the last positions "
            f"of an attention would not be learned. Set it to {learned} or less."
        )

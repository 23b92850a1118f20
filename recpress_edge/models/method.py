"""The interface of models: they rank, and they either learn in epochs or are fitted."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from recpress_edge.core.arrays import F32, I64, Bool
from recpress_edge.core.memory import require_memory
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.clicks.rows import ClickRows
from recpress_edge.models.nn import Adam
from recpress_edge.models.outputs import Tables
from recpress_edge.models.ranking import ScoreRows, product_rows
from recpress_edge.models.teacher import Teacher


def _unheard(n_bytes: int) -> None:
    """Default listener: ignores the size."""


@dataclass(frozen=True, slots=True)
class TrainingInput:
    """The input of one training run, apart from its method's settings."""

    train: Interactions
    dim: int
    """Embedding size; 0 for methods that have none."""
    seed: int
    epochs: int
    """Length of the whole schedule, for methods that anneal something over it."""
    teacher: Teacher | None = None
    start: Tables | None = None
    """Trained tables to go on from; None draws new ones."""
    recipe: str | None = None
    """Recipe whose rounding the losses see; None trains on the tables as they are."""
    device: str = "cpu"
    teachers: tuple[Teacher, ...] = ()
    """Several teachers at once: the members of an ensemble."""
    clicks: ClickRows | None = None
    """Train rows with labels, of a click model."""
    on_need: Callable[[int], None] = _unheard
    """Called with the bytes that a model is about to allocate, where it knows them."""
    warm: bool = False
    """Whether ``start`` is of an earlier model, on a log that has grown since: its settings are chosen."""
    drawn: tuple[Bool, Bool] | None = None
    """Of a warm start: users (U,) and items (I,) of whom it knows nothing, whose rows are drawn."""

    def require_memory(self, n_bytes: int, what: str, instead: str) -> None:
        """Raise DataError where that does not fit, else report it, before anything is allocated."""
        require_memory(n_bytes, what, instead)
        self.on_need(n_bytes)


class Scorer(ABC):
    """Anything that ranks a catalogue. Learned or fitted: a method is a Method or a ClosedForm too."""

    def candidates(self) -> Mapping[str, Sequence[Any]]:
        """Settings for validation to choose, with their values, ascending, the likeliest in the middle.

        Without validation a model takes the middle ones.
        """
        return {}

    @abstractmethod
    def scores(self, users: I64) -> F32:
        """Scores (B, I) of these users (B,) as the model is now, in an array of the caller's own."""


class Factorised(Scorer):
    """A model that is two tables, whatever made them: it can be exported, and teaches with embeddings."""

    @abstractmethod
    def tables(self) -> tuple[Tensor, Tensor]:
        """user_emb (U, D) and item_emb (I, D) whose product is the score."""

    def scores(self, users: I64) -> F32:
        return product_rows(*self.tables())(users)


class Learner(ABC):
    """One way to learn a model in epochs.

    All learned state is the optimiser's, and everything random is drawn by (seed, purpose, epoch): a run that
    resumes at an epoch boundary needs nothing else.
    """

    optimizer: Adam
    starts_trained: bool = False
    """Whether the first tables are worth keeping: they count as epoch 0, so that training can only gain."""
    stalls: int = 0
    """Evaluations so far that brought no new best, which the loop sets before each epoch."""

    @abstractmethod
    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        """The loss () of each batch of an epoch, counted from 0; the loop steps after each."""

    def steps(self) -> int | None:
        """Batches of an epoch, where they are known before it."""
        return None

    def memory(self) -> dict[str, Tensor]:
        """State kept between epochs apart from the optimiser's; a resumed run sets it in place."""
        return {}


class Method(Scorer, Learner):
    """A model that ranks a catalogue and is learned in epochs."""

    def variant(self, settings: Mapping[str, Any], epochs: int) -> "Method":
        """The same from the start with these settings and this schedule, where it offers candidates."""
        raise NotImplementedError(f"{type(self).__name__} offers no candidates")


class Searching(Method):
    """A model that learns in short what another one is made of, which is then learned from the start."""

    search_epochs: int
    """At most."""

    @abstractmethod
    def is_decided(self) -> bool:
        """Whether the search may end before its last epoch."""

    @abstractmethod
    def found(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Settings of the model to learn, for :meth:`variant`, and what a record says of the search."""


class NetworkMethod(Method):
    """A model that is a network, not two tables: stored as its parameters and its architecture."""

    network: nn.Module

    @abstractmethod
    def architecture(self) -> dict[str, Any]:
        """``kind`` and what its parameters do not tell, as plain JSON.

        ``user_rows`` and ``item_rows`` name parameters that, side by side, stand for users and items: what
        it teaches as embeddings.
        """

    def parameters(self) -> dict[str, Tensor]:
        """The network's parameters by name, as the model is now."""
        return {name: value.detach() for name, value in self.network.named_parameters()}

    def documents(self, search: Mapping[str, Any]) -> dict[str, Any]:
        """JSON files that belong beside its parameters, by name; ``search``: what one found, or nothing."""
        return {}

    def rows_after(self, histories: Interactions) -> ScoreRows:
        """How it scores users after these histories; a model that knows its users needs none."""
        return self.scores


class ClosedForm(Scorer):
    """A model that is computed, not learned in epochs; it depends on no seed."""

    passes: int = 1
    """How often :meth:`stages` yields at most."""
    passes_setting: str | None = None
    """The setting that limits the passes, of a form where validation may choose fewer."""

    @abstractmethod
    def fit(self) -> None:
        """Compute the model; before anything large is allocated, refuse what does not fit in memory."""

    def stages(self) -> Iterator[int]:
        """:meth:`fit` in passes, where there are several: the number done, each time it can be judged."""
        self.fit()
        yield 1

    def near(self) -> Tables | None:
        """Two tables near to what it scores, of a form that is not two tables itself: a student's start."""
        return None

    def search_users(self) -> int | None:
        """How many users, drawn once, stand for all while settings are compared; None where all are quick."""
        return None


def middle(candidates: Sequence[float]) -> float:
    """The value that the search begins with."""
    return candidates[len(candidates) // 2]

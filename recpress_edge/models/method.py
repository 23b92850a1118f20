"""What the training loop asks of a way to learn two tables."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recpress_edge.data.interactions import Interactions
from recpress_edge.models.adam import Adam

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tables:
    """A trained model: user_emb (U, D), item_emb (I, D), float32; score = user · item."""

    user_emb: F32
    item_emb: F32


@dataclass(frozen=True, slots=True)
class Job:
    """All that one training run is given besides its method's settings."""

    train: Interactions
    dim: int
    seed: int
    epochs: int
    """Length of the whole schedule, for methods that anneal something over it."""
    teacher: Tables | None = None
    start: Tables | None = None
    """Trained tables to go on from; None draws new ones."""
    recipe: str | None = None
    """Recipe whose rounding the losses see; None trains on the tables as they are."""
    device: str = "cpu"


class Method(ABC):
    """One way to learn two tables.

    All learned state is in the optimiser's, and everything random is asked for by (seed, purpose, epoch):
    a run that resumes at an epoch boundary needs nothing else.
    """

    optimizer: Adam

    @abstractmethod
    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        """The loss () of each batch of an epoch, counted from 0; the loop steps after each."""

    @abstractmethod
    def tables(self) -> tuple[Tensor, Tensor]:
        """user_emb (U, D) and item_emb (I, D) whose product is the score."""

"""What students of sequences have in common: windows, a teacher that reads the same ones, and their loss."""

import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.arrays import I64
from recpress_edge.core.rng import stream, torch_seed
from recpress_edge.models.method import NetworkMethod, TrainingInput
from recpress_edge.models.sequences.sasrec import SASRec
from recpress_edge.models.sequences.settings import LARGE_CATALOGUE
from recpress_edge.models.sequences.softmax import Response, mixed_loss
from recpress_edge.models.sequences.windows import Windows


class SequenceStudent(NetworkMethod):
    """A network trained to name the next item at every place, and to answer there as its teacher does.

    Every sequence is cut into windows, and each is read from its start as though nothing came before: so
    do student and teacher know the same, and short histories are learned too. The step falls to 0 along half
    a cosine. ``config`` has learning_rate and teacher_weight.
    """

    def __init__(self, given: TrainingInput, config: Any, window: int) -> None:
        """``window``: places of a sequence that are trained together, unless the teacher reads fewer."""
        self.given, self.config = given, config
        self._teacher = teacher_of(given)
        places = window if self._teacher is None else min(window, self._teacher.length)
        train = given.train
        self._windows = Windows.of(train.indptr, train.in_order().astype(np.int64), places)
        self._done = 0.0
        """Share of the schedule that is behind."""

    @property
    def batch_places(self) -> int:
        """Places per step, about."""
        return int(self.config.batch_places)

    @property
    def compared_items(self) -> int:
        """Items that stand for a large catalogue in each step."""
        return int(self.config.sampled_items)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        seed = self.given.seed
        rng = stream(seed, "shuffle", epoch)
        noise = torch.Generator(self.given.device).manual_seed(torch_seed(seed, "dropout", epoch))
        parts = list(self._windows.batches(self.batch_places, rng))
        for number, windows in enumerate(parts):
            self._done = (epoch + number / len(parts)) / self.given.epochs
            rate = self.config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * self._done))
            self.optimizer.learning_rate = rate
            yield self._batch_loss(self._windows.rows(windows, self.given.train.n_items), rng, noise)

    @abstractmethod
    def _batch_loss(
        self, targets: I64, rng: np.random.Generator, noise: torch.Generator | None = None
    ) -> Tensor:
        """The loss over the places of targets (B, n), of which the number of items fills the empty ones."""

    def _tokens(self, targets: I64) -> tuple[Tensor, Tensor]:
        """What is read before each target, from the start token on (B, n), and where there is a target."""
        n_items = self.given.train.n_items
        wanted = torch.from_numpy(targets).to(self.given.device)
        start = wanted.new_full((len(wanted), 1), n_items)
        return torch.cat([start, wanted[:, :-1]], dim=1), wanted < n_items

    def _mixed(
        self, scored: Tensor, items: Tensor, compared: tuple[Tensor | None, Tensor], taught: Tensor | None
    ) -> Tensor:
        """(1 − w) · cross-entropy + w · KL(teacher ‖ student).

        scored (P, d) and the items' rows; ``compared`` by :meth:`_columns`; ``taught``: the teacher's states
        (P, e), None without one.
        """
        columns, labels = compared
        if self._teacher is None or taught is None:
            return mixed_loss(scored, items, labels)
        rows = self._teacher.item_emb[:-1] if columns is None else self._teacher.item_emb[columns]
        return mixed_loss(scored, items, labels, Response(taught, rows, self.config.teacher_weight))

    def _columns(self, targets: I64, rng: np.random.Generator) -> tuple[Tensor | None, Tensor]:
        """The items that are compared, None for all; and where the targets (P,) are among them."""
        device, n_items = self.given.device, self.given.train.n_items
        if n_items <= LARGE_CATALOGUE:
            return None, torch.from_numpy(targets).to(device)
        drawn = rng.integers(n_items, size=self.compared_items)
        columns = np.unique(np.concatenate([drawn, targets]))
        labels = np.searchsorted(columns, targets)
        return torch.from_numpy(columns).to(device), torch.from_numpy(labels).to(device)


def teacher_of(given: TrainingInput) -> SASRec | None:
    """The teacher's network, for questions only; None without a teacher."""
    if given.teacher is None:
        return None
    assert given.teacher.sequence is not None, "checked where names are read"
    network = SASRec.stored(given.teacher.sequence).to(given.device)
    return network.requires_grad_(requires_grad=False)

"""The linear-recurrent history: learned from the next items, and from a teacher that reads sequences too."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.sequences.hint import hint_loss
from recpress_edge.models.method import NetworkMethod, TrainingInput
from recpress_edge.models.nn import Adam
from recpress_edge.models.ranking import ScoreRows
from recpress_edge.models.sequences.recurrent import Recurrent
from recpress_edge.models.sequences.sasrec import SASRec
from recpress_edge.models.sequences.settings import LARGE_CATALOGUE, LRHConfig
from recpress_edge.models.sequences.softmax import Response, mixed_loss
from recpress_edge.models.sequences.windows import Windows, recent_items


class LRHMethod(NetworkMethod):
    """A recurrence trained to name the next item at every place, and to answer there as its teacher does.

    Every sequence is cut into windows, and each is read from its start as though nothing came before: so
    do student and teacher know the same, and short histories are learned too.
    """

    network: Recurrent

    def __init__(self, given: TrainingInput, config: LRHConfig) -> None:
        if config.hint_weight and given.teacher is None:
            raise ConfigError("method.hint_weight needs a teacher, whose states are the hint. Leave it out.")
        self.given, self.config = given, config
        train = given.train
        self._teacher = _teacher_of(given)
        width = self._teacher.item_emb.shape[1] if self._teacher is not None and config.hint_weight else 0
        self.network = Recurrent(train.n_items, given.dim, given.seed, config, width).to(given.device)
        places = config.window if self._teacher is None else min(config.window, self._teacher.length)
        self._windows = Windows.of(train.indptr, train.in_order().astype(np.int64), places)
        self.optimizer = Adam(self.network, config.learning_rate, 0.0)
        self._known = self.rows_after(train)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        rng = stream(self.given.seed, "shuffle", epoch)
        parts = list(self._windows.batches(self.config.batch_places, rng))
        for number, windows in enumerate(parts):
            done = (epoch + number / len(parts)) / self.given.epochs
            rate = self.config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))
            self.optimizer.learning_rate = rate
            yield self._batch_loss(self._windows.rows(windows, self.given.train.n_items), rng)

    def _batch_loss(self, targets: I64, rng: np.random.Generator) -> Tensor:
        """(1 − w) · cross-entropy + w · the teacher's part, over the places of targets (B, n)."""
        n_items = self.given.train.n_items
        wanted = torch.from_numpy(targets).to(self.given.device)
        real = wanted < n_items
        states = self.network.states(wanted[:, :-1])[real]  # (P, d)
        columns, labels = self._columns(targets[targets < n_items], rng)
        scored, items = self.network.factors(states, columns)
        if self._teacher is None:
            return mixed_loss(scored, items, labels)
        with torch.no_grad():
            start = wanted.new_full((len(wanted), 1), n_items)
            teacher_states = self._teacher.hidden(torch.cat([start, wanted[:, :-1]], dim=1))[real]  # (P, e)
            rows = self._teacher.item_emb[:-1] if columns is None else self._teacher.item_emb[columns]
        response = Response(teacher_states, rows, self.config.teacher_weight)
        loss = mixed_loss(scored, items, labels, response)
        if self.network.hint is None:
            return loss
        return loss + self.config.hint_weight * hint_loss(states, self.network.hint, teacher_states)

    def _columns(self, targets: I64, rng: np.random.Generator) -> tuple[Tensor | None, Tensor]:
        """The items that are compared, None for all; and where the targets (P,) are among them."""
        device, n_items = self.given.device, self.given.train.n_items
        if n_items <= LARGE_CATALOGUE:
            return None, torch.from_numpy(targets).to(device)
        drawn = rng.integers(n_items, size=self.config.sampled_items)
        columns = np.unique(np.concatenate([drawn, targets]))
        labels = np.searchsorted(columns, targets)
        return torch.from_numpy(columns).to(device), torch.from_numpy(labels).to(device)

    def scores(self, users: I64) -> F32:
        return self._known(users)

    def rows_after(self, histories: Interactions) -> ScoreRows:
        recent = recent_items(histories, self.config.history_length, self.given.train.n_items)

        def rows(users: I64) -> F32:
            read, counts = recent(users)
            with torch.inference_mode():
                states = self.network.states(torch.from_numpy(read).to(self.given.device))
                last = states[torch.arange(users.size), torch.from_numpy(counts)]  # (B, d)
                scores: F32 = (last @ F.normalize(self.network.item_emb, dim=-1).T).cpu().numpy()
            return scores

        return rows

    def parameters(self) -> dict[str, Tensor]:
        """What a file needs: item_emb (I, d) of unit length, history_emb (I, d), prior (d,), decay (d,)."""
        network = self.network
        return {
            "item_emb": F.normalize(network.item_emb.detach(), dim=-1),
            "history_emb": network.history_emb.detach(),
            "prior": network.prior.detach(),
            "decay": network.decay.detach(),
        }

    def architecture(self) -> dict[str, Any]:
        return {"kind": "lrh", "history_length": self.config.history_length}


def _teacher_of(given: TrainingInput) -> SASRec | None:
    """The teacher's network, for questions only; None without a teacher."""
    if given.teacher is None:
        return None
    assert given.teacher.sequence is not None, "checked where names are read"
    network = SASRec.stored(given.teacher.sequence).to(given.device)
    return network.requires_grad_(requires_grad=False)

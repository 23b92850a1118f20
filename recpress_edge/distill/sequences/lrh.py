"""The linear-recurrent history: learned from the next items, and from a teacher that reads sequences too."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import ConfigError
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.sequences.hint import hint_loss
from recpress_edge.distill.sequences.student import SequenceStudent
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.nn import Adam
from recpress_edge.models.ranking import ScoreRows
from recpress_edge.models.sequences.recurrent import Recurrent
from recpress_edge.models.sequences.settings import LRHConfig
from recpress_edge.models.sequences.windows import recent_items


class LRHMethod(SequenceStudent):
    """A recurrence trained to name the next item at every place, and to answer there as its teacher does."""

    network: Recurrent

    def __init__(self, given: TrainingInput, config: LRHConfig) -> None:
        if config.hint_weight and given.teacher is None:
            raise ConfigError("method.hint_weight needs a teacher, whose states are the hint. Leave it out.")
        super().__init__(given, config, config.window)
        train = given.train
        width = self._teacher.item_emb.shape[1] if self._teacher is not None and config.hint_weight else 0
        self.network = Recurrent(train.n_items, given.dim, given.seed, config, width).to(given.device)
        self.optimizer = Adam(self.network, config.learning_rate, 0.0)
        self._known = self.rows_after(train)

    def _batch_loss(
        self, targets: I64, rng: np.random.Generator, noise: torch.Generator | None = None
    ) -> Tensor:
        """(1 − w) · cross-entropy + w · the teacher's part, over the places of targets (B, n)."""
        tokens, real = self._tokens(targets)
        states = self.network.states(tokens[:, 1:])[real]  # (P, d)
        columns, labels = self._columns(targets[targets < self.given.train.n_items], rng)
        scored, items = self.network.factors(states, columns)
        taught = None
        if self._teacher is not None:
            with torch.no_grad():
                taught = self._teacher.hidden(tokens)[real]  # (P, e)
        loss = self._mixed(scored, items, (columns, labels), taught)
        if self.network.hint is None or taught is None:
            return loss
        return loss + float(self.config.hint_weight) * hint_loss(states, self.network.hint, taught)

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

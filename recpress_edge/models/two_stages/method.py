"""Training of the second stage: a softmax over one taken item and drawn candidates, and a teacher's."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.rng import stream, torch_seed
from recpress_edge.models.clicks.rows import FieldLayout
from recpress_edge.models.method import Learner
from recpress_edge.models.nn import Adam
from recpress_edge.models.two_stages.lists import CandidateLists, ListInput
from recpress_edge.models.two_stages.network import Reranker
from recpress_edge.models.two_stages.settings import RerankConfig

BLOCK_LISTS: Final = 64


class Rerank(Learner):
    """Learns to rank candidates again."""

    starts_trained = True  # it begins as the first stage, which training can only gain upon

    def __init__(
        self, given: ListInput, config: RerankConfig, dim: int, seed: int, device: str = "cpu"
    ) -> None:
        self.given, self.config, self.seed, self.device = given, config, seed, device
        self.layout = FieldLayout(given.fields.asked)
        self.network = Reranker(given.fields, dim, config.layers, seed, config.init_std).to(device)
        self.optimizer = Adam(self.network, config.learning_rate, 0.0)
        self._catalogue = self._sent(given.fields.catalogue.astype(np.int64))

    def steps(self) -> int:
        return -(-len(self.given.lists) // self.config.batch_lists)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        config, lists = self.config, self.given.lists
        order = stream(self.seed, "shuffle", epoch).permutation(len(lists))
        drawn, replaced = stream(self.seed, "negatives", epoch), stream(self.seed, "replaced", epoch)
        noise = torch.Generator(self.device).manual_seed(torch_seed(self.seed, "dropout", epoch))
        self.optimizer.learning_rate = config.learning_rate * config.decay**self.stalls
        for start in range(0, order.size, config.batch_lists):
            batch = order[start : start + config.batch_lists]
            places = places_drawn(lists.taken[batch], lists.items.shape[1], config.negatives, drawn)
            rows = self.layout.replaced(lists.rows[batch], config.replaced, replaced)
            z = self._z(lists, batch, places, rows.astype(np.int64), noise)
            taught = (
                None
                if lists.taught is None
                else self._sent(np.take_along_axis(lists.taught[batch], places, 1))
            )
            yield (
                list_loss(z, taught, config.teacher_weight, config.temperature)
                + config.l2 * self.network.penalty()
            )

    def _z(
        self, lists: CandidateLists, batch: I64, places: I64, rows: I64, noise: torch.Generator | None
    ) -> Tensor:
        """z (B, c) of the candidates at ``places`` (B, c) of lists ``batch`` (B,)."""
        items = np.take_along_axis(lists.items[batch], places, 1).astype(np.int64)
        scores = np.take_along_axis(lists.scores[batch], places, 1) / np.float32(self.given.unit)
        sent = (self._sent(rows), self._sent(items), self._sent(scores))
        found: Tensor = self.network(
            *sent, self.network.item_side(self._catalogue), self.config.dropout, noise
        )
        return found

    @torch.inference_mode()
    def z_of(self, lists: CandidateLists) -> F32:
        """z (N, C) of all candidates of lists, as the model is now."""
        items = self.network.item_side(self._catalogue)
        found = [np.empty((0, lists.items.shape[1]), np.float32)]
        for start in range(0, len(lists), BLOCK_LISTS):
            part = slice(start, start + BLOCK_LISTS)
            sent = (
                self._sent(lists.rows[part].astype(np.int64)),
                self._sent(lists.items[part].astype(np.int64)),
                self._sent(lists.scores[part] / np.float32(self.given.unit)),
            )
            found.append(self.network(*sent, items).cpu().numpy())
        return np.concatenate(found)

    def _sent(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)


def places_drawn(taken: I64, width: int, negatives: int, rng: np.random.Generator) -> I64:
    """The taken place (B,) first, then so many others of each list of this width, none twice: (B, 1 + n)."""
    keys = rng.random((taken.size, width), np.float32)
    keys[np.arange(taken.size), taken] = -1.0
    found: I64 = np.argpartition(keys, negatives, axis=1)[:, : negatives + 1]
    swap = np.argmax(found == taken[:, None], axis=1)
    found[np.arange(taken.size), swap] = found[:, 0]
    found[:, 0] = taken
    return found


def list_loss(z: Tensor, taught: Tensor | None, weight: float, temperature: float) -> Tensor:
    """(1 − w) · cross-entropy of the first place + w T² · KL(teacher ‖ student), mean over lists.

    z (B, c), the taken item first; ``taught`` (B, c), None: w is 0. Hinton, Vinyals and Dean, "Distilling the
    Knowledge in a Neural Network", 2015, section 2, on the candidates of a list.
    """
    hard = -F.log_softmax(z, dim=1)[:, 0].mean()
    if taught is None:
        return hard
    own, theirs = (F.log_softmax(side / temperature, dim=1) for side in (z, taught))
    soft = (theirs.exp() * (theirs - own)).sum(dim=1).mean()
    return (1 - weight) * hard + weight * temperature**2 * soft

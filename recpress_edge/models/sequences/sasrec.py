"""A small causal transformer over each user's sequence, with a softmax over the whole catalogue."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.rng import stream, torch_seed
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.bpr import NegativeSampler
from recpress_edge.models.method import NetworkMethod, TrainingInput
from recpress_edge.models.nn import Adam
from recpress_edge.models.outputs import StoredNetwork
from recpress_edge.models.ranking import ScoreRows
from recpress_edge.models.sequences.losses import bce_loss, gbce_loss, sampled_ce_loss
from recpress_edge.models.sequences.settings import (
    USUAL_CALIBRATION,
    USUAL_SAMPLED,
    SASRecConfig,
    check_heads,
)
from recpress_edge.models.sequences.softmax import mixed_loss
from recpress_edge.models.sequences.transformer import (
    Layer,
    Noise,
    drawn_parameter,
    norm_parameters,
    normed,
)
from recpress_edge.models.sequences.windows import last_items, recent_items

NO_TARGET = -100  # what cross_entropy leaves out


class SASRec(nn.Module):
    """Next-item scores from a sequence: the last hidden state times the item table (tied weights).

    Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, with three deviations: layers
    normalise before each part, not after; every sequence begins with a learned start token, so that an empty
    history has an answer; positions count from there, so that a prefix is read as it was in training.

    item_emb (I + 1, d), the last row is the start token; position_emb (L, d).
    """

    def __init__(self, n_items: int, dim: int, seed: int, config: SASRecConfig) -> None:
        super().__init__()
        rng = stream(seed, "init")
        self.dropout = config.dropout
        self.item_emb = drawn_parameter((n_items + 1, dim), config.init_std, rng)
        self.position_emb = drawn_parameter((config.history_length, dim), config.init_std, rng)
        self.layers = nn.ModuleList(Layer(dim, config, rng) for _ in range(config.layers))
        self.final_gain, self.final_shift = norm_parameters(dim)

    @classmethod
    def stored(cls, network: StoredNetwork) -> "SASRec":
        """A trained one, from its folder's parameters: it is as it was, and drops nothing."""
        arrays = network.parameters
        rows, dim = arrays["item_emb"].shape
        config = SASRecConfig(
            layers=len({name.split(".")[1] for name in arrays if name.startswith("layers.")}),
            heads=network.architecture["heads"],
            widening=len(arrays["layers.0.up_bias"]) // dim,
            history_length=len(arrays["position_emb"]),
            dropout=0.0,
        )
        made = cls(rows - 1, dim, 0, config)
        made.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
        return made

    @property
    def length(self) -> int:
        """Tokens that it reads, the start token included."""
        return len(self.position_emb)

    def hidden(self, tokens: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """States after every token: tokens (B, n) -> (B, n, d). Causal, so what follows changes nothing.

        With a generator, values are dropped as in training.
        """
        return self.stages(tokens, generator)[-1]

    def stages(self, tokens: Tensor, generator: torch.Generator | None = None) -> list[Tensor]:
        """The embedded tokens, and the states after each layer, the last ones normalised: (B, n, d) each."""
        noise, length = Noise(self.dropout, generator), tokens.shape[1]
        scale = self.item_emb.shape[1] ** 0.5
        x = noise(F.embedding(tokens, self.item_emb) * scale + self.position_emb[:length])
        later = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
        found = [x]
        for layer in self.layers:
            x = layer(x, later, noise)
            found.append(x)
        return [*found[:-1], normed(x, self.final_gain, self.final_shift)]


class SASRecMethod(NetworkMethod):
    """The transformer trained to name the next item at every place of every sequence."""

    network: SASRec

    def __init__(self, given: TrainingInput, config: SASRecConfig) -> None:
        check_heads(config, given.dim)
        self.given = given
        self.config = config
        self.network = SASRec(given.train.n_items, given.dim, given.seed, config).to(given.device)
        self.optimizer = Adam(self.network, config.learning_rate, config.weight_decay)
        self._known = self.rows_after(given.train)
        self._sampler = None if config.loss == "ce" else NegativeSampler(given.train)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        indptr = self.given.train.indptr
        items = self.given.train.in_order().astype(np.int64)
        noise = torch.Generator(self.given.device).manual_seed(torch_seed(self.given.seed, "dropout", epoch))
        rng = stream(self.given.seed, "negatives", epoch)
        for users in self._batches(stream(self.given.seed, "shuffle", epoch)):
            tokens, targets = self._windows(users, indptr, items)
            drawn = None if self._sampler is None else self._drawn(self._sampler, users, targets, rng)
            yield self._batch_loss(tokens, targets, noise, drawn)

    def _batches(self, rng: np.random.Generator) -> Iterator[I64]:
        """Users (B,) with about as many items each, so that few places are empty; batches in random order."""
        counts = np.minimum(self.given.train.counts(), self.config.history_length)
        taught = counts > 0
        if self.config.loss != "ce":  # whoever has every item has no negative
            taught &= self.given.train.counts() < self.given.train.n_items
        users = rng.permutation(np.flatnonzero(taught))
        users = users[np.argsort(counts[users], kind="stable")]
        starts = np.arange(0, users.size, self.config.batch_users)
        for start in rng.permutation(starts):
            yield users[start : start + self.config.batch_users]

    def _windows(self, users: I64, indptr: I64, items: I64) -> tuple[I64, I64]:
        """What is read, (B, n): the start token and all but the last item; what follows each, (B, n)."""
        n_items = self.given.train.n_items
        counts = np.minimum(indptr[users + 1] - indptr[users], self.config.history_length)
        targets = last_items(users, indptr, items, counts, int(counts.max()), NO_TARGET)
        tokens = np.hstack([np.full((users.size, 1), n_items), targets[:, :-1]])
        return np.where(tokens == NO_TARGET, n_items, tokens), targets

    def _drawn(self, sampler: NegativeSampler, users: I64, targets: I64, rng: np.random.Generator) -> Tensor:
        """Items that these users (B,) have not: one of each place (B, n), or N for all places (B, N)."""
        config = self.config
        each = targets.shape[1] if config.loss == "bce" else config.sampled_items or USUAL_SAMPLED
        drawn = sampler.unobserved(np.repeat(users, each).astype(np.int32), rng)
        return torch.from_numpy(drawn.reshape(users.size, each)).to(self.given.device)

    def _batch_loss(
        self, tokens: I64, targets: I64, noise: torch.Generator, drawn: Tensor | None = None
    ) -> Tensor:
        """The mean over the places that have a next item; ``drawn``: by :meth:`_drawn`, None for all."""
        device, config, table = self.given.device, self.config, self.network.item_emb
        wanted = torch.from_numpy(targets).to(device)
        real = wanted != NO_TARGET
        states = self.network.hidden(torch.from_numpy(tokens).to(device), noise)  # (B, n, d)
        if drawn is None:
            return mixed_loss(states[real], table[:-1], wanted[real])
        rows = F.embedding(drawn, table)
        positives = (states[real] * F.embedding(wanted[real], table)).sum(dim=1)  # (P,)
        if config.loss == "bce":
            return bce_loss(positives, (states * rows).sum(dim=2)[real][:, None])
        negatives = (states @ rows.transpose(1, 2))[real]  # (P, N)
        if config.loss == "sampled-ce":
            return sampled_ce_loss(positives, negatives)
        calibration = USUAL_CALIBRATION if config.calibration is None else config.calibration
        return gbce_loss(positives, negatives, len(table) - 1, calibration)

    def scores(self, users: I64) -> F32:
        return self._known(users)

    def rows_after(self, histories: Interactions) -> ScoreRows:
        return answers(self.network, self.config.history_length - 1, histories)

    def architecture(self) -> dict[str, Any]:
        return {"kind": "sasrec", "heads": self.config.heads}


class Reader(Protocol):
    """A network whose scores are its last state times its item table."""

    @property
    def item_emb(self) -> Tensor:
        """(I + 1, d), the last row is the start token."""

    def hidden(self, tokens: Tensor) -> Tensor:
        """(B, n) -> (B, n, d)"""


def answers(network: Reader, items_read: int, histories: Interactions) -> ScoreRows:
    """Scores after the last items of these histories, the start token in front of them."""
    n_items = len(network.item_emb) - 1
    recent = recent_items(histories, items_read, n_items)

    def rows(users: I64) -> F32:
        read, counts = recent(users)
        tokens = torch.from_numpy(np.hstack([np.full((users.size, 1), n_items), read]))
        with torch.inference_mode():
            states = network.hidden(tokens.to(network.item_emb.device))
            last = states[torch.arange(users.size), torch.from_numpy(counts)]  # (B, d)
            scores: F32 = (last @ network.item_emb[:-1].T).cpu().numpy()
        return scores

    return rows

"""A bidirectional transformer over each user's sequence that fills in masked items."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.rng import stream, torch_seed
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.method import NetworkMethod, TrainingInput
from recpress_edge.models.nn import Adam
from recpress_edge.models.ranking import ScoreRows
from recpress_edge.models.sequences.settings import BERT4RecConfig, check_heads
from recpress_edge.models.sequences.transformer import (
    Layer,
    Noise,
    drawn_parameter,
    norm_parameters,
    normed,
)
from recpress_edge.models.sequences.windows import Windows, recent_items


class BERT4Rec(nn.Module):
    """Scores of the item behind a mask, from what stands before and after it.

    Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from
    Transformer", CIKM 2019, with SASRec's layers here: they normalise before each part, not after, and
    positions count from a window's start. score_j = Norm(gelu(W h + c)) · E_j + b_j.

    item_emb E (I + 1, d), the last row is [MASK]; position_emb (L, d); head_weight W (d, d), head_bias c
    (d,); item_bias b (I,).
    """

    def __init__(self, n_items: int, dim: int, seed: int, config: BERT4RecConfig) -> None:
        super().__init__()
        rng = stream(seed, "init")
        self.dropout = config.dropout
        self.item_emb = drawn_parameter((n_items + 1, dim), config.init_std, rng)
        self.position_emb = drawn_parameter((config.history_length, dim), config.init_std, rng)
        self.layers = nn.ModuleList(Layer(dim, config, rng, F.gelu) for _ in range(config.layers))
        self.final_gain, self.final_shift = norm_parameters(dim)
        self.head_weight = drawn_parameter((dim, dim), config.init_std, rng)
        self.head_bias = nn.Parameter(torch.zeros(dim))
        self.head_gain, self.head_shift = norm_parameters(dim)
        self.item_bias = nn.Parameter(torch.zeros(n_items))

    def hidden(self, tokens: Tensor, counts: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """States at every place: tokens (B, n) -> (B, n, d); the first ``counts`` (B,) of each row are read.

        With a generator, values are dropped as in training.
        """
        noise, length = Noise(self.dropout, generator), tokens.shape[1]
        scale = self.item_emb.shape[1] ** 0.5
        x = noise(F.embedding(tokens, self.item_emb) * scale + self.position_emb[:length])
        empty = torch.arange(length, device=tokens.device) >= counts[:, None]
        for layer in self.layers:
            x = layer(x, empty[:, None, None, :], noise)
        return normed(x, self.final_gain, self.final_shift)

    def logits(self, states: Tensor) -> Tensor:
        """Scores of every item, never of [MASK]: states (P, d) -> (P, I)."""
        inner = F.gelu(F.linear(states, self.head_weight, self.head_bias))
        return normed(inner, self.head_gain, self.head_shift) @ self.item_emb[:-1].T + self.item_bias


def cloze(counts: I64, config: BERT4RecConfig, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Places to fill in, of windows with so many items (B,): (B, n).

    Each is drawn with chance ρ, at least one and at most most_masked of a window; of last_share of the
    windows it is the last item alone.
    """
    places = np.arange(int(counts.max()))
    draws = np.where(places < counts[:, None], rng.random((counts.size, places.size)), np.inf)
    rank = draws.argsort(axis=1).argsort(axis=1)
    masked: NDArray[np.bool_] = ((draws < config.mask_share) & (rank < config.most_masked)) | (rank == 0)
    last = rng.random(counts.size) < config.last_share
    masked[last] = (places == counts[:, None] - 1)[last]
    return masked


class BERT4RecMethod(NetworkMethod):
    """The transformer trained to name the items behind the masks of every sequence."""

    network: BERT4Rec

    def __init__(self, given: TrainingInput, config: BERT4RecConfig) -> None:
        check_heads(config, given.dim)
        self.given, self.config = given, config
        train = given.train
        self.network = BERT4Rec(train.n_items, given.dim, given.seed, config).to(given.device)
        self.optimizer = Adam(self.network, config.learning_rate, config.weight_decay)
        self._windows = Windows.of(train.indptr, train.in_order().astype(np.int64), config.history_length)
        self._known = self.rows_after(train)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        seed = self.given.seed
        noise = torch.Generator(self.given.device).manual_seed(torch_seed(seed, "dropout", epoch))
        rng = stream(seed, "masks", epoch)
        for windows in self._windows.batches(self.config.batch_places, stream(seed, "shuffle", epoch)):
            counts = self._windows.counts[windows]
            items = self._windows.rows(windows, self.given.train.n_items)
            yield self._batch_loss(items, counts, cloze(counts, self.config, rng), noise)

    def _batch_loss(
        self, items: I64, counts: I64, masked: NDArray[np.bool_], noise: torch.Generator
    ) -> Tensor:
        """Mean cross-entropy over the masked places (B, n) of these windows; no other place counts."""
        wanted, hidden, read = (
            torch.from_numpy(part).to(self.given.device) for part in (items, masked, counts)
        )
        tokens = wanted.masked_fill(hidden, self.given.train.n_items)
        states = self.network.hidden(tokens, read, noise)[hidden]  # (P, d)
        return F.cross_entropy(self.network.logits(states), wanted[hidden])

    def scores(self, users: I64) -> F32:
        return self._known(users)

    def rows_after(self, histories: Interactions) -> ScoreRows:
        """The last history_length − 1 items, and [MASK] behind them."""
        n_items = self.given.train.n_items
        recent = recent_items(histories, self.config.history_length - 1, n_items)

        def rows(users: I64) -> F32:
            read, counts = recent(users)
            tokens = torch.from_numpy(np.hstack([read, np.full((users.size, 1), n_items)]))
            with torch.inference_mode():
                known = torch.from_numpy(counts)
                states = self.network.hidden(tokens.to(self.given.device), known.to(self.given.device) + 1)
                found: F32 = self.network.logits(states[torch.arange(users.size), known]).cpu().numpy()
            return found

        return rows

    def architecture(self) -> dict[str, Any]:
        return {"kind": "bert4rec", "heads": self.config.heads}

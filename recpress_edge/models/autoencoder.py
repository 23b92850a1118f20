"""The sparse half of an autoencoder: sets of indices to vectors, without a dense input."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.core.arrays import I64
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.nn import CLAMP, logsumexp_of_product

_COPIES_LEARNED = 4  # a weight, its gradient, and Adam's two moments


def require_autoencoder_memory(
    given: TrainingInput, what: str, n_inputs: int, hidden: int, batch: int
) -> None:
    """Refuse an autoencoder of rows of ``n_inputs`` that does not fit, before any of it is allocated.

    Counted are its two layers as wide as a row, with all that learning keeps of them, the last one joined
    with its bias and the gradient of that, and the scores of one batch.
    """
    learned = n_inputs * (hidden + given.dim) * _COPIES_LEARNED + 2 * n_inputs * (given.dim + 1)
    scored = batch * n_inputs  # their exponentials alone
    given.require_memory(
        (learned + scored) * torch.float32.itemsize,
        f"{what} with hidden layers of {hidden} and {given.dim}, {batch} rows of scores at a time,",
        "Set a smaller method.hidden or batch, or take a smaller dim.",
    )


class SparseLayer(nn.Module):
    """x (B, N) of zeros and ones, each row of unit length → tanh(W x + b) (B, H).

    A row is given by where its ones are, so the layer is a sum of rows of Wᵀ.
    """

    def __init__(self, n_inputs: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.empty(n_inputs, hidden))
        self.bias = nn.Parameter(torch.zeros(hidden))
        nn.init.xavier_normal_(self.first, generator=generator)

    def hidden(
        self,
        rows: Tensor,
        items: Tensor,
        n_rows: int,
        dropout: float = 0.0,
        noise: torch.Generator | None = None,
    ) -> Tensor:
        """rows (P,) ascending and items (P,): where the ones are. Dropout hides ones, after the scaling."""
        counts = torch.bincount(rows, minlength=n_rows)
        weights = counts.clamp(min=1).to(self.first.dtype).rsqrt()[rows]
        if dropout:
            kept = torch.rand(len(rows), generator=noise).to(rows.device) >= dropout
            weights = weights * kept / (1.0 - dropout)
        offsets = counts.cumsum(0) - counts
        summed = F.embedding_bag(items, self.first, offsets, mode="sum", per_sample_weights=weights)
        return torch.tanh(summed + self.bias)

    def pairs(self, inputs: Interactions, users: I64) -> tuple[Tensor, Tensor]:
        """``Interactions.pairs_of`` on the device of the weights."""
        rows, items = (torch.from_numpy(part).to(self.first.device) for part in inputs.pairs_of(users))
        return rows, items


class SparseEncoder(SparseLayer):
    """x (B, N) of zeros and ones, each row of unit length → tanh(W x + b) → linear (B, D)."""

    def __init__(self, n_inputs: int, hidden: int, dim: int, generator: torch.Generator) -> None:
        super().__init__(n_inputs, hidden, generator)
        self.second = nn.Parameter(torch.empty(dim, hidden))
        self.second_bias = nn.Parameter(torch.zeros(dim))
        nn.init.xavier_normal_(self.second, generator=generator)

    def forward(
        self,
        rows: Tensor,
        items: Tensor,
        n_rows: int,
        dropout: float = 0.0,
        noise: torch.Generator | None = None,
    ) -> Tensor:
        """As :meth:`hidden`, and the linear layer on top: (B, D)."""
        hidden = self.hidden(rows, items, n_rows, dropout, noise)
        return F.linear(hidden, self.second, self.second_bias)


def softmax_decoder(dim: int, n_outputs: int, generator: torch.Generator, device: str) -> nn.Linear:
    """The dense half: a code (B, dim) to logits (B, n_outputs), drawn as the encoder's weights are."""
    decoder = nn.Linear(dim, n_outputs, device=device)
    with torch.no_grad():
        nn.init.xavier_normal_(decoder.weight, generator=generator)
        decoder.bias.zero_()
    return decoder


def softmax_log_likelihood(code: Tensor, decoder: nn.Linear, rows: Tensor, items: Tensor) -> Tensor:
    """Σ over the pairs (row, item) (P,) of log softmax(decoder(code)[row])[item], logits held to ±40.

    The same as from all logits, but only those of the pairs are kept. code (B, d) -> ().
    """
    left = torch.cat([code, code.new_ones(len(code), 1)], dim=1)  # (B, d + 1)
    right = torch.cat([decoder.weight, decoder.bias[:, None]], dim=1)  # (N, d + 1)
    wanted = (F.embedding(rows, left) * F.embedding(items, right)).sum(dim=1).clamp(-CLAMP, CLAMP)  # (P,)
    counts = torch.bincount(rows, minlength=len(code)).to(code.dtype)
    return wanted.sum() - (counts * logsumexp_of_product(left, right, clamp=CLAMP)).sum()

"""torch modules to trace, built from plain arrays; what no request changes is computed beforehand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recpress_export.networks.student import NetworkStudent
from recpress_export.networks.transformer import NORM_EPSILON

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Traceable:
    """A module of one input, and what it is traced with."""

    module: nn.Module
    example: Tensor
    """int64; a format of other index types casts it."""
    dims: Mapping[int, Any] | None = None
    """The input's axes whose length may differ."""


def neumf_module(student: NetworkStudent, rows: int | None) -> Traceable:
    """User (1,) -> scores (rows,), or (I,)."""
    return Traceable(FoldedNeuMF(student, rows or student.n_items), torch.zeros(1, dtype=torch.int64))


def sasrec_module(student: NetworkStudent, rows: int | None) -> Traceable:
    """Tokens (1, L) -> scores (rows,); without ``rows`` tokens (1, n) -> (I,)."""
    length = student.history_length
    if rows is not None:
        return Traceable(SASRecPadded(student, rows), torch.full((1, length), student.n_items))
    example = torch.zeros(1, min(7, length), dtype=torch.int64)
    return Traceable(SASRecOfLength(student), example, {1: torch.export.Dim("n", min=2, max=length)})


def bert4rec_module(student: NetworkStudent, rows: int | None) -> Traceable:
    """As :func:`sasrec_module`: its start token is the mask, which goes behind the items."""
    length = student.history_length
    if rows is not None:
        return Traceable(BERT4RecPadded(student, rows), torch.full((1, length), student.n_items))
    example = torch.zeros(1, min(7, length), dtype=torch.int64)
    return Traceable(BERT4RecOfLength(student), example, {1: torch.export.Dim("n", min=2, max=length)})


class FoldedNeuMF(nn.Module):
    """user (1,) -> scores (rows,): NeuMF with all that depends on one side alone computed beforehand.

    W₁[m_u ; m_i] + b₁ = (Wᵤm_u + b₁) + Wᵢm_i, so the first layer becomes a row of the users' table plus the
    items' table; and w · (g_u ∘ g_i) = (w ∘ g_u) · g_i, so the product needs no weights.
    """

    def __init__(self, student: NetworkStudent, rows: int) -> None:
        super().__init__()
        p = {name: array.astype(np.float64) for name, array in student.arrays.items()}
        dim = p["item_gmf"].shape[1]
        of_user, of_item = np.hsplit(p["hidden1_weight"], 2)
        self.user_gmf = parameter(p["user_gmf"] * p["output_weight"][:dim])
        self.item_gmf = parameter(with_rows(p["item_gmf"], rows).T)  # (d, rows)
        self.user_first = parameter(p["user_mlp"] @ of_user.T + p["hidden1_bias"])
        self.item_first = parameter(with_rows(p["item_mlp"] @ of_item.T, rows))  # (rows, h)
        self.second_weight = parameter(p["hidden2_weight"].T)  # (h, d)
        self.second_bias = parameter(p["hidden2_bias"])
        self.output_weight = parameter(p["output_weight"][dim:, None])  # (d, 1)
        self.output_bias = parameter(p["output_bias"])

    def forward(self, user: Tensor) -> Tensor:
        first = torch.relu(self.item_first + F.embedding(user, self.user_first))  # (rows, h)
        second = torch.relu(first @ self.second_weight + self.second_bias)  # (rows, d)
        by_network = (second @ self.output_weight)[:, 0]
        by_product = (F.embedding(user, self.user_gmf) @ self.item_gmf)[0]
        return by_product + by_network + self.output_bias


class LastState(nn.Module):
    """The transformer up to the last hidden state; its last layer is evaluated at the last place alone."""

    causal: ClassVar[bool] = True

    def __init__(self, student: NetworkStudent) -> None:
        super().__init__()
        self.heads, self.n_layers = student.heads, student.n_layers
        for name, array in student.arrays.items():
            if name.startswith("layers."):  # layers.0.up_bias: a parameter's name has no dots
                _, number, part = name.split(".")
                self.register_parameter(f"layer{number}_{part}", parameter(array))
        self.final_gain = parameter(student.arrays["final_gain"])
        self.final_shift = parameter(student.arrays["final_shift"])

    def last_state(self, x: Tensor, last: Tensor | None, unread: Tensor | None) -> Tensor:
        """State (1, d) after embedded tokens x (1, n, d).

        Without ``last`` the last place is n - 1. Otherwise ``last`` (1, 1, n) is 1 there and 0 elsewhere,
        and ``unread`` (1, 1, 1, n) is True behind it.
        """
        length = x.shape[1]
        hidden = torch.ones(length, length, dtype=torch.bool).triu(1) if self.causal else unread
        for number in range(self.n_layers):
            final = number == self.n_layers - 1
            x = self._layer(number, x, *((last, unread, True) if final else (None, hidden, False)))
        return layer_norm(x, self.final_gain, self.final_shift)[:, 0]

    def _layer(
        self, number: int, x: Tensor, last: Tensor | None, hidden: Tensor | None, at_last: bool
    ) -> Tensor:
        def p(name: str) -> Tensor:
            return self.get_parameter(f"layer{number}_{name}")

        normed = layer_norm(x, p("attention_gain"), p("attention_shift"))
        dim = x.shape[2]
        weight, bias = p("qkv_weight"), p("qkv_bias")
        if at_last:
            x, asking = _place(x, last), _place(normed, last)
        else:
            asking = normed
        query = self._heads(F.linear(asking, weight[:dim], bias[:dim]))
        pairs = F.linear(normed, weight[dim:], bias[dim:])
        key, value = self._heads(pairs[..., :dim]), self._heads(pairs[..., dim:])
        logits = (query @ key.transpose(-1, -2)) * query.shape[-1] ** -0.5
        if hidden is not None:
            logits = logits.masked_fill(hidden, -1e9)
        mixed = (logits.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        x = x + F.linear(mixed, p("mix_weight"), p("mix_bias"))
        normed = layer_norm(x, p("forward_gain"), p("forward_shift"))
        inner = self.activated(F.linear(normed, p("up_weight"), p("up_bias")))
        return x + F.linear(inner, p("down_weight"), p("down_bias"))

    def activated(self, x: Tensor) -> Tensor:
        """Of the feed-forward parts."""
        return torch.relu(x)

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(1, -1, self.heads, x.shape[2] // self.heads).transpose(1, 2)  # (1, H, n, d / H)


class SASRecOfLength(LastState):
    """tokens (1, n) -> scores (I,), for any n: for a runtime with dynamic shapes, so without padding.

    The item table is stored (d, I + 1): looked up by column and multiplied from the left, it is one tensor
    for both, in float32 and in int8.
    """

    def __init__(self, student: NetworkStudent) -> None:
        super().__init__(student)
        self.n_items = student.n_items
        self.item_emb = parameter(student.arrays["item_emb"].T)
        self.position_emb = parameter(student.arrays["position_emb"])

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.item_emb.index_select(1, tokens[0]).T * self.item_emb.shape[0] ** 0.5
        x = (x + self.position_emb[: tokens.shape[1]])[None]
        return (self.last_state(x, None, None) @ self.item_emb)[0, : self.n_items]


class SASRecPadded(LastState):
    """tokens (1, L) -> scores (rows,): for a runtime with fixed shapes; I fills the places behind the items.

    The start token is I too, but at place 0.
    """

    def __init__(self, student: NetworkStudent, rows: int) -> None:
        super().__init__(student)
        self.n_items = student.n_items
        self.item_emb = parameter(with_rows(student.arrays["item_emb"], rows))
        self.position_emb = parameter(student.arrays["position_emb"])

    def forward(self, tokens: Tensor) -> Tensor:
        x = F.embedding(tokens, self.item_emb) * self.item_emb.shape[1] ** 0.5 + self.position_emb
        last, unread = ends(tokens, self.n_items)
        return F.linear(self.last_state(x, last, unread), self.item_emb)[0]


class Head(LastState):
    """BERT4Rec's: attention to both sides, gelu, and a projection before the product with the items."""

    causal = False

    def __init__(self, student: NetworkStudent) -> None:
        super().__init__(student)
        self.n_items = student.n_items
        self.position_emb = parameter(student.arrays["position_emb"])
        for name in ("head_weight", "head_bias", "head_gain", "head_shift"):
            self.register_parameter(name, parameter(student.arrays[name]))

    def activated(self, x: Tensor) -> Tensor:
        return F.gelu(x)

    def projected(self, state: Tensor) -> Tensor:
        """State (1, d) -> (1, d)."""
        p = self.get_parameter
        inner = F.gelu(F.linear(state, p("head_weight"), p("head_bias")))
        return layer_norm(inner, p("head_gain"), p("head_shift"))


class BERT4RecOfLength(Head):
    """tokens (1, n) -> scores (I,), as :class:`SASRecOfLength`: one item table (d, I + 1)."""

    def __init__(self, student: NetworkStudent) -> None:
        super().__init__(student)
        self.item_emb = parameter(student.arrays["item_emb"].T)
        self.item_bias = parameter(student.arrays["item_bias"])

    def forward(self, tokens: Tensor) -> Tensor:
        read = torch.cat([tokens[0, 1:], tokens[0, :1]])
        x = self.item_emb.index_select(1, read).T * self.item_emb.shape[0] ** 0.5
        x = (x + self.position_emb[: tokens.shape[1]])[None]
        found = self.projected(self.last_state(x, None, None)) @ self.item_emb
        return found[0, : self.n_items] + self.item_bias


class BERT4RecPadded(Head):
    """tokens (1, L) -> scores (rows,), as :class:`SASRecPadded`: the first I is the mask, which moves."""

    def __init__(self, student: NetworkStudent, rows: int) -> None:
        super().__init__(student)
        self.item_emb = parameter(with_rows(student.arrays["item_emb"], rows))
        self.item_bias = parameter(with_rows(student.arrays["item_bias"][:, None], rows)[:, 0])

    def forward(self, tokens: Tensor) -> Tensor:
        last, unread = ends(tokens, self.n_items)
        read = torch.cat([tokens[:, 1:], tokens[:, :1]], dim=1)
        x = F.embedding(read, self.item_emb) * self.item_emb.shape[1] ** 0.5 + self.position_emb
        state = self.projected(self.last_state(x, last, unread))
        return F.linear(state, self.item_emb)[0] + self.item_bias


def ends(tokens: Tensor, n_items: int) -> tuple[Tensor, Tensor]:
    """Where the last token is, 1 there and 0 elsewhere (1, 1, L), and what is behind it (1, 1, 1, L)."""
    empty = (tokens[:, 1:] >= n_items).float()  # (1, L - 1)
    edge = torch.ones(1, 1)
    last = torch.cat([empty, edge], dim=1) - torch.cat([1.0 - edge, empty], dim=1)  # (1, L)
    unread = torch.cat([1.0 - edge, empty], dim=1) > 0.5
    return last[:, None], unread[:, None, None]


def _place(x: Tensor, last: Tensor | None) -> Tensor:
    """(1, n, d) -> (1, 1, d): the place where ``last`` is 1, the last one without it."""
    return x[:, -1:] if last is None else last @ x


def layer_norm(x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], gain, shift, NORM_EPSILON)


def with_rows(table: Floats, rows: int) -> Floats:
    """The table with zeros behind it up to ``rows``."""
    return np.pad(table, [(0, rows - len(table)), (0, 0)])


def parameter(array: Floats) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(array.astype(np.float32)), requires_grad=False)

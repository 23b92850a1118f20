"""Distillation terms: what a term is, and what it sees of a student.

A term sees the student through three calls only, so that it serves every base model that answers them.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.core.arrays import I64
from recpress_edge.distill.lists import EMPTY, listed_products


class Rows(ABC):
    """A student as distillation terms see it."""

    @abstractmethod
    def user_rows(self, users: Tensor) -> Tensor:
        """What represents these users: (B,) -> (B, R)."""

    @abstractmethod
    def item_rows(self, items: Tensor) -> Tensor:
        """What represents these items: (B,) -> (B, R)."""

    @abstractmethod
    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of each user with its items: users (B,), items (B,) or (B, K) -> as items."""

    def user_lists(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of the items listed for each user, -inf at EMPTY places: (B,), (B, K) -> (B, K)."""
        return _without_empty(self.pair_scores(users, items.clamp_min(0)), items)

    def item_lists(self, items: Tensor, users: Tensor) -> Tensor:
        """Scores of the users listed for each item, -inf at EMPTY places: (B,), (B, K) -> (B, K)."""
        each = items.repeat_interleave(users.shape[1])
        scores = self.pair_scores(users.clamp_min(0).flatten(), each)
        return _without_empty(scores.view(users.shape), users)


@dataclass(frozen=True, slots=True)
class TableRows(Rows):
    """A factorised student: user_emb (U, d), item_emb (I, d), as its recipe stores them."""

    user_emb: Tensor
    item_emb: Tensor
    by_rows: bool = False
    """Whether the tables get sparse gradients, of the rows that were read."""

    def user_rows(self, users: Tensor) -> Tensor:
        return F.embedding(users, self.user_emb, sparse=self.by_rows)

    def item_rows(self, items: Tensor) -> Tensor:
        return F.embedding(items, self.item_emb, sparse=self.by_rows)

    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        if items.dim() == 2:
            return listed_products(self.user_rows(users), self.item_emb, items, by_rows=self.by_rows)
        return (self.user_rows(users) * self.item_rows(items)).sum(dim=1)

    def item_lists(self, items: Tensor, users: Tensor) -> Tensor:
        rows = self.item_rows(items)
        scores = listed_products(rows, self.user_emb, users.clamp_min(0), by_rows=self.by_rows)
        return _without_empty(scores, users)


def _without_empty(scores: Tensor, listed: Tensor) -> Tensor:
    return scores.masked_fill(listed == EMPTY, -torch.inf)


@dataclass(frozen=True, slots=True)
class Batch:
    """Indices of one step, (B,) each."""

    users: Tensor
    positives: Tensor
    negatives: Tensor


class Term(ABC):
    """One distillation loss, added with a weight to a base model's own."""

    weight: float

    def start(self, epoch: int, tables: tuple[Tensor, Tensor]) -> None:  # noqa: B027
        """Draw what the epoch needs, if anything; ``tables`` are the student's, without gradient."""

    @abstractmethod
    def loss(self, student: Rows, batch: Batch) -> Tensor:
        """The term () of a batch, a sum."""

    def learned(self) -> nn.Module | None:
        """Parameters of its own; None for none."""
        return None

    def memory(self) -> dict[str, Tensor]:
        """State kept from one epoch to the next."""
        return {}


def on_device(drawn: I64, device: str) -> Tensor:
    """Drawn indices as a tensor."""
    return torch.from_numpy(drawn).to(device)

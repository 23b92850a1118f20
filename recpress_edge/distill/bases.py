"""Base models as terms see them, and the student that adds them up: base + Σ weight · term."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from recpress_edge.distill.terms import Batch, Rows, TableRows, Term
from recpress_edge.models.bpr import BPR
from recpress_edge.models.method import Method, TrainingInput
from recpress_edge.models.neumf import NeuMF, NeuMFMethod
from recpress_edge.models.row_adam import optimizer_for

MakeTerm = Callable[[TrainingInput, Any], Term]
"""(input, settings of the student) -> term. The input's ``dim`` is the width R of the student's rows."""


class Distilled(Method):
    """Base of a student with terms: they draw in every epoch, and add to the loss of every batch."""

    given: TrainingInput
    terms: Mapping[str, Term]
    by_rows: bool
    """Whether the optimiser moves the tables by rows."""
    sampled: tuple[Tensor, ...]
    """Parameters of which a step draws rows."""

    def add_terms(self, terms: Mapping[str, MakeTerm], config: Any, width: int, **base: nn.Module) -> None:
        """Make the terms. ``width``: R of the rows of ``base``, the module that the optimiser moves."""
        seen = dataclasses.replace(self.given, dim=width)
        self.terms = {name: make(seen, config) for name, make in terms.items()}
        learned = {name: module for name, term in self.terms.items() if (module := term.learned())}
        if learned:
            # As in the authors' programs, weight decay covers what the terms learn too.
            modules = nn.ModuleDict({**base, **learned})
            self.optimizer = optimizer_for(
                modules, self.sampled, config.learning_rate, config.weight_decay, by_rows=self.by_rows
            )

    def start_terms(self, epoch: int, tables: tuple[Tensor, Tensor]) -> None:
        """Tables (U, R) and (I, R) are the student's, without gradient."""
        for term in self.terms.values():
            term.start(epoch, tables)

    def with_terms(self, loss: Tensor, student: Rows, batch: Batch) -> Tensor:
        """The base's loss () of a batch and the weighted terms."""
        for term in self.terms.values():
            loss = loss + term.weight * term.loss(student, batch)
        return loss

    def memory(self) -> dict[str, Tensor]:
        return {
            f"{name}/{part}": value
            for name, term in self.terms.items()
            for part, value in term.memory().items()
        }


class DistilledBPR(Distilled, BPR):
    """BPR; rows are those of its tables, as its recipe stores them."""

    def __init__(self, given: TrainingInput, config: Any, terms: Mapping[str, MakeTerm]) -> None:
        BPR.__init__(self, given, config)
        self.batch_size = config.batch_size
        self.add_terms(terms, config, given.dim, mf=self.mf)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        self.start_terms(epoch, self.tables())
        yield from BPR.batch_losses(self, epoch)

    def batch_loss(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        tables = self.stored()
        student = TableRows(*tables, by_rows=self.by_rows)
        loss = self.loss_of(tables, users, positives, negatives)
        return self.with_terms(loss, student, Batch(users, positives, negatives))


@dataclass(frozen=True, slots=True)
class NetworkRows(Rows):
    """A NeuMF as losses see it: a row is its GMF and its MLP embedding side by side."""

    network: NeuMF

    def user_rows(self, users: Tensor) -> Tensor:
        return self.network.user_rows(users)

    def item_rows(self, items: Tensor) -> Tensor:
        return self.network.item_rows(items)

    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        return self.network.pair_scores(users, items)


class DistilledNeuMF(Distilled, NeuMFMethod):
    """NeuMF; a batch's negatives are all of those that it draws."""

    ROWS_PER_DIM: Final = 3
    """d of the product and 2d of the MLP."""

    def __init__(self, given: TrainingInput, config: Any, terms: Mapping[str, MakeTerm]) -> None:
        NeuMFMethod.__init__(self, given, config)
        self.batch_size = config.batch_size
        self.add_terms(terms, config, self.ROWS_PER_DIM * given.dim, network=self.network)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        train, device = self.given.train, self.given.device
        with torch.no_grad():
            users = self.network.user_rows(torch.arange(train.n_users, device=device))
            items = self.network.item_rows(torch.arange(train.n_items, device=device))
        self.start_terms(epoch, (users, items))
        yield from NeuMFMethod.batch_losses(self, epoch)

    def batch_loss(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        loss = NeuMFMethod.batch_loss(self, users, positives, negatives)
        return self.with_terms(loss, NetworkRows(self.network), Batch(users, positives, negatives.flatten()))

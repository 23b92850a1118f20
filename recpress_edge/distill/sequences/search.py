"""The search for a cell: every edge draws an operation, and held-out users say which are worth their cost."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from recpress_edge.artifacts.cell import OPERATIONS, Cell, cost_of_operation, edges_of
from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.sequences.adarec import CellLearner, CellStudent, student_of
from recpress_edge.models.method import Method, Searching, TrainingInput
from recpress_edge.models.nn import Adam
from recpress_edge.models.ranking import ScoreRows
from recpress_edge.models.sequences.cells import CellNetwork, EdgeWeights
from recpress_edge.models.sequences.sasrec import answers
from recpress_edge.models.sequences.settings import AdaRecConfig

NAMES: Final = tuple(OPERATIONS)
LAST_TEMPERATURE: Final = 0.1
"""τ falls to it from 1, geometrically over the search."""


def adarec(given: TrainingInput, config: AdaRecConfig) -> Method:
    """The network of the cell that the settings name; without one, the search for it."""
    return CellStudent(given, config) if config.cell else CellSearch(given, config)


class CellSearch(CellLearner, Searching):
    """A network with every operation on every edge, one cell's choice for all cells.

    In each step each edge draws an operation by Gumbel's trick. Weights learn from most users with what was
    drawn; the chances of the operations, softmax(α), learn from the others' next items and the teacher's
    answers, plus β · Σ cost, with gradients straight through the draws (first-order DARTS, Liu et al., ICLR
    2019; Jang et al., ICLR 2017). Positions are part of it, as attention is; the found cell may have none.
    """

    def __init__(self, given: TrainingInput, config: AdaRecConfig) -> None:
        given = replace(given, epochs=config.search_epochs)
        n_edges = len(edges_of(config.nodes))
        shape = (given.train.n_items, given.dim)
        network = CellNetwork(shape, given.seed, config, [NAMES] * n_edges)
        super().__init__(given, config, network)
        self.search_epochs = config.search_epochs
        self._chances = nn.ParameterDict({"alpha": torch.zeros(n_edges, len(NAMES))}).to(given.device)
        self._chooser = Adam(self._chances, config.search_rate, 0.0)
        self._costs = torch.from_numpy(_costs(given.dim, config)).to(given.device)
        self._split()

    @property
    def alpha(self) -> Tensor:
        """α (edges, operations)."""
        found: Tensor = self._chances["alpha"]
        return found

    @property
    def chances(self) -> Tensor:
        """softmax(α) (edges, operations)."""
        return self.alpha.detach().softmax(dim=1)

    def _split(self) -> None:
        """Users whose sequences teach the weights, and those who judge the operations."""
        train = self.given.train
        users = np.flatnonzero(train.counts())
        if users.size < 2:
            raise ConfigError(
                f"a cell is searched on users of whom some are kept out, and {users.size} have a sequence. "
                "Give a cell: --set method.cell=conv3+skip+max3"
            )
        drawn = stream(self.given.seed, "search users").permutation(users)
        held = min(max(round(self.config.search_share * users.size), 1), users.size - 1)
        places = int(self._windows.counts.max())
        kept, out = (train.only(np.sort(part)) for part in (drawn[held:], drawn[:held]))
        self._windows, self._held = (
            self._windows.of(part.indptr, part.in_order().astype(np.int64), places) for part in (kept, out)
        )

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        self._draws = stream(self.given.seed, "operations", epoch)
        self._judges = self._held_out(epoch)
        yield from super().batch_losses(epoch)

    def _held_out(self, epoch: int) -> Iterator[I64]:
        """Batches of the kept-out users' windows, without end."""
        rng = stream(self.given.seed, "held out", epoch)
        while True:
            for windows in self._held.batches(self.batch_places, rng):
                yield self._held.rows(windows, self.given.train.n_items)

    def _batch_loss(
        self, targets: I64, rng: np.random.Generator, noise: torch.Generator | None = None
    ) -> Tensor:
        """A step of the chances, then the loss of the weights with operations that are drawn again."""
        self._choose(rng)
        drawn = self._gumbel().argmax(dim=1).tolist()
        return self._loss(targets, rng, noise, [{NAMES[at]: 1.0} for at in drawn], self._layers)

    def _choose(self, rng: np.random.Generator) -> None:
        soft = (self._gumbel() / LAST_TEMPERATURE**self._done).softmax(dim=1)
        hard = torch.zeros_like(soft).scatter_(1, soft.argmax(dim=1, keepdim=True), 1.0)
        counted = hard + soft - soft.detach()
        weights: list[EdgeWeights] = [dict(zip(NAMES, row.unbind(), strict=True)) for row in counted]
        loss = self._loss(next(self._judges), rng, None, weights, None)
        loss = loss + self.config.cost_weight * (counted * self._costs).sum()
        (self.alpha.grad,) = torch.autograd.grad(loss, [self.alpha])
        self._chooser.step()

    def _gumbel(self) -> Tensor:
        """α + Gumbel noise (edges, operations)."""
        noise = self._draws.gumbel(size=tuple(self.alpha.shape)).astype(np.float32)
        return self.alpha + torch.from_numpy(noise).to(self.alpha.device)

    def is_decided(self) -> bool:
        """Whether the best operation of each edge has the chance that settings ask for."""
        return bool(self.chances.amax(dim=1).min() >= self.config.decided)

    def best(self) -> Cell:
        """The likeliest operation of each edge, the first of equals."""
        names = tuple(NAMES[at] for at in self.chances.argmax(dim=1).tolist())
        return Cell(names, self.config.nodes, self.config.cells)

    def found(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The setting that names the cell, and what the search says of it."""
        chances = self.chances.cpu().double()
        first, second = chances.sort(dim=1, descending=True).values[:, :2].unbind(dim=1)
        cell, config = self.best(), self.config
        return {"cell": str(cell)}, {
            "operations": list(cell.operations),
            "chances": [round(value, 4) for value in first.tolist()],
            "margins": [round(value, 4) for value in (first - second).tolist()],
            "decided": self.is_decided(),
            "cost": config.cost,
            "cost_weight": config.cost_weight,
            "seed": self.given.seed,
            "all_chances": [
                {name: round(value, 4) for name, value in zip(NAMES, row, strict=True)}
                for row in chances.tolist()
            ],
        }

    def variant(self, settings: Mapping[str, Any], epochs: int) -> CellStudent:
        return student_of(self.given, replace(self.config, **settings), self.best(), epochs)

    def memory(self) -> dict[str, Tensor]:
        return super().memory() | self._chooser.state()

    def scores(self, users: I64) -> F32:
        """By the likeliest operations, with the weights of the search."""
        return self.rows_after(self.given.train)(users)

    def rows_after(self, histories: Interactions) -> ScoreRows:
        return answers(_Chosen(self.network, self.best()), self.config.history_length - 1, histories)

    def architecture(self) -> dict[str, Any]:
        """A kind that nothing exports: what is kept is the network of the cell that is found."""
        return {"kind": "adarec-search", **self.best().facts()}


class _Chosen:
    """The network of a search with one operation on each edge."""

    def __init__(self, network: CellNetwork, cell: Cell) -> None:
        self.item_emb: Tensor = network.item_emb
        self._network = network
        self._weights: list[EdgeWeights] = [{name: 1.0} for name in cell.operations]

    def hidden(self, tokens: Tensor) -> Tensor:
        return self._network.stages(tokens, self._weights)[-1]


def _costs(dim: int, config: AdaRecConfig) -> F32:
    """Of each operation, over the dearest one's: (operations,)."""
    found = [cost_of_operation(name, config.cost, dim, config.history_length) for name in NAMES]
    return np.array(found, np.float32) / np.float32(max(found))

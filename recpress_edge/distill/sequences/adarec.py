"""AdaRec's student: a small causal network of one cell, which is given or searched, taught layer by layer."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recpress_edge.artifacts.cell import Cell, cell_document
from recpress_edge.core.arrays import F32, I64
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.sequences.layers import LayerDistance
from recpress_edge.distill.sequences.student import SequenceStudent
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.nn import Adam
from recpress_edge.models.ranking import ScoreRows
from recpress_edge.models.sequences.cells import CellNetwork, EdgeWeights
from recpress_edge.models.sequences.sasrec import answers
from recpress_edge.models.sequences.settings import AdaRecConfig, check_positions


class CellLearner(SequenceStudent):
    """A network of cells that learns the next item, its teacher's answers and its teacher's layers.

    (1 − γ) · cross-entropy + γ · (KL(teacher ‖ student) + layer_weight · the distance of the layers).
    """

    network: CellNetwork

    def __init__(self, given: TrainingInput, config: AdaRecConfig, network: CellNetwork) -> None:
        positions = network.position_emb
        window = config.window if positions is None else min(config.window, len(positions))
        super().__init__(given, config, window)
        check_positions(config, self._teacher.length if self._teacher else None)
        self.network = network.to(given.device)
        self._layers: LayerDistance | None = None
        parts = nn.ModuleDict({"network": self.network})
        if self._teacher is not None and config.layer_weight and config.teacher_weight:
            self._layers = LayerDistance(
                (config.cells, len(self._teacher.layers)),
                (given.dim, self._teacher.item_emb.shape[1]),
                adaptive=config.adaptive,
            ).to(given.device)
            parts["layers"] = self._layers
        self.optimizer = Adam(parts, config.learning_rate, 0.0)

    def memory(self) -> dict[str, Tensor]:
        """How much each layer weighs, where that adapts."""
        if self._layers is None or not self._layers.adaptive:
            return {}
        return dict(zip(("student_layers", "teacher_layers"), self._layers.weights, strict=True))

    def _loss(
        self,
        targets: I64,
        rng: np.random.Generator,
        noise: torch.Generator | None,
        weights: Sequence[EdgeWeights] | None,
        layers: LayerDistance | None,
    ) -> Tensor:
        """Over the places of targets (B, n); ``weights`` of edges as in the network, None: all fully."""
        tokens, real = self._tokens(targets)
        states = [stage[real] for stage in self.network.stages(tokens, weights, noise)]  # (P, d) each
        compared = self._columns(targets[targets < self.given.train.n_items], rng)
        table = self.network.item_emb
        rows = table[:-1] if compared[0] is None else table[compared[0]]
        if self._teacher is None:
            return self._mixed(states[-1], rows, compared, None)
        with torch.no_grad():
            taught = [stage[real] for stage in self._teacher.stages(tokens)]  # (P, e) each
        loss = self._mixed(states[-1], rows, compared, taught[-1])
        if layers is None:
            return loss
        share = float(self.config.teacher_weight * self.config.layer_weight)
        distance: Tensor = layers(states, taught)
        return loss + share * distance

    def scores(self, users: I64) -> F32:
        return self.rows_after(self.given.train)(users)


class CellStudent(CellLearner):
    """The network of a given cell."""

    def __init__(self, given: TrainingInput, config: AdaRecConfig) -> None:
        self.cell = config.given_cell()
        shape = (given.train.n_items, given.dim)
        super().__init__(given, config, CellNetwork.of(self.cell, shape, given.seed, config))
        self._known = self.rows_after(given.train)

    def _batch_loss(
        self, targets: I64, rng: np.random.Generator, noise: torch.Generator | None = None
    ) -> Tensor:
        return self._loss(targets, rng, noise, None, self._layers)

    def scores(self, users: I64) -> F32:
        return self._known(users)

    def rows_after(self, histories: Interactions) -> ScoreRows:
        return answers(self.network, self.cell.items_read(self.config.history_length), histories)

    def architecture(self) -> dict[str, Any]:
        """``history_length``: tokens that it reads, the start token included."""
        read = self.cell.items_read(self.config.history_length)
        return {"kind": "adarec", **self.cell.facts(), "history_length": read + 1}

    def documents(self, search: Mapping[str, Any]) -> dict[str, Any]:
        """``cell.json``: the cell, its cost, and the search that found it, None where it was given."""
        dim, length = self.given.dim, self.config.history_length
        found = {
            "dim": dim,
            "seed": self.given.seed,
            "receptive_field": None if self.cell.attends else self.cell.receptive_field,
            "macs_per_token": self.cell.cost("macs", dim, length),
            "weight_bytes": self.cell.cost("bytes", dim, length),
            "search": dict(search) or None,
        }
        return {"cell.json": cell_document(self.cell, found)}


def student_of(given: TrainingInput, config: AdaRecConfig, cell: Cell, epochs: int) -> CellStudent:
    """The network of a cell from its start, with a schedule of so many epochs."""
    return CellStudent(dataclasses.replace(given, epochs=epochs), dataclasses.replace(config, cell=str(cell)))

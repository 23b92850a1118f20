"""Training of the click models: binary cross-entropy on rows, Adam, L2 of whole tables."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recpress_edge.core.arrays import I64
from recpress_edge.core.rng import stream, torch_seed
from recpress_edge.models.clicks.network import ClickNetwork, ClickShape
from recpress_edge.models.clicks.rows import FieldLayout
from recpress_edge.models.clicks.scorer import ClickScorer
from recpress_edge.models.clicks.settings import ClickConfig, DeepFMConfig, EmbeddedConfig, WideDeepConfig
from recpress_edge.models.clicks.teaching import Teaching
from recpress_edge.models.method import Learner, TrainingInput
from recpress_edge.models.nn import Adam

TEACHING: Final = "teaching"
"""Name, within the network, of what is learned for its teachers alone."""
_COPIES: Final = 5
"""Of a parameter: itself, its gradient, Adam's two moments, and the best epoch's."""
_FLOAT: Final = 4


class ClickMethod(Learner):
    """A click model in epochs over rows; which parts it has is its class's affair."""

    pairs: bool = False

    def __init__(self, given: TrainingInput, config: ClickConfig) -> None:
        assert given.clicks is not None
        self.given, self.config, self.clicks = given, config, given.clicks
        self.layout = FieldLayout(self.clicks.fields)
        self.shape = self._shape()
        given.require_memory(
            self._bytes(),
            f"a click model of {self.layout.size:,} values in {len(self.layout.fields)} fields and "
            f"{len(self.clicks.labels):,} rows",
            "Take a smaller dim, raise method.min_count, or hash the columns of most values when importing.",
        )
        self.network = ClickNetwork(self.layout, self.shape, given.seed, config.init_std)
        crosses = config.crosses if isinstance(config, WideDeepConfig) else ()
        self.scorer = ClickScorer(self.network, crosses, given.device)
        self.teaching = self._teaching()
        self.optimizer = Adam(self.network, config.learning_rate, 0.0)

    def _teaching(self) -> Teaching | None:
        """What is learned with the network and stays behind when it is stored; None without a teacher."""
        targets = self.clicks.targets
        if targets is None:
            return None
        widths = (self.shape.layers[-1] if self.shape.layers else 0, targets.hidden.shape[1])
        made = Teaching(self.config, self.layout.size, len(targets.logits), widths).to(self.given.device)
        self.network.add_module(TEACHING, made)
        return made

    def _shape(self) -> ClickShape:
        config = self.config
        if not isinstance(config, DeepFMConfig):
            return ClickShape(dim=self.given.dim, pairs=self.pairs)
        crosses = (
            (len(config.crosses), config.cross_buckets) if isinstance(config, WideDeepConfig) else (0, 0)
        )
        return ClickShape(
            dim=self.given.dim,
            pairs=self.pairs,
            layers=config.layers,
            batch_norm=config.batch_norm,
            n_crosses=crosses[0],
            cross_buckets=crosses[1] if crosses[0] else 0,
        )

    def _bytes(self) -> int:
        shape, widths = self.shape, [len(self.layout.fields) * self.shape.dim, *self.shape.layers, 1]
        dense = sum(n_in * n_out for n_in, n_out in pairwise(widths)) if shape.layers else 0
        values = self.layout.size * (shape.dim + 1) + dense + shape.n_crosses * shape.cross_buckets
        active = self.config.batch_size * (2 * sum(widths) if shape.layers else widths[0] + 1)
        return (values * _COPIES + active) * _FLOAT + self.clicks.rows.nbytes

    def steps(self) -> int:
        return len(self._starts())

    def _starts(self) -> range:
        """First row of each batch; a last one of a single row, which has no variance, is left out."""
        n_rows, size = len(self.clicks.labels), self.config.batch_size
        return range(0, n_rows - 1 if n_rows > 1 else 1, size)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        seed, config = self.given.seed, self.config
        order = stream(seed, "shuffle", epoch).permutation(len(self.clicks.labels))
        replaced = stream(seed, "replaced", epoch)
        noise = torch.Generator(self.given.device).manual_seed(torch_seed(seed, "dropout", epoch))
        dropout = config.dropout if isinstance(config, DeepFMConfig) else 0.0
        self.optimizer.learning_rate = config.learning_rate * config.decay**self.stalls
        self.network.train()
        for start in self._starts():
            batch = order[start : start + config.batch_size]
            rows = self.clicks.rows[batch]
            if config.replaced:
                rows = self.layout.replaced(rows, config.replaced, replaced)
            inputs = self.scorer.tensors(rows)
            scored = self.network.parts(*inputs, dropout, noise)
            yield self._loss(batch, inputs[0], scored) + self._penalty()
        self.network.eval()

    def _loss(self, batch: I64, rows: Tensor, scored: tuple[Tensor, Tensor]) -> Tensor:
        """Of the labels, and of what teachers say, of train rows ``batch`` (B,), seen as ``rows`` (B, W)."""

        def sent(array: NDArray[Any]) -> Tensor:
            return torch.from_numpy(array).to(self.given.device)

        labels, targets = sent(self.clicks.labels[batch].astype(np.float32)), self.clicks.targets
        if self.teaching is None or targets is None:
            return F.binary_cross_entropy_with_logits(scored[0], labels)
        known = sent(targets.logits[:, batch]), sent(targets.hidden[batch])
        loss: Tensor = self.teaching((self.network.tables, rows), scored, labels, known)
        return loss

    def _penalty(self) -> Tensor | float:
        """λ/2 ‖E‖² + λ'/2 ‖w‖² over whole tables, crosses among the linear weights, and a gate's."""
        config, tables = self.config, self.network.tables
        total: Tensor | float = 0.0
        if config.linear_l2:
            total = total + config.linear_l2 / 2 * tables.weight.square().sum()
            if self.network.crosses is not None:
                total = total + config.linear_l2 / 2 * self.network.crosses.square().sum()
        if isinstance(config, EmbeddedConfig) and config.l2 and tables.embedding is not None:
            total = total + config.l2 / 2 * tables.embedding.square().sum()
        if config.linear_l2 and self.teaching is not None and self.teaching.gate is not None:
            total = total + config.linear_l2 / 2 * self.teaching.gate.weight.square().sum()
        return total

    def parameters(self) -> dict[str, Tensor]:
        """The network's own by name, as the model is now."""
        known = self.optimizer.parameters().items()
        return {name: value.detach() for name, value in known if not name.startswith(f"{TEACHING}.")}


class LR(ClickMethod):
    """z = b + Σ_f w_f."""


class FM(ClickMethod):
    """z = LR + ½ Σ_k [(Σ_f e_fk)² − Σ_f e_fk²] (Rendle, ICDM 2010)."""

    pairs = True


class WideDeep(ClickMethod):
    """z = LR + Σ_c w_c + hidden layers (Cheng et al., DLRS 2016).

    Deviation: Adam on all parts, as the benchmarks run it; the paper has FTRL with L1 on the wide part and
    AdaGrad on the deep one.
    """


class DeepFM(ClickMethod):
    """z = FM + hidden layers on the same embeddings (Guo et al., IJCAI 2017)."""

    pairs = True

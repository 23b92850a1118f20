"""Training of the click models: binary cross-entropy on rows, Adam, L2 of whole tables."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recpress_edge.core.arrays import F32, I32
from recpress_edge.core.rng import stream, torch_seed
from recpress_edge.models.clicks.network import ClickNetwork, ClickShape
from recpress_edge.models.clicks.rows import FieldLayout, cross_columns
from recpress_edge.models.clicks.settings import ClickConfig, DeepFMConfig, EmbeddedConfig, WideDeepConfig
from recpress_edge.models.method import Learner, TrainingInput
from recpress_edge.models.nn import Adam

_BLOCK_ROWS: Final = 8192
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
        crosses = config.crosses if isinstance(config, WideDeepConfig) else ()
        columns = [[self.layout.column(name) for name in WideDeepConfig.pair(cross)] for cross in crosses]
        self.crosses = [(left, right) for left, right in columns]
        given.require_memory(
            self._bytes(),
            f"a click model of {self.layout.size:,} values in {len(self.layout.fields)} fields and "
            f"{len(self.clicks.labels):,} rows",
            "Take a smaller dim, raise method.min_count, or hash the columns of most values when importing.",
        )
        network = ClickNetwork(self.layout, self.shape, given.seed, config.init_std)
        self.network = network.to(given.device)
        self.optimizer = Adam(self.network, config.learning_rate, 0.0)

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
            labels = torch.from_numpy(self.clicks.labels[batch].astype(np.float32)).to(self.given.device)
            logits = self.network(*self._tensors(rows), dropout, noise)
            yield F.binary_cross_entropy_with_logits(logits, labels) + self._penalty()
        self.network.eval()

    def _tensors(self, rows: I32) -> tuple[Tensor, Tensor]:
        buckets = cross_columns(rows, self.crosses, self.shape.cross_buckets)
        return (
            torch.from_numpy(rows.astype(np.int64)).to(self.given.device),
            torch.from_numpy(buckets).to(self.given.device),
        )

    def _penalty(self) -> Tensor | float:
        """λ/2 ‖E‖² + λ'/2 ‖w‖² over whole tables, crosses among the linear weights."""
        config, tables = self.config, self.network.tables
        total: Tensor | float = 0.0
        if config.linear_l2:
            total = total + config.linear_l2 / 2 * tables.weight.square().sum()
            if self.network.crosses is not None:
                total = total + config.linear_l2 / 2 * self.network.crosses.square().sum()
        if isinstance(config, EmbeddedConfig) and config.l2 and tables.embedding is not None:
            total = total + config.l2 / 2 * tables.embedding.square().sum()
        return total

    @torch.inference_mode()
    def logits(self, rows: I32) -> F32:
        """Logits (n,) of rows (n, W), as the model is now."""
        self.network.eval()
        found = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), _BLOCK_ROWS):
            part = slice(start, start + _BLOCK_ROWS)
            found[part] = self.network(*self._tensors(rows[part])).cpu().numpy()
        return found

    def architecture(self) -> dict[str, Any]:
        """What its parameters do not tell, as plain JSON."""
        config, shape = self.config, self.shape
        crosses = list(config.crosses) if isinstance(config, WideDeepConfig) else []
        return {
            "kind": "clicks",
            "dim": shape.dim,
            "pairs": shape.pairs,
            "layers": list(shape.layers),
            "batch_norm": shape.batch_norm and bool(shape.layers),
            "crosses": crosses,
            "cross_buckets": shape.cross_buckets,
            "fields": [field.entry() for field in self.layout.fields],
        }


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

"""A click network with what turns encoded rows into its input: what scores, in training and after it."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.core.arrays import F32, I32
from recpress_edge.models.clicks.network import ClickNetwork, ClickShape
from recpress_edge.models.clicks.rows import FieldLayout, cross_columns
from recpress_edge.models.clicks.settings import WideDeepConfig

BLOCK_ROWS: Final = 8192
KIND: Final = "clicks"


class ClickScorer:
    """Logits and last hidden layers of encoded rows."""

    def __init__(self, network: ClickNetwork, crosses: Sequence[str], device: str) -> None:
        """``crosses``: pairs of fields, as :class:`WideDeepConfig` has them."""
        self.network, self.crosses, self._device = network.to(device), tuple(crosses), device
        self.layout = network.tables.layout
        columns = [[self.layout.column(name) for name in WideDeepConfig.pair(cross)] for cross in crosses]
        self.columns = [(left, right) for left, right in columns]

    def tensors(self, rows: I32) -> tuple[Tensor, Tensor]:
        """Rows (B, W) and the buckets of their crosses (B, C), as the network takes them."""
        buckets = cross_columns(rows, self.columns, self.network.shape.cross_buckets)
        return (
            torch.from_numpy(rows.astype(np.int64)).to(self._device),
            torch.from_numpy(buckets).to(self._device),
        )

    def logits(self, rows: I32) -> F32:
        """Logits (n,) of rows (n, W), as the model is now."""
        return self._by_blocks(rows, lambda logits, hidden: logits)

    def hidden(self, rows: I32) -> F32:
        """The last hidden layer (n, H) of rows (n, W), of a network that has hidden layers."""
        return self._by_blocks(rows, lambda logits, hidden: hidden)

    @torch.inference_mode()
    def _by_blocks(self, rows: I32, part: Callable[[Tensor, Tensor], Tensor]) -> F32:
        self.network.eval()
        found = [
            part(*self.network.parts(*self.tensors(rows[start : start + BLOCK_ROWS]))).cpu().numpy()
            for start in range(0, len(rows), BLOCK_ROWS)
        ]
        return np.concatenate(found)

    def architecture(self) -> dict[str, Any]:
        """What its parameters do not tell, as plain JSON."""
        shape = self.network.shape
        return {
            "kind": KIND,
            "dim": shape.dim,
            "pairs": shape.pairs,
            "layers": list(shape.layers),
            "batch_norm": shape.batch_norm and bool(shape.layers),
            "crosses": list(self.crosses),
            "cross_buckets": shape.cross_buckets,
            "fields": [field.entry() for field in self.layout.fields],
        }


def scorer_of(
    architecture: dict[str, Any],
    fields: tuple[FeatureField, ...],
    parameters: dict[str, F32],
    device: str = "cpu",
) -> ClickScorer:
    """The network of :meth:`ClickScorer.architecture`, its fields read, with these parameters by name."""
    shape = ClickShape(
        dim=architecture["dim"],
        pairs=architecture["pairs"],
        layers=tuple(architecture["layers"]),
        batch_norm=architecture["batch_norm"],
        n_crosses=len(architecture["crosses"]),
        cross_buckets=architecture["cross_buckets"],
    )
    network = ClickNetwork(FieldLayout(fields), shape, seed=0, std=0.0)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in parameters.items()})
    return ClickScorer(network, architecture["crosses"], device)

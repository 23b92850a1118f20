"""What transformers of sequences are built from: layers, norms, seeded dropout."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.models.sequences.settings import TransformerConfig

Activation = Callable[[Tensor], Tensor]


class Noise:
    """Dropout that the seed decides: values are set to zero with this chance, the others grow to make up."""

    def __init__(self, chance: float, generator: torch.Generator | None) -> None:
        """None drops nothing."""
        self._chance = chance if generator is not None else 0.0
        self._generator = generator

    def __call__(self, x: Tensor) -> Tensor:
        if not self._chance:
            return x
        kept = torch.rand(x.shape, generator=self._generator, device=x.device) >= self._chance
        return x * kept / (1.0 - self._chance)


class Layer(nn.Module):
    """One pre-norm transformer layer: x + Attention(Norm(x)), then x + Down(act(Up(Norm(x)))).

    qkv (3d, d), mix (d, d), up (wd, d), down (d, wd), their biases, and gain and shift of both norms.
    """

    def __init__(
        self, dim: int, config: TransformerConfig, rng: np.random.Generator, activate: Activation = torch.relu
    ) -> None:
        super().__init__()
        self._activate = activate
        wide = config.widening * dim
        self.heads = config.heads
        self.qkv_weight, self.qkv_bias = _linear(3 * dim, dim, config.init_std, rng)
        self.mix_weight, self.mix_bias = _linear(dim, dim, config.init_std, rng)
        self.up_weight, self.up_bias = _linear(wide, dim, config.init_std, rng)
        self.down_weight, self.down_bias = _linear(dim, wide, config.init_std, rng)
        self.attention_gain, self.attention_shift = norm_parameters(dim)
        self.forward_gain, self.forward_shift = norm_parameters(dim)

    def forward(self, x: Tensor, blocked: Tensor, noise: Noise) -> Tensor:
        """x (B, n, d) -> (B, n, d); ``blocked``, as (B, H, n, n), is True where a place must not look."""
        x = x + noise(self._attend(normed(x, self.attention_gain, self.attention_shift), blocked))
        inner = normed(x, self.forward_gain, self.forward_shift)
        inner = self._activate(F.linear(inner, self.up_weight, self.up_bias))
        return x + noise(F.linear(noise(inner), self.down_weight, self.down_bias))

    def _attend(self, x: Tensor, blocked: Tensor) -> Tensor:
        batch, length, dim = x.shape
        split = F.linear(x, self.qkv_weight, self.qkv_bias).view(batch, length, 3, self.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # (B, H, n, d / H) each
        logits = (query @ key.transpose(-1, -2)) * (dim // self.heads) ** -0.5
        mixed = logits.masked_fill(blocked, -torch.inf).softmax(dim=-1) @ value
        return F.linear(mixed.transpose(1, 2).reshape(batch, length, dim), self.mix_weight, self.mix_bias)


def drawn_parameter(shape: tuple[int, int], std: float, rng: np.random.Generator) -> nn.Parameter:
    """Normal numbers, drawn by numpy so that a model starts from the same ones on CPU and CUDA."""
    return nn.Parameter(torch.from_numpy(rng.standard_normal(shape, np.float32) * np.float32(std)))


def _linear(
    rows: int, columns: int, std: float, rng: np.random.Generator
) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight and bias."""
    return drawn_parameter((rows, columns), std, rng), nn.Parameter(torch.zeros(rows))


def norm_parameters(dim: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Gain and shift."""
    return nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))


def normed(x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    """x (..., d) normalised over its last dimension, then gain and shift (d,)."""
    return F.layer_norm(x, x.shape[-1:], gain, shift)

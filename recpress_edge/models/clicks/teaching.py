"""What a click model learns from teachers: soft labels, weighed by a gate or not, and hints."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.models.clicks.network import FieldTables
from recpress_edge.models.clicks.settings import ClickConfig


def taught_loss(logits: Tensor, labels: Tensor, soft: Tensor, weight: float, temperature: float) -> Tensor:
    """(1 − w) BCE(y, σ(z)) + w T² BCE(σ(z̄ / T), σ(z / T)), means over the batch (Hinton et al., 2015).

    logits z, labels y and the teachers' logits z̄ are (B,), y as floats.
    """
    hard = F.binary_cross_entropy_with_logits(logits, labels)
    known = torch.sigmoid(soft / temperature)
    return (1 - weight) * hard + weight * temperature**2 * F.binary_cross_entropy_with_logits(
        logits / temperature, known
    )


class TeacherGate(nn.Module):
    """Weights of the teachers by row: the softmax of one linear form of the input per teacher.

    Zhu et al., CIKM 2020. The input is the row's values, so a form is a weight for each value of
    each field. All are 0 at first: the gate begins as the mean. It is learned with the student's loss.
    """

    def __init__(self, n_values: int, n_teachers: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_values, n_teachers))
        self.bias = nn.Parameter(torch.zeros(n_teachers))

    def forward(self, tables: FieldTables, rows: Tensor, soft: Tensor) -> Tensor:
        """z̄ (B,) of the teachers' logits (K, B) for rows (B, W)."""
        forms = tables.of_fields(rows, self.weight).sum(dim=1) + self.bias  # (B, K)
        return (torch.softmax(forms, dim=1) * soft.T).sum(dim=1)


class Teaching(nn.Module):
    """The part of a student's loss that its teachers decide, with what is learned for it alone."""

    def __init__(self, config: ClickConfig, n_values: int, n_teachers: int, widths: tuple[int, int]) -> None:
        """``widths`` of the last hidden layers: the student's, and the teachers' together."""
        super().__init__()
        self.config = config
        self.gate = TeacherGate(n_values, n_teachers) if config.gated else None
        self.hint = nn.Linear(*widths) if config.hint_weight else None
        if self.hint is not None:
            nn.init.zeros_(self.hint.weight)
            nn.init.zeros_(self.hint.bias)

    def forward(
        self,
        network: tuple[FieldTables, Tensor],
        scored: tuple[Tensor, Tensor],
        labels: Tensor,
        known: tuple[Tensor, Tensor],
    ) -> Tensor:
        """The loss of a batch.

        ``network``: the student's tables and the rows (B, W); ``scored``: its logits (B,) and last hidden
        layer (B, h); labels (B,); ``known``: the teachers' logits (K, B) and hidden layers (B, H).
        """
        (logits, hidden), (each, hints), config = scored, known, self.config
        soft = each.mean(dim=0) if self.gate is None else self.gate(*network, each)
        loss = taught_loss(logits, labels, soft, config.teacher_weight, config.temperature)
        if self.hint is not None:
            loss = loss + config.hint_weight * F.mse_loss(self.hint(hidden), hints)
        return loss

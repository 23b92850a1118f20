"""What a student of sequences reads off its teacher's states."""

import torch.nn.functional as F
from torch import Tensor


def hint_loss(states: Tensor, mapping: Tensor, teacher_states: Tensor) -> Tensor:
    """Mean squared distance between mapped states and the teacher's, each normalised over its dimensions.

    states (P, d), mapping (e, d), teacher_states (P, e) -> ().
    """
    wanted = F.layer_norm(teacher_states, teacher_states.shape[-1:])
    return F.mse_loss(F.linear(states, mapping), wanted)

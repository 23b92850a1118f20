"""Adam over named parameters, with its state in the open."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETA1: Final = 0.9
BETA2: Final = 0.999
EPSILON: Final = 1e-8


class Adam:
    """Adam with L2 in the gradient (Kingma and Ba, ICLR 2015), one pass over memory per step.

    The same update as ``torch.optim.Adam``, whose constructor imports torch's compiler: two to three
    seconds at the start of every run for something that is not used here.
    """

    def __init__(self, model: nn.Module, learning_rate: float, weight_decay: float) -> None:
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self._parameters = dict(model.named_parameters())
        self._first = {name: torch.zeros_like(p) for name, p in self._parameters.items()}
        self._second = {name: torch.zeros_like(p) for name, p in self._parameters.items()}
        self._steps = {name: torch.zeros((), device=p.device) for name, p in self._parameters.items()}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        moved = [name for name, parameter in self._parameters.items() if parameter.grad is not None]
        adam(
            [self._parameters[name] for name in moved],
            [self._parameters[name].grad for name in moved],  # type: ignore[misc]
            [self._first[name] for name in moved],
            [self._second[name] for name in moved],
            [],
            [self._steps[name] for name in moved],
            foreach=False,
            fused=True,
            amsgrad=False,
            beta1=BETA1,
            beta2=BETA2,
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def parameters(self) -> Mapping[str, Tensor]:
        """What it moves, by name: the tensors themselves."""
        return self._parameters

    def state(self) -> dict[str, Tensor]:
        """Parameters, both moments and step counts by name: the tensors themselves, to be saved or set."""
        parts: dict[str, Mapping[str, Tensor]] = {
            "param": self._parameters,
            "first": self._first,
            "second": self._second,
            "steps": self._steps,
        }
        return {f"{part}/{name}": value for part, named in parts.items() for name, value in named.items()}

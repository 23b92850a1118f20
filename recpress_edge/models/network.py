"""Models that are networks, not tables: what the trainer stores of them beside their rankings."""

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from recpress_edge.data.interactions import Interactions
from recpress_edge.models.method import Method
from recpress_edge.models.ranking import ScoreRows


class NetworkMethod(Method):
    """A method whose model is kept whole: its parameters by name, and what they are parameters of."""

    network: nn.Module

    @abstractmethod
    def architecture(self) -> dict[str, Any]:
        """``kind`` and what its parameters do not tell, as plain JSON.

        ``user_rows`` and ``item_rows`` name parameters that, side by side, stand for users and items: what
        it teaches as embeddings.
        """

    def parameters(self) -> dict[str, Tensor]:
        """The network's parameters by name, as the model is now."""
        return {name: value.detach() for name, value in self.network.named_parameters()}

    def rows_after(self, histories: Interactions) -> ScoreRows:
        """How it scores users after these histories; a model that knows its users needs none."""
        return self.scores

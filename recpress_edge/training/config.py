"""Settings of the training loop, apart from any method's. No torch here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from recpress_edge.models.config import check_not_negative, check_positive

CHOOSE_BY: Final = "recall@50"
"""The validation metric by which the best epoch is chosen and early stopping decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How long to train, how often to look at the validation split, and which epoch to keep."""

    epochs: int
    """Length of the schedule. Methods that anneal something spread it over these epochs."""
    evaluate_every: int = 5
    """Epochs between evaluations on the validation split; the last epoch is always evaluated."""
    keep: Literal["best", "last"] = "best"
    """'best' on the validation split, or 'last' for a fixed number of epochs (the reference protocol)."""
    patience: int = 0
    """Stop after this many evaluations in a row without a new best; 0 trains all epochs."""

    def __post_init__(self) -> None:
        check_positive("training", epochs=self.epochs, evaluate_every=self.evaluate_every)
        check_not_negative("training", patience=self.patience)


DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    # method -> what its training uses unless a file or flag says otherwise
    "bpr": {"epochs": 100},
    "ftd": {"epochs": 100},
    "htd": {"epochs": 100},
    "soft": {"epochs": 50},
}

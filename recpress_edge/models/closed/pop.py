"""Popularity: the same ranking for everybody. The baseline that every report shows."""

import torch
from torch import Tensor

from recpress_edge.models.method import ClosedForm, Factorised, TrainingInput
from recpress_edge.models.settings import PopConfig


class Pop(Factorised, ClosedForm):
    """An item's score is its number of train interactions: tables of one column."""

    def __init__(self, given: TrainingInput, config: PopConfig) -> None:
        self.given = given

    def fit(self) -> None:
        """Nothing to compute: the counts are in the data."""
        train = self.given.train
        self.given.require_memory(
            4 * (train.n_users + 3 * train.n_items),
            f"pop of {train.n_users:,} users and {train.n_items:,} items",
            "Drop rare users and items when importing.",
        )

    def tables(self) -> tuple[Tensor, Tensor]:
        counts = torch.from_numpy(self.given.train.item_counts()).float()[:, None]
        return torch.ones(self.given.train.n_users, 1), counts

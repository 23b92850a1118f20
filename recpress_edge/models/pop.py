"""Popularity: the same ranking for everybody. The floor that every report shows."""

import torch
from torch import Tensor

from recpress_edge.models.config import PopConfig
from recpress_edge.models.method import ClosedForm, Factorised, Job


class Pop(Factorised, ClosedForm):
    """An item's score is its number of train interactions: tables of one column."""

    def __init__(self, job: Job, config: PopConfig) -> None:
        self.job = job

    def fit(self) -> None:
        """Nothing to compute: the counts are in the data."""
        train = self.job.train
        self.job.require_memory(
            4 * (train.n_users + 3 * train.n_items),
            f"pop of {train.n_users:,} users and {train.n_items:,} items",
            "Drop rare users and items when importing.",
        )

    def tables(self) -> tuple[Tensor, Tensor]:
        counts = torch.from_numpy(self.job.train.item_counts()).float()[:, None]
        return torch.ones(self.job.train.n_users, 1), counts

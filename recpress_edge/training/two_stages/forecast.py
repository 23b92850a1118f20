"""What a second stage takes at least, and about how long, told before its first stage is there."""

from itertools import pairwise
from typing import Final

from recpress_edge.data.interactions import Dataset
from recpress_edge.models.two_stages.settings import RerankConfig
from recpress_edge.training.plan import Wanted
from recpress_edge.training.two_stages.shortened import held_back

CANDIDATE_BYTES: Final = 12
"""An item, its score, and what a teacher says of it."""
CANDIDATE_NS: Final = 1000.0
"""CPU time of a candidate in one step, apart from its hidden layers; both as measured on MovieLens 100K."""
MAC_NS: Final = 0.6
"""And of one multiplication in them, forward and back."""


def foreseen_stages(wanted: Wanted, data: Dataset) -> tuple[int, float]:
    """The bytes of all lists, and the CPU seconds of the epochs; the first stage is a step of its own."""
    config: RerankConfig = wanted.config
    lists = int(held_back(data.train.counts(), config.positives).sum())
    macs = sum(n_in * n_out for n_in, n_out in pairwise((wanted.name.dim, *config.layers, 1)))
    candidate_ns = CANDIDATE_NS + MAC_NS * macs
    epoch_s = 1e-9 * lists * (config.negatives + 1) * candidate_ns
    return lists * config.candidates * CANDIDATE_BYTES, epoch_s * wanted.training.epochs

"""How long epochs take, told before the first one from constants that were measured.

A method goes over interactions, users, or users times items; what one of them costs is a straight line in the
dim, through the two dims that `benchmarks/epoch_costs.py` measures. The constants are CPU time on one thread
of a virtual Zen 4 (`benchmarks/results/epoch-costs.json`). Validation comes on top, and what is made once
before the first epoch. They are of tables that fit into caches: BPR takes three times as long with 5 million
interactions.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from recpress_edge.data.interactions import Interactions
from recpress_edge.models.sampled_softmax import is_sampled

Driver = Literal["interactions", "users", "scores"]
DIMS: Final = (16, 64)
"""At which costs are measured."""
COSTS: Final[Mapping[str, tuple[Driver, float, float]]] = {
    "bpr": ("interactions", 630.0, 1000.0),
    "ftd": ("interactions", 2000.0, 3700.0),
    "htd": ("interactions", 14000.0, 16000.0),
    "de": ("interactions", 7900.0, 12000.0),
    "rrd": ("interactions", 10000.0, 11000.0),
    "de_rrd": ("interactions", 17000.0, 23000.0),
    "irrrd": ("interactions", 14000.0, 20000.0),
    "rd": ("interactions", 2300.0, 3600.0),
    "cd": ("interactions", 5200.0, 7700.0),
    "dcd": ("interactions", 9600.0, 13000.0),
    "unkd": ("interactions", 4400.0, 6400.0),
    "neumf": ("interactions", 4900.0, 23000.0),
    "rrd-neumf": ("interactions", 54000.0, 260000.0),
    "ftd-neumf": ("interactions", 7700.0, 34000.0),
    "htd-neumf": ("interactions", 19000.0, 56000.0),
    "de-neumf": ("interactions", 15000.0, 45000.0),
    "lightgcn": ("interactions", 1100.0, 2000.0),
    "cml": ("interactions", 4300.0, 15000.0),
    "soft": ("scores", 33.0, 46.0),
    "multvae": ("scores", 20.0, 32.0),
    "iae": ("scores", 14.0, 18.0),
    "soft sampled": ("users", 69000.0, 110000.0),
}
"""Of a method: what an epoch goes over, and the nanoseconds of each at the two dims."""


def epoch_seconds(method: str, config: Any, train: Interactions, dim: int) -> float | None:
    """CPU seconds of an epoch; None for a method that was not measured."""
    known = cost_of(method, config, train)
    if known is None:
        return None
    driver, low, high = known
    ns = low + (high - low) * (dim - DIMS[0]) / (DIMS[1] - DIMS[0])
    return 1e-9 * counts_of(train)[driver] * max(ns, low / 2)


def cost_of(method: str, config: Any, train: Interactions) -> tuple[Driver, float, float] | None:
    """The entry of :data:`COSTS`; a sampled softmax has one of its own."""
    return COSTS.get(f"{method} sampled" if has_sampled_softmax(config, train) else method)


def has_sampled_softmax(config: Any, train: Interactions) -> bool:
    """Whether these settings have a softmax that is sampled on this data."""
    softmax = getattr(config, "softmax", None)
    return softmax is not None and is_sampled(softmax, train.n_users, train.n_items, None)


def counts_of(train: Interactions) -> dict[Driver, int]:
    """What an epoch may go over."""
    return {
        "interactions": len(train),
        "users": train.n_users,
        "scores": train.n_users * train.n_items,
    }

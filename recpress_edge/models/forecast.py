"""How long epochs and passes take, told before the first one from constants that were measured.

A method goes over interactions, users, or users times items, and a closed form that compares all items over
pairs of them or what an inverse takes; what one of them costs is a straight line in the dim, through the two
dims that `benchmarks/epoch_costs.py` measures. The constants are CPU time on one thread
of a virtual Zen 5 (`benchmarks/results/epoch-costs.json`). Validation comes on top, and what is made once
before the first epoch. They are of tables that fit into caches: BPR takes three times as long with 5 million
interactions.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from recpress_edge.data.interactions import Interactions
from recpress_edge.models.sampled_softmax import is_sampled

Driver = Literal["interactions", "users", "scores", "item pairs", "inverse"]
DIMS: Final = (16, 64)
"""At which costs are measured."""
COSTS: Final[Mapping[str, tuple[Driver, float, float]]] = {
    "bpr": ("interactions", 320.0, 440.0),
    "ftd": ("interactions", 900.0, 1700.0),
    "htd": ("interactions", 5000.0, 6900.0),
    "de": ("interactions", 3700.0, 4900.0),
    "rrd": ("interactions", 3400.0, 4300.0),
    "de_rrd": ("interactions", 6800.0, 9100.0),
    "irrrd": ("interactions", 4500.0, 5800.0),
    "rd": ("interactions", 850.0, 1100.0),
    "cd": ("interactions", 1800.0, 2400.0),
    "dcd": ("interactions", 3700.0, 5200.0),
    "unkd": ("interactions", 1700.0, 2500.0),
    "neumf": ("interactions", 2100.0, 12000.0),
    "rrd-neumf": ("interactions", 25000.0, 150000.0),
    "ftd-neumf": ("interactions", 3400.0, 18000.0),
    "htd-neumf": ("interactions", 8800.0, 28000.0),
    "de-neumf": ("interactions", 7000.0, 25000.0),
    "lightgcn": ("interactions", 510.0, 1000.0),
    "cml": ("interactions", 1700.0, 5700.0),
    "soft": ("scores", 13.0, 21.0),
    "multvae": ("scores", 8.6, 15.0),
    "iae": ("scores", 6.4, 11.0),
    "soft sampled": ("users", 29000.0, 37000.0),
    "sasrec": ("interactions", 7000.0, 22000.0),
    "bert4rec": ("interactions", 0.0, 0.0),
    "lrh": ("interactions", 0.0, 0.0),
    "hetcomp": ("scores", 7.5, 15.0),
    "als": ("interactions", 930.0, 2000.0),
    "puresvd": ("interactions", 410.0, 1100.0),
    "ease": ("inverse", 0.019, 0.019),
    "itemknn": ("item pairs", 12.0, 12.0),
}
"""Of a method: what an epoch or a pass goes over, and the nanoseconds of each at the two dims."""


def epoch_seconds(
    method: str, config: Any, train: Interactions, dim: int, n_users: int | None = None
) -> float | None:
    """CPU seconds of an epoch or a pass, of ``n_users`` alone where given; None for what was not measured."""
    known = cost_of(method, config, train)
    if known is None:
        return None
    driver, low, high = known
    ns = low + (high - low) * (dim - DIMS[0]) / (DIMS[1] - DIMS[0])
    return 1e-9 * counts_of(train, n_users)[driver] * max(ns, low / 2)


def cost_of(method: str, config: Any, train: Interactions) -> tuple[Driver, float, float] | None:
    """The entry of :data:`COSTS`; a sampled softmax has one of its own."""
    return COSTS.get(f"{method} sampled" if has_sampled_softmax(config, train) else method)


def has_sampled_softmax(config: Any, train: Interactions) -> bool:
    """Whether these settings have a softmax that is sampled on this data."""
    softmax = getattr(config, "softmax", None)
    return softmax is not None and is_sampled(softmax, train.n_users, train.n_items, None)


def counts_of(train: Interactions, n_users: int | None = None) -> dict[Driver, int]:
    """What an epoch or a pass may go over, of ``n_users`` alone where given."""
    users = train.n_users if n_users is None else min(n_users, train.n_users)
    return {
        "interactions": len(train) * users // max(train.n_users, 1),
        "users": users,
        "scores": users * train.n_items,
        "item pairs": train.n_items**2,
        "inverse": min(users, train.n_items) ** 3,
    }

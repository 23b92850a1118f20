"""How long epochs and passes take, told before the first one from constants that were measured.

A method goes over interactions, users, or users times items, and a closed form that compares all items over
pairs of them or what an inverse takes; what one of them costs is a straight line in the dim, through the two
dims that `benchmarks/epoch_costs.py` measures. The constants are CPU time on one thread
of a virtual Zen 5 (`benchmarks/results/epoch-costs*.json`). Models of sequences have costs of their own
(`sequences/forecast.py`). Validation comes on top, and what is made once before the first epoch. The
constants are of tables that fit into caches: BPR takes three times as long with 5 million interactions.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from recpress_edge.data.interactions import Interactions
from recpress_edge.models.sampled_softmax import is_sampled
from recpress_edge.models.sequences.forecast import sequence_epoch_seconds

Driver = Literal["interactions", "users", "scores", "item pairs", "inverse"]
DIMS: Final = (16, 64)
"""At which costs are measured."""
COSTS: Final[Mapping[str, tuple[Driver, float, float]]] = {
    "bpr": ("interactions", 320.0, 450.0),
    "ftd": ("interactions", 930.0, 1800.0),
    "htd": ("interactions", 5800.0, 8400.0),
    "de": ("interactions", 4200.0, 5900.0),
    "rrd": ("interactions", 3700.0, 4800.0),
    "de_rrd": ("interactions", 8200.0, 11000.0),
    "irrrd": ("interactions", 5000.0, 6800.0),
    "rd": ("interactions", 880.0, 1200.0),
    "cd": ("interactions", 2000.0, 2800.0),
    "dcd": ("interactions", 4100.0, 6000.0),
    "unkd": ("interactions", 1900.0, 3400.0),
    "neumf": ("interactions", 2300.0, 14000.0),
    "rrd-neumf": ("interactions", 33000.0, 170000.0),
    "ftd-neumf": ("interactions", 4000.0, 21000.0),
    "htd-neumf": ("interactions", 11000.0, 32000.0),
    "de-neumf": ("interactions", 9700.0, 28000.0),
    "lightgcn": ("interactions", 570.0, 1200.0),
    "cml": ("interactions", 1800.0, 6900.0),
    "soft": ("scores", 14.0, 30.0),
    "multvae": ("scores", 11.0, 19.0),
    "iae": ("scores", 7.8, 12.0),
    "ecae": ("scores", 55.0, 79.0),
    "ae": ("scores", 24.0, 31.0),
    "soft sampled": ("users", 31000.0, 48000.0),
    "hetcomp": ("scores", 8.0, 18.0),
    "als": ("interactions", 1100.0, 2300.0),
    "puresvd": ("interactions", 480.0, 1100.0),
    "ease": ("inverse", 0.021, 0.02),
    "itemknn": ("item pairs", 14.0, 13.0),
}
"""Of a method: what an epoch or a pass goes over, and the nanoseconds of each at the two dims."""


def epoch_seconds(
    method: str,
    config: Any,
    train: Interactions,
    dim: int,
    n_users: int | None = None,
    teacher_dim: int = 0,
) -> float | None:
    """CPU seconds of an epoch or a pass, of ``n_users`` alone where given; None for what was not measured.

    ``teacher_dim``: of a teacher that reads the same sequences, 0 without one.
    """
    known = cost_of(method, config, train)
    if known is None:
        return sequence_epoch_seconds(method, config, train, dim, teacher_dim)
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

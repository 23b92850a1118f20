"""What memory a method takes, said and refused before it takes it. No torch here.

Lower bounds: the tables and lists alone, by the bytes that numpy and torch were seen to hold for each.
Closed forms and autoencoders know their matrices better and say it themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from recpress_edge.distill.config import SoftConfig
from recpress_edge.distill.hetcomp_config import HetCompConfig
from recpress_edge.distill.ranking_config import (
    CDConfig,
    DCDConfig,
    IRRRDConfig,
    RDConfig,
    RRDConfig,
    UnKDConfig,
)
from recpress_edge.models.config import IAEConfig, LightGCNConfig, MultVAEConfig
from recpress_edge.models.network_config import PointwiseSettings, SASRecConfig

if TYPE_CHECKING:
    from recpress_edge.models.method import Job

SAY_IT_THEMSELVES: Final = (MultVAEConfig, IAEConfig)
_FLOAT: Final = 4
_COPIES: Final = 5
"""Of a parameter: itself, its gradient, Adam's two moments, and the best epoch's."""
_PAIR_BYTES: Final = 60
"""An interaction's keys, and its place in an epoch's order."""
_NEGATIVE_BYTES: Final = 30
"""An item drawn for it, in int64, and what telling it from the observed ones takes."""
_BLOCK_SCORES: Final = 512 * 3
"""Rows of scores that an evaluation holds, masked and sorted."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Lists that a student keeps of its teacher: how many places they have, and what each takes at most."""

    places: Callable[[Any, int, int], int]
    """(config, users, items) -> places"""
    place_bytes: int
    instead: str


# The first class that a method's settings are of; a place's bytes are measured peaks over the places.
LISTS: Final[tuple[tuple[type[Any], Lists], ...]] = (
    (
        IRRRDConfig,
        Lists(
            lambda c, users, items: users * min(c.pool, items) + items * min(c.item_pool, users),
            72,
            "Set a smaller method.pool and method.item_pool",
        ),
    ),
    (RRDConfig, Lists(lambda c, users, items: users * min(c.pool, items), 72, "Set a smaller method.pool")),
    (
        RDConfig,
        Lists(lambda c, users, _: users * (c.top_items + c.sampled), 8, "Set a smaller method.sampled"),
    ),
    (CDConfig, Lists(lambda c, users, items: users * min(c.pool, items), 24, "Set a smaller method.pool")),
    (
        DCDConfig,
        Lists(
            lambda c, users, items: users * min(c.pool, items) + items * min(c.item_pool, users),
            24,
            "Set a smaller method.pool and method.item_pool",
        ),
    ),
    (UnKDConfig, Lists(lambda c, users, items: users * min(c.pool, items), 24, "Set a smaller method.pool")),
    (
        SoftConfig,
        Lists(lambda c, users, items: users * min(c.top_items, items), 72, "Set a smaller method.top_items"),
    ),
    (
        HetCompConfig,
        Lists(lambda c, users, items: users * min(c.top_items, items), 24, "Set a smaller method.top_items"),
    ),
)


def require_memory_of(method: str, job: "Job", config: Any) -> None:
    """Say what this method needs at least; DataError, with what to change, where it is not there."""
    if isinstance(config, SAY_IT_THEMSELVES):
        return
    train = job.train
    taught = job.teacher is not None or bool(job.teachers)
    lists = next((lists for kind, lists in LISTS if isinstance(config, kind)), None) if taught else None
    listed = lists.place_bytes * lists.places(config, train.n_users, train.n_items) if lists else 0
    job.require_memory(
        _parameter_bytes(job, config) + _pair_bytes(job, config) + listed,
        f"{method} of {train.n_users:,} users, {train.n_items:,} items and {len(train):,} interactions",
        f"{lists.instead if lists else 'Take a smaller dim'}, or drop rare users and items when importing.",
    )


def _parameter_bytes(job: "Job", config: Any) -> int:
    rows = job.train.n_items + (0 if isinstance(config, SASRecConfig) else job.train.n_users)
    width = 3 * job.dim if isinstance(config, PointwiseSettings) else job.dim
    layers = 2 * config.layers if isinstance(config, LightGCNConfig) else 0  # and their gradients
    return rows * width * _FLOAT * (_COPIES + layers) + job.train.n_items * _BLOCK_SCORES * _FLOAT


def _pair_bytes(job: "Job", config: Any) -> int:
    negatives = getattr(config, "negatives", 1) * getattr(config, "candidates", 1)
    return len(job.train) * (_PAIR_BYTES + _NEGATIVE_BYTES * negatives)

"""A small seeded data set that ships as code: for the demo and the tests.

Each user likes a few of many topics and consumes mostly their popular items, with some items from
everywhere. There are many more topics than a student of 10 dimensions can keep apart, so a wide
teacher ranks clearly better and distillation has something to give.
"""

import numpy as np

from recpress_edge.core.arrays import F64, I64
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.log import Log
from recpress_edge.data.split import SplitRule, split_at_random

ITEMS_PER_TOPIC = 25
TOPICS_PER_USER = 3
FEWEST_ITEMS, MOST_ITEMS = 10, 35
NOISE = 0.1
"""Share of draws that ignore the user's topics."""


def synthetic(seed: int = 0, n_users: int = 2000, n_items: int = 2500) -> Dataset:
    """A topic mixture with Zipf popularity, split leave-one-out at random.

    Only draws and divisions of the numpy generator's integers and doubles go in, so the same seed
    gives the same data on every machine.
    """
    smallest = ITEMS_PER_TOPIC * TOPICS_PER_USER
    if n_users < 2 or n_items < smallest:
        raise ConfigError(f"synthetic data needs 2 users and {smallest} items, got {n_users} and {n_items}")
    rng = stream(seed, "synthetic")
    n_topics = n_items // ITEMS_PER_TOPIC
    by_topic = rng.permutation(n_items)[: n_topics * ITEMS_PER_TOPIC].reshape(n_topics, ITEMS_PER_TOPIC)
    everywhere = rng.permutation(n_items)
    users, items = [], []
    for user in range(n_users):
        chosen = _consume(rng, by_topic, everywhere)
        users.append(np.full(chosen.size, user, np.int32))
        items.append(chosen.astype(np.int32))
    log = Log(
        tuple(f"user-{user:04d}" for user in range(n_users)),
        tuple(f"item-{item:05d}" for item in range(n_items)),
        np.concatenate(users),
        np.concatenate(items),
        None,
        None,
        np.zeros(sum(chosen.size for chosen in items), np.int8),
    ).compact()
    split = split_at_random(log, SplitRule("loo-random"), seed)
    return Dataset(
        "synthetic",
        split.train,
        split.valid,
        split.test,
        log.user_ids,
        log.item_ids,
        split.protocol,
        "made by recpress-edge; public domain",
    )


def _consume(rng: np.random.Generator, by_topic: I64, everywhere: I64) -> I64:
    """Distinct items of one user, in the order drawn."""
    wanted = int(rng.integers(FEWEST_ITEMS, MOST_ITEMS + 1))
    topics = by_topic[rng.choice(len(by_topic), TOPICS_PER_USER, replace=False)]
    n_draws = 6 * wanted
    topic = rng.integers(TOPICS_PER_USER, size=n_draws)
    liked = topics[topic, _zipf_ranks(rng.random(n_draws), by_topic.shape[1])]
    other = everywhere[_zipf_ranks(rng.random(n_draws), everywhere.size)]
    drawn = np.where(rng.random(n_draws) < NOISE, other, liked)
    _, first = np.unique(drawn, return_index=True)
    return drawn[np.sort(first)][:wanted]


def _zipf_ranks(uniform: F64, n_ranks: int) -> I64:
    """Ranks from 0, rank r as likely as 1 / (r + 1), for draws from [0, 1)."""
    cumulated = np.cumsum(1.0 / np.arange(1, n_ranks + 1))
    ranks: I64 = np.searchsorted(cumulated, uniform * cumulated[-1], side="right")
    return np.minimum(ranks, n_ranks - 1)

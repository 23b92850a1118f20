"""A small data set with labels, in which whom, what and when decide together."""

from functools import cache

import numpy as np

from recpress_edge.data.features.encode import parse_specs
from recpress_edge.data.features.labels import LabelRule
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.prepare import Preparation


def click_log(n: int = 2000, seed: int = 0) -> dict[str, list[str]]:
    """Users of two tastes who change them by night; one row in ten is noise."""
    rng = np.random.default_rng(seed)
    users, items, night = rng.integers(0, 30, n), rng.integers(0, 40, n), rng.integers(0, 2, n)
    label = ((users + items + night) % 2 == 0) ^ (rng.random(n) < 0.1)
    tags = [["even", "odd"][item % 2] + ("|late" if item > 30 else "") for item in items.tolist()]
    return {
        "user": [f"u{user}" for user in users],
        "item": [f"i{item}" for item in items],
        "label": [str(int(one)) for one in label],
        "night": [("day", "night")[one] for one in night],
        "tags": tags,
    }


@cache
def click_data() -> Dataset:
    """1,600 rows of train, 200 of each other part."""
    how = Preparation(
        label=LabelRule(column="label"),
        split="rows:80/10/10",
        context=parse_specs("--context", "night,tags:many"),
    )
    return Dataset.from_frame(click_log(), name="clicks", how=how, split=how.split)

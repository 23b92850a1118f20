"""A log as large shops have it, from a seed: few items are popular, few users active, and tastes differ.

    python benchmarks/_power_law.py --interactions 5_000_000 --out log.csv

Items follow Zipf's law with exponent .9 and users' activity is lognormal. Every user has one of 32 tastes,
each of which has every 32nd item by popularity; seven interactions in ten are of the own taste.
"""

import sys
from pathlib import Path
from typing import Final

import numpy as np
from _bench import options

from recpress_edge.core.arrays import F64, I64
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Interactions

EXPONENT: Final = 0.9
TASTES: Final = 32
OWN_SHARE: Final = 0.7
ACTIVITY_SIGMA: Final = 1.0
SIZES: Final = {1_000_000: (100_000, 50_000), 5_000_000: (400_000, 200_000), 20_000_000: (1_000_000, 500_000)}
"""Users and items of so many interactions."""
LINES: Final = 1_000_000  # written at a time


def size_of(interactions: int) -> tuple[int, int]:
    """Users and items of a log: those of the table, else a tenth and a twentieth of the interactions."""
    return SIZES.get(interactions, (max(interactions // 10, 64), max(interactions // 20, 64)))


def power_law(interactions: int, seed: int = 0) -> Interactions:
    """About so many distinct pairs (a tenth more are drawn; what comes twice counts once)."""
    n_users, n_items = size_of(interactions)
    rng = stream(seed, "power law", interactions)
    activity = rng.lognormal(0.0, ACTIVITY_SIGMA, n_users)
    drawn = interactions * 11 // 10
    users = np.searchsorted(np.cumsum(activity / activity.sum()), rng.random(drawn)).clip(max=n_users - 1)
    items = _ranks(rng.random(drawn), _zipf(n_items))
    own = np.flatnonzero(rng.random(drawn) < OWN_SHARE)
    taste = rng.integers(TASTES, size=n_users)
    within = _ranks(rng.random(own.size), _zipf(n_items // TASTES))
    items[own] = within * TASTES + taste[users[own]]
    names = rng.permutation(n_items)  # an item's number says nothing of its popularity
    return Interactions.from_pairs(users, names[items], n_users, n_items)


def _zipf(n_items: int) -> F64:
    """Cumulated probabilities of ranks 0, 1, …"""
    weights = np.arange(1, n_items + 1) ** -EXPONENT
    return np.cumsum(weights / weights.sum())


def _ranks(uniform: F64, cumulated: F64) -> I64:
    return np.searchsorted(cumulated, uniform).clip(max=cumulated.size - 1)


def write_csv(pairs: Interactions, path: Path) -> None:
    """Lines "user,item" with a header."""
    users, items = pairs.users(), pairs.indices
    with path.open("wb") as file:
        file.write(b"user,item\n")
        for start in range(0, len(pairs), LINES):
            part = slice(start, start + LINES)
            lines = zip(users[part].tolist(), items[part].tolist(), strict=True)
            file.write(b"\n".join(b"%d,%d" % line for line in lines) + b"\n")


def main() -> int:
    parser = options(__doc__, out=True)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    pairs = power_law(args.interactions, args.seed)
    write_csv(pairs, args.out)
    print(f"{len(pairs):,} interactions of {pairs.n_users:,} users with {pairs.n_items:,} items: {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

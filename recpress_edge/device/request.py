"""What is checked of a request with the standard library alone; query.py does the rest for numpy's arrays."""

import operator
from typing import SupportsIndex

from recpress_edge.core.errors import ConfigError


def check_user(user: SupportsIndex | None, n_users: int) -> int:
    """None stands for the one user of a single-user bundle, and for the history of one without users."""
    if user is None:
        if n_users > 1:
            raise ConfigError(f"this model serves {n_users} users: say which one, 0..{n_users - 1}")
        return 0
    if not n_users:
        raise ConfigError(
            f"user {operator.index(user)}: this model holds no users. It answers from the history alone: "
            "give no user, and the consumed items as seen."
        )
    user = operator.index(user)
    if not 0 <= user < n_users:
        raise ConfigError(f"user index {user} is outside 0..{n_users - 1}")
    return user


def check_k(k: SupportsIndex) -> int:
    """The length of a list; ConfigError below 1."""
    length = operator.index(k)
    if length < 1:
        raise ConfigError(f"k must be at least 1, got {length}")
    return length


def items_outside(least: int, largest: int, n_items: int) -> ConfigError:
    """Of seen items that the model does not have."""
    return ConfigError(f"seen item index outside 0..{n_items - 1}: {least}..{largest}")

"""New items that are like others: which ones, as it is said."""

import numpy as np

from recpress_edge.core.arrays import I64
from recpress_edge.core.errors import ConfigError


def alike_items(words: tuple[str, ...], item_ids: list[str], retired: tuple[int, ...]) -> dict[str, I64]:
    """Indices of the items that each new one is like, by the new one's id; bad words are a ConfigError."""
    places, gone = {name: place for place, name in enumerate(item_ids)}, set(retired)
    found: dict[str, I64] = {}
    for word in words:
        name, equals, others = word.partition("=")
        name = name.strip()
        like = [other.strip() for other in others.split(",")]
        if not name or not equals or not all(like):
            raise ConfigError(f"--like {word!r}: write NEW=ID,ID, the new item and those that it is like")
        if "\n" in name or "\r" in name:
            raise ConfigError(f"--like {word!r}: an id is one line")
        if name in found:
            raise ConfigError(f"--like names {name!r} twice. Give each new item once.")
        if name in places:
            raise ConfigError(
                f"--like {word!r}: item {name!r} is in the bundle already (index {places[name]})"
            )
        for other in like:
            if other not in places or places[other] in gone:
                state = "retired" if other in places else "not in the bundle"
                raise ConfigError(f"--like {word!r}: item {other!r} is {state}, so nothing can be like it")
        found[name] = np.array([places[other] for other in like], np.int64)
    return found

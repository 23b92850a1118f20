"""What a bundle recommends, in names: a few answers of its self-test, for people who read a record."""

from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.bundle import Bundle

SHOWN_QUERIES: Final = 3
SHOWN_ITEMS: Final = 5
LONGEST_NAME: Final = 80


def example_answers(bundle: Bundle) -> list[dict[str, Any]]:
    """A few queries of the self-test with the titles of the best items; none without titles.

    A user is given by index, and without what they consumed: a record says nothing of anybody. The
    histories of a bundle without users are drawn, so their last items are named.
    """
    titles = bundle.titles()
    if titles is None:
        return []
    test, ids = bundle.selftest(), bundle.item_ids()
    asked = [at for at, seen in enumerate(test.seen) if seen] or list(range(len(test.users)))
    chosen = np.unique(np.linspace(0, len(asked) - 1, SHOWN_QUERIES).astype(int)).tolist()

    def names(items: tuple[int, ...]) -> list[str]:
        return [(titles[item] or ids[item])[:LONGEST_NAME] for item in items]

    return [
        {
            "user": test.users[at],
            "seen": names(test.seen[at][-SHOWN_ITEMS:]) if test.users[at] is None else [],
            "items": names(test.items[at][:SHOWN_ITEMS]),
        }
        for at in (asked[place] for place in chosen)
    ]

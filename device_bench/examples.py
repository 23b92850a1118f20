"""What a bundle recommends, in names: a few answers of its self-test, for people who read a record."""

from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.bundle import Bundle, SelfTest

SHOWN_QUERIES: Final = 3
SHOWN_ITEMS: Final = 5
LONGEST_NAME: Final = 80


def example_answers(bundle: Bundle) -> list[dict[str, Any]]:
    """A few queries of the self-test with the titles of the best items; none without titles.

    A user is given by index, and without what they consumed: a record says nothing of anybody. The
    histories of a bundle without users are drawn, so those that are short are named whole.
    """
    titles = bundle.titles()
    if titles is None:
        return []
    test, ids = bundle.selftest(), bundle.item_ids()
    asked = [at for at, seen in enumerate(test.seen) if seen and _can_be_shown(test, at)]
    asked = asked or [at for at in range(len(test.users)) if _can_be_shown(test, at)]
    spread = np.linspace(0, len(asked) - 1, min(SHOWN_QUERIES, len(asked))).astype(int)
    chosen = np.unique(spread).tolist()

    def names(items: tuple[int, ...]) -> list[str]:
        return [(titles[item] or ids[item])[:LONGEST_NAME] for item in items]

    return [
        {
            "user": test.users[at],
            "seen": names(test.seen[at]) if test.users[at] is None else [],
            "items": names(test.items[at][:SHOWN_ITEMS]),
        }
        for at in (asked[place] for place in chosen)
    ]


def _can_be_shown(test: SelfTest, at: int) -> bool:
    return test.users[at] is not None or len(test.seen[at]) <= SHOWN_ITEMS

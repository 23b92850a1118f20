"""Users and items of given test files that the training file does not know."""

import numpy as np

from recpress_edge.core.errors import DataError
from recpress_edge.data.log import Log


def check_strangers(log: Log, names: tuple[str, ...]) -> tuple[str, ...]:
    """Notes on how many of each held-out file's users and items are not in train; none known is an error.

    ``names``: of the files, train first; the rows of file p are those with ``parts == p``.
    """
    notes = []
    for part in range(1, len(names)):
        for kind, ids, rows in (("user", log.user_ids, log.users), ("item", log.item_ids, log.items)):
            known, asked = np.unique(rows[log.parts == 0]), np.unique(rows[log.parts == part])
            strangers = asked[~np.isin(asked, known)]
            if not strangers.size:
                continue
            example = ids[strangers[0]]
            if strangers.size == asked.size:
                raise DataError(
                    f"no {kind} of {names[part]} is in {names[0]}: there the ids are like {ids[known[0]]!r}, "
                    f"here like {example!r}. Are they of the same kind, and is each file what it is given "
                    "as? Write the ids of all files alike; --ids cleaned makes 1 of 1.0."
                )
            notes.append(
                f"{strangers.size:,} of {asked.size:,} {kind}s of {names[part]} are not in {names[0]}, such "
                f"as {example!r}: nothing can be learnt of them"
            )
    return tuple(notes)

"""Users and items of given held-out files that the training file does not know."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from recpress_edge.core.arrays import I64, Bool
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.log import Log

CHOICES: Final = ("keep", "drop")
"""What can be done with the rows of strangers."""
MOST: Final = 0.5
"""With a larger share of strangers among the users or the items of a file, they are a question."""


@dataclass(frozen=True, slots=True)
class Strangers:
    """What was found, and the rows that stay."""

    log: Log
    notes: tuple[str, ...]
    dropped: int
    """Rows that were left out."""


@dataclass(frozen=True, slots=True)
class _Unknown:
    """The users or the items of one held-out file."""

    name: str
    part: int
    asked: I64
    strangers: I64
    rows: Bool
    """Rows of strangers (n,)."""
    example: str
    known: str


def settle_strangers(log: Log, names: tuple[str, ...], choice: str | None) -> Strangers:
    """Each held-out file's users and items that are not in train: noted, or dropped with ``choice`` 'drop'.

    ``names``: of the files, train first; the rows of file p are those with ``parts == p``. A file that shares
    no user or no item with train is an error; more strangers than MOST are a question where choice is None.
    """
    found = list(_kinds(log, names))
    for kind in found:
        if kind.strangers.size == kind.asked.size:
            raise _nothing_shared(kind, names)
        if choice is None and kind.strangers.size > MOST * kind.asked.size:
            raise _too_many(kind, names)
    drop = choice == "drop" and bool(found)
    stranger = np.any([kind.rows for kind in found], axis=0) if drop else np.zeros(len(log), np.bool_)
    what = "its rows are left out" if drop else "nothing can be learnt of them"
    notes = tuple(f"{_counted(kind, names)}, such as {kind.example!r}: {what}" for kind in found)
    for part in sorted({kind.part for kind in found}):
        if stranger[log.parts == part].all():
            raise DataError(
                f"--strangers drop leaves no row of {names[part]}: each has a user or item that {names[0]} "
                "lacks. Is each file what it is given as?"
            )
    return Strangers(log.take(~stranger).compact() if drop else log, notes, int(stranger.sum()))


def _kinds(log: Log, names: tuple[str, ...]) -> Iterator[_Unknown]:
    for part in range(1, len(names)):
        here = log.parts == part
        for kind, ids, rows in (("user", log.user_ids, log.users), ("item", log.item_ids, log.items)):
            known, asked = np.unique(rows[log.parts == 0]), np.unique(rows[here])
            strangers = asked[~np.isin(asked, known)]
            if strangers.size:
                unknown = here & np.isin(rows, strangers)
                yield _Unknown(kind, part, asked, strangers, unknown, ids[strangers[0]], ids[known[0]])


def _counted(kind: _Unknown, names: tuple[str, ...]) -> str:
    counts = f"{kind.strangers.size:,} of {kind.asked.size:,}"
    return f"{counts} {kind.name}s of {names[kind.part]} are not in {names[0]}"


def _nothing_shared(kind: _Unknown, names: tuple[str, ...]) -> DataError:
    return DataError(
        f"no {kind.name} of {names[kind.part]} is in {names[0]}: there the ids are like {kind.known!r}, "
        f"here like {kind.example!r}. Are they of the same kind, and is each file what it is given as? "
        "Write the ids of all files alike; --ids cleaned makes 1 of 1.0."
    )


def _too_many(kind: _Unknown, names: tuple[str, ...]) -> ConfigError:
    return ConfigError(
        f"{_counted(kind, names)}: there the ids are like {kind.known!r}, here like {kind.example!r}. Are "
        "they of the same kind, and is each file what it is given as? If so, --strangers drop leaves out the "
        "rows of users and items that train lacks; --strangers keep counts them, which no model ranks well."
    )

"""The table of public layouts, from the rows that ``tests/data/test_zoo.py`` imports."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "data"))

from result_tables import table
from zoo import PublicFormat
from zoo_films import FILMS
from zoo_media import MEDIA
from zoo_shops import SHOPS

ZOO: Final = (*FILMS, *SHOPS, *MEDIA)


def formats() -> str:
    """One row for each layout: what happens, and what to say."""
    rows = [[one.name, one.layout, one.outcome, _answer(one)] for one in ZOO]
    return table(["data set", "layout", "read", "flags, or why not"], rows)


def counts() -> str:
    """How many are read at once, with flags, or refused."""
    found = [one.outcome for one in ZOO]
    at_once, flags, refused = map(found.count, ("at once", "with flags", "refused"))
    later = f"; {n} will be" if (n := found.count("not yet")) else ""
    return (
        f"Of {len(ZOO)} public layouts, {at_once} are read at once, {flags} with the flags shown, and "
        f"{refused} are refused with the reason{later}."
    )


def mutated(record: Mapping[str, Any]) -> str:
    """What became of mutated files of each dialect."""
    outcomes = ("right", "refused", "different", "crashed")
    by_dialect = record["outcomes"]
    rows = [
        [name, *(f"{found.get(outcome, 0):,}" for outcome in outcomes)] for name, found in by_dialect.items()
    ]
    totals = [sum(found.get(outcome, 0) for found in by_dialect.values()) for outcome in outcomes]
    rows.append(["**all**", *(f"**{total:,}**" for total in totals)])
    return table(["dialect", "read right", "refused", "read otherwise", "crashed"], rows)


def _answer(one: PublicFormat) -> str:
    flags = " ".join(map(_quoted, one.flags)).replace("|", r"\|")
    optional = " (for the time)" if one.at_once else ""
    return f"`{flags}`{optional}: {one.why}" if flags else one.why


def _quoted(flag: str) -> str:
    """As it is typed in a shell; SQL, which has single quotes, in double ones."""
    return f'"{flag}"' if "'" in flag and not set(flag) & set('"$`') else shlex.quote(flag)

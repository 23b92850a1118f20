"""Ids that are not what they seem: words for 'missing', invisible characters, numbers with '.0'."""

import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from recpress_edge.core.arrays import I32
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.log import Log, ordered
from recpress_edge.data.readers.names import are_simple, shape, visible

FORMS: Final = ("as-written", "cleaned")
"""Of --ids: every id as the file has it, or with what does not show taken out."""

MISSING_WORDS: Final = frozenset(
    {"null", "(null)", "nan", "none", "nil", "n/a", "#n/a", "na", "<na>", "nat", "undefined", "\\n", "-", "?"}
    | {"missing", "unknown", "[null]", "<null>", "<none>", "inf", "#ref!", "#value!", "not set", "(not set)"}
    | {"anonymous"}
)
_NOBODY: Final = "-1"
"""Stands for no id where it has several rows and all others are whole numbers from 0 on."""
_FLOAT: Final = re.compile(r"(-?\d+)\.0*")
_RULE: Final = re.compile(r"^[-=_+:]{2,}$", re.MULTILINE)
"""Drawn under the header of a table that is meant to be looked at."""
_POWER: Final = re.compile(r"-?\d(\.\d+)?[eE]\+\d+|-?\d\.\d+[eE]\d+")
_WRAPS: Final = {"'": "'", "`": "`", "“": "”", "„": "“", "«": "»"}
_SHOWN: Final = 3
_FEWEST_ROWS: Final = 20
"""With fewer rows, ids that never repeat are no sign of a wrong column."""


@dataclass(frozen=True, slots=True)
class IdChoice:
    """What the user said about the ids."""

    missing: tuple[str, ...] = ()
    """Words that stand for no id: rows with one are left out."""
    form: str | None = None
    """One of FORMS; None asks where it matters."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A log whose ids can be relied on, and what was done to it."""

    log: Log
    missing: int
    """Rows left out because their user or item is a word for 'missing'."""
    notes: tuple[str, ...]


def settle_ids(log: Log, choice: IdChoice) -> Settled:
    """Leave out what stands for no id, and clean the ids where asked; doubts are a ConfigError."""
    plain = are_simple(log.user_ids) and are_simple(log.item_ids)
    log, notes = (log, list[str]()) if plain or choice.form == "as-written" else _bare(log)
    kept, missing = _without_missing(log, choice)
    for kind, ids, rows in (("user", kept.user_ids, kept.users), ("item", kept.item_ids, kept.items)):
        simple = plain or are_simple(ids)
        if choice.form != "as-written" and (not simple or _hold_missing(ids)):
            _ask_missing(kind, ids, rows)
        if choice.form is None and not simple:
            _ask_form(kind, ids)
            notes += _note(kind, ids)
        notes += _note_alike(kind, ids)
    if choice.form == "cleaned":
        user_ids, users = _renamed(kept.user_ids, kept.users, clean)
        item_ids, items = _renamed(kept.item_ids, kept.items, clean)
        counts = [sum(clean(name) != name for name in ids) for ids in (kept.user_ids, kept.item_ids)]
        notes.append(f"cleaned {counts[0]:,} user ids and {counts[1]:,} item ids")
        kept = replace(kept, user_ids=user_ids, users=users, item_ids=item_ids, items=items)
    return Settled(kept, missing, tuple(notes))


def ask_unrepeated(log: Log, columns: Mapping[str, str], said: Collection[str]) -> None:
    """A ConfigError where no user, or no item, has a second row: the column may count rows, or be their time.

    columns: role to its column, as --columns takes it; ``said``: the roles that the user named.
    """
    rows = len(log)
    for role, ids in (("user", log.user_ids), ("item", log.item_ids)):
        if rows >= _FEWEST_ROWS and len(ids) == rows and role not in said:
            spec = shlex.quote(",".join(f"{one}={column}" for one, column in columns.items()))
            raise ConfigError(
                f"no {role} has a second row: {rows:,} rows, {rows:,} {role}s, such as {ids[0]!r} and "
                f"{ids[1]!r}. Column {columns[role]} may number the rows, and nothing is learnt of what "
                f"occurs once. Say which column is the {role} with --{role}, or --columns {spec} if that is."
            )


def _bare(log: Log) -> tuple[Log, list[str]]:
    """The log with ids without blanks at their ends, and how many had some."""
    notes = []
    for kind, ids in (("user", log.user_ids), ("item", log.item_ids)):
        found = [name for name in ids if name[0] in " \t" or name[-1] in " \t"]
        if found:
            notes.append(
                f"{len(found):,} {kind} ids have blanks at their ends, such as {found[0]!r}, which are taken "
                "off; --ids as-written keeps them"
            )
    if not notes:
        return log, notes
    user_ids, users = _renamed(log.user_ids, log.users, _strip)
    item_ids, items = _renamed(log.item_ids, log.items, _strip)
    return replace(log, user_ids=user_ids, users=users, item_ids=item_ids, items=items), notes


def _strip(name: str) -> str:
    return name.strip(" \t")


def clean(name: str) -> str:
    """An id without what does not show: Unicode in one form (NFKC), no invisible characters or odd blanks,
    no quotes around it, and 17850 for 17850.0.
    """
    if name.isascii() and name.isprintable() and name[0] not in _WRAPS and "." not in name:
        return name.strip(" ")
    bare = visible(name)
    if len(bare) > 2 and _WRAPS.get(bare[0]) == bare[-1]:
        bare = bare[1:-1]
    number = _FLOAT.fullmatch(bare)
    return number[1] if number else bare or name


def _without_missing(log: Log, choice: IdChoice) -> tuple[Log, int]:
    words = set(choice.missing)
    if not words:
        return log, 0
    gone = np.zeros(len(log), np.bool_)
    for ids, rows in ((log.user_ids, log.users), (log.item_ids, log.items)):
        gone |= np.array([name in words for name in ids], np.bool_)[rows]
    count = int(gone.sum())
    if not count:
        raise ConfigError(f"--missing {','.join(choice.missing)}: no user or item is called so. Remove it.")
    if count == len(log):
        raise DataError(f"--missing {','.join(choice.missing)} leaves no row. Name fewer words.")
    return log.take(~gone).compact(), count


def _ask_missing(kind: str, ids: Sequence[str], rows: I32) -> None:
    found = [at for at, name in enumerate(ids) if _is_missing(name)]
    if _NOBODY in ids and all(name.isdigit() for name in ids if name != _NOBODY):
        nobody = ids.index(_NOBODY)
        found += [nobody] * bool((rows == nobody).sum() > 1)
    if found:
        words = [ids[at] for at in found]
        flag = "--missing" + ("=" if words[0][0] == "-" else " ") + shlex.quote(",".join(words))
        count = int(np.isin(rows, found).sum())
        raise ConfigError(
            f"{count:,} rows have the {kind} {' or '.join(map(repr, words[:_SHOWN]))}, which often "
            f"stands for no value. Leave them out with {flag}, or say "
            "--ids as-written if it is an id."
        )


def _hold_missing(ids: Sequence[str]) -> bool:
    """Whether some of these ids, which are simple, stand for no value."""
    joined = "\n".join(ids)
    words = {*MISSING_WORDS, _NOBODY}
    return not words.isdisjoint(joined.lower().split("\n")) or _RULE.search(joined) is not None


def _is_missing(name: str) -> bool:
    return name.strip().lower() in MISSING_WORDS or _RULE.fullmatch(name) is not None


def _ask_form(kind: str, ids: Sequence[str]) -> None:
    numbers = [name for name in ids if _FLOAT.fullmatch(name)]
    powers = [name for name in ids if _POWER.fullmatch(name)]
    if numbers:
        raise ConfigError(
            f"{len(numbers):,} of {len(ids):,} {kind} ids are whole numbers with a point, such as "
            f"{numbers[0]!r}: pandas writes a column with gaps so, and a device asked for "
            f"{clean(numbers[0])!r} would know nobody. "
            "Say --ids cleaned to drop the point, or --ids as-written to keep it."
        )
    if powers:
        raise ConfigError(
            f"{len(powers):,} {kind} ids are powers of ten, such as {powers[0]!r}: a spreadsheet has rounded "
            "them, so several ids may be one. Export them again as text, or say --ids as-written."
        )
    wrapped = [name for name in ids if len(name) > 2 and _WRAPS.get(name[0]) == name[-1]]
    if ids and len(wrapped) == len(ids):
        raise ConfigError(
            f"every {kind} id stands in quotes, such as {wrapped[0]}. Say --ids cleaned to take them off, or "
            "--ids as-written to keep them."
        )
    lists = [name for name in ids if _is_list(name)]
    if len(lists) > len(ids) / 2:
        raise ConfigError(
            f"{len(lists):,} of {len(ids):,} {kind} ids are lists, such as {lists[0]!r}. Write a row "
            f"for each {kind}; lines 'user item item …' with blanks alone are --format adjacency. Say --ids "
            "as-written if each is one id."
        )
    twins = _twins(ids)
    if twins:
        pairs = "; ".join(" and ".join(map(ascii, names)) for names in list(twins.values())[:_SHOWN])
        raise ConfigError(
            f"{len(twins):,} {kind}s have several ids that differ in invisible characters, blanks or "
            f"Unicode form alone: {pairs}. Say --ids cleaned if each is one {kind}, or --ids as-written "
            "if not."
        )


def _is_list(name: str) -> bool:
    """Several words of one shape that have numbers: '4 8 13', 'i1|i2'; not 'Item 3'."""
    words = re.split(r"[ ,|;]+", name.strip("[](){} "))
    shapes = {shape(word) for word in words}
    return len(words) > 1 and len(shapes) == 1 and "0" in shapes.pop()


def _twins(ids: Sequence[str]) -> Mapping[str, list[str]]:
    odd = {clean(name) for name in ids if clean(name) != name}
    groups: dict[str, list[str]] = {}
    for name in ids if odd else ():
        if clean(name) in odd:
            groups.setdefault(clean(name), []).append(name)
    return {bare: names for bare, names in groups.items() if len(names) > 1}


def _note(kind: str, ids: Sequence[str]) -> list[str]:
    odd = [name for name in ids if clean(name) != name]
    broken = [name for name in ids if "\ufffd" in name]
    notes = []
    if odd:
        notes.append(
            f"{len(odd):,} {kind} ids hold invisible characters, odd blanks or unusual Unicode forms, such "
            f"as {odd[0]!a}, and are known to a device so alone; --ids cleaned takes them out"
        )
    if broken:
        notes.append(
            f"{len(broken):,} {kind} ids hold U+FFFD, which stands for a character lost in a conversion"
        )
    return notes


def _note_alike(kind: str, ids: Sequence[str]) -> list[str]:
    """Of ids that are one but for capitals, or for zeros that lead a number."""
    notes, joined = list[str](), "\n".join(("", *ids))
    forms: dict[str, Callable[[str], str]] = {}
    if re.search("[A-Z]", joined) and re.search("[a-z]", joined):
        forms["capitals"] = str.casefold
    if re.search("\n0[0-9]", joined):
        forms["zeros before a number"] = _without_zeros
    for what, form in forms.items():
        hashes = np.fromiter((hash(form(name)) for name in ids), np.int64, len(ids))
        values, counts = np.unique(hashes, return_counts=True)
        if len(values) < len(ids):
            one, other = np.flatnonzero(hashes == values[counts > 1][0])[:2].tolist()
            notes.append(
                f"{len(ids) - len(values):,} {kind} ids differ from another in {what} alone, such as "
                f"{ids[other]!r} from {ids[one]!r}, and are ids of their own: write them alike if they are "
                "one"
            )
    return notes


def _without_zeros(name: str) -> str:
    return name.lstrip("0") or "0" if name.isascii() and name.isdigit() else name


def refuse_twins(kind: str, new: Sequence[str], known: Sequence[str]) -> None:
    """ConfigError where a new id is another one, ``known`` or new, but for what does not show."""
    bare = {clean(name): name for name in known}
    for name in new:
        if (other := bare.setdefault(clean(name), name)) != name:
            raise ConfigError(
                f"{kind}s {name!a}, which is new, and {other!a} differ in invisible characters, blanks, "
                "quotes, Unicode form or a .0 alone. Write them alike or say --ids cleaned if they are one "
                f"{kind}, or --ids as-written if they are not."
            )


def _renamed(ids: Sequence[str], rows: I32, rename: Callable[[str], str]) -> tuple[tuple[str, ...], I32]:
    index: dict[str, int] = {}
    place = np.array([index.setdefault(rename(name), len(index)) for name in ids], np.int32)
    names, rank = ordered(index)
    return names, rank[place[rows]]

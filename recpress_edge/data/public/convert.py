"""Files as we read them from files as they are published."""

import tomllib
from pathlib import Path


def held_out(users: bytes) -> tuple[bytes, ...]:
    """train.tsv, valid.tsv and test.tsv of Topology Distillation, from CiteULike-t's users.dat.

    Users with 5 items and more and their items are numbered as they come. Which two of a user's items
    are held out was drawn by the study's authors; citeulike.toml has their places in the user's line.
    """
    places = tomllib.loads(Path(__file__).with_name("citeulike.toml").read_text(encoding="utf-8"))
    rows = [line.split()[1:] for line in users.splitlines()]
    numbers: dict[bytes, int] = {}
    parts: list[list[tuple[int, int]]] = [[], [], []]
    for user, row in enumerate(row for row in rows if len(row) >= 5):
        items = [numbers.setdefault(item, len(numbers)) for item in row]
        held_out = {places["valid"][user]: 1, places["test"][user]: 2}
        for place, item in enumerate(items):
            parts[held_out.get(place, 0)].append((user, item))
    return tuple(
        "".join(["user\titem\n", *(f"{user}\t{item}\n" for user, item in sorted(part))]).encode()
        for part in parts
    )


def with_header(rows: bytes) -> tuple[bytes, ...]:
    """ml-100k.inter of RecBole from GroupLens's u.data."""
    return (b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + rows,)


def as_sequences(pairs: bytes) -> tuple[bytes, ...]:
    """One line for each user, 'user item item …', from one for each pair."""
    rows: dict[bytes, list[bytes]] = {}
    for line in pairs.splitlines():
        user, item = line.split()
        rows.setdefault(user, []).append(item)
    return (b"".join(b" ".join([user, *items]) + b"\n" for user, items in rows.items()),)

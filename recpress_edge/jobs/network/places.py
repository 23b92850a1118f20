"""Where a network from outside keeps the items and users of a data set: by their ids, never by guess."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.vectors.sides import checked, read_ids, read_vectors
from recpress_export.networks.wiring import VECTOR, Places, Wiring


@dataclass(frozen=True, slots=True)
class Named:
    """Ids by their place in the network."""

    kind: str
    """user or item."""
    place_of: Mapping[str, int]

    @property
    def flag(self) -> str:
        return f"--{self.kind}-ids"

    def of(self, wanted: Sequence[str], offset: int) -> I64:
        """The place of each id of a data set, moved by ``offset``; -1: unknown. DataError where all are."""
        places = np.array([self.place_of.get(name, -1) for name in wanted], np.int64)
        if (places < 0).all():
            raise DataError(
                f"the network knows no {self.kind} of the data set: there the ids are like {wanted[0]!r}, in "
                f"{self.flag} like {next(iter(self.place_of), '')!r}. Are they of the same log, and written "
                "alike?"
            )
        return np.where(places < 0, -1, places + offset)


def read_named(path: Path, kind: str) -> Named:
    """Ids in the network's order, or a .json object of id -> place, as ``model import`` takes them."""
    ids = read_ids(str(path), kind)
    if isinstance(ids, dict):
        return Named(kind, _checked(path, kind, ids))
    place_of = {name: place for place, name in enumerate(ids)}
    if len(place_of) < len(ids):
        place = next(place for place, name in enumerate(ids) if place_of[name] != place)
        raise DataError(
            f"--{kind}-ids {path} names {ids[place]!r} twice, in lines {place + 1} and "
            f"{place_of[ids[place]] + 1}: which of them is its place?"
        )
    return Named(kind, place_of)


def _checked(path: Path, kind: str, found: dict[str, object]) -> dict[str, int]:
    """Places of a .json object: integers of at least 0, none of them twice."""
    seen: dict[int, str] = {}
    for name, place in found.items():
        if type(place) is not int or place < 0:
            raise DataError(f"--{kind}-ids {path}: the place of {name!r} is {place!r}, expected a number")
        if place in seen:
            raise DataError(f"--{kind}-ids {path}: {seen[place]!r} and {name!r} are both at place {place}")
        seen[place] = name
    return {name: place for place, name in seen.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceFlags:
    """What a request says of ids."""

    item_ids: Path
    item_offset: int
    output_offset: int | None
    items: str | None
    user_ids: Path | None
    user_offset: int


def places_of(flags: PlaceFlags, wiring: Wiring, data: Dataset) -> tuple[Places, int]:
    """The places of a data set's items and users, and how many of the network's ids the set does not hold."""
    if (flags.items is None) != (wiring.gives != VECTOR):
        raise ConfigError(
            "--output vector=NAME goes with --items FILE: the table whose product with it is the score"
        )
    items = read_named(flags.item_ids, "item")
    output_offset = flags.item_offset if flags.output_offset is None else flags.output_offset
    index = items.of(data.item_ids, flags.item_offset)
    column = items.of(data.item_ids, output_offset)
    for flag, offset, places in (
        ("--item-offset", flags.item_offset, index),
        ("--output-offset", output_offset, column),
    ):
        if offset < 0 and ((places < 0) & (items.of(data.item_ids, 0) >= 0)).any():
            raise ConfigError(f"{flag} {offset} moves an item before the first place")
    known = int((index >= 0).sum())
    users = _users(flags, wiring, data)
    table: F32 | None = None
    if flags.items is not None:
        table = checked(read_vectors("item", flags.items, None, None), "item").rows.astype(np.float32)
    return Places(index, column, users, table), len(items.place_of) - known


def _users(flags: PlaceFlags, wiring: Wiring, data: Dataset) -> I64:
    if "user" not in wiring.inputs:
        if flags.user_ids is not None:
            raise ConfigError(
                "--user-ids: the network takes no user. Leave it out, or name its --input user=NAME"
            )
        return np.empty(0, np.int64)
    if flags.user_ids is None:
        raise ConfigError("--input user=NAME needs --user-ids FILE: the users in the network's order")
    users = read_named(flags.user_ids, "user").of(data.user_ids, flags.user_offset)
    without = np.flatnonzero(users < 0)
    if without.size:
        raise DataError(
            f"{without.size:,} of {data.n_users:,} users of the data set are unknown to the network, first "
            f"{data.user_ids[without[0]]!r}. It cannot answer for them: import a log without them."
        )
    return users


def check_columns(places: Places, n_columns: int, flags: PlaceFlags, pad_value: int | None) -> int:
    """Scores of the network that belong to no id; ConfigError where an item has none.

    ``pad_value``: what fills up, where neither a mask nor a length tells it from an item.
    """
    column = places.item_column
    most = int(column.max())
    if most >= n_columns:
        offset = flags.item_offset if flags.output_offset is None else flags.output_offset
        nearly = offset > 0 and most == n_columns
        raise ConfigError(
            f"the network gives {n_columns:,} scores, and with {flags.item_ids} an item has place {most:,}: "
            "is --item-ids of this network? "
            + (f"If the scores begin with the first id: --output-offset {offset - 1}." if nearly else "")
        )
    if pad_value is not None and (places.item_index == pad_value).any():
        raise ConfigError(
            f"{pad_value} is both the padding and an item's place in the network. If it is kept "
            "for padding: --item-offset 1, or a line for it in --item-ids; else --pad-value N."
        )
    return n_columns - int(np.unique(column[column >= 0]).size)

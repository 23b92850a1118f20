"""Fields of a second stage that a click model lacks: the items consumed last."""

import re
from typing import Any, Final

from recpress_edge.artifacts.clicks.fields import FIRST, FeatureField, read_field
from recpress_edge.core.errors import ArtifactError

ITEM_SIDE: Final = "item"
ITEM: Final = "item"
"""Kind of a field whose value is an item of the catalogue, by its index."""
_SEEN: Final = re.compile(r"seen\[-([1-9]\d?)\]")


class HeldField(FeatureField):
    """A field whose rows the model file holds: how many it has and how many a user, its values untold."""

    @property
    def width(self) -> int:
        return self.capacity


def seen_field(place: int, n_items: int) -> FeatureField:
    """The field seen[-place]: the item consumed so many before the request; missing where there is none.

    Item i is row FIRST + i of its table.
    """
    return FeatureField(f"seen[-{place}]", "context", "integer", least=0, most=n_items - 1)


def place_of(field: FeatureField) -> int:
    """How many items before the request a field's is; 0 for any other field."""
    match = _SEEN.fullmatch(field.name)
    return int(match[1]) if match else 0


def field_entry(field: FeatureField) -> dict[str, Any]:
    """A field as plain JSON."""
    if not place_of(field):
        return field.entry()
    return {"name": field.name, "side": field.side, "kind": ITEM, "from": field.name, "size": field.size}


def read_list_field(entry: dict[str, Any], values: list[str]) -> FeatureField:
    """The field of an entry; ArtifactError for one that contradicts itself."""
    if entry.get("kind") != ITEM:
        field = read_field(entry, values)
        if place_of(field):
            raise ArtifactError(f"field {field.name!r} is no item: {entry!r}", fault="field")
        return field
    match = _SEEN.fullmatch(str(entry.get("from")))
    size = entry.get("size")
    if not match or type(size) is not int or size <= FIRST or entry.get("name") != entry["from"]:
        raise ArtifactError(f"a field of items is {entry!r}", fault="field")
    return seen_field(int(match[1]), size - FIRST)

"""What a bundle carries of its items for people who read an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.titles import read_titles

NO_TITLES: Final = Path("none")
"""Of --titles: leave those of the data set out."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Texts of the items, in their order."""

    titles: tuple[str, ...] | None
    """None: no titles travel along."""
    features: Mapping[str, Sequence[str]]
    """By column."""


def shown_items(dataset: Dataset, titles: Path | None, features: Sequence[str]) -> Shown:
    """The titles of a table, else those of the data set; and its item features of these names.

    DataError or ConfigError for a table that does not fit, and for a feature that is not there.
    """
    table = None if dataset.features is None else dataset.features.item
    columns = {} if table is None else {column.name: column for column in table.columns}
    for name in features:
        if name not in columns:
            raise ConfigError(
                f"--item-features {name}: data set {dataset.name!r} has "
                + (f"the item features {', '.join(columns)}" if columns else "no item features")
                + ". They come with recpress-edge data import --items FILE --item-features COLUMNS."
            )
    own = dataset.titles
    if titles is not None:
        own = None if titles == NO_TITLES else read_titles(titles, dataset.item_ids)
    return Shown(own, {name: list(map(columns[name].text, range(dataset.n_items))) for name in features})

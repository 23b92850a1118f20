"""A data set from a table in memory."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from recpress_edge.core.errors import unknown_name
from recpress_edge.data.prepare import Preparation, Prepared, prepare
from recpress_edge.data.readers.columns import ColumnChoice
from recpress_edge.data.readers.names import ROLES


def prepare_frame(frame: Any, name: str, columns: Mapping[str, str], how: Preparation) -> Prepared:
    """A data set of a frame; ``columns`` names those of some roles, the others are found."""
    for role in columns:
        if role not in ROLES:
            raise unknown_name("column", role, ROLES)
    choice = ColumnChoice(columns=dict(columns), others=True) if columns else how.columns
    return prepare(name, (), replace(how, columns=choice, reading=replace(how.reading, frame=frame)))

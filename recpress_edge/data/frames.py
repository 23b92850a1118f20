"""A data set from a table in memory."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.data.prepare import Preparation, Prepared, prepare
from recpress_edge.data.readers.columns import ColumnChoice
from recpress_edge.data.readers.frames import kind_of
from recpress_edge.data.readers.names import ROLES


@contextmanager
def in_python(asked: bool) -> Iterator[None]:
    """Where the block is ``asked`` for from Python, its questions say how flags are written there."""
    try:
        yield
    except ConfigError as error:
        if not asked or "--" not in str(error):
            raise
        raise ConfigError(
            f"{error} In Python, --ids cleaned is ImportRequest(frame=…, name=…, ids='cleaned'), and other "
            "flags likewise."
        ) from None


def prepare_frame(frame: Any, name: str, columns: Mapping[str, str], how: Preparation) -> Prepared:
    """A data set of a frame; ``columns`` names those of some roles, the others are found."""
    kind_of(frame)
    for role in columns:
        if role not in ROLES:
            raise unknown_name("column", role, ROLES)
    choice = how.columns
    if columns:
        said = choice or ColumnChoice()
        others = said.others or said.columns is None
        choice = replace(said, columns={**(said.columns or {}), **columns}, others=others)
    with in_python(True):
        return prepare(name, (), replace(how, columns=choice, reading=replace(how.reading, frame=frame)))

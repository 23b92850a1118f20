"""Tables in memory as the engine takes them: of pandas, Polars, Arrow, DuckDB, and dicts of arrays."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import storage_errors
from recpress_edge.data.readers.columns import ColumnChoice
from recpress_edge.data.readers.engine import Engine, first_line, text
from recpress_edge.data.readers.forms import engine_table, query_table
from recpress_edge.data.readers.names import known_places
from recpress_edge.data.readers.tables import LogTable

PLACE: Final = Path("frame")
"""What messages call a table in memory."""
_LOG: Final = "log"
_MISSING: Final = frozenset({"NoneType", "NAType", "NaTType"})


def frame_table(engine: Engine, frame: Any, query: str | None, choice: ColumnChoice | None) -> LogTable:
    """The table that a frame holds, or the result of a query on it, in which the frame is ``log``."""
    kind = kind_of(frame)
    try:
        ready = _READERS[kind](engine, frame)
        if ready is not None:
            engine.connection.register(_LOG, ready)
    except ConfigError:
        raise
    except Exception as error:  # whatever the library of the frame raises
        raise ConfigError(f"the {kind} cannot be read: {first_line(error)}") from None
    if query is not None:
        table = query_table(engine, [], query, choice)
        used = [name for name in _objects(ready) if name in query]
    else:
        table = engine_table(PLACE, engine, _LOG, choice)
        used = [table.layout.names[table.layout.at[role]] for role in ("user", "item")]
    for name in used:
        _check_one_type(name, _objects(ready).get(name, ()))
    return table


def kind_of(frame: Any) -> str:
    """The library and class of a frame; anything that is none is a ConfigError."""
    if isinstance(frame, Mapping):
        return "dict"
    for base in type(frame).__mro__:
        name = f"{base.__module__.partition('.')[0]}.{base.__name__}"
        if name in _READERS:
            return name
    found = type(frame)
    raise ConfigError(
        f"a frame is {', '.join(_READERS)} of arrays; found {found.__module__}.{found.__qualname__}. Of "
        "other objects, give the table that they make, such as reader.read_all() of Arrow."
    )


def _of_pandas(engine: Engine, frame: Any) -> Any:
    index = [str(name) for name in frame.index.names if name is not None]
    if any(known_places(index).values()):
        raise ConfigError(
            f"{', '.join(index)} is the index of the frame, not a column. Give frame.reset_index()."
        )
    _check_names(list(frame.columns))
    return frame


def _of_arrow(engine: Engine, frame: Any) -> Any:
    _check_names(list(frame.column_names))
    return frame


def _of_mapping(engine: Engine, frame: Mapping[str, Any]) -> Any:
    _check_names(list(frame))
    series = [values for values in frame.values() if hasattr(getattr(values, "index", None), "equals")]
    if any(not one.index.equals(series[0].index) for one in series):
        raise ConfigError(
            "the Series of the dict have other indexes: give pandas.DataFrame(…), which aligns them"
        )
    arrays = {name: _array(name, values) for name, values in frame.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise ConfigError(f"the columns of the dict are not of one length: {told}")
    return arrays


def _array(name: str, values: Any) -> Any:
    """A column (n,) in a type that the engine takes."""
    array = values if isinstance(values, np.ndarray) else np.asarray(_listed(values))
    if array.ndim != 1:
        raise ConfigError(f"the column {name} has the shape {array.shape}: give one value a row, (n,)")
    if array.dtype.kind == "M" and array.dtype.name == "datetime64[D]":
        return array.astype("datetime64[s]")
    if array.dtype.kind == "T":
        return array.astype(object)
    if array.dtype.kind in "SV":
        raise ConfigError(f"the column {name} holds bytes. Decode them: numpy.char.decode(column)")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _listed(values: Any) -> Any:
    """A list as numpy takes it without making one type of several: 7 and '7' stay what they are."""
    listed = list(values) if isinstance(values, Sequence) else values
    if isinstance(listed, list) and len(set(map(type, listed))) > 1:
        kept = np.empty(len(listed), object)
        kept[:] = listed
        return kept
    return listed


def _written(write: Callable[[Any, str], Any]) -> Callable[[Engine, Any], None]:
    """A reader that has the frame's own library write Parquet, which the engine reads as it needs it."""

    def read(engine: Engine, frame: Any) -> None:
        copy = engine.scratch / "frame.parquet"
        with storage_errors(copy):
            write(frame, str(copy))
        engine.rows(f"CREATE VIEW {_LOG} AS SELECT * FROM read_parquet({text(str(copy))})")

    return read


_READERS: Final[Mapping[str, Callable[[Engine, Any], Any]]] = {
    "pandas.DataFrame": _of_pandas,
    "polars.DataFrame": _written(lambda frame, path: frame.write_parquet(path)),
    "polars.LazyFrame": _written(lambda frame, path: frame.sink_parquet(path)),
    "pyarrow.Table": _of_arrow,
    "duckdb.DuckDBPyRelation": _written(lambda frame, path: frame.write_parquet(path)),
    "dict": _of_mapping,
}
"""What a frame may be, to what gives an object that the engine reads; None where it made the table itself."""


def _check_names(names: Sequence[Any]) -> None:
    """ConfigError unless columns are called by distinct texts; the engine takes User and user for one."""
    if odd := [name for name in names if not isinstance(name, str)]:
        raise ConfigError(
            f"the frame has columns without names, such as {odd[0]!r}. Name them, for example "
            "frame.columns = ['user_id', 'item_id']"
        )
    several = [name for name, count in Counter(name.lower() for name in names).items() if count > 1]
    if several:
        raise ConfigError(f"the frame has several columns called {several[0]!r}. Rename one.")


def _objects(ready: Any) -> dict[str, Any]:
    """The columns of Python objects, and the categories of such, by name (n,)."""
    if isinstance(ready, Mapping):
        names = list(ready)
    else:
        names = list(getattr(ready, "columns", ())) if hasattr(ready, "dtypes") else []
    several = {name: getattr(ready[name].dtype, "categories", ready[name]) for name in names}
    return {name: np.asarray(column) for name, column in several.items() if column.dtype == np.dtype(object)}


def _check_one_type(name: str, values: Sequence[Any]) -> None:
    """ConfigError where ids are of several types, whose texts may be the same."""
    kinds: dict[str, Any] = {}
    for kind in dict.fromkeys(map(type, values)):
        there = (value for value in values if type(value) is kind and not _is_missing(value))
        if (first := next(there, None)) is not None:
            kinds.setdefault(_called(kind), first)
    if len(kinds) > 1:
        told = " and ".join(f"{kind} such as {value!r}" for kind, value in kinds.items())
        raise ConfigError(
            f"the column {name} holds {told}: 7 and '7' would be one id, 7 and 7.0 two. Make it one type, "
            f"for example frame[{name!r}] = frame[{name!r}].astype(str)"
        )


def _is_missing(value: Any) -> bool:
    return type(value).__name__ in _MISSING or (isinstance(value, float) and value != value)


def _called(kind: type) -> str:
    if issubclass(kind, str):
        return "text"
    return "whole numbers" if issubclass(kind, Integral) and kind.__name__ != "bool" else kind.__name__


def check_alone(
    paths: Sequence[Path], fmt: str, choice: ColumnChoice, encoding: str | None, member: str | None
) -> None:
    """ConfigError where something is said beside a frame that is for files."""
    said = {
        f"the file {paths[0]}" if paths else "": bool(paths),
        f"format {fmt}": fmt != "auto",
        f"encoding {encoding}": encoding is not None,
        f"member {member}": member is not None,
        f"separator {choice.separator}": choice.separator is not None,
        "header": choice.header is not None,
    }
    if odd := [what for what, there in said.items() if there]:
        raise ConfigError(f"a frame is one table in memory: remove {', '.join(odd)}, or the frame")

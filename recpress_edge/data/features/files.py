"""Feature tables as npz without pickle: arrays by column and field, texts as UTF-8 bytes."""

import io
import json
from typing import Any, Final

import numpy as np

from recpress_edge.core.files import canonical_json
from recpress_edge.core.npz import npz_bytes
from recpress_edge.data.features.columns import FeatureColumn, FeatureTable

_TYPES: Final = {"codes": np.int32, "indptr": np.int64, "numbers": np.float64}


def to_bytes(table: FeatureTable) -> bytes:
    """The file: ``columns``, their names, kinds and sizes, and ``0.codes``, ``0.values``… in their order."""
    heads = [(column.name, column.kind, *([column.size] if column.size else [])) for column in table.columns]
    arrays: dict[str, Any] = {"columns": _text(canonical_json(heads))}
    for place, column in enumerate(table.columns):
        arrays[f"{place}.values"] = _text("".join(f"{value}\n" for value in column.values).encode())
        arrays |= {f"{place}.{name}": array for name, array in column.arrays()}
    return npz_bytes(arrays)


def from_bytes(data: bytes) -> FeatureTable:
    """The table of :func:`to_bytes`; ValueError, KeyError, BadZipFile or DataError for any other content."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        heads = json.loads(arrays["columns"].astype(np.uint8).tobytes())
        columns = []
        for place, (name, kind, *size) in enumerate(heads):
            values = arrays[f"{place}.values"].astype(np.uint8).tobytes().decode()
            if values and not values.endswith("\n"):
                raise ValueError(f"the last value of {name!r} has no line end")
            found = {
                field: arrays[key].astype(dtype, casting="safe")
                for field, dtype in _TYPES.items()
                if (key := f"{place}.{field}") in arrays
            }
            columns.append(
                FeatureColumn(name, kind, tuple(values.split("\n")[:-1]), **found, size=int(sum(size)))
            )
    return FeatureTable(tuple(columns))


def _text(data: bytes) -> Any:
    return np.frombuffer(data, np.uint8)

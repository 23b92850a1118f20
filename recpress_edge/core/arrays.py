"""Types of numpy arrays, by what one number of them takes; places in sparse ones and in lists of names."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
F16 = NDArray[np.float16]
I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
I8 = NDArray[np.int8]
U8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]


def places_of_rows(indptr: I64, rows: I64) -> I64:
    """Where the entries of these rows (B,) of a sparse matrix are, row by row: (P,). indptr (N + 1,)."""
    counts = indptr[rows + 1] - indptr[rows]
    first = np.repeat(indptr[rows] - (np.cumsum(counts) - counts), counts)
    return first + np.arange(int(counts.sum()))


def places_among(names: Iterable[str], known: Iterable[str]) -> I64:
    """The place of each name (N,) in a list of known ones; -1 of another."""
    places = {name: place for place, name in enumerate(known)}
    return np.array([places.get(name, -1) for name in names], np.int64)

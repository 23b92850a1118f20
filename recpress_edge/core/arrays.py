"""Types of numpy arrays, by what one number of them takes, and places in sparse ones."""

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

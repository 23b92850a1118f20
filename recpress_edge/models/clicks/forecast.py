"""How long an epoch of a click model takes, told before the first one from constants that were measured.

CPU time on one thread of a server's core, fitted to single epochs of five models on Frappe and within a fifth
of each: a row's own work, its lookups, its multiplications in hidden layers (forward and back), and what a
step does with every parameter (L2 and Adam). Validation comes on top.
"""

from itertools import pairwise
from typing import Final

from recpress_edge.models.clicks.network import ClickShape

ROW_NS: Final = 900.0
LOOKUP_NS: Final = 11.0
"""Of one number of an embedding."""
MAC_NS: Final = 0.08
ACTIVE_NS: Final = 11.0
"""Of one hidden unit: normalisation, dropout, and their gradients."""
PARAMETER_NS: Final = 6.0
"""Of one parameter in one step."""


def click_epoch_seconds(
    shape: ClickShape, n_rows: int, n_fields: int, table_rows: int, batch_size: int
) -> float:
    """CPU seconds of an epoch over ``n_rows``, of tables with ``table_rows`` rows."""
    lookups = n_fields * (shape.dim + 1)
    widths = [n_fields * shape.dim, *shape.layers, 1] if shape.layers else []
    macs = sum(n_in * n_out for n_in, n_out in pairwise(widths))
    parameters = table_rows * (shape.dim + 1) + macs + shape.n_crosses * shape.cross_buckets
    row_ns = ROW_NS + LOOKUP_NS * lookups + MAC_NS * macs + ACTIVE_NS * sum(shape.layers)
    return 1e-9 * (n_rows * row_ns + -(-n_rows // batch_size) * PARAMETER_NS * parameters)

"""scales.json: item scales that are folded into the user table, kept so that new items can use them.

A device never needs the file; an update of the catalogue does.
"""

from pathlib import Path
from typing import Final

import numpy as np

from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.quantize import QuantizedTables
from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import canonical_json, read_json, write_atomic

SCALES_FILE: Final = "scales.json"


def write_scales(folder: Path, tables: QuantizedTables) -> None:
    """Keep the scales of each item dimension beside the model."""
    scales = [float(scale) for scale in tables.item_scale]  # a float32 survives as JSON's double
    write_atomic(folder / SCALES_FILE, canonical_json({"item_scale": scales}) + b"\n")


def read_item_scale(bundle: Bundle) -> F32:
    """(D,); ArtifactError where the bundle has none, or nonsense."""
    if SCALES_FILE not in bundle.files:
        raise ArtifactError(
            f"{bundle.folder} has no {SCALES_FILE}, so new items cannot be given the scales of the others. "
            "It was written by an earlier version: export the student again."
        )
    where = bundle.folder / SCALES_FILE
    value = read_json(where).get("item_scale")
    if not isinstance(value, list) or not all(type(s) is float and 0 < s < np.inf for s in value):
        raise ArtifactError(f"{where}: item_scale must be a list of numbers above zero")
    if len(value) != bundle.contract.dim:
        raise ArtifactError(
            f"{where}: item_scale has {len(value)} entries, the bundle has dim {bundle.contract.dim}"
        )
    return np.array(value, np.float32)

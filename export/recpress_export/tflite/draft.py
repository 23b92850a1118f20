"""Operators over float32 with integers widened where they are read, as several TFLite graphs are written."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from recpress_export.tflite.flatbuffer import FlatModel

FLOAT32: Final = 0
INT32: Final = 2
INT_TYPES: Final = {np.dtype(np.int8): 9, np.dtype(np.int16): 7, np.dtype(np.int32): INT32}
"""TensorType, as the options of CAST name it."""
GATHER_VERSION: Final = {
    np.dtype(np.float32): 1,
    np.dtype(np.int32): 1,
    np.dtype(np.int8): 2,
    np.dtype(np.int16): 4,
}
NO_TENSOR: Final = -1


@dataclass(slots=True)
class OperatorDraft:
    """Operators so far."""

    model: FlatModel = field(default_factory=FlatModel)

    def op(self, name: str, operator: str, inputs: list[int], shape: tuple[int, ...], **options: Any) -> int:
        """An operator with one output of its own, float32 unless ``dtype`` says otherwise.

        ``any_length``: of the output's first axis; ``version``: the operator's. Others are its options.
        """
        any_length, dtype = options.pop("any_length", False), options.pop("dtype", np.float32)
        output = self.model.tensor(name, shape, dtype, any_length=0 if any_length else None)
        self.model.operator(operator, inputs, [output], **options)
        return output

    def whole(self, name: str, *values: int) -> int:
        """A list of whole numbers."""
        return self.model.constant(name, np.array(values, np.int32))

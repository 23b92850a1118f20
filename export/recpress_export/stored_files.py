"""Whether two model files compute the same with the same tables."""

from collections.abc import Callable, Mapping
from typing import Final


def _same_onnx(left: bytes, right: bytes) -> bool:
    import onnx

    first, second = (onnx.load_model_from_string(data) for data in (left, right))
    return bool(first.graph == second.graph)


SAME: Final[Mapping[str, Callable[[bytes, bytes], bool]]] = {
    "onnx": _same_onnx,
    "tflite": lambda left, right: left == right,
}

"""What the parts of an ONNX file are added to."""

from typing import Any, Protocol

from numpy.typing import NDArray


class OnnxDraft(Protocol):
    """Nodes and tensors so far."""

    nodes: list[bytes]
    """As messages.py makes them."""
    tensors: list[bytes]
    current: str
    """The tensor that the next step works on."""

    def node(self, operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None: ...

    def tensor(self, name: str, array: NDArray[Any]) -> str: ...

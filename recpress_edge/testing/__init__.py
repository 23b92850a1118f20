"""Contracts for your own runtime, format or method: subclass one, define its ``case``, and run pytest."""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from recpress_edge.testing.runtime import RuntimeCase, RuntimeContract
    from recpress_edge.testing.student import MethodCase, MethodContract, StudentContract
    from recpress_edge.testing.writer import WriterCase, WriterContract

__all__ = [
    "MethodCase",
    "MethodContract",
    "RuntimeCase",
    "RuntimeContract",
    "StudentContract",
    "WriterCase",
    "WriterContract",
]
_MODULES: Final = {"Method": "student", "Student": "student", "Runtime": "runtime", "Writer": "writer"}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is used: a runtime's contract needs neither torch nor the exporter."""
    if name not in __all__:
        raise AttributeError(f"module 'recpress_edge.testing' has no attribute {name!r}")
    module = _MODULES[name.removesuffix("Contract").removesuffix("Case")]
    return getattr(importlib.import_module(f"recpress_edge.testing.{module}"), name)

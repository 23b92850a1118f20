"""Which file formats can honour which recipes. The one place that knows."""

import importlib
from collections.abc import Callable, Mapping
from typing import Final

from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_export.graph import Graph
from recpress_export.quantize import RECIPES, Recipe

FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "onnx": tuple(RECIPES),
    "tflite": tuple(RECIPES),
}
"""Format -> the recipes that its writer honours."""
# format -> its writer, imported only when it is asked for
_WRITERS: Final[Mapping[str, str]] = {
    "onnx": "recpress_export.onnx_writer:to_onnx",
    "tflite": "recpress_export.tflite_writer:to_tflite",
}
# What made a file: recorded in its bundle.
PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "onnx": ("numpy", "onnx", "onnxruntime"),
    "tflite": ("numpy", "ai-edge-litert", "flatbuffers"),
}


def model_file(file_format: str) -> str:
    """Name of the model file in a bundle."""
    return f"model.{file_format}"


def writer_of(file_format: str) -> Callable[[Graph, Mapping[str, str]], bytes]:
    """The writer of a format; ImportError where what it needs is not installed."""
    module, _, function = _WRITERS[file_format].partition(":")
    writer: Callable[[Graph, Mapping[str, str]], bytes] = getattr(importlib.import_module(module), function)
    return writer


def write_model(graph: Graph, metadata: Mapping[str, str]) -> bytes:
    """A file of the contract's format: its bytes depend on the graph and the metadata only."""
    return writer_of(graph.contract.format)(graph, metadata)


def formats_of(recipe: Recipe) -> list[str]:
    """The formats that can honour a recipe."""
    return [name for name, recipes in FORMATS.items() if recipe.name in recipes]


def check_recipe(recipe: Recipe, file_format: str) -> None:
    """ConfigError for an unknown format, or for a recipe that it cannot honour: then it names what can."""
    if file_format not in FORMATS:
        raise unknown_name("format", file_format, list(FORMATS))
    if recipe.name not in FORMATS[file_format]:
        raise ConfigError(
            f"format {file_format} cannot honour recipe {recipe.name}. "
            f"{recipe.name} can be had as {' or '.join(formats_of(recipe)) or 'nothing'}; "
            f"{file_format} takes {', '.join(FORMATS[file_format])}."
        )

"""What each extra brings, and the commands that install it: from a checkout, no registry has this package."""

from collections.abc import Mapping
from typing import Final

BASE: Final = "base"
"""The install without an extra."""
EXTRAS: Final[Mapping[str, Mapping[str, str]]] = {
    BASE: {"numpy": "numpy", "onnxruntime": "onnxruntime", "psutil": "psutil"},
    "data": {"duckdb": "duckdb", "zstandard": "zstandard", "pooch": "pooch"},
    "train": {"torch": "torch", "scipy": "scipy", "safetensors": "safetensors", "rich": "rich"},
    "export": {"onnx": "onnx", "safetensors": "safetensors"},
    "tflite": {"ai-edge-litert": "ai_edge_litert", "flatbuffers": "flatbuffers"},
    "c": {"ziglang": "ziglang"},
    "signed": {"cryptography": "cryptography"},
    "ray": {"ray": "ray"},
    "tune": {"optuna": "optuna"},
    "report": {"matplotlib": "matplotlib", "jinja2": "jinja2", "rich": "rich"},
}
"""Packages of the base install and of each extra, with the module that each of them is imported as."""

TORCH_CPU_INDEX: Final = "https://download.pytorch.org/whl/cpu"
"""PyTorch's own index of wheels without CUDA; the one on PyPI brings 2.2 GB of it on x86-64 Linux."""
WITH_TORCH: Final = ("train", "ray", "tune", "neural", "litert", "all", "dev")
"""Extras of which torch is part."""


def install_command(extra: str = "") -> str:
    """What to run in the checkout for the base install or an extra; torch first, where it is part of it."""
    install = "pip install --constraint constraints.txt " + (f"'.[{extra}]'" if extra else ".")
    torch = f"pip install --constraint constraints.txt --index-url {TORCH_CPU_INDEX} torch"
    return f"{torch} && {install}" if extra in WITH_TORCH else install


def extra_of(module: str) -> str | None:
    """The extra that brings a module, "all" where several do; None for any other module."""
    extras = [extra for extra, packages in EXTRAS.items() if extra != BASE and module in packages.values()]
    return extras[0] if len(extras) == 1 else "all" if extras else None

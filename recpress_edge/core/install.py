"""The commands that install what is missing: from a checkout, for no registry has this package yet."""

from typing import Final

TORCH_CPU_INDEX: Final = "https://download.pytorch.org/whl/cpu"
"""PyTorch's own index of wheels without CUDA; the one on PyPI brings 2.2 GB of it on x86-64 Linux."""
WITH_TORCH: Final = ("train", "neural", "litert", "all", "dev")
"""Extras of which torch is part."""


def install_command(extra: str = "") -> str:
    """What to run in the checkout for the base install or an extra; torch first, where it is part of it."""
    install = "pip install --constraint constraints.txt " + (f"'.[{extra}]'" if extra else ".")
    torch = f"pip install --constraint constraints.txt --index-url {TORCH_CPU_INDEX} torch"
    return f"{torch} && {install}" if extra in WITH_TORCH else install

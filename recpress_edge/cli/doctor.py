"""recpress-edge doctor: what is installed, what this machine can do, and what to run for the rest."""

import argparse
import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import Any, Final

from recpress_edge.cli.common import add_common_options, emit, next_steps, say, table
from recpress_edge.core.cpu import cpu_flags, dot_product_flags
from recpress_edge.core.install import install_command
from recpress_edge.core.units import format_bytes

PACKAGES: Final = {
    "base": ("numpy", "onnxruntime", "psutil"),
    "train": ("torch", "safetensors", "pooch", "rich"),
    "export": ("onnx", "safetensors"),
    "tflite": ("ai-edge-litert", "flatbuffers"),
    "report": ("matplotlib", "jinja2", "rich"),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Lists packages per extra, CPU, memory and data, and the command for what is missing."
    )
    add_common_options(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the findings. Exit code 0 when the base install is whole, else 1."""
    found = {extra: {name: _version(name) for name in names} for extra, names in PACKAGES.items()}
    machine = _machine(args.work)
    rows = [
        [extra, name, version or "missing"]
        for extra, packages in found.items()
        for name, version in packages.items()
    ]
    say(args, table(["extra", "package", "version"], rows))
    say(args)
    for extra, packages in found.items():
        if not all(packages.values()):
            command = install_command("" if extra == "base" else extra)
            next_steps(args, [f"{command}    # {extra}, in the checkout"])
    for key, value in machine.items():
        say(args, f"{key:<10} {value}")
    emit(args, {"packages": found, "machine": machine})
    return 0 if all(found["base"].values()) else 1


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine(work: Path) -> dict[str, Any]:
    return {
        "python": f"{platform.python_version()}, {platform.machine()}, {platform.system()}",
        "cpu": f"{len(os.sched_getaffinity(0))} cores usable; int8 dot product: {_dot_product()}",
        "memory": format_bytes(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        "disk": f"{format_bytes(shutil.disk_usage(_existing(work)).free)} free at {_existing(work)}",
        "data": os.environ.get("RECPRESS_DATA_DIR", "RECPRESS_DATA_DIR not set; 'synthetic' is always there"),
    }


def _dot_product() -> str:
    have = dot_product_flags(cpu_flags(Path("/proc/cpuinfo").read_text()))
    return ", ".join(have) if have else "none (int8 still saves memory)"


def _existing(folder: Path) -> Path:
    folder = folder.resolve()
    return folder if folder.exists() else _existing(folder.parent)

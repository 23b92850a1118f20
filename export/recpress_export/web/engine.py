"""The engine as WebAssembly, compiled for one kind of model by the zig of the extra ``c``."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import ziglang

from recpress_edge.core.errors import MissingExtraError
from recpress_edge.device.c.model_bin import Header
from recpress_edge.device.c.source import FOLDER, SOURCE, flags_for

ZIG: Final = str(Path(ziglang.__file__).with_name("zig"))
"""Where the extra is missing, importing this module says so, before anything is trained."""
GLUE: Final = "wasm.c"
COMMON: Final = (
    "--target=wasm32-freestanding",
    "-std=c99",
    "-Os",
    "-fno-vectorize",
    "-fno-slp-vectorize",
    "-DRP_SMALL",
    "-ffp-contract=off",
    "-s",
    "-Wl,--no-entry",
)
"""Bytes count: they travel to every reader. Vectors are written by hand. Nothing is fused: float32 results
are those of all cores.
"""
ENGINES: Final = {"recpress.wasm": ("-msimd128",), "recpress-plain.wasm": ("-mcpu=mvp",)}
"""The files and what they need: the plain one runs in every browser that has WebAssembly."""
_TIMEOUT_S: Final = 600.0
_SAID: Final = 400
"""Characters of what the compiler says that an error repeats."""


def engines(header: Header) -> dict[str, bytes]:
    """The engine's files for models of this kind, by name: the same bytes from the same zig."""
    return {name: _compiled([*COMMON, *own, *flags_for(header)]) for name, own in ENGINES.items()}


def _compiled(flags: Sequence[str]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="recpress-wasm-") as folder:
        target = Path(folder) / "engine.wasm"
        sources = [str(FOLDER / SOURCE), str(FOLDER / GLUE)]
        command = [ZIG, "cc", *flags, "-o", str(target), *sources]
        done = subprocess.run(
            command,
            env=os.environ | {"ZIG_LOCAL_CACHE_DIR": folder},  # zig keeps one in the current folder otherwise
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode or not target.is_file():
            raise MissingExtraError(
                f"the engine could not be compiled for the web. {' '.join(command)} said: "
                f"{done.stderr.strip()[:_SAID]}. Install the ziglang that constraints.txt names."
            )
        return target.read_bytes()

"""The engine compiled into a shared library, in one step and with the compiler's words where it fails."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import MissingExtraError
from recpress_edge.core.files import storage_errors, write_atomic
from recpress_edge.device.c.compiler import TOLD, Compiler

TIMEOUT_S: Final = 600.0
"""A Pi Zero takes a minute."""
_SAID: Final = 400
"""Characters of what a compiler says that an error repeats."""


def version_of(compiler: Compiler) -> str:
    """The first line of what it says of itself; its command where it says nothing."""
    said = subprocess.run([*compiler.command, "--version"], capture_output=True, text=True, check=False)
    return next(iter(said.stdout.splitlines()), "") or " ".join(compiler.command)


def compile_library(compiler: Compiler, source: str, flags: Sequence[str], target: Path) -> None:
    """Write ``target`` whole or not at all; MissingExtraError where the compiler fails.

    Beside it lies what it was made by: the compiler's version and the flags, in a line of text.
    """
    with storage_errors(target):
        handle, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
    try:
        _run([*compiler.command, *flags, "-x", "c", "-", "-o", draft], source)
        told = f"{version_of(compiler)}: {' '.join(flags)}\n"
        write_atomic(target.with_suffix(TOLD), told.encode())
        with storage_errors(target):
            Path(draft).chmod(0o700)
            Path(draft).replace(target)
    finally:
        Path(draft).unlink(missing_ok=True)


def _run(command: Sequence[str], source: str) -> None:
    try:
        done = subprocess.run(
            command, input=source, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        failed, said = done.returncode != 0, done.stderr.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        failed, said = True, str(error)
    if failed:
        raise MissingExtraError(
            f"the engine of format c could not be compiled. {' '.join(command)} said: {said[:_SAID]}. "
            "Name another compiler in CC, or answer in Python without one: RECPRESS_ENGINE=plain"
        )

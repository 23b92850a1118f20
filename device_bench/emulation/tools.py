"""Programs that the emulation needs: found, and run so that none outlives this process."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import RecPressError, SkippedError
from recpress_edge.device.process import dies_with_parent

DOWNLOAD_TIMEOUT_S: Final = 900.0


class EmulationError(RecPressError):
    """A step of setting up or running the emulated machine failed."""


def need(program: str, package: str) -> str:
    """Path of a program; SkippedError names the package that brings it."""
    found = shutil.which(program)
    if found is None:
        raise SkippedError(f"install {package}: this target needs the program {program}, which is not here")
    return found


def find_compiler() -> str:
    """A C compiler."""
    return next((found for name in ("gcc", "cc", "clang") if (found := shutil.which(name))), None) or need(
        "gcc", "gcc and libc6-dev"
    )


def run_tool(
    command: Sequence[str | Path],
    *,
    what: str,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float = DOWNLOAD_TIMEOUT_S,
) -> str:
    """Run to the end and return stdout; EmulationError says what failed and quotes the program.

    The program dies with this process, even when that is killed.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
            timeout=timeout_s,
            preexec_fn=dies_with_parent(),
        )
    except subprocess.TimeoutExpired:
        raise EmulationError(f"{what} took more than {timeout_s:.0f} s and was stopped. Try again.") from None
    if done.returncode != 0:
        said = " | ".join((done.stderr or done.stdout).strip().splitlines()[-4:]) or "nothing"
        raise EmulationError(f"{what} failed: {Path(str(command[0])).name} said: {said}")
    return done.stdout

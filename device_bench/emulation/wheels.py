"""aarch64 wheels of the versions that are installed here, unpacked for the emulated Python."""

import importlib.metadata
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from device_bench.emulation.apt import inside
from device_bench.emulation.tools import EmulationError, run_tool
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.core.errors import SkippedError
from recpress_edge.core.files import sha256_file
from recpress_edge.core.install import install_command

# What every device installs. A runtime's own further dependencies are for tools that no query needs.
_BASE: Final = ("numpy", "psutil")
# glibc 2.28 and older: the 64-bit Raspberry Pi OS has 2.36.
_PLATFORMS: Final = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")


def pinned(file_format: str) -> dict[str, str]:
    """Package -> version, as installed here: host and guest run the same."""
    row = FORMATS[file_format]
    try:
        return {name: importlib.metadata.version(name) for name in (*_BASE, *row.device_packages)}
    except importlib.metadata.PackageNotFoundError as error:
        command = install_command(row.extra)
        raise SkippedError(
            f"install {error.name} (in the checkout: {command}): the emulated board runs the versions that "
            f"are installed here, and a {file_format} bundle is answered here first"
        ) from None


def fetch_wheels(versions: Mapping[str, str], python: str, into: Path) -> dict[str, str]:
    """Fetch the wheels for a Python ('3.11') on aarch64; file name -> SHA-256.

    pip checks every file against the index's digest; the digests are recorded.
    """
    into.mkdir(parents=True, exist_ok=True)
    run_tool(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--only-binary=:all:", "--implementation", "cp", "--python-version", python),
            *(part for name in _PLATFORMS for part in ("--platform", f"{name}_aarch64")),
            *("--dest", into),
            *(f"{name}=={version}" for name, version in versions.items()),
        ],
        what=f"fetching aarch64 wheels for Python {python}",
    )
    return {path.name: sha256_file(path) for path in sorted(into.glob("*.whl"))}


def unpack_wheel(wheel: Path, into: Path) -> None:
    """A wheel's files below ``into``; scripts and headers (``*.data``) are left out."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                target = inside(into, entry.filename)
                if entry.is_dir() or entry.filename.partition("/")[0].endswith(".data"):
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(entry))
                target.chmod(0o755 if ".so" in target.name else 0o644)
    except zipfile.BadZipFile as error:
        raise EmulationError(f"{wheel} is damaged: {error}. Remove it and try again.") from None

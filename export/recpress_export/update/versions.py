"""The version before: kept beside an updated bundle, and put back by one exchange of folders.

``dist/htd_dim10-int8.previous`` is a whole bundle; there is one, so one step back is always possible.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import exchange, new_directory, storage_errors, sync_folder
from recpress_edge.device.apart import self_test_apart
from recpress_edge.device.guard import STANDARD, Guard

PREVIOUS: Final = ".previous"


def previous_path(folder: Path) -> Path:
    """Where the version before ``folder`` is kept."""
    return folder.with_name(folder.name + PREVIOUS)


@contextlib.contextmanager
def next_version(bundle: Bundle) -> Iterator[Path]:
    """A folder to fill that takes the bundle's place in one step; the bundle becomes its ``.previous``.

    Killed at any moment, the bundle's path holds the old version or the new one, whole.
    """
    folder = bundle.folder.resolve()
    with new_directory(folder, force=True) as draft:
        yield draft
        if open_bundle(folder).digest != bundle.digest:
            raise ArtifactError(f"{folder} was changed by somebody else meanwhile. Nothing was written.")
        _keep(folder)


def _keep(folder: Path) -> None:
    """A second name for every file: nothing is moved before the new version takes the place."""
    target = previous_path(folder)
    with new_directory(target, force=True) as copy, storage_errors(target):
        for path in folder.iterdir():
            try:
                os.link(path, copy / path.name)
            except OSError:  # FAT and some network file systems have no links
                shutil.copy2(path, copy / path.name)


def roll_back(folder: Path, guard: Guard = STANDARD) -> tuple[Bundle, str | None]:
    """Exchange a bundle with its ``.previous``, after that passed its own test within the ``guard``'s limits.

    Returns the bundle that is in place now and the digest of the one that was (None if it was damaged
    or missing). Once more undoes it. ConfigError: there is no version to go back to.
    """
    folder = folder.resolve()
    previous = previous_path(folder)
    if not previous.is_dir():
        raise ConfigError(
            f"there is no version before {folder}: {previous} does not exist. "
            "It is kept by: recpress-edge bundle update, without --out"
        )
    before, _ = self_test_apart(previous, guard)
    current = _open_if_whole(folder)
    if current and current.digest == before.digest:
        raise ConfigError(f"{folder} is the version in {previous} already; there is nothing to roll back.")
    if current and before.digest not in _history(current) and current.digest not in _history(before):
        raise ConfigError(
            f"{previous} is not a version of {folder}: neither names the other in its history. "
            "Move one of them away."
        )
    with storage_errors(folder):
        _trade(previous, folder)
        sync_folder(folder.parent)
    return open_bundle(folder), current.digest if current else None


def _open_if_whole(folder: Path) -> Bundle | None:
    try:
        return open_bundle(folder)
    except ArtifactError:
        return None


def _history(bundle: Bundle) -> list[str]:
    updates = bundle.provenance.get("updates", [])
    return [entry.get("previous", "") for entry in updates if isinstance(entry, dict)]


def _trade(previous: Path, folder: Path) -> None:
    """Swap the two; where the system has no exchange, the bundle is missing for one rename."""
    if not folder.exists():
        previous.rename(folder)
    elif not exchange(previous, folder):
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent)) / "was"
        folder.rename(aside)
        previous.rename(folder)
        aside.rename(previous)
        aside.parent.rmdir()

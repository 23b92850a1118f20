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

from recpress_edge.artifacts.manifest import MANIFEST
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import (
    check_ours,
    exchange,
    new_directory,
    read_json,
    storage_errors,
    sync_folder,
    write_json,
)
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.device.opening import AnyBundle, open_any, self_test_any

PREVIOUS: Final = ".previous"
STEPS: Final = ".steps"
_STEPS_SCHEMA: Final = "recpress.steps/1"
_MOST_STEPS: Final = 8


def previous_path(folder: Path) -> Path:
    """Where the version before ``folder`` is kept."""
    return folder.parent / f"{folder.name}{PREVIOUS}"


def stable_path(folder: Path) -> Path:
    """A folder as it was given; in full where that is a link, or found from inside the folder.

    From inside, '.' is the version that was there before, also after the two were exchanged.
    """
    full = folder.resolve()
    same = folder.parent.resolve() / folder.name == full and not Path.cwd().is_relative_to(full)
    return folder if same else full


@contextlib.contextmanager
def next_version(bundle: AnyBundle) -> Iterator[Path]:
    """A folder to fill that takes the bundle's place in one step; the bundle becomes its ``.previous``.

    Killed at any moment, the bundle's path holds the old version or the new one, whole. ConfigError where
    somebody else's folder has the name of its ``.previous``.
    """
    folder = bundle.folder.resolve()
    check_ours(previous_path(folder), MANIFEST)
    with new_directory(folder, force=True) as draft:
        yield draft
        if open_any(folder).digest != bundle.digest:
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


def note_step(folder: Path, base: str, target: str) -> None:
    """Remember beside a bundle that one version of it was made from another, which neither says of itself."""
    where = folder.with_name(folder.name + STEPS)
    steps = [*_steps(folder), [base, target]][-_MOST_STEPS:]
    write_json(where, {"schema": _STEPS_SCHEMA, "steps": steps})


def _steps(folder: Path) -> list[list[str]]:
    where = folder.with_name(folder.name + STEPS)
    try:
        steps = read_json(where).get("steps") if where.is_file() else None
    except ArtifactError:
        steps = None
    return [step for step in steps if isinstance(step, list)] if isinstance(steps, list) else []


def roll_back(folder: Path, guard: Guard = STANDARD, trust: Trust = ANYBODY) -> tuple[AnyBundle, str | None]:
    """Exchange a bundle with its ``.previous``, after that passed its own test within the ``guard``'s limits.

    ``trust``: whose bundles may come back.

    Returns the bundle that is in place now and the digest of the one that was (None if it was damaged
    or missing). Once more undoes it. ConfigError: there is no version to go back to.
    """
    folder = stable_path(folder)
    previous = previous_path(folder)
    if not previous.is_dir():
        raise ConfigError(
            f"there is no version before {folder}: {previous} does not exist. "
            "It is kept by recpress-edge bundle apply, retire and fold-in, and by bundle update without --out"
        )
    before, _ = self_test_any(previous, guard, trust)
    current = _open_if_whole(folder)
    if current and current.digest == before.digest:
        raise ConfigError(f"{folder} is the version in {previous} already; there is nothing to roll back.")
    if current and not _is_step(folder, before, current):
        raise ConfigError(
            f"{previous} is not a version of {folder}: neither names the other in its history. "
            "Move one of them away."
        )
    with storage_errors(folder):
        _trade(previous, folder)
        sync_folder(folder.parent)
    return open_any(folder), current.digest if current else None


def _is_step(folder: Path, before: AnyBundle, current: AnyBundle) -> bool:
    """Whether one of the two was made from the other."""
    if before.digest in _history(current) or current.digest in _history(before):
        return True
    pair = [before.digest, current.digest]
    return any(step in (pair, pair[::-1]) for step in _steps(folder))


def _open_if_whole(folder: Path) -> AnyBundle | None:
    try:
        return open_any(folder)
    except ArtifactError:
        return None


def _history(bundle: AnyBundle) -> list[str]:
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

"""The cache folder: components that are built once, whole or not at all, and used by many runs."""

import contextlib
import fcntl
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.files import digest_of, new_directory, read_json, storage_errors, write_json
from recpress_edge.core.progress import Note, OnEvent

_MANIFEST: Final = "manifest.json"
_LOCK: Final = ".lock"


@dataclass(frozen=True, slots=True)
class Component:
    """A finished folder of the cache."""

    folder: Path
    facts: Mapping[str, Any]
    """The builder's facts, and ``wants``: what it was built for."""

    @property
    def digest(self) -> str:
        """Digest of what it was built for, and of what the builder found."""
        return digest_of(dict(self.facts))


@contextlib.contextmanager
def locked(root: Path, on_event: OnEvent) -> Iterator[None]:
    """One process sets up at a time; the lock ends with its process.

    Removes what an earlier process left unfinished.
    """
    with storage_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        file = (root / _LOCK).open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_event(Note(f"waiting for another process that sets up {root}"))
            fcntl.flock(file, fcntl.LOCK_EX)
        for draft in root.glob(".*-*.*"):
            shutil.rmtree(draft, ignore_errors=True)
        yield


def component(
    root: Path,
    name: str,
    wants: Mapping[str, Any],
    build: Callable[[Path], Mapping[str, Any]],
    on_event: OnEvent,
) -> Component:
    """The component that was built for ``wants``, built now if there is none. Call it :func:`locked`.

    ``build`` fills a folder and returns facts about it (versions, digests).
    """
    folder = root / f"{name}-{digest_of(dict(wants))[:12]}"
    if not (folder / _MANIFEST).is_file():
        on_event(Note(f"setting up {name} in {root}, once"))
        with new_directory(folder, force=True) as draft:
            write_json(draft / _MANIFEST, {"wants": dict(wants), **build(draft)})
    return Component(folder, read_json(folder / _MANIFEST))

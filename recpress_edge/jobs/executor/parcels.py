"""Folders on their way between machines: each file by its SHA-256, checked on arrival."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import digest_of, sha256_bytes, sha256_file, write_atomic
from recpress_edge.core.progress import OnEvent
from recpress_edge.jobs.executor import Movable
from recpress_edge.training.store import locked


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file, or what stands for it until it is asked for."""

    sha256: str
    content: Any
    """Its bytes, or a reference to them in another machine's store."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A folder of plain files."""

    place: tuple[str, ...]
    """Where it is in a work folder."""
    digest: str
    """Of names and contents."""
    files: Mapping[str, SentFile]


def pack(folder: Path, work: Path, put: Callable[[bytes], Any]) -> Parcel:
    """The folder's finished files; hidden ones and checkpoints stay. ``put``: what stands for the bytes.

    A folder outside the work folder gets a place by its digest.
    """
    files = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith((".", "checkpoint")):
            data = path.read_bytes()
            files[path.name] = SentFile(sha256_bytes(data), put(data))
    digest = digest_of({name: file.sha256 for name, file in files.items()})
    path, home = folder.resolve(), work.resolve()
    inside = path.relative_to(home).parts if path.is_relative_to(home) else ("given", digest[:16], path.name)
    return Parcel(inside, digest, files)


@dataclass(frozen=True, slots=True)
class Journey:
    """A request with all that it reads, on its way to another machine."""

    request: Movable[Any]
    data: Parcel | None
    """None: the data set is built there."""
    models: Mapping[Path, Parcel]

    @classmethod
    def of(cls, request: Movable[Any], sent: Callable[[Path, Path], Parcel]) -> Self:
        """``sent``: the parcel of a folder, given the work folder."""
        folder, work = request.data_folder, request.work
        models = {folder: sent(folder, work) for folder in request.model_folders}
        return cls(request, sent(folder, work) if folder else None, models)

    def run(self, root: Path, get: Callable[[Any], bytes], on_event: OnEvent) -> tuple[Any, Parcel | None]:
        """The request's result and the model that it made; each data set has a work folder in ``root``."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will hold the log
        work = root / (self.data.digest[:16] if self.data else "built")
        if self.data:
            unpack(self.data, work, get)
        where = {folder: unpack(parcel, work, get) for folder, parcel in self.models.items()}
        request = self.request.moved(work, where)
        result = request.run(on_event)
        made = request.made(result)
        return result, pack(made, work, bytes) if made else None


def unpack(parcel: Parcel, work: Path, get: Callable[[Any], bytes]) -> Path:
    """The folder at its place in a work folder; what is there with the same numbers is not fetched again."""
    folder = work.joinpath(*map(_plain, parcel.place))
    receive(parcel, folder, get)
    return folder


def receive(parcel: Parcel, folder: Path, get: Callable[[Any], bytes]) -> None:
    """Put the files into ``folder``, which other processes may be training in or writing to.

    What describes the others, in JSON, comes last and makes the folder complete. It also says how long a
    training took: a folder that differs in that alone is left as it is.
    """
    described = sorted(name for name in parcel.files if name.endswith(".json"))
    numbers = sorted(parcel.files.keys() - set(described))
    with locked(folder, lambda: None):
        there = all((folder / name).exists() for name in described)
        if there and all(_is_there(folder / name, parcel.files[name]) for name in numbers):
            return
        for name in (*numbers, *described):
            write_atomic(folder / _plain(name), _checked(name, parcel.files[name], get))


def _is_there(path: Path, file: SentFile) -> bool:
    return path.is_file() and sha256_file(path) == file.sha256


def _checked(name: str, file: SentFile, get: Callable[[Any], bytes]) -> bytes:
    data = get(file.content)
    if sha256_bytes(data) != file.sha256:
        raise ArtifactError(
            f"{name} arrived with SHA-256 {sha256_bytes(data)} and was sent with {file.sha256}. Run it again."
        )
    return data


def _plain(name: str) -> str:
    """The name of a file or folder; one that leads elsewhere is an :class:`ArtifactError`."""
    if name in ("", ".", "..") or "/" in name or name.startswith("."):
        raise ArtifactError(
            f"another machine sent a file called {name!r}: names are plain. Nothing was written."
        )
    return name

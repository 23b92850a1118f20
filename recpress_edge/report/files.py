"""The JSON files that were named or lie in named folders, each read once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import read_json
from recpress_edge.core.printable import printable_facts
from recpress_edge.records.bench import find_records
from recpress_edge.records.search import TUNE_KIND, SearchRecord, search_record

HOW_TO_MAKE_RUNS: Final = (
    "Make runs with: recpress-edge bench BUNDLE  (or: device_bench run BUNDLE --runs runs/)"
)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is not a bench record."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A file that was read, once: its object, or why it has none."""

    path: Path
    value: Mapping[str, Any]
    reason: str = ""

    @property
    def schema(self) -> str:
        """What it says that it is; empty when it says nothing or is none."""
        return str(self.value.get("schema", ""))


@dataclass(frozen=True, slots=True)
class Files:
    """What was named, and every JSON file that was found there."""

    paths: tuple[Path, ...]
    found: tuple[JsonFile, ...]


def read_files(paths: Sequence[Path]) -> Files:
    """Read files and folders (recursively); ArtifactError for a path that is not there."""
    return Files(tuple(paths), tuple(_read(path) for path in json_files(paths)))


def _read(path: Path) -> JsonFile:
    try:
        return JsonFile(path, read_json(path))
    except ArtifactError as error:
        return JsonFile(path, {}, str(error))


def json_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Every JSON file that was named or lies in a named folder, once each."""
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise ConfigError(f"no such file or folder: {path}. {HOW_TO_MAKE_RUNS}")
        for file in find_records(path) if path.is_dir() else [path]:
            if file.is_file() and file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def read_searches(files: Files) -> tuple[tuple[SearchRecord, ...], tuple[Unreadable, ...]]:
    """What searches found, and the files of searches that cannot be read."""
    found, unreadable = [], []
    for file in files.found:
        if not file.schema.startswith(TUNE_KIND):
            continue
        where = str(file.path)
        try:
            found.append(search_record(printable_facts(file.value), where))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            unreadable.append(Unreadable(where, f"not a whole record of a search: {error!r}"))
    return tuple(found), tuple(unreadable)

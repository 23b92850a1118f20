"""Which files a path means: itself, a glob, a folder of parts, or standard input."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.files import storage_errors

STDIN: Final = "-"
_WILD: Final = frozenset("*?[")
_CHUNK: Final = 1 << 24


def find_files(path: Path, scratch: Path) -> list[Path]:
    """The files of a path, in the order of their names; standard input is copied into ``scratch``.

    Of a folder, as Spark and others write it, every file whose name begins with a letter or digit.
    """
    if str(path) == STDIN:
        return [_from_stdin(scratch / "stdin")]
    if path.is_dir():
        inside = [entry for entry in path.iterdir() if entry.name[0] not in "._"]
        if any(entry.is_dir() for entry in inside):
            raise ConfigError(
                f"{path} holds folders. Say which files are the log by a pattern in quotes, such as "
                f"'{path}/**/*.parquet'"
            )
        found = [entry for entry in inside if entry.is_file()]
        if not found:
            raise DataError(f"{path} is a folder without files. Name a file, or a folder of parts.")
        return sorted(found, key=_natural)
    if not path.exists() and _WILD & set(str(path)):
        base = Path(path.anchor) if path.is_absolute() else Path()
        found = [file for file in base.glob(str(path.relative_to(base))) if file.is_file()]
        if not found:
            raise DataError(f"no file fits {path}. Check the pattern; nothing was imported.")
        return sorted(found, key=_natural)
    return [path]


def _natural(path: Path) -> list[tuple[int, str]]:
    """part-2 before part-10: numbers in a name as numbers."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def all_files(paths: Sequence[Path], scratch: Path) -> list[Path]:
    """The files of several paths; one that is named twice is a ConfigError."""
    files = [file for path in paths for file in find_files(path, scratch)]
    real = [file.resolve() for file in files]
    twice = next((file for at, file in enumerate(files) if real[at] in real[:at]), None)
    if twice is not None:
        raise ConfigError(f"{twice} is named twice: its rows would count twice. Name it once.")
    return files


def folder_notes(paths: Sequence[Path]) -> list[str]:
    """That folders such as ``event=view`` say something of the files in them that is not read."""
    parts = [part for path in paths for part in path.parts[:-1] if re.fullmatch(r"[\w-]+=[^=]*", part)]
    keys = list(dict.fromkeys(part.partition("=")[0] for part in parts))
    if not keys or len(set(parts)) == len(keys):
        return []
    return [
        f"the folders {', '.join(list(dict.fromkeys(parts))[:3])} … are no column here: rows of all count "
        f"alike. To choose by {keys[0]}: --query \"SELECT * FROM read_parquet('FOLDER/**/*.parquet', "
        'hive_partitioning=true) WHERE …"'
    ]


def _from_stdin(copy: Path) -> Path:
    if sys.stdin.isatty():
        raise ConfigError("PATH - reads standard input, which is a terminal here. Pipe a log into it.")
    with storage_errors(copy), copy.open("wb") as target:
        while chunk := sys.stdin.buffer.read(_CHUNK):
            target.write(chunk)
    return copy

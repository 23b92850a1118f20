"""What a file is wrapped in: gzip, bzip2, xz, zstd and zip are opened, others refused by name."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from recpress_edge.core.errors import ConfigError, DataError, missing_extra

_R: Final = 'Rscript -e \'write.csv({read}("{name}"), "log.csv", row.names = FALSE)\''
_PANDAS: Final = "python -c \"import pandas; pandas.read_{reader}('{name}').to_csv('log.csv', index=False)\""

REFUSED: Final[tuple[tuple[bytes, str, str], ...]] = (
    # first bytes, what it is, the command that unpacks it
    (b"ARROW1", "an Arrow file", _PANDAS.replace("{reader}", "feather")),
    (b"FEA1", "a Feather file", _PANDAS.replace("{reader}", "feather")),
    (b"\xff\xff\xff\xff", "an Arrow stream",
     "python -c \"import pyarrow.csv, pyarrow.ipc; pyarrow.csv.write_csv(pyarrow.ipc.open_stream('{name}')"
     ".read_all(), 'log.csv')\"; Dataset.from_frame takes such a table as it is"),
    (b"PK\x05\x06", "an empty zip archive", "unzip -l {name}"),
    (b"ORC", "an ORC file", _PANDAS.replace("{reader}", "orc")),
    (b"\x89HDF", "an HDF5 file", _PANDAS.replace("{reader}", "hdf")),
    (b"\x04\x22\x4d\x18", "compressed by lz4", "lz4 -dc {name} > log.csv"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so {name} > log.csv"),
    (b"Rar!", "a rar archive", "unrar p -inul {name} > log.csv"),
    (b"\x93NUMPY", "a NumPy array",
     "python -c \"import numpy; numpy.savetxt('log.csv', numpy.load('{name}'), '%d', ',')\""),
    (b"x\x9c", "compressed by zlib",
     "python -c \"import sys, zlib; sys.stdout.buffer.write(zlib.decompress(open('{name}', 'rb').read()))\""
     " > log.csv"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet", "libreoffice --headless --convert-to csv {name}"),
    (b"%PDF", "a PDF", "pdftotext -layout {name} log.txt"),
    (b"MATLAB 5", "a MATLAB file",
     "python -c \"import numpy, scipy.io; "
     "numpy.savetxt('log.csv', scipy.io.loadmat('{name}')['NAME'], '%g', ',')\""),
    (b"Obj\x01", "an Avro file", "avro cat --format csv {name} > log.csv"),
    (b"X\n\0\0\0", "an R data file", _R.replace("{read}", "readRDS")),
    (b"RDX", "an R workspace", "Rscript -e 'print(load(\"{name}\"))', then write.csv what it names"),
    (b"<stata_dta>", "a Stata file", _PANDAS.replace("{reader}", "stata")),
    (b"$FL2", "an SPSS file", _PANDAS.replace("{reader}", "spss")),
    (b"\0" * 12 + b"\xc2\xea\x81\x60", "a SAS file", _PANDAS.replace("{reader}", "sas")),
    (b"\x89PNG", "a picture", "tesseract {name} log"),
)  # fmt: skip


PARQUET: Final = b"PAR1"
SQLITE: Final = b"SQLite format 3\0"
_PEEKED: Final = 512
_MOST_LAYERS: Final = 4


@dataclass(frozen=True, slots=True)
class Opened:
    """The bytes of a file without what they were wrapped in."""

    stream: io.BufferedReader
    layers: tuple[str, ...]
    """What was undone, outermost first: 'gzip', 'zip'."""
    head: bytes
    """The first bytes of the stream, not yet taken from it."""


@contextmanager
def open_content(path: Path, member: str | None = None) -> Iterator[Opened]:
    """Open a file, undoing compression; ``member`` names the file to take out of a zip archive."""
    layers = list[str]()
    with ExitStack() as stack:
        stream = _opened(path, stack)
        while (layer := _layer(stream)) is not None:
            layers.append(layer)
            if len(layers) > _MOST_LAYERS:
                raise DataError(f"{path} is compressed more than {_MOST_LAYERS} times over: not opened")
            stream = io.BufferedReader(cast(io.RawIOBase, _unwrap(path, stream, layer, member, stack)))
            with reading_errors(path, layer):
                stream.peek(1)
        if member is not None and "zip" not in layers:
            raise ConfigError(f"--member {member}: {path} is no zip archive. Remove it.")
        head = _head(stream)
        _refuse(path, head)
        yield Opened(stream, tuple(layers), head)


def _opened(path: Path, stack: ExitStack) -> io.BufferedReader:
    try:
        return stack.enter_context(path.open("rb"))
    except FileNotFoundError:
        raise DataError(f"no such file: {path}. Check the path; nothing was imported.") from None
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


@contextmanager
def reading_errors(path: Path, layer: str) -> Iterator[None]:
    """Turn what a damaged compressed file raises into a DataError."""
    try:
        yield
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise _damaged(path, layer, error) from None
    except (RuntimeError, NotImplementedError) as error:  # an encrypted archive, a method that is not known
        raise ConfigError(
            f"{path} cannot be opened: {error}. Unpack it, and import what comes out."
        ) from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "zstandard":
            raise
        raise _damaged(path, layer, error) from None


def _damaged(path: Path, layer: str, error: Exception) -> DataError:
    return DataError(f"{path} is compressed by {layer} and damaged or cut short: {error}. Fetch it again.")


def _head(stream: io.BufferedReader) -> bytes:
    return stream.peek(_PEEKED)[:_PEEKED]


def _layer(stream: io.BufferedReader) -> str | None:
    head = _head(stream)
    return next((name for name, mark in _MARKS.items() if head.startswith(mark)), None)


_MARKS: Final[Mapping[str, bytes]] = {
    "gzip": b"\x1f\x8b",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\0",
    "zstd": b"\x28\xb5\x2f\xfd",
    "zip": b"PK\x03\x04",
}


_STREAMS: Final[Mapping[str, Callable[[], Any]]] = {
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}
"""What undoes one stream; a file holds one or several."""


def _unwrap(
    path: Path, stream: io.BufferedReader, layer: str, member: str | None, stack: ExitStack
) -> BinaryIO:
    if layer == "zip":
        return _take_member(path, stream, member, stack)
    if layer == "zstd":
        return cast(BinaryIO, _Streams(cast(BinaryIO, stream), _zstd_frame()))
    if layer in _STREAMS:
        return cast(BinaryIO, _Streams(cast(BinaryIO, stream), _STREAMS[layer]))
    return cast(BinaryIO, stack.enter_context(gzip.open(stream)))


def _zstd_frame() -> Callable[[], Any]:
    try:
        import zstandard
    except ImportError as error:
        missing_extra(error.name, "data")
    return zstandard.ZstdDecompressor().decompressobj


def _take_member(path: Path, stream: io.BufferedReader, member: str | None, stack: ExitStack) -> BinaryIO:
    try:
        archive = stack.enter_context(zipfile.ZipFile(stream))
    except (zipfile.BadZipFile, io.UnsupportedOperation) as error:
        raise _damaged(path, "zip", error) from None
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    names = [entry.filename for entry in entries]
    if "[Content_Types].xml" in names:
        raise ConfigError(
            f"{path} is a spreadsheet or document of an office program, not text. Save the table as CSV, "
            f"for example: libreoffice --headless --convert-to csv {path.name}"
        )
    files = [
        name for name in names if not name.startswith("__MACOSX/") and not Path(name).name.startswith(".")
    ]
    if member is None and len(files) != 1:
        shown = ", ".join(files[:8]) + (" …" if len(files) > 8 else "")
        sizes = {entry.filename: entry.file_size for entry in entries}
        raise ConfigError(
            f"{path} is a zip archive of {len(files)} files: {shown}. Say which is the log with "
            f"--member {max(files, key=sizes.__getitem__) if files else 'NAME'}"
        )
    chosen = member or files[0]
    if names.count(chosen) > 1:
        raise ConfigError(
            f"{path} holds {names.count(chosen)} files called {chosen}. Unpack it, and name one."
        )
    if chosen not in names:
        raise ConfigError(f"--member {chosen}: {path} has no such file. Found: {', '.join(names[:8])}")
    with reading_errors(path, "zip"):
        return cast(BinaryIO, stack.enter_context(archive.open(chosen)))


def _refuse(path: Path, head: bytes) -> None:
    if head[8:12] == b"DUCK":
        raise ConfigError(
            f'{path} is a DuckDB database. Leave it out as PATH, and read it in the query: --query "ATTACH '
            f"'{path}' AS d (READ_ONLY); SELECT user_id, item_id FROM d.TABLE\""
        )
    if head[257:262] == b"ustar":
        raise ConfigError(
            f"{path} is a tar archive, not a log. List it and take the log out: tar -tf {path.name}; "
            f"tar -xOf {path.name} MEMBER > log.csv"
        )
    for mark, what, command in REFUSED:
        if head.startswith(mark):
            raise ConfigError(
                f"{path} is {what}, not text. Unpack or convert it, and import what comes out, for example: "
                + command.format(name=path.name)
            )
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        raise ConfigError(
            f"{path} is a Python pickle, never opened: it can run anything. Write a CSV file instead."
        )


class _Streams(io.RawIOBase):
    """Compressed streams one after another; one that is cut short, or what is none, is an error."""

    def __init__(self, source: BinaryIO, new: Callable[[], Any]) -> None:
        self._source, self._new = source, new
        self._stream = new()
        self._begun = False
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._left:
            compressed = self._source.read(1 << 20)
            if not compressed:
                if self._begun and not self._stream.eof:
                    raise EOFError("it ends within a stream")
                return 0
            self._left = memoryview(self._decompressed(compressed))
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size

    def _decompressed(self, data: bytes) -> bytes:
        parts = []
        while data:
            if self._stream.eof:
                data = data.lstrip(b"\0")  # xz fills up with these
                if not data:
                    break
                self._stream = self._new()
            self._begun = True
            parts.append(self._stream.decompress(data))
            data = self._stream.unused_data if self._stream.eof else b""
        return b"".join(parts)

"""From the bytes of a file to its text: containers, encodings and line ends."""

import codecs
import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError, DataError

_PANDAS: Final = "python -c \"import pandas; pandas.read_{reader}('{name}').to_csv('log.csv', index=False)\""

CONTAINERS: Final[tuple[tuple[bytes, str, str], ...]] = (
    # first bytes, what it is, the command that unpacks it
    (b"PK\x03\x04", "a zip archive (or a spreadsheet, which is one)", "unzip -p {name} > log.csv"),
    (b"PAR1", "a Parquet file", _PANDAS.replace("{reader}", "parquet")),
    (b"ARROW1", "an Arrow file", _PANDAS.replace("{reader}", "feather")),
    (b"FEA1", "a Feather file", _PANDAS.replace("{reader}", "feather")),
    (b"ORC", "an ORC file", _PANDAS.replace("{reader}", "orc")),
    (b"\x89HDF", "an HDF5 file", _PANDAS.replace("{reader}", "hdf")),
    (b"\xfd7zXZ\0", "compressed by xz", "xz -dc {name} > log.csv"),
    (b"BZh", "compressed by bzip2", "bzip2 -dc {name} > log.csv"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "zstd -dc {name} > log.csv"),
    (b"\x04\x22\x4d\x18", "compressed by lz4", "lz4 -dc {name} > log.csv"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so {name} > log.csv"),
    (b"Rar!", "a rar archive", "unrar p -inul {name} > log.csv"),
    (b"SQLite format 3\0", "an SQLite database", "sqlite3 -csv {name} 'SELECT …' > log.csv"),
    (b"\x93NUMPY", "a NumPy array",
     "python -c \"import numpy; numpy.savetxt('log.csv', numpy.load('{name}'), '%d', ',')\""),
    (b"x\x9c", "compressed by zlib",
     "python -c \"import sys, zlib; sys.stdout.buffer.write(zlib.decompress(open('{name}', 'rb').read()))\""
     " > log.csv"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet", "libreoffice --headless --convert-to csv {name}"),
    (b"%PDF", "a PDF", "pdftotext -layout {name} log.txt"),
    (b"Obj\x01", "an Avro file", "avro cat --format csv {name} > log.csv"),
)  # fmt: skip

MARKS: Final[tuple[tuple[bytes, str], ...]] = (
    # the four bytes of UTF-32 begin with the two of UTF-16, so they come first
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_ASIAN: Final = {"gb18030": "Chinese", "big5": "Chinese, Taiwan", "shift_jis": "Japanese", "euc_kr": "Korean"}


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a file, and what its bytes were."""

    content: str
    """Only line feeds end a line."""
    notes: tuple[str, ...]
    """What was undone to get it, such as 'gzip'."""


def read_text(path: Path, encoding: str | None = None) -> Text:
    """The text of a file that is read or refused by name; ``encoding`` None is by mark, else UTF-8."""
    notes = []
    data = _read_bytes(path)
    while data.startswith(b"\x1f\x8b"):
        data = _gunzip(path, data)
        notes.append("gzip")
    _refuse_containers(path, data)
    if not data.strip():
        raise DataError(f"{path} is empty: expected one interaction a line")
    found = encoding or next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    text = _decode(path, data, found)
    if found not in ("utf-8", "utf-8-sig"):
        notes.append(found)
    text = text.removeprefix("\ufeff").rstrip("\x1a").replace("\r\n", "\n")
    if "\r" in text and "\n" not in text:
        text = text.replace("\r", "\n")
        notes.append("carriage returns as line ends")
    if not text.strip():
        raise DataError(f"{path} is empty: expected one interaction a line")
    return Text(text, tuple(notes))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"no such file: {path}. Check the path; nothing was imported.") from None
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def _gunzip(path: Path, data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is compressed by gzip and damaged or cut short: {error}. Fetch it again."
        ) from None


def _refuse_containers(path: Path, data: bytes) -> None:
    if data[257:262] == b"ustar":
        raise ConfigError(
            f"{path} is a tar archive, not a log. List it and take the log out: tar -tf {path.name}; "
            f"tar -xOf {path.name} MEMBER > log.csv"
        )
    for mark, what, command in CONTAINERS:
        if data.startswith(mark):
            raise ConfigError(
                f"{path} is {what}, not text. Unpack or convert it, and import what comes out, for example: "
                + command.format(name=path.name)
            )
    if data[:1] == b"\x80" and data[1:2] in b"\x02\x03\x04\x05":
        raise ConfigError(
            f"{path} is a Python pickle, never opened: it can run anything. Write a CSV file instead."
        )


def _decode(path: Path, data: bytes, encoding: str) -> str:
    try:
        known = codecs.lookup(encoding).name
        "".encode(encoding)
    except (LookupError, ValueError):
        raise ConfigError(
            f"--encoding {encoding}: no such encoding. Write for example utf-8, utf-16, gbk, shift_jis, "
            "cp1251 or latin1."
        ) from None
    if known == "utf-8" and (nul := data.find(b"\0")) >= 0:
        raise _holds_nul(path, data, nul)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _not_decoded(path, data, encoding, error) from None
    except UnicodeError as error:
        raise ConfigError(f"{path} is not {encoding}: {error}. Say what it is with --encoding.") from None
    if (nul := text.find("\0")) >= 0:
        raise DataError(f"{path}: line {text.count(chr(10), 0, nul) + 1} holds a NUL: is it {encoding}?")
    return text


def _holds_nul(path: Path, data: bytes, nul: int) -> DataError | ConfigError:
    head = data[:4096]
    zeros = [head[side::2].count(0) / max(len(head[side::2]), 1) for side in (0, 1)]
    if max(zeros) > 0.3:
        name = "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
        return ConfigError(
            f"{path} looks like UTF-16 without a mark. Say so with --encoding {name}, or convert it: "
            f"iconv -f {name} -t utf-8 {path.name} > utf8-{path.name}"
        )
    line = data.count(b"\n", 0, nul) + 1
    return DataError(f"{path}: line {line} holds a NUL byte: this is not a text file, or is damaged")


def _not_decoded(path: Path, data: bytes, encoding: str, error: UnicodeDecodeError) -> ConfigError:
    number = data.count(b"\n", 0, error.start) + 1
    raw = data.split(b"\n")[number - 1][:80].decode("utf-8", "backslashreplace")
    label = "UTF-8" if encoding.startswith("utf-8") else encoding
    likely = _likely(data)
    names = ", ".join(f"{name} ({what})" for name, what in likely.items())
    first = next(iter(likely))
    return ConfigError(
        f"{path}: line {number} is not {label}: {raw!r}. Say what it is with --encoding, such as {names}; "
        f"or convert it: iconv -f {first} -t utf-8 {path.name} > utf8-{path.name}"
    )


def _likely(data: bytes) -> dict[str, str]:
    """Encodings that fit the bytes, the likeliest first."""
    western = {"cp1252": "Western European", "latin1": "the same, older", "cp1251": "Cyrillic"}
    runs = re.findall(rb"[\x80-\xff][\x40-\xff]*", data[: 1 << 20])
    longest = max(map(len, runs), default=0)
    fitting = {}
    for name, what in _ASIAN.items():
        try:
            data.decode(name)
        except UnicodeDecodeError:
            continue
        fitting[name] = what
    asian_first = longest >= 4
    return fitting | western if asian_first else western | fitting

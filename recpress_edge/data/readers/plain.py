"""From the bytes of a file to lines of UTF-8 on disk: compression, encodings and line ends undone."""

import codecs
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.files import scratch_folder, storage_errors
from recpress_edge.data.readers.containers import PARQUET, SQLITE, Opened, open_content, reading_errors

MARKS: Final[tuple[tuple[bytes, str], ...]] = (
    # the four bytes of UTF-32 begin with the two of UTF-16, so they come first
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
HEAD_LINES: Final = 1200
"""Lines by which a file is recognised: a thousand, and those that a quoted field may go on for."""

_ASIAN: Final = {"gb18030": "Chinese", "big5": "Chinese, Taiwan", "shift_jis": "Japanese", "euc_kr": "Korean"}
_CHUNK: Final = 1 << 24

Progress = Callable[[float, float], None]


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A text file in UTF-8, or a table of another program as it is."""

    path: Path
    """The file itself where nothing had to be undone, else a copy."""
    kind: str
    """text, parquet or sqlite."""
    notes: tuple[str, ...] = ()
    """What was undone to get it, such as 'gzip'."""
    quotes: bool = False
    """Whether it holds a double quote."""
    line_end: str = "\n"
    """'\\n' or '\\r\\n', the same in all lines; '' where carriage returns stand within lines too."""

    def lines(self) -> Iterator[str]:
        """Its lines without their ends.

        Only a line feed ends a line (a carriage return before it goes too): other Unicode line
        separators may be part of an id.
        """
        with self.path.open(encoding="utf-8", newline="\n") as opened:
            for number, line in enumerate(opened):
                bare = (
                    line.removesuffix("\n").removesuffix("\r") if self.line_end else line.removesuffix("\n")
                )
                yield bare if number else bare.removeprefix("\ufeff")

    def head(self) -> list[str]:
        """The first HEAD_LINES lines."""
        return list(islice(self.lines(), HEAD_LINES))


@dataclass(slots=True)
class _Found:
    """What the text holds, counted over its chunks."""

    size: int = 0
    feeds: int = 0
    returns: int = 0
    pairs: int = 0
    """Of a carriage return and a line feed."""
    quotes: bool = False
    blank: bool = True
    last: bytes = b""

    def add(self, chunk: bytes) -> None:
        """Count a chunk of UTF-8."""
        self.size += len(chunk)
        self.feeds += chunk.count(b"\n")
        if returns := chunk.count(b"\r"):
            self.returns += returns
            self.pairs += chunk.count(b"\r\n")
        self.pairs += self.last == b"\r" and chunk[:1] == b"\n"
        self.quotes = self.quotes or b'"' in chunk
        self.blank = self.blank and not chunk.strip()
        self.last = chunk[-1:] or self.last

    def line_end(self) -> str:
        """The one line end of all lines, or ''."""
        if not self.returns:
            return "\n"
        return "\r\n" if self.returns == self.pairs == self.feeds else ""


def plain_file(
    path: Path, encoding: str | None, member: str | None, scratch: Path, progress: Progress
) -> PlainFile:
    """The text of a file, decoded where it must be into a copy in ``scratch``; others are refused by name.

    ``encoding`` None is by the file's mark, else UTF-8.
    """
    with open_content(path, member) as opened:
        for kind, mark in (("parquet", PARQUET), ("sqlite", SQLITE)):
            if opened.head.startswith(mark):
                return _table(path, opened, kind, encoding, scratch)
        known = encoding or next((name for mark, name in MARKS if opened.head.startswith(mark)), "utf-8")
        notes = [*opened.layers, *([] if known in ("utf-8", "utf-8-sig") else [known])]
        total = path.stat().st_size or 1
        copied = bool(opened.layers) or _codec(known) != "utf-8"
        copy = scratch / f"{len(list(scratch.iterdir()))}.txt"
        found = _Found()
        chunks = _decoded(path, opened, known, found, lambda done: progress(min(done, total), total))
        if copied:
            _write(copy, chunks)
        else:
            for _ in chunks:
                pass
    if found.blank:
        raise DataError(f"{path} is empty: expected a row a line")
    source = copy if copied else path
    if found.returns and not found.feeds:
        notes.append("carriage returns as line ends")
    if found.last == b"\x1a" or (found.returns and not found.line_end()):
        return _tidied(source, copy.with_suffix(".tidy"), found, tuple(notes))
    return PlainFile(source, "text", tuple(notes), found.quotes, found.line_end())


def _table(path: Path, opened: Opened, kind: str, encoding: str | None, scratch: Path) -> PlainFile:
    if encoding is not None:
        raise ConfigError(f"--encoding {encoding}: {path} is {kind}, which is always UTF-8. Remove it.")
    if not opened.layers:
        return PlainFile(path, kind)
    copy = scratch / f"{len(list(scratch.iterdir()))}.{kind}"
    with storage_errors(copy), reading_errors(path, opened.layers[-1]), copy.open("wb") as target:
        shutil.copyfileobj(opened.stream, target, _CHUNK)
    return PlainFile(copy, kind, opened.layers)


def _write(copy: Path, chunks: Iterator[bytes]) -> None:
    with storage_errors(copy):
        target = copy.open("wb")
    with target:
        for chunk in chunks:
            with storage_errors(copy):
                target.write(chunk)


def _tidied(source: Path, copy: Path, found: _Found, notes: tuple[str, ...]) -> PlainFile:
    """A copy in which line feeds end the lines, without the mark that DOS put at the end of a file."""
    old = b"\r\n" if found.feeds else b"\r"
    with source.open("rb") as opened, storage_errors(copy), copy.open("wb") as target:
        left = b""
        while chunk := opened.read(_CHUNK):
            whole = left + chunk
            left = b"\r" if whole.endswith(b"\r") else b""
            target.write(whole[: len(whole) - len(left)].replace(old, b"\n"))
        target.write(left.replace(old, b"\n"))
    _cut_end(copy)
    alone = found.feeds > 0 and found.returns > found.pairs
    return PlainFile(copy, "text", notes, found.quotes, "" if alone else "\n")


def _cut_end(copy: Path) -> None:
    with copy.open("rb+") as target:
        size = copy.stat().st_size
        while size:
            target.seek(size - 1)
            if target.read(1) != b"\x1a":
                break
            size -= 1
        target.truncate(size)


def _codec(encoding: str) -> str:
    try:
        known = codecs.lookup(encoding).name
        "".encode(encoding)
    except (LookupError, ValueError):
        raise ConfigError(
            f"--encoding {encoding}: no such encoding. Write for example utf-8, utf-16, gbk, shift_jis, "
            "cp1251 or latin1."
        ) from None
    return "utf-8" if known == "utf-8-sig" else known


def _decoded(
    path: Path, opened: Opened, encoding: str, found: _Found, progress: Callable[[int], None]
) -> Iterator[bytes]:
    """The chunks of the content in UTF-8, checked and counted."""
    utf8 = _codec(encoding) == "utf-8"
    decoder = codecs.getincrementaldecoder(encoding)()
    layer = opened.layers[-1] if opened.layers else "nothing"
    done, first = 0, True
    while True:
        with reading_errors(path, layer):
            chunk = opened.stream.read(_CHUNK)
        plain = utf8 and chunk.isascii() and not decoder.getstate()[0]
        if utf8 and (nul := chunk.find(b"\0")) >= 0:
            raise _holds_nul(path, chunk, found.feeds, nul)
        text = "" if plain else _text(path, decoder, chunk, (encoding, found.feeds))
        if not plain and "\0" in text:
            line = found.feeds + text.count("\n", 0, text.find("\0")) + 1
            raise DataError(f"{path}: line {line} holds a NUL: is it {encoding}?")
        if first and text.startswith("\ufeff"):
            text = text.removeprefix("\ufeff")
        data = chunk if plain else text.encode()
        first = False
        found.add(data)
        done += len(chunk)
        progress(done)
        if not chunk:
            return
        yield data


def _text(path: Path, decoder: codecs.IncrementalDecoder, chunk: bytes, at: tuple[str, int]) -> str:
    encoding, lines = at
    try:
        return decoder.decode(chunk, final=not chunk)
    except UnicodeDecodeError as error:
        raise _not_decoded(path, encoding, lines, error) from None
    except UnicodeError as error:
        raise ConfigError(f"{path} is not {encoding}: {error}. Say what it is with --encoding.") from None


def _holds_nul(path: Path, data: bytes, lines: int, nul: int) -> DataError | ConfigError:
    head = data[:4096]
    zeros = [head[side::2].count(0) / max(len(head[side::2]), 1) for side in (0, 1)]
    name = "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    if not lines and max(zeros) > 0.3 and _is_shown(head.decode(name, "replace")):
        return ConfigError(
            f"{path} looks like UTF-16 without a mark. Say so with --encoding {name}, or convert it: "
            f"iconv -f {name} -t utf-8 {path.name} > utf8-{path.name}"
        )
    line = lines + data.count(b"\n", 0, nul) + 1
    return DataError(f"{path}: line {line} holds a NUL byte: this is not a text file, or is damaged")


def _is_shown(text: str) -> bool:
    """Whether most characters are letters, marks and line ends."""
    return sum(one.isprintable() or one in "\r\n\t" for one in text) > 0.9 * len(text)


def _not_decoded(path: Path, encoding: str, lines: int, error: UnicodeDecodeError) -> ConfigError:
    data = bytes(error.object)
    start = data.rfind(b"\n", 0, error.start) + 1
    raw = data[start : start + 80].partition(b"\n")[0].decode("utf-8", "backslashreplace")
    number = lines + data.count(b"\n", 0, error.start) + 1
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
    runs = re.findall(rb"[\x80-\xff]+", data[: 1 << 20])
    in_pairs = sum(len(run) for run in runs if len(run) > 1)
    fitting = {}
    for name, what in _ASIAN.items():
        try:
            codecs.getincrementaldecoder(name)().decode(data)
        except UnicodeDecodeError:
            continue
        fitting[name] = what
    asian_first = in_pairs > sum(map(len, runs)) / 2  # an accent stands alone between letters of ASCII
    return fitting | western if asian_first else western | fitting


def text_lines(path: Path) -> list[str]:
    """The lines of a small text file in UTF-8, or in the encoding of its mark."""
    with scratch_folder("recpress-import-") as scratch:
        plain = plain_file(path, None, None, scratch, lambda done, total: None)
        if plain.kind != "text":
            raise ConfigError(f"{path} is {plain.kind}, not text. Export it as CSV.")
        return list(plain.lines())

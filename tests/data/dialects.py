"""Writers of logs that share no code with the readers: csv, json, zipfile of Python; DuckDB for Parquet."""

import bz2
import csv
import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

Row = tuple[str, str, float, int]
"""User, item, rating, and time in Unix seconds."""
NAMES = ("user_id", "item_id", "rating", "timestamp")
ALL = "user={},item={},rating={},time={}"


class UnwritableError(ValueError):
    """The dialect has no way to write this table."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """A way to write a table, and the flags that say all of it."""

    name: str
    write: Callable[[Sequence[Row]], bytes]
    flags: tuple[str, ...]
    file: str = "log.csv"
    ordered: bool = True
    """Whether it holds ratings and times."""
    needs_engine: bool = False


def written(rows: Sequence[Row], time: str = "s", comma: bool = False) -> list[list[str]]:
    """The rows as text: times in seconds, milliseconds or ISO 8601, ratings with a decimal comma or point."""
    texts = []
    for user, item, rating, seconds in rows:
        stamp = {"s": str(seconds), "ms": f"{seconds}000"}.get(time)
        iso = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
        value = repr(rating)
        texts.append([user, item, value.replace(".", ",") if comma else value, stamp or iso])
    return texts


def _csv(
    rows: Sequence[Row],
    mark: str,
    *,
    quote_all: bool,
    end: str,
    head: bool,
    time: str = "s",
    comma: bool = False,
) -> str:
    out = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    writer = csv.writer(out, delimiter=mark, quoting=quoting, lineterminator=end)
    writer.writerows(([NAMES] if head else []) + written(rows, time, comma))
    return out.getvalue()


def _glued(rows: Sequence[Row], mark: str, head: str = "") -> str:
    """Fields with a mark between them and no quotes at all."""
    for user, item, *_ in rows:
        for name in (user, item):
            if not name or set(name) & set(f'{mark}"\r\n') or name.strip() != name:
                raise UnwritableError(name)
    texts = [mark.join(fields) for fields in written(rows)]
    return "".join(f"{line}\n" for line in [head] * bool(head) + texts)


def _lists(rows: Sequence[Row]) -> str:
    lists: dict[str, list[str]] = {}
    for user, item, *_ in rows:
        if not user or not item or set(user + item) & set(' \t\r\n"'):
            raise UnwritableError(user, item)
        lists.setdefault(user, []).append(item)
    return "".join(f"{user} {' '.join(items)}\n" for user, items in lists.items())


def _json(rows: Sequence[Row], *, array: bool = False, indent: int | None = None, ascii_: bool = True) -> str:
    objects = [dict(zip(NAMES, row, strict=True)) for row in rows]
    dump = partial(json.dumps, ensure_ascii=ascii_)
    if array:
        return dump(objects, indent=indent)
    return "".join(f"{dump(one)}\n" for one in objects)


def zipped(data: bytes, member: str = "log.csv") -> bytes:
    """A zip archive of one member."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(member, data)
    return out.getvalue()


def stored_zstd(data: bytes) -> bytes:
    """A zstd frame of raw blocks: RFC 8878 without compression."""
    blocks = [data[at : at + 100_000] for at in range(0, len(data), 100_000)]
    body = b"".join(
        ((len(block) << 3) | (at == len(blocks) - 1)).to_bytes(3, "little") + block
        for at, block in enumerate(blocks)
    )
    return b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little") + body


def _parquet(rows: Sequence[Row], time: str) -> bytes:
    import duckdb

    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder) / "x.parquet"
        kind = {"s": "BIGINT", "stamp": "TIMESTAMP"}[time]
        connection.execute(
            f"CREATE TABLE t (user_id VARCHAR, item_id VARCHAR, rating DOUBLE, timestamp {kind})"
        )
        stamps = [
            seconds if time == "s" else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
            for *_, seconds in rows
        ]
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?, ?)",
            [[*row[:3], stamp] for row, stamp in zip(rows, stamps, strict=True)],
        )
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")
        return path.read_bytes()


def _text(
    name: str,
    mark: str,
    separator: str,
    pack: Callable[[str], bytes] = str.encode,
    engine: bool = False,
    **how: object,
) -> Dialect:
    head = bool(how.get("head", True))
    columns = ALL.format(*(NAMES if head else range(1, 5)))
    flags = ("--columns", columns, "--separator", separator, "--header", "yes" if head else "no")
    settings = {"quote_all": False, "end": "\n", "head": head} | how
    return Dialect(name, lambda rows: pack(_csv(rows, mark, **settings)), flags, needs_engine=engine)  # type: ignore[arg-type]


def _encoded(name: str) -> Callable[[str], bytes]:
    return lambda text: text.encode(name)


BY_NAME = ("--columns", ALL.format(*NAMES))
DIALECTS = (
    _text("comma", ",", "comma"),
    _text("comma, all quoted, Windows", ",", "comma", quote_all=True, end="\r\n"),
    _text("comma, no header, ISO 8601", ",", "comma", head=False, time="iso"),
    _text("comma, byte order mark", ",", "comma", _encoded("utf-8-sig")),
    _text("comma, UTF-16", ",", "comma", _encoded("utf-16")),
    _text("comma, UTF-32, all quoted", ",", "comma", _encoded("utf-32"), quote_all=True),
    _text("comma, gzip", ",", "comma", lambda text: gzip.compress(text.encode(), mtime=0)),
    _text("comma, bzip2", ",", "comma", lambda text: bz2.compress(text.encode()), engine=True),
    _text("comma, zip", ",", "comma", lambda text: zipped(text.encode()), engine=True),
    _text("comma, zstd", ",", "comma", lambda text: stored_zstd(text.encode()), engine=True),
    _text("semicolon", ";", "semicolon", time="ms"),
    _text("semicolon, all quoted, decimal commas", ";", "semicolon", quote_all=True, comma=True),
    _text("semicolon, no header, Windows", ";", "semicolon", head=False, end="\r\n"),
    _text("tab", "\t", "tab"),
    _text("tab, all quoted, no header", "\t", "tab", quote_all=True, head=False),
    _text("tab, gzip of UTF-16", "\t", "tab", lambda text: gzip.compress(text.encode("utf-16"), mtime=0)),
    _text("pipe", "|", "pipe", time="iso"),
    _text("pipe, all quoted, no header", "|", "pipe", quote_all=True, head=False),
    _text("blank, all quoted", " ", "space", quote_all=True),
    Dialect(
        "::",
        lambda rows: _glued(rows, "::").encode(),
        ("--columns", ALL.format(1, 2, 3, 4), "--separator", "::", "--header", "no"),
    ),
    Dialect(
        "inter",
        lambda rows: _glued(
            rows, "\t", "user_id:token\titem_id:token\trating:float\ttimestamp:float"
        ).encode(),
        BY_NAME,
        "log.inter",
    ),
    Dialect("lists", lambda rows: _lists(rows).encode(), ("--format", "adjacency"), "log.txt", ordered=False),
    Dialect("JSON lines", lambda rows: _json(rows).encode(), BY_NAME, "log.jsonl"),
    Dialect("JSON lines, UTF-8", lambda rows: _json(rows, ascii_=False).encode(), BY_NAME, "log.jsonl"),
    Dialect("JSON array", lambda rows: _json(rows, array=True).encode(), BY_NAME, "log.json"),
    Dialect(
        "JSON array, indented", lambda rows: _json(rows, array=True, indent=2).encode(), BY_NAME, "log.json"
    ),
    Dialect("parquet", lambda rows: _parquet(rows, "s"), BY_NAME, "log.parquet", needs_engine=True),
    Dialect(
        "parquet, timestamps", lambda rows: _parquet(rows, "stamp"), BY_NAME, "log.parquet", needs_engine=True
    ),
)

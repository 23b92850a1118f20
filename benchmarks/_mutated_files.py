"""Small logs in many dialects, and the accidents that happen to such files, all seeded."""

import bz2
import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

Rng = np.random.Generator
NAMES: Final = ("user_id", "item_id", "rating", "timestamp")
FIRST: Final = 1_300_000_000
WORDS: Final = (
    *(
        "",
        "NULL",
        "nan",
        "inf",
        "0",
        "-1",
        "1e3",
        "4,5",
        "user_id",
        "item_id",
        "user",
        "2020-01-01",
        "x y",
        '"',
    ),
    *(
        "a,b",
        "'q'",
        "\u00a0",
        "\u200b",
        "1.0",
        "007",
        "[1]",
        "{}",
        "#",
        "%",
        "\\N",
        "1300000000000",
        "99999999999",
    ),
)
"""Fields that get into logs."""
BYTES: Final = (
    b",",
    b";",
    b"\t",
    b"|",
    b":",
    b'"',
    b"\n",
    b"\r",
    b" ",
    b"\0",
    b"\xff",
    b"\xc3",
    b"#",
    b"\x1a",
    b"7",
)


@dataclass(frozen=True, slots=True)
class Written:
    """A dialect: how a table is written in it, and what is declared to the reader."""

    name: str
    mark: str
    """Between fields; '' for JSON."""
    header: bool = True
    quote_all: bool = False
    end: str = "\n"
    array: bool = False
    encoding: str = "utf-8"
    packed: str = ""
    """gzip, bzip2 or zip."""

    @property
    def file(self) -> str:
        """A name for it."""
        return "log.inter" if self.name == "inter" else "log.csv" if self.mark else "log.json"

    def flags(self) -> tuple[str, ...]:
        """All that can be said of it."""
        if not self.mark or self.name == "inter":
            return ("--columns", "user=user_id,item=item_id,rating=rating,time=timestamp")
        names = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "pipe", "::": "::", " ": "space"}
        told = ("--separator", names[self.mark], "--header", "yes" if self.header else "no")
        return ("--columns", "user=1,item=2,rating=3,time=4", *told)


DIALECTS: Final = (
    Written("comma", ","),
    Written("comma, no header", ",", header=False),
    Written("comma, quoted, Windows", ",", quote_all=True, end="\r\n"),
    Written("comma, UTF-16", ",", encoding="utf-16"),
    Written("comma, byte order mark", ",", encoding="utf-8-sig"),
    Written("semicolon", ";"),
    Written("semicolon, quoted, no header", ";", quote_all=True, header=False),
    Written("tab", "\t"),
    Written("tab, no header", "\t", header=False),
    Written("pipe", "|"),
    Written("::", "::", header=False),
    Written("blank", " ", header=False),
    Written("inter", "\t"),
    Written("JSON lines", ""),
    Written("JSON array", "", array=True),
    Written("comma, gzip", ",", packed="gzip"),
    Written("comma, bzip2", ",", packed="bzip2"),
    Written("comma, zip", ",", packed="zip"),
)
PACKERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "": lambda data: data,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "zip": lambda data: _zipped(data),
}


def table(rng: Rng) -> list[list[str]]:
    """Four users with five of six items each, in no order."""
    kinds = (
        ("u{}", "i{}"),
        ("{}", "10{}"),
        ("A{}XQ", "B00{}"),
        ("u {}", "Item, the {}"),
        ("\u00fc{}", "\u5546{}"),
    )
    user, item = kinds[int(rng.integers(len(kinds)))]
    pairs = [divmod(n * 7 % 24, 6) for n in range(20)]
    times = rng.choice(400_000_000, len(pairs), replace=False) + FIRST
    ratings = rng.integers(1, 6, len(pairs))
    return [
        [user.format(who + 1), item.format(what + 1), str(rating), str(time)]
        for (who, what), rating, time in zip(pairs, ratings.tolist(), times.tolist(), strict=True)
    ]


def lines_of(rows: Sequence[Sequence[str]], how: Written) -> list[str]:
    """The lines of a table in a dialect, without their ends; blanks in ids go where blanks separate."""
    if not how.mark:
        texts = [json.dumps(dict(zip(NAMES, row, strict=False)), ensure_ascii=False) for row in rows]
        return ["[", *(f"{text}," for text in texts[:-1]), texts[-1], "]"] if how.array else texts
    if how.name == "inter":
        head = ["\t".join(("user_id:token", "item_id:token", "rating:float", "timestamp:float"))]
        return head + ["\t".join(row) for row in rows]
    if how.mark in ("::", " "):
        return [how.mark.join(field.replace(" ", "_") for field in row) for row in rows]
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=how.mark,
        quoting=csv.QUOTE_ALL if how.quote_all else csv.QUOTE_MINIMAL,
        lineterminator="\n",
    )
    writer.writerows([NAMES, *rows] if how.header else rows)
    return out.getvalue().split("\n")[:-1]


def mutated(rng: Rng, how: Written) -> bytes:
    """A file of this dialect with one to three accidents: to rows, lines, bytes or the container."""
    rows = table(rng)
    times = 1 + int(rng.random() < 0.3) + int(rng.random() < 0.1)
    level = rng.random(times)
    for _ in range(int((level < 0.3).sum())):
        _to_rows(rng, rows)
    lines = lines_of(rows, how)
    for _ in range(int(((level >= 0.3) & (level < 0.6)).sum())):
        _to_lines(rng, lines, how)
    text = "".join(f"{line}{how.end}" for line in lines)
    data = text.encode(how.encoding, "replace")
    outside = rng.random() < 0.5
    n_bytes = int((level >= 0.6).sum())
    if not (how.packed and outside):
        for _ in range(n_bytes):
            data = _to_bytes(rng, data)
    data = PACKERS[how.packed](data)
    if how.packed and outside:
        for _ in range(n_bytes):
            data = _to_bytes(rng, data)
    return data


def _zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo("log.csv", (2020, 1, 1, 0, 0, 0)), data)
    return out.getvalue()


def _pick(rng: Rng, count: int) -> int:
    return int(rng.integers(max(count, 1)))


def _to_rows(rng: Rng, rows: list[list[str]]) -> None:
    """A field or a column is lost, doubled, swapped, or has a word that stands for something else."""
    row = rows[_pick(rng, len(rows))]
    at, other = _pick(rng, len(row)), _pick(rng, len(row))
    match _pick(rng, 9):
        case 0 if len(row) > 1:
            del row[at]
        case 1:
            row.insert(at, row[other] if row else "")
        case 2 if row:
            row[at], row[other] = row[other], row[at]
        case 3:
            place, drop = _pick(rng, 4), rng.random() < 0.5
            for one in rows:
                if drop:
                    del one[place : place + 1]
                else:
                    one.insert(place, one[place] if place < len(one) else "")
        case 4:
            first, second = _pick(rng, 4), _pick(rng, 4)
            for one in rows:
                if max(first, second) < len(one):
                    one[first], one[second] = one[second], one[first]
        case 5:
            rows.insert(_pick(rng, len(rows)), list(row))
        case _ if row:
            row[at] = WORDS[_pick(rng, len(WORDS))]
        case _:
            rows.remove(row)


def _to_lines(rng: Rng, lines: list[str], how: Written) -> None:
    """Lines are lost, doubled, moved, joined, cut, commented; their ends, separators and quotes change."""
    at, other = _pick(rng, len(lines)), _pick(rng, len(lines))
    if rng.random() < 0.3:
        at = 0
    line = lines[at]
    cut = _pick(rng, len(line))
    match _pick(rng, 14):
        case 0 if len(lines) > 1:
            del lines[at]
        case 1:
            lines.insert(other, line)
        case 2:
            lines[at], lines[other] = lines[other], line
        case 3 if at + 1 < len(lines):
            lines[at : at + 2] = [line + lines[at + 1]]
        case 4:
            lines[at : at + 1] = [line[:cut], line[cut:]]
        case 5:
            lines.insert(at, ("", " ", "# made by x", "% x", how.mark * 3, ",".join(NAMES))[_pick(rng, 6)])
        case 6:
            lines[at] = line + "\r"
        case 7:
            lines[at] = line.replace(how.mark or ",", (",", ";", "\t", "|", " ", "::", "")[_pick(rng, 7)])
        case 8:
            new = (",", ";", "\t", "|", " ")[_pick(rng, 5)]
            lines[:] = [one.replace(how.mark or ",", new) for one in lines]
        case 9:
            lines[at] = line[:cut] + '"' + line[cut:]
        case 10:
            lines[at] = line[:cut]
        case 11:
            lines[:] = lines[: max(at, 1)]
        case 12:
            lines[at] = line.upper() if at == 0 else line.replace('"', "")
        case _:
            lines[at] = f'"{line}"'


def _to_bytes(rng: Rng, data: bytes) -> bytes:
    """A bit flips; bytes are lost, doubled, moved or put in; the end is missing; the encoding is another."""
    at, size = _pick(rng, len(data)), 1 + _pick(rng, 12)
    if rng.random() < 0.3:
        at = _pick(rng, min(len(data), 60))
    match _pick(rng, 9):
        case 0 if data:
            return data[:at] + bytes([data[at] ^ (1 << _pick(rng, 8))]) + data[at + 1 :]
        case 1:
            return data[:at] + data[at + size :]
        case 2:
            return data[:at] + data[at : at + size] + data[at:]
        case 3:
            other = _pick(rng, len(data))
            return data[:at] + data[other : other + size] + data[at + size :]
        case 4:
            return data[: max(at, 1)]
        case 5:
            return (b"\xef\xbb\xbf", b"\xff\xfe", b"#", b" ", b"\n", b'"')[_pick(rng, 6)] + data
        case 6:
            return data.decode("utf-8", "replace").encode(("latin1", "utf-16-le")[_pick(rng, 2)], "replace")
        case _:
            return data[:at] + BYTES[_pick(rng, len(BYTES))] + data[at:]

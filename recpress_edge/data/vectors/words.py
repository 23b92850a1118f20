"""Vectors in word2vec's format, text or binary, as gensim's ``save_word2vec_format`` writes them."""

import codecs
from pathlib import Path
from typing import BinaryIO

import numpy as np

from recpress_edge.core.arrays import F64
from recpress_edge.core.errors import DataError
from recpress_edge.core.files import check_there

_FLOAT_BYTES = 4


def read_words(path: Path, flag: str) -> tuple[list[str], F64]:
    """Ids (N,) and vectors (N, D); DataError names the first line or row that does not fit.

    An id may hold blanks in the text format: the last D words of a line are its numbers.
    """
    check_there(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        count, dim = _header(file, path, flag)
        if count * dim > size:  # a number takes a byte at least
            raise DataError(f"{flag} {path} promises {count:,} vectors of {dim} in {size:,} bytes")
        if path.suffix == ".bin":
            return _binary(file, (count, dim), f"{flag} {path}")
        return _text(file, (count, dim), f"{flag} {path}")


def _header(file: BinaryIO, path: Path, flag: str) -> tuple[int, int]:
    words = file.readline(64).removeprefix(codecs.BOM_UTF8).split()
    if len(words) != 2 or not all(word.isdigit() for word in words):
        advice = "Write it with save_word2vec_format; gensim's own save is a pickle, which is never opened"
        raise DataError(f"{flag} {path} does not begin with a line 'VECTORS DIMENSIONS'. {advice}.")
    count, dim = map(int, words)
    if not count or not dim:
        raise DataError(f"{flag} {path} holds {count} vectors of {dim} dimensions")
    return count, dim


def _text(file: BinaryIO, shape: tuple[int, int], where: str) -> tuple[list[str], F64]:
    ids, rows = [], np.empty(shape, np.float64)
    for row in range(shape[0]):
        line = file.readline()
        parts = line.rstrip(b" \r\n").rsplit(b" ", shape[1])
        try:
            ids.append(parts[0].decode("utf-8"))
            rows[row] = np.array(parts[1:], np.bytes_).astype(np.float64).reshape(shape[1])
        except ValueError:
            shown = line[:60].decode(errors="replace")
            raise DataError(f"{where}: line {row + 2} is no id with {shape[1]} numbers: {shown!r}") from None
    if file.read().strip():
        raise DataError(f"{where} goes on after the {shape[0]:,} vectors that its first line promises")
    return ids, rows


def _binary(file: BinaryIO, shape: tuple[int, int], where: str) -> tuple[list[str], F64]:
    data = file.read()
    ids, rows, at = [], np.empty(shape, np.float64), 0
    length = shape[1] * _FLOAT_BYTES
    for row in range(shape[0]):
        blank = data.find(b" ", at)
        if blank < 0 or len(data) < blank + 1 + length:
            raise DataError(f"{where} ends in vector {row}. Do its ids hold blanks? Then write it as text.")
        try:
            ids.append(data[at:blank].lstrip(b"\n").decode("utf-8"))
        except UnicodeDecodeError:
            raise DataError(
                f"{where}: the id of vector {row} is no text. Do its ids hold blanks? Then write it as text."
            ) from None
        with np.errstate(invalid="ignore"):  # a NaN is refused later, with its row
            rows[row] = np.frombuffer(data, "<f4", shape[1], blank + 1)
        at = blank + 1 + length
    if data[at:].strip():
        raise DataError(f"{where} goes on after the {shape[0]:,} vectors that its first line promises")
    return ids, rows

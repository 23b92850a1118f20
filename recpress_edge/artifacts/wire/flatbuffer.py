"""Tables of a flatbuffer, read without a schema or the flatbuffers package (flatbuffers.dev/internals).

Every number is little-endian. What lies outside the data is a ValueError or a struct.error.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Buffer = bytes | memoryview


def root(data: Buffer) -> "Table":
    """The table that a flatbuffer is."""
    return Table(data, uint(data, 0))


def uint(data: Buffer, at: int) -> int:
    """Four bytes as a number."""
    return int(struct.unpack_from("<I", data, _place(at))[0])


def _place(at: int) -> int:
    if at < 0:  # struct and slices would count from the end
        raise ValueError("an offset before the start of the file")
    return at


@dataclass(frozen=True, slots=True)
class Table:
    """A flatbuffer table: its fields are found through the list of their offsets before or behind it."""

    data: Buffer
    at: int

    def field(self, number: int) -> int | None:
        """Where a field's value is; None where it has its default."""
        offsets = _place(self.at - struct.unpack_from("<i", self.data, _place(self.at))[0])
        place = 4 + 2 * number
        if place >= struct.unpack_from("<H", self.data, offsets)[0]:
            return None
        moved = struct.unpack_from("<H", self.data, offsets + place)[0]
        return self.at + moved if moved else None

    def has(self, number: int) -> bool:
        """Whether a field is there."""
        return self.field(number) is not None

    def scalar(self, number: int, form: str) -> int:
        """A number; 0 by default."""
        at = self.field(number)
        return 0 if at is None else int(struct.unpack_from(form, self.data, at)[0])

    def vector(self, number: int) -> tuple[int, int]:
        """Where a vector's first element is, and how many there are."""
        at = self.field(number)
        if at is None:
            return 0, 0
        start = at + uint(self.data, at)
        return start + 4, uint(self.data, start)

    def numbers(self, number: int, dtype: Any) -> NDArray[Any]:
        """A vector of numbers; empty by default."""
        at, count = self.vector(number)
        return np.frombuffer(self.data, dtype, count, at) if count else np.empty(0, dtype)

    def text(self, number: int) -> str:
        """A text; empty by default."""
        at, count = self.vector(number)
        if at + count > len(self.data):
            raise ValueError("a text lies outside the file")
        return bytes(self.data[at : at + count]).decode()

    def tables(self, number: int) -> Iterator["Table"]:
        """A vector of tables."""
        at, count = self.vector(number)
        for place in range(at, at + 4 * count, 4):
            yield Table(self.data, place + uint(self.data, place))

    def count(self, number: int) -> int:
        """Entries of a vector."""
        return self.vector(number)[1]

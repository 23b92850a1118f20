"""Protobuf messages field by field, without a schema (protobuf.dev/programming-guides/encoding).

What another parser could read in another way is refused: field numbers beyond 32 bits, numbers of more than
ten bytes, groups.
"""

from collections.abc import Iterator
from typing import Final

Value = int | memoryview
_MOST_BYTES: Final = 10
_MOST_KEY: Final = 2**32


def fields(data: memoryview) -> Iterator[tuple[int, Value]]:
    """Field numbers and values: a number of wire type 0, bytes of any other. ValueError or IndexError."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if not 8 <= key < _MOST_KEY:
            raise ValueError(f"field number {key >> 3}")
        match key & 7:
            case 0:
                value, at = varint(data, at)
                yield key >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, at = varint(data, at)
            case 5:
                size = 4
            case kind:
                raise ValueError(f"wire type {kind}")
        if at + size > len(data):
            raise ValueError("a field is longer than its message")
        yield key >> 3, data[at : at + size]
        at += size


def message(value: Value) -> memoryview:
    """A field's value as bytes; TypeError where it is a number."""
    if isinstance(value, int):
        raise TypeError("a number where a message should be")
    return value


def varints(packed: memoryview) -> Iterator[int]:
    """The numbers of a packed field."""
    at = 0
    while at < len(packed):
        value, at = varint(packed, at)
        yield value


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where the next thing starts."""
    value = shift = 0
    for _ in range(_MOST_BYTES):
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a number of more than ten bytes")


def encoded(number: int, value: Value | bytes) -> bytes:
    """A field as a message has it: a number of wire type 0, anything else with its length before it."""
    if isinstance(value, int):
        return _varint_bytes(number << 3) + _varint_bytes(value)
    return _varint_bytes(number << 3 | 2) + _varint_bytes(len(value)) + bytes(value)


def _varint_bytes(value: int) -> bytes:
    parts = []
    while value >= 128:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])

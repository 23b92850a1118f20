"""Signed model.bin files that are damaged, or another bundle's: only the file itself can be at fault."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from forging import Change, replace_file

from recpress_edge.artifacts.formats import model_file
from recpress_edge.device.c.model_bin import HEADER_BYTES, SECTIONS

NAME: Final = model_file("c")
BASES: Final = ("int8-dim-c", "int4-item-history-c", "fp32-c", "int8-item-single-user-c")
_FIELDS: Final = (
    *("version", "file_bytes", "recipe", "profile", "order", "layout", "flags", "n_users", "n_items", "dim"),
    *("n_retired", "step", *SECTIONS, "reserved"),
)
"""Words of the header behind the magic, in order."""


def bins() -> Iterator[tuple[str, Change]]:
    yield "a model.bin of nothing", changed(lambda _: b"")
    yield "a model.bin of text", changed(lambda _: b"RECPRESS is what it says")
    yield "a model.bin of zeros", changed(lambda data: bytes(len(data)))
    yield "a model.bin of its header alone", changed(lambda data: data[:HEADER_BYTES])
    yield "a model.bin cut short", changed(lambda data: data[:-1])
    yield "a model.bin grown", changed(lambda data: data + bytes(64))
    yield "another magic", changed(lambda data: b"RECPRESs" + data[8:])
    for number, field in enumerate(_FIELDS):
        for value in (0xFFFFFFFF, 0x7FFFFFFF, 65):
            yield f"{field} is {value}", changed(with_word(8 + 4 * number, value))
    for name in ("retired", "fp32-history", "few-items", "ties"):
        yield f"an ONNX file in its place, that of {name}", other(name, "model.onnx")
    for name in ("int8-item-c", "fp32-history-c", "int4-item-c"):
        yield f"the model.bin of {name}", other(name, NAME)


def changed(change: Callable[[bytes], bytes]) -> Change:
    def apply(folder: Path, _: np.random.Generator) -> None:
        replace_file(folder, NAME, change((folder / NAME).read_bytes()))

    return apply


def with_word(at: int, value: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + struct.pack("<I", value) + data[at + 4 :]


def other(bundle: str, name: str) -> Change:
    def apply(folder: Path, _: np.random.Generator) -> None:
        replace_file(folder, NAME, (folder.parents[1] / "bundles" / bundle / name).read_bytes())

    return apply

"""A PyTorch checkpoint read without unpickling: what it names is never looked up, what it calls never called.

The zip of ``torch.save`` holds the numbers of each tensor in a file of their own, and one pickle that says
what they are. That pickle is a program; here its opcodes are listed and only those that build texts,
numbers, tuples, lists and dicts are followed. A class or function becomes :class:`Called`, a record of its
name and arguments, so that a file can do nothing but describe.
"""

import contextlib
import pickletools
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.errors import DataError

_MOST_BYTES: Final = 64 * 2**20
"""Of the pickle, which describes the tensors and holds none."""
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
)
_MOST_DICTS: Final = 500
_DTYPES: Final[Mapping[str, str]] = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
}
_VIEW: Final = 6
"""Argument of a tensor that says whether its numbers stand for others: their negatives."""
_CONSTANTS: Final[Mapping[str, Any]] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: Final[Mapping[str, type]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_SET": list}
_TUPLES: Final[Mapping[str, int]] = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_VALUES: Final = ("INT", "LONG1", "LONG4", "FLOAT", "UNICODE", "BYTES", "STRING")
_MARK: Final = object()


@dataclass(slots=True, eq=False)
class Called:
    """Something that the file names and calls; a dict's entries, and the state it is given after."""

    name: str
    args: tuple[Any, ...] = ()
    entries: dict[Any, Any] = field(default_factory=dict)
    state: Any = None


@dataclass(frozen=True, slots=True)
class TorchFile:
    """What one file describes."""

    path: Path
    root: Any

    def names(self) -> list[str]:
        """Tensors by the keys that lead to them, joined with dots: state_dict.user_embedding.weight."""
        with _readable(self.path):
            return list(dict(_tensors_below(self.root, "", set())))

    def tensor(self, name: str) -> NDArray[Any]:
        """The numbers of one tensor; DataError where they are not as the file says."""
        with _readable(self.path):
            return self._read(name)

    def _read(self, name: str) -> NDArray[Any]:
        arguments = self._named(name).args
        storage, offset, size, stride = arguments[:4]
        kind, key, numel = storage[1].name.rpartition(".")[2], storage[2], storage[4]
        if kind not in _DTYPES:
            raise DataError(f"{self.path}: {name or 'the tensor'} is a {kind}, not numbers")
        if any(arguments[_VIEW:]):
            raise DataError(
                f"{self.path}: {name or 'the tensor'} was saved as a view that negates its numbers; save "
                "tensor.resolve_neg().clone()"
            )
        with zipfile.ZipFile(self.path) as archive:
            folder = _description(archive).rpartition("/")[0]
            order = f"{folder}/byteorder"
            if order in archive.namelist() and archive.read(order) != b"little":
                raise DataError(f"{self.path} was written by a machine of another byte order")
            flat = np.frombuffer(archive.read(f"{folder}/data/{key}"), _DTYPES[kind])
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        whole = len(flat) == numel and min((offset, *size, *stride)) >= 0
        if not (whole and np.prod(size, dtype=object) <= numel and last < max(numel, 1)):
            raise DataError(f"{self.path}: {name} of shape {size} does not fit its {len(flat):,} numbers")
        steps = [flat.itemsize * step for step in stride]
        table = np.lib.stride_tricks.as_strided(flat[offset:], size, steps).copy()
        return (table.astype("<u4") << 16).view("<f4") if kind == "BFloat16Storage" else table

    def _named(self, name: str) -> Called:
        """The one tensor of this name: {"a.b": x, "a": {"b": y}} has two of a name."""
        first, *more = [found for key, found in _tensors_below(self.root, "", set()) if key == name]
        if any(other is not first for other in more):
            raise DataError(
                f"{self.path} holds {1 + len(more)} tensors that are called {name}, at different depths of "
                "its dicts. Save the one that is meant alone, or rename one."
            )
        return first


def read_torch_file(path: Path) -> TorchFile:
    """What the file describes; DataError for anything but a zip of ``torch.save``."""
    with _readable(path), zipfile.ZipFile(path) as archive:
        name = _description(archive)
        if archive.getinfo(name).file_size > _MOST_BYTES:
            raise ValueError(f"{name} is larger than any description of tensors")
        return TorchFile(path, _followed(archive.read(name)))


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What zipfile, pickletools and a file that says nonsense raise, as one DataError."""
    try:
        yield
    except (*_BROKEN, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{path} is not a checkpoint of torch.save that can be read without unpickling: {error}. Save "
            "its tensors as .npz or .safetensors."
        ) from None


def _description(archive: zipfile.ZipFile) -> str:
    return next(name for name in [*archive.namelist(), ""] if name.endswith("data.pkl") or not name)


def _tensors_below(value: Any, name: str, seen: set[int]) -> Iterator[tuple[str, Called]]:
    """Through dicts, from text to text; each dict once, for a file may nest one in itself."""
    entries = value.entries if isinstance(value, Called) else value
    if isinstance(value, Called) and value.name == "torch._utils._rebuild_parameter":
        yield from _tensors_below(value.args[0], name, seen)
    elif isinstance(value, Called) and value.name == "torch._utils._rebuild_tensor_v2":
        yield name, value
    elif isinstance(entries, dict) and id(entries) not in seen and len(seen) < _MOST_DICTS:
        seen.add(id(entries))
        for key, below in entries.items():
            if isinstance(key, str):
                yield from _tensors_below(below, f"{name}.{key}" if name else key, seen)


def _followed(program: bytes) -> Any:
    """What the pickle leaves on its stack."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(program):
        name = opcode.name
        if name in ("PROTO", "FRAME", "STOP"):
            continue
        if name in ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else int(argument)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[int(argument)])
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif argument is not None and (name == "GLOBAL" or any(word in name for word in _VALUES)):
            stack.append(Called(argument.replace(" ", ".")) if name == "GLOBAL" else argument)
        else:
            _combine(name, stack)
    return stack.pop()


def _combine(name: str, stack: list[Any]) -> None:
    """Opcodes that take from the stack and put back one value."""
    if name in ("TUPLE", "APPENDS", "SETITEMS", "ADDITEMS", "FROZENSET", "LIST", "DICT"):
        taken = _since_mark(stack)
        if name in ("TUPLE", "FROZENSET", "LIST"):
            stack.append(tuple(taken) if name == "TUPLE" else taken)
        elif name == "DICT":
            stack.append(dict(zip(taken[::2], taken[1::2], strict=True)))
        else:
            _fill(stack[-1], taken, pairs=name == "SETITEMS")
    elif name in _TUPLES:
        stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
    elif name in ("APPEND", "SETITEM"):
        count = 1 if name == "APPEND" else 2
        taken = stack[-count:]
        del stack[-count:]
        _fill(stack[-1], taken, pairs=count == 2)
    elif name == "BUILD":
        state = stack.pop()
        stack[-1].state = state
    elif name == "BINPERSID":
        stack.append(stack.pop())
    elif name == "STACK_GLOBAL":
        stack[-2:] = [Called(".".join(stack[-2:]))]
    elif name in ("REDUCE", "NEWOBJ"):
        stack[-2:] = [Called(stack[-2].name, tuple(stack[-1]))]
    elif name == "NEWOBJ_EX":
        stack[-3:] = [Called(stack[-3].name, tuple(stack[-2]))]
    else:
        raise ValueError(f"its pickle has the opcode {name}")


def _since_mark(stack: list[Any]) -> list[Any]:
    at = len(stack) - 1
    while stack[at] is not _MARK:
        at -= 1
        if at < 0:
            raise ValueError("its pickle is broken")
    taken = stack[at + 1 :]
    del stack[at:]
    return taken


def _fill(target: Any, taken: list[Any], *, pairs: bool) -> None:
    """Put entries into a dict or a list; of what is called, only a dict's entries are kept."""
    if pairs:
        entries = target.entries if isinstance(target, Called) else target
        entries.update(
            (key, value)
            for key, value in zip(taken[::2], taken[1::2], strict=True)
            if isinstance(key, str | int | float)
        )
    elif isinstance(target, list):
        target.extend(taken)

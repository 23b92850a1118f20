"""Arrays by name from files of other programs: npy, npz, safetensors, PyTorch. No pickle."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize, safe_open

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.files import check_there
from recpress_edge.data.vectors.torch_file import read_torch_file

T = TypeVar("T")
_SAME_IN_NUMPY: Final = ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")
"""Types of safetensors that numpy knows; bfloat16 is widened, others are refused."""
_ONLY: Final = "array"
"""What the one array of an npy file is called."""


@dataclass(frozen=True, slots=True)
class _Kind:
    names: Callable[[Path], list[str]]
    array: Callable[[Path, str], NDArray[Any]]


def _npz_names(path: Path) -> list[str]:
    with np.load(path, allow_pickle=False) as arrays:
        return list(arrays)


def _npz_array(path: Path, name: str) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as arrays:
        return np.asarray(arrays[name])


def _safetensors_names(path: Path) -> list[str]:
    with safe_open(path, "numpy") as tensors:
        return list(tensors.keys())


def _safetensors_array(path: Path, name: str) -> NDArray[Any]:
    with safe_open(path, "numpy") as tensors:
        kind = str(tensors.get_slice(name).get_dtype())
        if kind in _SAME_IN_NUMPY:
            return np.asarray(tensors.get_tensor(name))
    if kind != "BF16":
        raise ValueError(f"{name} is of the type {kind}")
    stored = dict(deserialize(path.read_bytes()))[name]  # type: ignore[no-untyped-call]
    halves = np.frombuffer(stored["data"], "<u2").reshape(stored["shape"])
    return (halves.astype("<u4") << 16).view("<f4")


_TORCH: Final = _Kind(
    lambda path: read_torch_file(path).names(), lambda path, name: read_torch_file(path).tensor(name)
)
KINDS: Final[Mapping[str, _Kind]] = {
    ".npy": _Kind(lambda path: [_ONLY], lambda path, name: np.load(path, allow_pickle=False, mmap_mode="r")),
    ".npz": _Kind(_npz_names, _npz_array),
    ".safetensors": _Kind(_safetensors_names, _safetensors_array),
    ".pt": _TORCH,
    ".pth": _TORCH,
}
PARQUET: Final = ".parquet"
WORDS: Final = (".txt", ".vec", ".bin")
"""Suffixes of word2vec's format."""
_NO_TENSORS: Final = (
    "no arrays, nor a dict from texts to tensors: lists, whole modules, TorchScript, sparse, quantised and "
    "float8 tensors are not read. Write np.save('rows.npy', tensor.detach().float().numpy())"
)
_NAMED: Final = (*KINDS, PARQUET)


def parted(text: str) -> tuple[Path, str | None]:
    """The path and the name of ``FILE`` or ``FILE:NAME``."""
    path, colon, name = text.rpartition(":")
    if colon and Path(path).suffix in _NAMED:
        return Path(path), name
    return Path(text), None


def array_names(path: Path, flag: str) -> list[str]:
    """What the arrays of a file are called; DataError where it cannot be read."""
    return _guarded(path, flag, lambda: KINDS[path.suffix].names(path))


def array_named(path: Path, name: str, flag: str) -> NDArray[Any]:
    """One array of a file."""
    return _guarded(path, flag, lambda: KINDS[path.suffix].array(path, name))


def read_array(text: str, flag: str) -> NDArray[Any]:
    """The array of ``FILE`` or ``FILE:NAME``, named where the file holds several."""
    path, name = parted(text)
    if path.suffix not in KINDS:
        raise ConfigError(
            f"{flag} {text}: arrays are read from {', '.join(KINDS)} files, as FILE or FILE:NAME"
        )
    return array_named(path, _chosen(path, array_names(path, flag), name, flag), flag)


def _chosen(path: Path, names: Sequence[str], name: str | None, flag: str) -> str:
    if name is None and len(names) == 1:
        return names[0]
    if not names:
        what = _NO_TENSORS if path.suffix in (".pt", ".pth") else "no arrays"
        raise DataError(f"{flag}: {path} holds {what}")
    if name is None or name not in names:
        raise ConfigError(f"{flag}: {path} holds {', '.join(names)}. Say which: {path}:{names[0]}")
    return name


def _guarded(path: Path, flag: str, read: Callable[[], T]) -> T:
    check_there(path)
    try:
        return read()
    except (ValueError, OSError, EOFError, SafetensorError, TypeError, KeyError) as error:
        raise DataError(
            f"{flag} {path} cannot be read: {error}. Pickled arrays are never opened: write ids as "
            "np.array(ids, str), numbers as float32."
        ) from None

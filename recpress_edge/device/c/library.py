"""The engine as a shared library: compiled once for a kind of model, kept, and bound by ctypes.

A library is kept in the user's cache folder under a digest of its source, flags, compiler and machine. It is
loaded from there only while nobody else can write there; else it is compiled anew in a folder of its own.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from recpress_edge.core.cache import cache_root
from recpress_edge.core.errors import MissingExtraError
from recpress_edge.core.files import sha256_bytes
from recpress_edge.core.registry import named
from recpress_edge.device.c.compiler import (
    COMMON,
    SHARED,
    TOLD,
    Compiler,
    find_compiler,
    machine_flags,
    machine_identity,
)
from recpress_edge.device.c.source import amalgamated, flags_for

if TYPE_CHECKING:
    from recpress_edge.device.c.model_bin import Header

_FOLDER: Final = "engine"
_OTHERS_WRITE: Final = 0o022
_Pointer = ctypes.c_void_p


class ModelStruct(ctypes.Structure):
    """rp_model: what rp_open fills in."""

    _fields_ = (
        *((name, _Pointer) for name in ("header", "users", "user_scale", "items", "bounds", "item_of")),
        *((name, _Pointer) for name in ("retired", "history", "prior", "ages")),
        ("n_blocks", ctypes.c_uint32),
    )


class QueryStruct(ctypes.Structure):
    """rp_query."""

    _fields_ = (
        ("user", ctypes.c_uint32),
        ("seen", _Pointer),
        ("n_seen", ctypes.c_uint32),
        ("k", ctypes.c_uint32),
    )


class Library:
    """The functions of recpress.h; arguments that are pointers are addresses."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        told = path.with_suffix(TOLD)
        self.built = told.read_text().strip() if told.is_file() else ""
        """Compiler and flags that made it; empty where nothing tells."""
        self.open: Any = _bound(library, "rp_open", ctypes.c_int32, _Pointer, _Pointer, ctypes.c_size_t)
        self.scratch_bytes: Any = _bound(
            library, "rp_scratch_bytes", ctypes.c_size_t, _Pointer, ctypes.c_uint32
        )
        self.recommend: Any = library.rp_recommend
        """Called with ctypes' own objects alone, which it takes as they are: that is faster than types."""
        self.audit: Any = (
            _bound(library, "rp_audit", ctypes.c_int32, _Pointer) if hasattr(library, "rp_audit") else None
        )
        """None of a library that was compiled elsewhere, without it."""


def import_engine() -> ModuleType:
    """What loads the engine: the standard library's ctypes."""
    return ctypes


def _bound(library: ctypes.CDLL, name: str, result: Any, *takes: Any) -> Any:
    function = getattr(library, name)
    function.restype, function.argtypes = result, takes
    return function


def load_for(header: "Header") -> Library | None:
    """The engine for models of this kind, compiled if it was not before; None where no compiler is there."""
    compiler = find_compiler()
    if compiler is None:
        return None
    flags = [*COMMON, *SHARED, *machine_flags(os.uname().machine), *flags_for(header)]
    source = amalgamated(with_interface=True)
    with _folder() as folder:
        path = folder / f"{_key(source, flags, compiler)}.so"
        if not (path.is_file() and is_private(path) and path.with_suffix(TOLD).is_file()):
            named("recpress_edge.device.c.building:compile_library")(compiler, source, flags, path)
        return load_library(path)


def _key(source: str, flags: list[str], compiler: Compiler) -> str:
    return sha256_bytes("\0".join([source, *flags, compiler.identity, machine_identity()]).encode())[:32]


def load_library(path: Path) -> Library:
    """An engine that is compiled already; MissingExtraError where it is none, or one for another machine."""
    try:
        return Library(path)
    except (OSError, AttributeError) as error:
        raise MissingExtraError(
            f"{path} is no engine for this machine: {error}. Remove it, or answer in Python: "
            "RECPRESS_ENGINE=plain"
        ) from None


def _private_cache() -> Path | None:
    """The cache's folder; None where this user has none to write in, or one that others may write."""
    try:
        kept = cache_root() / _FOLDER
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        return kept if is_private(kept) and os.access(kept, os.W_OK) else None
    except (OSError, RuntimeError):  # RuntimeError: a user without a home, as in containers
        return None


@contextmanager
def _folder() -> Iterator[Path]:
    """The cache's folder, where it is private; else a temporary one, which may go once it is loaded from."""
    kept = _private_cache()
    if kept is not None:
        yield kept
        return
    with named("tempfile:TemporaryDirectory")(prefix="recpress-library-") as name:
        yield Path(name)


def is_private(path: Path) -> bool:
    """Whether it is this user's, and nobody else may write it: what lies there is going to be run."""
    found = path.lstat()
    return found.st_uid == os.geteuid() and not found.st_mode & _OTHERS_WRITE

"""A file mapped read-only, and the address at which it lies."""

import ctypes
import mmap
from pathlib import Path

from recpress_edge.core.errors import ArtifactError


class _PyBuffer(ctypes.Structure):
    """Py_buffer, of CPython's stable interface: where an object's bytes are, even read-only ones."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        *((name, ctypes.c_void_p) for name in ("shape", "strides", "suboffsets", "internal")),
    )


class Mapped:
    """The bytes of a file, in memory that the system may drop; at their address while this object lives."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # of an empty file a ValueError
            raise ArtifactError(f"{path} cannot be mapped: {error}", fault="model") from None
        self._view = _PyBuffer()
        ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(self.bytes), ctypes.byref(self._view), 0)
        self.address, self.size = self._view.buf, self._view.len

    def __del__(self) -> None:
        if hasattr(self, "_view"):
            ctypes.pythonapi.PyBuffer_Release(ctypes.byref(self._view))

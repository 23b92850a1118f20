"""Files that are written whole or not at all, and digests of what is in them."""

import contextlib
import ctypes
import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.errors import ArtifactError, ConfigError, StorageError

MAX_JSON_BYTES: Final = 2**29
MAX_JSON_PARTS: Final = 1_000_000
_YOUNG_NS: Final = 1_000_000_000


def sha256_bytes(data: bytes) -> str:
    """Hex SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> bytes:
    """The one JSON encoding of a value that digests are taken over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(value: Any) -> str:
    """Hex SHA-256 of a JSON-like value."""
    return sha256_bytes(canonical_json(value))


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, a read-only folder and the like into a one-line error naming the path."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(
            f"cannot write {path}: {reason}. Nothing was changed there; free space or choose another folder."
        ) from error


def write_atomic(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` in one step: readers see the old file or the new one, whole."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically."""
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a damaged file is an :class:`ArtifactError` that names it."""
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_JSON_BYTES else b""
        value = json.loads(_bounded(path, data).decode("utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"no such file: {path}", fault="missing") from None
    except (OSError, ValueError, RecursionError) as error:  # ValueError also for a number of 5000 digits
        raise ArtifactError(f"{path} is not readable JSON: {error}", fault="json") from None
    if not isinstance(value, dict):
        raise ArtifactError(f"{path} holds a {type(value).__name__}, expected a JSON object", fault="json")
    return value


def _bounded(path: Path, data: bytes) -> bytes:
    """An empty list takes two bytes in a file and thirty times that in memory."""
    size, nested = path.stat().st_size, data.count(b"[") + data.count(b"{")
    if size > MAX_JSON_BYTES or nested > MAX_JSON_PARTS:
        raise ArtifactError(
            f"{path} is more than a JSON file of ours can be: {size:,} bytes, {nested:,} lists and objects "
            f"(at most {MAX_JSON_BYTES:,} and {MAX_JSON_PARTS:,})",
            fault="size",
        )
    return data


def check_free(target: Path, *, force: bool) -> None:
    """Refuse to write over something that exists, unless forced."""
    if target.exists() and not force:
        raise ConfigError(f"{target} exists already. Choose another --out, or add --force to replace it.")


@contextlib.contextmanager
def new_directory(target: Path, *, force: bool) -> Iterator[Path]:
    """A folder to fill that becomes ``target`` in one rename when the block ends without error.

    On an error the half-filled folder is removed and what was at ``target`` stays as it was. A process that
    is killed cannot remove its own: the next that makes the same target does.
    """
    check_free(target, force=force)
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans(target)
        draft = Path(tempfile.mkdtemp(prefix=_draft_prefix(target), dir=target.parent))
    lock = _hold(draft)
    try:
        yield draft
        with storage_errors(target):
            draft.chmod(0o777 & ~_umask())
            _swap(draft, target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _draft_prefix(target: Path) -> str:
    return f".{target.name}.draft-"


def _hold(draft: Path) -> int | None:
    """A lock on a folder that ends with this process, however it ends; None where another has it."""
    handle = os.open(draft, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or a file system without locks
        os.close(handle)
        return None
    return handle


def _remove_orphans(target: Path) -> None:
    """Drafts of ``target`` whose process has gone. A young one may not be locked yet, so it is left."""
    for draft in target.parent.glob(f"{glob.escape(_draft_prefix(target))}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time_ns() - draft.stat().st_mtime_ns < _YOUNG_NS or (lock := _hold(draft)) is None:
                continue
            shutil.rmtree(draft, ignore_errors=True)
            os.close(lock)


def exchange(left: Path, right: Path) -> bool:
    """Swap two paths of one file system in a single step: at no moment is either missing.

    False, and nothing is changed, where the system or the file system cannot (Linux can, since 3.15).
    """
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if rename(here, os.fsencode(left), here, os.fsencode(right), swap) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(left))


def _swap(draft: Path, target: Path) -> None:
    if not target.exists():
        draft.rename(target)
        return
    if exchange(draft, target):
        draft.unlink() if draft.is_file() else shutil.rmtree(draft, ignore_errors=True)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    target.replace(old / "was") if target.is_file() else target.rename(old / "was")
    try:
        draft.rename(target)
    except BaseException:
        (old / "was").rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

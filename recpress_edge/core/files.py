"""Files that are written whole or not at all, and digests of what is in them."""

import contextlib
import ctypes
import errno
import fcntl
import glob
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.errors import ArtifactError, ConfigError, StorageError
from recpress_edge.core.registry import named

MAX_JSON_BYTES: Final = 2**29
MAX_JSON_PARTS: Final = 1_000_000
_YOUNG_NS: Final = 1_000_000_000
# Named: a device that only reads does not pay for importing them, some 20 M instructions.
_NEW_FILE: Final = "tempfile:mkstemp"
_NEW_FOLDER: Final = "tempfile:mkdtemp"
_REMOVE_TREE: Final = "shutil:rmtree"


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
    with storage_errors(path), _written(path, data) as draft:
        draft.replace(path)


def write_new(path: Path, data: bytes) -> bool:
    """Write a file that does not exist yet, whole; False, and nothing is changed, when there is one already.

    However many processes choose one name at a time, one of them gets it.
    """
    with storage_errors(path), _written(path, data) as draft:
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            return _claim(draft, path)
    return True


def _claim(draft: Path, path: Path) -> bool:
    """Take a name by an empty file, then put the draft in its place."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    draft.replace(path)
    return True


@contextlib.contextmanager
def _written(path: Path, data: bytes) -> Iterator[Path]:
    """A draft beside ``path`` with the data on the disk; removed afterwards, and the folder synced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = named(_NEW_FILE)(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        yield Path(name)
        sync_folder(path.parent)
    finally:
        Path(name).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk, so that a new name outlives a power cut."""
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):  # a file system that cannot
            raise
    finally:
        os.close(handle)


def _sync_tree(folder: Path) -> None:
    """Every file and folder below, and the folder itself."""
    for where, _, names in os.walk(folder):
        for name in names:
            path = Path(where) / name
            if path.is_file() and not path.is_symlink():
                _sync(path)
        _sync(Path(where))


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically."""
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path, check: Callable[[bytes], None] = lambda _: None) -> dict[str, Any]:
    """A JSON object, of bytes that ``check`` does not raise for; an :class:`ArtifactError` if damaged."""
    try:
        data = _bounded(path, path.read_bytes() if path.stat().st_size <= MAX_JSON_BYTES else b"")
        check(data)
        value = json.loads(data.decode("utf-8"))
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


def check_there(*paths: Path) -> None:
    """ConfigError where a file or folder that a person named does not exist."""
    for path in paths:
        if not path.exists():
            raise ConfigError(f"no such file or folder: {path}. Check the path.")


def check_free(target: Path, *, force: bool) -> None:
    """Refuse to write over something that exists, unless forced."""
    if target.exists() and not force:
        raise ConfigError(f"{target} exists already. Choose another --out, or add --force to replace it.")


def check_ours(target: Path, marker: str) -> None:
    """Refuse to replace what no command of ours wrote, forced or not: a file, or a folder without ``marker``.

    An empty folder, and nothing at all, may become ours.
    """
    with storage_errors(target):
        if not target.exists() or (target / marker).is_file():
            return
        if not target.is_dir():
            raise ConfigError(f"{target} is a file, and a folder is written. Choose another name.")
        if any(target.iterdir()):
            raise ConfigError(
                f"{target} is a folder without {marker}: what is in it was not written by this command and "
                "is not replaced, not with --force either. Choose another name, or empty it yourself."
            )


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
        draft = Path(named(_NEW_FOLDER)(prefix=_draft_prefix(target), dir=target.parent))
    lock = _hold(draft)
    try:
        yield draft
        with storage_errors(target):
            draft.chmod(0o777 & ~_umask())
            _sync_tree(draft)
            _swap(draft, target)
            sync_folder(target.parent)
    except BaseException:
        named(_REMOVE_TREE)(draft, ignore_errors=True)
        raise
    finally:
        if lock is not None:
            os.close(lock)


@contextlib.contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder that is removed when the block ends; those of killed processes are removed first."""
    parent = Path(named("tempfile:gettempdir")())
    _remove_unheld(parent, prefix)
    with named("tempfile:TemporaryDirectory")(prefix=prefix, ignore_cleanup_errors=True) as name:
        lock = _hold(Path(name))
        try:
            yield Path(name)
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
    """Drafts of ``target`` whose process has gone."""
    _remove_unheld(target.parent, _draft_prefix(target))


def _remove_unheld(parent: Path, prefix: str) -> None:
    """Folders that no process holds a lock on. A young one may not be locked yet, so it is left."""
    for draft in parent.glob(f"{glob.escape(prefix)}*"):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if time.time_ns() - draft.stat().st_mtime_ns < _YOUNG_NS or (lock := _hold(draft)) is None:
                continue
            named(_REMOVE_TREE)(draft, ignore_errors=True)
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
        is_one = draft.is_file() or draft.is_symlink()
        draft.unlink() if is_one else named(_REMOVE_TREE)(draft, ignore_errors=True)
        return
    old = Path(named(_NEW_FOLDER)(prefix=f".{target.name}.old.", dir=target.parent))
    target.replace(old / "was") if target.is_file() else target.rename(old / "was")
    try:
        draft.rename(target)
    except BaseException:
        (old / "was").rename(target)
        raise
    finally:
        named(_REMOVE_TREE)(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

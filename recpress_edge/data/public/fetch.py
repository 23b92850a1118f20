"""The files of public data sets: verified copies in the data folder, or downloads."""

import os
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Final

from recpress_edge.core.errors import DataError, missing_extra
from recpress_edge.core.files import (
    sha256_bytes,
    sha256_file,
    storage_errors,
    sync_folder,
    write_atomic,
)
from recpress_edge.data.features.attach import attach_all
from recpress_edge.data.prepare import Prepared, prepare
from recpress_edge.data.public.kinds import Made, PublicFile, PublicSet
from recpress_edge.data.public.table import PUBLIC_SETS

Progress = Callable[[float, float], None]
"""Called with bytes done and bytes in all."""


VARIABLE: Final = "RECPRESS_DATA_DIR"


def local_folder() -> Path | None:
    """The folder that RECPRESS_DATA_DIR names, or None where it is unset."""
    where = os.environ.get(VARIABLE)
    if not where:
        return None
    if not Path(where).is_dir():
        raise DataError(f"{VARIABLE} is {where!r}, which is not a folder. Correct it, or unset it.")
    return Path(where)


def how_to_have(name: str) -> str:
    """How a set becomes available: the command that fetches it, or how its files are laid out."""
    known = PUBLIC_SETS[name]
    fetch = f"Run: recpress-edge data fetch {name}. Without the network: it" if known.fetchable() else "It"
    paths = [f"DIR/{file.path}" for file in known.every_file()]
    layout = ", ".join(paths[:-1]) + (" and " if paths[1:] else "") + paths[-1]
    made = f" (or DIR/{known.made.source.path}, to make that from)" if known.made else ""
    return (
        f"{fetch} is {known.about}, published at {known.published}. Lay it out as {layout}, each line "
        f"{known.lines}{made}, and set {VARIABLE}=DIR"
    )


def is_local(name: str, folder: Path) -> bool:
    """Whether the data folder has the files of a set, or what they are made from; digests are not checked.

    Some files of several is a DataError.
    """
    known = PUBLIC_SETS[name]
    every = known.every_file()
    there = [file for file in every if (folder / file.path).is_file()]
    if there and len(there) < len(every) and not known.tables:
        missing = next(file for file in every if file not in there)
        names = ", ".join(Path(file.path).name for file in every)
        raise DataError(f"{folder / missing.path} is missing: {name} needs {names}")
    return len(there) == len(every) or (
        known.made is not None and (folder / known.made.source.path).is_file()
    )


def prepare_local(name: str, folder: Path, scratch: Path) -> Prepared | None:
    """The set from copies in the data folder, or None where it has none.

    A copy with another digest is a DataError: its figures would not be those of the docs.
    """
    if not is_local(name, folder):
        return None
    known = PUBLIC_SETS[name]
    if (folder / known.files[0].path).is_file():
        return _prepare(name, [_verified(name, file, folder, scratch) for file in known.every_file()])
    assert known.made is not None
    source = _verified(name, known.made.source, folder, scratch)
    return _prepare(name, _write_made(known, known.made, source, scratch))


def fetch_set(name: str, scratch: Path, progress: Progress) -> Prepared:
    """Download what is not in ``scratch`` yet, check every digest, read and split; the set is fetchable."""
    known = PUBLIC_SETS[name]
    if known.made is None:
        return _prepare(name, [_fetch_file(file, scratch, progress) for file in known.every_file()])
    source = _fetch_file(known.made.source, scratch, progress)
    return _prepare(name, _write_made(known, known.made, source, scratch))


def _prepare(name: str, files: list[Path]) -> Prepared:
    """The set of its log's files, then those of its tables."""
    known = PUBLIC_SETS[name]
    of_log, of_tables = files[: len(known.files)], files[len(known.files) :]
    prepared = prepare(name, of_log, known.how)
    choices = [table.choice(path) for table, path in zip(known.tables, of_tables, strict=True)]
    dataset, records = attach_all(prepared.dataset, choices, str)
    record = {**prepared.record, **({"tables": records} if records else {})}
    return Prepared(dataset, {**record, "origin": list(map(asdict, known.sources()))})


def _verified(name: str, file: PublicFile, folder: Path, scratch: Path) -> Path:
    path = folder / file.path
    with storage_errors(path):
        found = f"sha256:{sha256_file(path)}"
    if found != file.digest:
        raise DataError(
            f"{path} is not the file that {name} is made from: expected {file.digest}, got {found}. "
            "The docs' figures are of that file. Replace yours or take it away, or give it its own name: "
            f"recpress-edge data import {path} --name my-{name}"
        )
    return path if file.member is None else _take_member(path, file.member, scratch)


def _write_made(known: PublicSet, made: Made, source: Path, scratch: Path) -> list[Path]:
    """The files of a set, made from what is published."""
    paths = [scratch / PurePosixPath(file.path).name for file in known.files]
    with storage_errors(source):
        contents = made.contents(source.read_bytes())
    for file, path, content in zip(known.files, paths, contents, strict=True):
        if f"sha256:{sha256_bytes(content)}" != file.digest:
            raise DataError(
                f"{path.name}, made from {source}, is not the file it should be: expected {file.digest}"
            )
        write_atomic(path, content)
    return paths


def _fetch_file(file: PublicFile, scratch: Path, progress: Progress) -> Path:
    assert file.url is not None
    path = download(file.url, file.digest, scratch, progress)
    return path if file.member is None else _take_member(path, file.member, scratch)


def download(url: str, digest: str, folder: Path, progress: Progress) -> Path:
    """The file at ``url`` in ``folder``, downloaded if need be; another digest is a DataError."""
    try:
        import pooch
        import requests
    except ImportError as error:
        missing_extra(error.name, "data")
    pooch.get_logger().setLevel("WARNING")
    target = folder / PurePosixPath(url).name
    downloader = pooch.HTTPDownloader(progressbar=_Bar(progress), chunk_size=_Bar.CHUNK_BYTES, timeout=30)
    try:
        with storage_errors(target):
            try:
                pooch.retrieve(url, digest, fname=target.name, path=folder, downloader=downloader)
            except requests.RequestException as error:  # an OSError too, but not one of storage
                known = {"ConnectionError": "no connection", "ReadTimeout": "no answer"}
                reason = known.get(type(error).__name__, str(error))
                raise DataError(
                    f"cannot download {url}: {reason}. Check the network, or put the file at "
                    f"{target} by other means and run the command again: it will be checked and used."
                ) from None
    except ValueError as error:
        got = re.search(r"but got (\w+)", str(error))
        if got is None:
            raise
        raise DataError(
            f"{url} is not the file it should be: expected {digest}, "
            f"got {digest.partition(':')[0]}:{got[1]}. "
            "It was not kept. Try again; if it stays so, the file was changed or tampered with at its source."
        ) from None
    return target


class _Bar:
    """What pooch asks of a progress bar."""

    CHUNK_BYTES = 1 << 16

    def __init__(self, progress: Progress) -> None:
        self.total = 0
        self._done = 0
        self._progress = progress

    def update(self, n_bytes: int) -> None:
        self._done += n_bytes
        total = max(self.total, 1)
        self._progress(min(self._done, total), total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """Nothing to close: the caller owns the bar."""


def _take_member(archive: Path, member: str, folder: Path) -> Path:
    """Copy one named file out of an archive to a path of our choosing; no other entry is touched."""
    target = folder / PurePosixPath(member).name
    folder.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    try:
        with zipfile.ZipFile(archive) as opened, storage_errors(target):
            with opened.open(member) as source, draft.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            draft.replace(target)
            sync_folder(target.parent)
    except (zipfile.BadZipFile, KeyError) as error:
        raise DataError(f"cannot take {member} out of {archive}: {error}") from None
    finally:
        draft.unlink(missing_ok=True)
    return target

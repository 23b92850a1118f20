"""Public data sets: where they are, what they must hash to, on what terms; and fetching them."""

import re
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from recpress_edge.core.errors import DataError, missing_extra, unknown_name
from recpress_edge.core.files import storage_errors, sync_folder
from recpress_edge.data.filter import Filters
from recpress_edge.data.prepare import Preparation, Prepared, prepare
from recpress_edge.data.readers.columns import ColumnChoice

Progress = Callable[[float, float], None]
"""Called with bytes done and bytes in all."""


@dataclass(frozen=True, slots=True)
class PublicFile:
    """One download."""

    url: str
    digest: str
    """'sha256:…', or 'md5:…' where the publisher states nothing else."""
    member: str | None = None
    """The one file to take out of a zip archive."""


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A public data set and how it becomes ours."""

    about: str
    files: tuple[PublicFile, ...]
    how: Preparation
    """Its licence line is shown before anything is downloaded."""


_MOVIELENS: Final = "GroupLens terms: research use, no redistribution without permission, cite the data set"
_NO_LICENCE: Final = "no licence stated by its authors; for research"

REGISTRY: Final[Mapping[str, PublicSet]] = {
    # SHA-256 computed from a copy with the size of the file at this commit (770,649 bytes), and text
    # compared with it at several places; its 5-core on users is the 5,219 × 25,181 of the KDD'21 split.
    "citeulike-t": PublicSet(
        "CiteULike articles that people saved; users with at least 5",
        (
            PublicFile(
                "https://raw.githubusercontent.com/changun/CollMetric/"
                "5e0604d50ddaf2f0f338bde1ce5e4cade51ac144/citeulike-t/users.dat",
                "sha256:02d5d429b2c0362e0ed79f6ef204666b4092563d21493abf4dfb521e8a7078bf",
            ),
        ),
        Preparation(fmt="counted-adjacency", filters=Filters(min_user=5), licence=_NO_LICENCE),
    ),
    # MD5 of both files as published in reczoo/RecZoo, matching/gnn/UltraGCN/data/Gowalla_m1/README.md;
    # the SHA-256 of test.txt comes from a copy with that MD5. Nobody publishes one of train.txt.
    "gowalla-lightgcn": PublicSet(
        "Gowalla check-ins, the LightGCN train and test files",
        (
            PublicFile(
                "https://raw.githubusercontent.com/kuandeng/LightGCN/master/Data/gowalla/train.txt",
                "md5:5eec1eb2edb8dd648377d348b8e136cf",
            ),
            PublicFile(
                "https://raw.githubusercontent.com/kuandeng/LightGCN/master/Data/gowalla/test.txt",
                "sha256:099a2a73924e4b754dc6efd730d764f492321b53c38eb93298850c83acf57be3",
            ),
        ),
        Preparation(fmt="adjacency", split="given", licence=_NO_LICENCE),
    ),
    # SHA-256 as published in tensorflow/datasets, tensorflow_datasets/url_checksums/movielens.txt.
    # Implicit feedback from stars: 4 and 5 count as liked, the usual threshold on MovieLens.
    "ml-100k": PublicSet(
        "MovieLens 100K, ratings of 4 and 5",
        (
            PublicFile(
                "https://files.grouplens.org/datasets/movielens/ml-100k.zip",
                "sha256:50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
                member="ml-100k/u.data",
            ),
        ),
        Preparation(
            fmt="delimited",
            columns=ColumnChoice(separator="tab", header=False),
            split="loo-time",
            filters=Filters(min_rating=4.0),
            licence=_MOVIELENS,
        ),
    ),
    "ml-1m": PublicSet(
        "MovieLens 1M, ratings of 4 and 5",
        (
            PublicFile(
                "https://files.grouplens.org/datasets/movielens/ml-1m.zip",
                "sha256:a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
                member="ml-1m/ratings.dat",
            ),
        ),
        Preparation(
            fmt="delimited",
            columns=ColumnChoice(separator="::", header=False),
            split="loo-time",
            filters=Filters(min_rating=4.0),
            licence=_MOVIELENS,
        ),
    ),
}


def public_set(name: str) -> PublicSet:
    """The registry's entry; an unknown name gets a suggestion."""
    if name not in REGISTRY:
        raise unknown_name("public data set", name, list(REGISTRY))
    return REGISTRY[name]


def fetch_set(name: str, chosen: PublicSet, downloads: Path, progress: Progress) -> Prepared:
    """Download what is not there yet, check every digest, read and split."""
    files = [_fetch_file(file, downloads / name, progress) for file in chosen.files]
    prepared = prepare(name, files, chosen.how)
    origin = [{"url": file.url, "digest": file.digest, "member": file.member} for file in chosen.files]
    return Prepared(prepared.dataset, {**prepared.record, "origin": origin})


def _fetch_file(file: PublicFile, folder: Path, progress: Progress) -> Path:
    path = download(file.url, file.digest, folder, progress)
    return path if file.member is None else _take_member(path, file.member, folder)


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

"""The bundle: a variant's folder with its contract, id maps, digests and self-test.

Reading trusts nothing: names cannot leave the folder, nothing lies in it that the manifest does not list,
every listed file must have the stated length and SHA-256, sizes are bounded before anything is loaded, and
the model may not read other files. Unknown fields are tolerated so that an older reader opens a newer bundle
of the same major version.
"""

import dataclasses
import io
import json
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import (
    ALL_USERS,
    HISTORY,
    MAX_ENTITIES,
    NOBODY,
    PROFILES,
    SINGLE_USER,
    TIE_RULE,
    Contract,
    check_range,
    check_score_tolerance,
    check_users,
    contract_facts,
    read_contract,
)
from recpress_edge.artifacts.model_file import check_model_file
from recpress_edge.artifacts.titles import TITLES_FILE, read_titles
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.facts import PROVENANCE, QUALITY, check_facts, check_plain
from recpress_edge.core.files import canonical_json, read_json, sha256_bytes, sha256_file, write_atomic
from recpress_edge.core.npz import read_integers

__all__ = [
    "ALL_USERS",
    "BUNDLE_SCHEMA",
    "EVALUATION_FILE",
    "HISTORY",
    "ITEMS_FILE",
    "MANIFEST",
    "MAX_ENTITIES",
    "MAX_FILE_BYTES",
    "MAX_MANIFEST_BYTES",
    "NOBODY",
    "PROFILES",
    "SELFTEST_FILE",
    "SINGLE_USER",
    "TIE_RULE",
    "USERS_FILE",
    "Bundle",
    "Contract",
    "Evaluation",
    "SelfTest",
    "open_bundle",
    "write_manifest",
]

# History: 1 first version.
BUNDLE_SCHEMA: Final = "recpress.bundle/1"
MANIFEST: Final = "bundle.json"
USERS_FILE: Final = "users.txt"
ITEMS_FILE: Final = "items.txt"
SELFTEST_FILE: Final = "selftest.json"
EVALUATION_FILE: Final = "evaluation.npz"

MAX_MANIFEST_BYTES: Final = 4 * 2**20
MAX_FILE_BYTES: Final = 4 * 2**30
MAX_SELFTEST_BYTES: Final = 64 * 2**20
_SAFE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Queries with the answers that the model must give before anything is timed."""

    k: int
    users: tuple[int | None, ...]
    """None where the bundle holds no users (-1 in the file)."""
    seen: tuple[tuple[int, ...], ...]
    items: tuple[tuple[int, ...], ...]
    scores: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Held-out test users, as sparse rows: what not to recommend, and what would be a hit.

    users (B,) int32, -1 where the bundle holds no users; seen_indptr, relevant_indptr (B + 1,) int64;
    seen_indices, relevant_indices int32 item indices.
    """

    users: I32
    seen_indptr: I64
    seen_indices: I32
    relevant_indptr: I64
    relevant_indices: I32

    def user(self, row: int) -> int | None:
        """Index of a row's user; None where the bundle holds no users."""
        return None if self.users[row] == NOBODY else int(self.users[row])

    def anonymous(self) -> "Evaluation":
        """The same rows without saying whose they are."""
        return dataclasses.replace(self, users=np.full_like(self.users, NOBODY))

    def seen(self, row: int) -> I32:
        return self.seen_indices[self.seen_indptr[row] : self.seen_indptr[row + 1]]

    def candidates(self, n_items: int, retired: Sequence[int] = ()) -> I64:
        """Items that can be recommended to each user with a relevant item: (R,) with R of the B users."""
        left = [
            n_items - len({*self.seen(row).tolist(), *retired})
            for row in np.flatnonzero(np.diff(self.relevant_indptr)).tolist()
        ]
        return np.array(left, np.int64)

    def relevant(self, row: int) -> I32:
        return self.relevant_indices[self.relevant_indptr[row] : self.relevant_indptr[row + 1]]

    @classmethod
    def of_queries(cls, test: SelfTest) -> "Evaluation":
        """The queries of a self-test as rows, nothing relevant in any."""
        users = [NOBODY if user is None else user for user in test.users]
        starts = np.concatenate([[0], np.cumsum([len(row) for row in test.seen])])
        items = [item for row in test.seen for item in row]
        return cls(
            np.array(users, np.int32),
            starts.astype(np.int64),
            np.array(items, np.int32),
            np.zeros(len(users) + 1, np.int64),
            np.empty(0, np.int32),
        )

    def to_bytes(self) -> bytes:
        """An npz whose bytes depend on nothing but the arrays: no timestamps, no compressor's version."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for field in dataclasses.fields(self):
                array = io.BytesIO()
                np.save(array, getattr(self, field.name), allow_pickle=False)
                archive.writestr(
                    zipfile.ZipInfo(f"{field.name}.npy", (1980, 1, 1, 0, 0, 0)), array.getvalue()
                )
        return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle. Files are read on demand from ``folder``."""

    folder: Path
    name: str
    contract: Contract
    provenance: Mapping[str, Any]
    """Student, teacher, data set, seed, versions: who made this from what."""
    quality: Mapping[str, Any]
    """``chain``: metrics from teacher to this file; ``parity``: rankings against fp32."""
    files: Mapping[str, Mapping[str, Any]]
    digest: str
    """SHA-256 of the manifest; names the bundle, since the manifest names every file's digest."""

    @property
    def model_path(self) -> Path:
        return self.folder / self.contract.model_file

    @property
    def model_bytes(self) -> int:
        return int(self.files[self.contract.model_file]["bytes"])

    @property
    def total_bytes(self) -> int:
        """Of every file that it lists."""
        return sum(int(facts["bytes"]) for facts in self.files.values())

    def user_ids(self) -> list[str]:
        return self._ids(USERS_FILE, self.contract.n_users)

    def item_ids(self) -> list[str]:
        return self._ids(ITEMS_FILE, self.contract.n_items)

    def titles(self) -> list[str] | None:
        """The title of each item, empty where it has none; None where no titles travel along."""
        return read_titles(self.folder, self.contract.n_items) if TITLES_FILE in self.files else None

    def _ids(self, name: str, count: int) -> list[str]:
        where = self.folder / name
        data = where.read_bytes()
        found = data.count(b"\n")
        if found != count or data[-1:] not in (b"", b"\n"):  # counted before a list is made of them
            raise _not_distinct(where, count, found)
        try:
            lines = data.decode().split("\n")[:-1]
        except UnicodeDecodeError as error:
            raise ArtifactError(f"{where} is not UTF-8: {error}", fault="content") from None
        if len(set(lines)) != count or "" in lines:
            raise _not_distinct(where, count, found)
        return lines

    def selftest(self) -> SelfTest:
        """The self-test, with every index checked against the contract."""
        where = self.folder / SELFTEST_FILE
        _check_size(where, MAX_SELFTEST_BYTES)
        test = _read_selftest(where, read_json(where))
        rows = {len(test.users), len(test.seen), len(test.items), len(test.scores)}
        if len(rows) != 1 or not test.users:
            raise ArtifactError(
                f"{where}: users, seen, items and scores differ in length or are empty", fault="content"
            )
        for items, scores in zip(test.items, test.scores, strict=True):
            if len(items) != len(scores) or not 0 < len(items) <= test.k <= self.contract.n_items:
                raise ArtifactError(
                    f"{where}: an answer of {len(items)} items with {len(scores)} scores, k {test.k}",
                    fault="content",
                )
        check_users(where, [NOBODY if u is None else u for u in test.users], self.contract)
        for row in (*test.seen, *test.items):
            check_range(where, "item", row, self.contract.n_items)
        _check_scores(where, self.contract, [score for row in test.scores for score in row])
        return test

    def rows(self) -> Evaluation:
        """The evaluation users; ArtifactError where none travel along."""
        rows = self.evaluation()
        if rows is None:
            raise ArtifactError(
                f"{self.folder} carries no evaluation rows. Export it again with --with-evaluation.",
                fault="missing",
            )
        return rows

    def evaluation(self) -> Evaluation | None:
        """The evaluation users, with shapes and indices checked before use; None where none travel along."""
        if EVALUATION_FILE not in self.files:
            return None
        where = self.folder / EVALUATION_FILE
        arrays = read_integers(where, [f.name for f in dataclasses.fields(Evaluation)])
        check_users(where, arrays["users"], self.contract)
        for name in ("seen_indices", "relevant_indices"):
            check_range(where, "item", arrays[name], self.contract.n_items)
        evaluation = Evaluation(
            arrays["users"].astype(np.int32),
            arrays["seen_indptr"].astype(np.int64),
            arrays["seen_indices"].astype(np.int32),
            arrays["relevant_indptr"].astype(np.int64),
            arrays["relevant_indices"].astype(np.int32),
        )
        for indptr, indices in (
            (evaluation.seen_indptr, evaluation.seen_indices),
            (evaluation.relevant_indptr, evaluation.relevant_indices),
        ):
            starts = (
                indptr.size == evaluation.users.size + 1 and indptr[0] == 0 and indptr[-1] == indices.size
            )
            if not starts or (np.diff(indptr) < 0).any():
                raise ArtifactError(
                    f"{where}: row pointers do not fit {evaluation.users.size} users", fault="content"
                )
        return evaluation


def write_manifest(
    folder: Path, name: str, contract: Contract, provenance: Mapping[str, Any], quality: Mapping[str, Any]
) -> str:
    """Digest every file in ``folder`` and write bundle.json last. Returns the bundle's digest."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST
    }
    manifest: dict[str, Any] = {
        "schema": BUNDLE_SCHEMA,
        "name": name,
        "contract": contract_facts(contract),
        "provenance": dict(provenance),
        "quality": dict(quality),
        "files": files,
    }
    digest = sha256_bytes(canonical_json(manifest))
    manifest["digest"] = digest
    write_atomic(folder / MANIFEST, (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())
    return digest


def open_bundle(folder: Path, *, digests: bool = True) -> Bundle:
    """Read and verify a bundle; without ``digests`` the files are not read through.

    Any doubt is an :class:`~recpress_edge.core.errors.ArtifactError` that says what and where.
    """
    where = folder / MANIFEST
    if where.is_symlink() or not where.is_file():
        raise ArtifactError(
            f"{folder} is not a bundle: it has no {MANIFEST}. Make one with: recpress-edge export",
            fault="missing",
        )
    _check_size(where, MAX_MANIFEST_BYTES)
    manifest = read_json(where)
    _check_schema(where, manifest)
    for field, kind in (
        ("name", str),
        ("contract", dict),
        ("provenance", dict),
        ("quality", dict),
        ("files", dict),
    ):
        if not isinstance(manifest.get(field), kind):
            raise ArtifactError(
                f"{where}: field {field!r} is missing or not a {kind.__name__}", fault="field"
            )
    digest = _digest(where, manifest)
    if manifest.get("digest") != digest:
        raise ArtifactError(
            f"{where} was changed after it was written: its digest is not {manifest.get('digest')}",
            fault="digest",
        )
    if not _SAFE_NAME.fullmatch(manifest["name"]):  # records and folders are named after it
        raise ArtifactError(f"{where}: name {manifest['name']!r} is not a plain file name", fault="path")
    check_plain(str(where), {k: v for k, v in manifest.items() if k not in ("contract", "files")})
    check_facts(str(where), manifest["provenance"], PROVENANCE)
    check_facts(str(where), manifest["quality"], QUALITY)
    contract = read_contract(where, manifest["contract"])
    _verify_files(folder, manifest["files"], contract, digests=digests)
    _check_listed(folder, manifest["files"])
    check_model_file(folder / contract.model_file, contract.format)
    return Bundle(
        folder,
        manifest["name"],
        contract,
        manifest["provenance"],
        manifest["quality"],
        manifest["files"],
        digest,
    )


def _check_schema(where: Path, manifest: Mapping[str, Any]) -> None:
    found = manifest.get("schema")
    if found != BUNDLE_SCHEMA:
        raise ArtifactError(
            f"{where} has schema {found!r}; this version reads {BUNDLE_SCHEMA!r}. "
            "Export it again, or install the recpress-edge that wrote it.",
            fault="schema",
        )


def _digest(where: Path, manifest: Mapping[str, Any]) -> str:
    body = {key: value for key, value in manifest.items() if key != "digest"}
    try:
        return sha256_bytes(canonical_json(body))
    except (UnicodeEncodeError, RecursionError) as error:  # half a surrogate pair; nested to the limit
        raise ArtifactError(f"{where} is not readable JSON: {error}", fault="json") from None


def _check_listed(folder: Path, files: Mapping[str, Any]) -> None:
    """What has no digest could be changed, and a model could read it: it does not belong there."""
    for path in folder.iterdir():
        if path.name != MANIFEST and path.name not in files:
            raise ArtifactError(
                f"{path} is not listed in {MANIFEST}: a bundle holds nothing else. Move it away.",
                fault="path",
            )


def _verify_files(folder: Path, files: Mapping[str, Any], contract: Contract, *, digests: bool) -> None:
    for name in (contract.model_file, USERS_FILE, ITEMS_FILE, SELFTEST_FILE):
        if name not in files:
            raise ArtifactError(f"{folder / MANIFEST} lists no {name!r}", fault="field")
    for name, facts in files.items():
        if not _SAFE_NAME.fullmatch(name):
            raise ArtifactError(
                f"{folder / MANIFEST} lists {name!r}, which is not a plain file name", fault="path"
            )
        if (
            not isinstance(facts, dict)
            or type(facts.get("bytes")) is not int
            or type(facts.get("sha256")) is not str
        ):
            raise ArtifactError(f"{folder / MANIFEST} states no bytes and sha256 for {name!r}", fault="field")
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise ArtifactError(f"{path} is missing or not a plain file", fault="missing")
        size = path.stat().st_size
        if size != facts["bytes"] or size > MAX_FILE_BYTES:
            raise ArtifactError(f"{path} has {size} bytes, the bundle states {facts['bytes']}", fault="size")
        if digests and (found := sha256_file(path)) != facts["sha256"]:
            raise ArtifactError(
                f"{path} was changed: SHA-256 {found}, the bundle states {facts['sha256']}", fault="digest"
            )


def _check_size(where: Path, most: int) -> None:
    size = where.stat().st_size
    if size > most:
        raise ArtifactError(f"{where} has {size} bytes, more than {most}", fault="size")


def _not_distinct(where: Path, count: int, found: int) -> ArtifactError:
    return ArtifactError(f"{where} must hold {count} distinct lines, found {found}", fault="content")


def _read_selftest(where: Path, value: Mapping[str, Any]) -> SelfTest:
    try:
        return SelfTest(
            _whole(value["k"]),
            tuple(None if u == NOBODY else _whole(u) for u in value["users"]),
            tuple(tuple(map(_whole, row)) for row in value["seen"]),
            tuple(tuple(map(_whole, row)) for row in value["items"]),
            tuple(tuple(map(_figure, row)) for row in value["scores"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ArtifactError(f"{where} is not a self-test: {error!r}", fault="content") from None


def _check_scores(where: Path, contract: Contract, scores: Sequence[float]) -> None:
    strange = next((score for score in scores if not math.isfinite(score)), None)
    if strange is not None:
        raise ArtifactError(f"{where}: a score is {strange}, which no model may answer", fault="answers")
    check_score_tolerance(where, contract, max(map(abs, scores)))


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{str(value)[:80]!r} where a whole number should be")
    return value


def _figure(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"{str(value)[:80]!r} where a score should be")
    return float(value)

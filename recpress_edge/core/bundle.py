"""The bundle: a variant's folder with its contract, id maps, digests and self-test.

Reading trusts nothing: names cannot leave the folder, sizes are bounded before anything is loaded,
every listed file must have the stated length and SHA-256, and unknown fields are tolerated so that
an older reader opens a newer bundle of the same major version.
"""

import dataclasses
import io
import itertools
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import canonical_json, read_json, sha256_bytes, sha256_file, write_atomic

# History: 1 first version.
BUNDLE_SCHEMA: Final = "recpress.bundle/1"
MANIFEST: Final = "bundle.json"
USERS_FILE: Final = "users.txt"
ITEMS_FILE: Final = "items.txt"
SELFTEST_FILE: Final = "selftest.json"
EVALUATION_FILE: Final = "evaluation.npz"
TIE_RULE: Final = "lower item index first"

ALL_USERS: Final = "all-users"
SINGLE_USER: Final = "single-user"
HISTORY: Final = "history"
PROFILES: Final = (ALL_USERS, SINGLE_USER, HISTORY)
"""Whose vectors a bundle holds: everybody's, one user's, nobody's."""
NOBODY: Final = -1
"""In place of a user index where a bundle holds no users."""

MAX_MANIFEST_BYTES: Final = 4 * 2**20
MAX_FILE_BYTES: Final = 4 * 2**30
MAX_ENTITIES: Final = 2**31 - 1
_LATER_FIELDS: Final = ("retired", "seen_capacity")
"""Of the contract: bundles were written before these were known."""
_SAFE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What the model file takes, returns and promises."""

    model_file: str
    """Name of the model file inside the bundle."""
    format: str
    """File format: onnx, tflite. In tflite files the integer inputs and outputs are int32, not int64."""
    recipe: str
    """How numbers are stored: fp32, fp16, int8-dim, int8-item, int4-item."""
    profile: str
    """Whose vectors are inside: all-users, single-user, or history, which makes them from the seen items."""
    n_users: int
    """1 in a single-user file, 0 in a history file."""
    n_items: int
    dim: int
    exact: bool
    """True when every runtime must return the very same ids and scores (integer arithmetic)."""
    score_tolerance: float
    """Largest allowed difference from the self-test's scores; 0 when exact."""
    user_input: str = "user"
    """int64 (1,): user index, 0 <= user < n_users. The host must check: some runtimes wrap negatives.

    Empty where the file takes no such input: single-user, history.
    """
    seen_input: str = "seen"
    """int64 (n_seen,): item indices never to recommend; may be empty or repeat themselves.

    In a history file also what the user has consumed: distinct items, since each counts as often as it is
    given. None at all asks for the answer to a user about whom nothing is known.
    """
    k_input: str = "k"
    """int64 (1,): list length, 1 <= k <= n_items - distinct seen items."""
    items_output: str = "items"
    """int64 (k,): item indices, best first."""
    scores_output: str = "scores"
    """float32 (k,): their scores."""
    tie_rule: str = TIE_RULE
    retired: tuple[int, ...] = ()
    """Items that keep their index but are never recommended, ascending; the model file excludes them too.

    With any of them, 1 <= k <= n_items - distinct items that are seen or retired.
    """
    seen_capacity: int = 0
    """tflite: entries that the seen input has in the file. Unused ones hold n_items, which is no item; the
    host resizes the input for a longer list. 0 in other formats: the input takes any number.
    """


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
    *_indices int32 item indices.
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

    def relevant(self, row: int) -> I32:
        return self.relevant_indices[self.relevant_indptr[row] : self.relevant_indptr[row + 1]]

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

    def user_ids(self) -> list[str]:
        return self._ids(USERS_FILE, self.contract.n_users)

    def item_ids(self) -> list[str]:
        return self._ids(ITEMS_FILE, self.contract.n_items)

    def _ids(self, name: str, count: int) -> list[str]:
        try:
            lines = (self.folder / name).read_bytes().decode().split("\n")
        except UnicodeDecodeError as error:
            raise ArtifactError(f"{self.folder / name} is not UTF-8: {error}") from None
        if lines[-1] != "" or len(lines) - 1 != count or len(set(lines)) != len(lines):
            raise ArtifactError(
                f"{self.folder / name} must hold {count} distinct lines, found {len(lines) - 1}"
            )
        return lines[:-1]

    def selftest(self) -> SelfTest:
        """The self-test, with every index checked against the contract."""
        where = self.folder / SELFTEST_FILE
        value = read_json(where)
        try:
            test = SelfTest(
                int(value["k"]),
                tuple(None if u == NOBODY else int(u) for u in value["users"]),
                tuple(tuple(int(i) for i in row) for row in value["seen"]),
                tuple(tuple(int(i) for i in row) for row in value["items"]),
                tuple(tuple(float(s) for s in row) for row in value["scores"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ArtifactError(f"{where} is not a self-test: {error!r}") from None
        rows = {len(test.users), len(test.seen), len(test.items), len(test.scores)}
        if len(rows) != 1 or not test.users:
            raise ArtifactError(f"{where}: users, seen, items and scores differ in length or are empty")
        for items, scores in zip(test.items, test.scores, strict=True):
            if len(items) != len(scores) or not 0 < len(items) <= test.k:
                raise ArtifactError(
                    f"{where}: an answer of {len(items)} items with {len(scores)} scores, k {test.k}"
                )
        _check_users(where, [NOBODY if u is None else u for u in test.users], self.contract)
        for row in (*test.seen, *test.items):
            _check_range(where, "item", row, self.contract.n_items)
        return test

    def evaluation(self) -> Evaluation:
        """The evaluation users, with shapes and indices checked before use."""
        where = self.folder / EVALUATION_FILE
        arrays = _read_npz(where, [f.name for f in dataclasses.fields(Evaluation)])
        _check_users(where, arrays["users"], self.contract)
        for name in ("seen_indices", "relevant_indices"):
            _check_range(where, "item", arrays[name], self.contract.n_items)
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
                raise ArtifactError(f"{where}: row pointers do not fit {evaluation.users.size} users")
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
        "contract": _contract_facts(contract),
        "provenance": dict(provenance),
        "quality": dict(quality),
        "files": files,
    }
    digest = sha256_bytes(canonical_json(manifest))
    manifest["digest"] = digest
    write_atomic(folder / MANIFEST, (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())
    return digest


def _contract_facts(contract: Contract) -> dict[str, Any]:
    """As plain JSON; later fields only where they say something, so that other bundles are as they were."""
    facts = dataclasses.asdict(contract) | {"retired": list(contract.retired)}
    return {name: value for name, value in facts.items() if value or name not in _LATER_FIELDS}


def open_bundle(folder: Path) -> Bundle:
    """Read and verify a bundle; any doubt is an :class:`ArtifactError` that says what and where."""
    where = folder / MANIFEST
    if not where.is_file():
        raise ArtifactError(
            f"{folder} is not a bundle: it has no {MANIFEST}. Make one with: recpress-edge export"
        )
    if where.stat().st_size > MAX_MANIFEST_BYTES:
        raise ArtifactError(f"{where} has {where.stat().st_size} bytes, more than {MAX_MANIFEST_BYTES}")
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
            raise ArtifactError(f"{where}: field {field!r} is missing or not a {kind.__name__}")
    body = {key: value for key, value in manifest.items() if key != "digest"}
    digest = sha256_bytes(canonical_json(body))
    if manifest.get("digest") != digest:
        raise ArtifactError(
            f"{where} was changed after it was written: its digest is not {manifest.get('digest')}"
        )
    if not _SAFE_NAME.fullmatch(manifest["name"]):  # records and folders are named after it
        raise ArtifactError(f"{where}: name {manifest['name']!r} is not a plain file name")
    contract = _read_contract(where, manifest["contract"])
    _verify_files(folder, manifest["files"], contract)
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
            "Export it again, or install the recpress-edge that wrote it."
        )


def _read_contract(where: Path, values: Mapping[str, Any]) -> Contract:
    known: dict[str, Any] = {}
    for field in dataclasses.fields(Contract):
        if field.name in _LATER_FIELDS:
            continue
        if field.name not in values:
            raise ArtifactError(f"{where}: contract lacks {field.name!r}")
        value = values[field.name]
        wanted = (int, float) if field.type is float else field.type
        if not isinstance(value, wanted) or (isinstance(value, bool) and field.type is not bool):  # type: ignore[arg-type]
            raise ArtifactError(f"{where}: contract field {field.name!r} has the wrong type: {value!r}")
        known[field.name] = value
    contract = Contract(
        **known,
        retired=_read_retired(where, values.get("retired", [])),
        seen_capacity=_read_capacity(where, values),
    )
    _check_profile(where, contract)
    for name in ("n_items", "dim"):
        if not 0 < getattr(contract, name) <= MAX_ENTITIES:
            raise ArtifactError(f"{where}: contract field {name!r} out of range: {getattr(contract, name)}")
    if contract.tie_rule != TIE_RULE:
        raise ArtifactError(f"{where}: tie rule {contract.tie_rule!r}; this version knows {TIE_RULE!r}")
    _check_range(where, "item", contract.retired, contract.n_items)
    if len(contract.retired) >= contract.n_items:
        raise ArtifactError(f"{where}: all {contract.n_items} items are retired, nothing can be recommended")
    return contract


def _check_profile(where: Path, contract: Contract) -> None:
    if contract.profile not in PROFILES:
        raise ArtifactError(
            f"{where}: profile {contract.profile!r}; this version knows {', '.join(PROFILES)}. "
            "Install the recpress-edge that wrote it."
        )
    low, high = {ALL_USERS: (1, MAX_ENTITIES), SINGLE_USER: (1, 1), HISTORY: (0, 0)}[contract.profile]
    if not low <= contract.n_users <= high:
        raise ArtifactError(f"{where}: contract field 'n_users' out of range: {contract.n_users}")
    if bool(contract.user_input) != (contract.profile == ALL_USERS):
        raise ArtifactError(f"{where}: a {contract.profile} file with user input {contract.user_input!r}")


def _read_capacity(where: Path, values: Mapping[str, Any]) -> int:
    value = values.get("seen_capacity", 0)
    if type(value) is not int or not (
        0 < value <= MAX_ENTITIES if values["format"] == "tflite" else value == 0
    ):
        raise ArtifactError(
            f"{where}: contract field 'seen_capacity' is {value!r} in a file of format {values['format']}"
        )
    return value


def _read_retired(where: Path, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise ArtifactError(f"{where}: contract field 'retired' is not a list of item indices")
    if any(left >= right for left, right in itertools.pairwise(value)):
        raise ArtifactError(f"{where}: contract field 'retired' must be ascending and without repetition")
    return tuple(value)


def _verify_files(folder: Path, files: Mapping[str, Any], contract: Contract) -> None:
    for name in (contract.model_file, USERS_FILE, ITEMS_FILE, SELFTEST_FILE, EVALUATION_FILE):
        if name not in files:
            raise ArtifactError(f"{folder / MANIFEST} lists no {name!r}")
    for name, facts in files.items():
        if not _SAFE_NAME.fullmatch(name):
            raise ArtifactError(f"{folder / MANIFEST} lists {name!r}, which is not a plain file name")
        if not isinstance(facts, dict) or not isinstance(facts.get("bytes"), int) or "sha256" not in facts:
            raise ArtifactError(f"{folder / MANIFEST} states no bytes and sha256 for {name!r}")
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise ArtifactError(f"{path} is missing or not a plain file")
        size = path.stat().st_size
        if size != facts["bytes"] or size > MAX_FILE_BYTES:
            raise ArtifactError(f"{path} has {size} bytes, the bundle states {facts['bytes']}")
        found = sha256_file(path)
        if found != facts["sha256"]:
            raise ArtifactError(f"{path} was changed: SHA-256 {found}, the bundle states {facts['sha256']}")


def _check_users(where: Path, users: Any, contract: Contract) -> None:
    if contract.n_users:
        _check_range(where, "user", users, contract.n_users)
    elif (np.asarray(users) != NOBODY).any():
        raise ArtifactError(f"{where} names users, but the bundle holds none: each must be {NOBODY}")


def _check_range(where: Path, kind: Literal["user", "item"], ids: Any, count: int) -> None:
    array = np.asarray(ids)  # in its own type: a narrower one could wrap an index into the range
    if array.size and (array.min() < 0 or array.max() >= count):
        raise ArtifactError(f"{where}: {kind} index outside 0..{count - 1}: {array.min()}..{array.max()}")


def _read_npz(where: Path, names: list[str]) -> dict[str, NDArray[np.integer[Any]]]:
    """One-dimensional integer arrays from an npz; declared sizes are checked before unpacking."""
    arrays = {}
    try:
        with zipfile.ZipFile(where) as archive:
            for name in names:
                member = archive.getinfo(f"{name}.npy")
                if member.file_size > MAX_FILE_BYTES // 16:
                    raise ArtifactError(f"{where}: {name} claims {member.file_size} bytes")
                with archive.open(member) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
                if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
                    raise ArtifactError(
                        f"{where}: {name} is {array.dtype} with {array.ndim} axes, not integers"
                    )
                arrays[name] = array
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError, MemoryError) as error:
        raise ArtifactError(f"{where} is not a readable evaluation file: {error}") from None
    return arrays

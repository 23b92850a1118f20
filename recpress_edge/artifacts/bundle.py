"""The bundle: a variant's folder with its contract, id maps, digests and self-test.

Reading trusts nothing: names cannot leave the folder, nothing lies in it that the manifest does not list,
every listed file must have the stated length and SHA-256, sizes are bounded before anything is loaded, and
the model may not read other files. Unknown fields are tolerated so that an older reader opens a newer bundle
of the same major version.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from recpress_edge.artifacts.contract import (
    ALL_USERS,
    HISTORY,
    MAX_ENTITIES,
    NOBODY,
    PROFILES,
    SINGLE_USER,
    TIE_RULE,
    Contract,
    read_contract,
)
from recpress_edge.artifacts.ids import ITEMS_FILE, POPULAR_FILE, USERS_FILE, read_ids, read_popular
from recpress_edge.artifacts.item_features import FEATURES_FILE, read_item_features
from recpress_edge.artifacts.manifest import (
    BUNDLE_SCHEMA,
    EVALUATION_FILE,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    SAFE_NAME,
    SIGNATURE,
    Full,
    check_signature_file,
    full_of,
    read_manifest,
    refuse_lean,
    write_manifest,
)
from recpress_edge.artifacts.model_file import check_model_file
from recpress_edge.artifacts.selftest import SELFTEST_FILE, SelfTest, read_selftest
from recpress_edge.artifacts.titles import TITLES_FILE, read_titles
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import sha256_file
from recpress_edge.core.registry import named

if TYPE_CHECKING:
    from recpress_edge.artifacts.evaluation import Evaluation

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

MAX_FILE_BYTES: Final = 4 * 2**30
_EVALUATION: Final = "recpress_edge.artifacts.evaluation"


def __getattr__(name: str) -> Any:
    """``Evaluation``, imported when it is asked for: it needs numpy, which a device may not have."""
    if name != "Evaluation":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return named(f"{_EVALUATION}:{name}")


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
        return read_ids(self.folder / USERS_FILE, self.contract.n_users)

    def item_ids(self) -> list[str]:
        return read_ids(self.folder / ITEMS_FILE, self.contract.n_items)

    def popular(self) -> tuple[int, ...] | None:
        """Items by train interactions, most first, without retired ones; None where none travel along."""
        if POPULAR_FILE not in self.files:
            return None
        gone = set(self.contract.retired)
        found = read_popular(self.folder / POPULAR_FILE, self.contract.n_items)
        return tuple(item for item in found if item not in gone)

    def titles(self) -> list[str] | None:
        """The title of each item, empty where it has none; None where no titles travel along."""
        return read_titles(self.folder, self.contract.n_items) if TITLES_FILE in self.files else None

    def item_features(self) -> dict[str, list[str]]:
        """Columns of the items that are shown with answers, by name (I,); none where none travel along."""
        return read_item_features(self.folder, self.contract.n_items) if FEATURES_FILE in self.files else {}

    @property
    def full(self) -> Full | None:
        """What it was stripped from; None of a full bundle."""
        return full_of(self.provenance)

    def shown_bytes(self) -> dict[str, int]:
        """Of the files for people who read its answers, by name."""
        names = (TITLES_FILE, FEATURES_FILE)
        return {name: int(self.files[name]["bytes"]) for name in names if name in self.files}

    def selftest(self) -> SelfTest:
        """The self-test, with every index checked against the contract."""
        return read_selftest(self.folder, self.contract)

    def rows(self) -> "Evaluation":
        """The evaluation users; ArtifactError where none travel along."""
        rows = self.evaluation()
        if rows is None:
            refuse_lean(self.folder, self.provenance, "it carries no evaluation rows")
            raise ArtifactError(
                f"{self.folder} carries no evaluation rows. Export it again with --with-evaluation.",
                fault="missing",
            )
        return rows

    def evaluation(self) -> "Evaluation | None":
        """The evaluation users, with shapes and indices checked before use; None where none travel along."""
        if EVALUATION_FILE not in self.files:
            return None
        found: Evaluation = named(f"{_EVALUATION}:read_evaluation")(self.folder, self.contract)
        return found


def open_bundle(folder: Path, *, digests: bool = True, trust: Trust = ANYBODY) -> Bundle:
    """Read and verify a bundle; without ``digests`` the files are not read through.

    ``trust``: whose bundles are taken. Any doubt is an
    :class:`~recpress_edge.core.errors.ArtifactError` that says what and where.
    """
    manifest = read_manifest(folder, trust=trust)
    contract = read_contract(folder / MANIFEST, manifest["contract"])
    needed = (contract.model_file, USERS_FILE, ITEMS_FILE, SELFTEST_FILE)
    verify_files(folder, manifest["files"], needed, digests=digests)
    check_model_file(folder / contract.model_file, contract.format)
    return Bundle(
        folder,
        manifest["name"],
        contract,
        manifest["provenance"],
        manifest["quality"],
        manifest["files"],
        manifest["digest"],
    )


def verify_files(folder: Path, files: Mapping[str, Any], needed: Sequence[str], *, digests: bool) -> None:
    """That all listed files are as listed, the ``needed`` ones among them, and that nothing else is there."""
    for name in needed:
        if name not in files:
            raise ArtifactError(f"{folder / MANIFEST} lists no {name!r}", fault="field")
    for name, facts in files.items():
        if not SAFE_NAME.fullmatch(name):
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
    _check_listed(folder, files)


def _check_listed(folder: Path, files: Mapping[str, Any]) -> None:
    """What has no digest could be changed, and a model could read it: it does not belong there."""
    for path in folder.iterdir():
        if path.name == SIGNATURE:
            check_signature_file(path)
        elif path.name != MANIFEST and path.name not in files:
            raise ArtifactError(
                f"{path} is not listed in {MANIFEST}: a bundle holds nothing else. Move it away.",
                fault="path",
            )

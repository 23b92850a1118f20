"""A draft becomes a bundle at its target only when it opens and answers its own self-test."""

import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.bundle import MANIFEST, Bundle, open_bundle
from recpress_edge.artifacts.quantize import ErrorStats
from recpress_edge.core.errors import ArtifactError, ConfigError, GateError, RecPressError, StorageError
from recpress_edge.core.files import check_ours, new_directory, storage_errors
from recpress_edge.device.runtime import open_runtime
from recpress_edge.device.verify import check_answers
from recpress_export.compare import Parity

REJECTED: Final = ".rejected"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote."""

    bundle: Bundle
    parity: Parity
    fp32_bytes: int
    """Size of the fp32 file of the same student and profile."""
    errors: ErrorStats | None
    """Quantisation error of the tables; None for float recipes."""
    unchanged: bool = False
    """An identical bundle was at the target already and was left alone."""


def check_target(target: Path, name: str, dataset: str, *, force: bool) -> None:
    """Before any work: can the target be written, and is nothing else there?

    A bundle of the same student, seed, recipe and data may be there: it will be compared, not overwritten.
    """
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)).rmdir()
    check_ours(target, MANIFEST)
    if target.exists() and not force:
        try:
            there = open_bundle(target)
            same = there.name == name and there.provenance["dataset"]["name"] == dataset
        except (RecPressError, KeyError, TypeError):
            same = False
        if not same:
            raise ConfigError(
                f"{target} exists and is not {name} of data set {dataset}. "
                "Choose another --out, or add --force to replace it."
            )


class _UnchangedError(Exception):
    """Raised to stop when an identical bundle already exists."""


def publish(fill: Callable[[Path], Exported], target: Path, *, force: bool) -> Exported:
    """``fill`` a draft, open it again, run its self-test, and only then let it appear at ``target``."""
    check_ours(target, MANIFEST)
    unchanged = False
    with contextlib.suppress(_UnchangedError), new_directory(target, force=True) as draft:
        try:
            made = fill(draft)
        except GateError as error:
            raise GateError(f"{error} {_keep_rejected(draft, target)}") from None
        reopened = open_bundle(draft)
        check_answers(
            open_runtime(reopened.model_path, reopened.contract), reopened.selftest(), reopened.contract
        )
        if target.exists() and not force:
            unchanged = _same_bundle(target, made.bundle.digest)
            if not unchanged:
                raise ConfigError(
                    f"{target} exists and differs from what would be written (model, data, versions or "
                    "command changed). Choose another --out, or add --force to replace it."
                )
            raise _UnchangedError
    return dataclasses.replace(made, bundle=open_bundle(target), unchanged=unchanged)


def _same_bundle(target: Path, digest: str) -> bool:
    try:
        return open_bundle(target).digest == digest
    except ArtifactError:
        return False


def _keep_rejected(draft: Path, target: Path) -> str:
    rejected = target.parent / REJECTED / target.name
    try:
        with new_directory(rejected, force=True) as folder, storage_errors(rejected):
            shutil.copytree(draft, folder, dirs_exist_ok=True)
    except StorageError as error:
        return f"Nothing was written to {target}; the draft could not be kept either: {error}"
    return f"Nothing was written to {target}; the draft is in {rejected} for inspection."

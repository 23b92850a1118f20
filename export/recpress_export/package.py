"""A student and its data to a published bundle: written, run, compared and self-tested before it appears."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from recpress_edge.artifacts.bundle import MANIFEST, Bundle, open_bundle
from recpress_edge.artifacts.quantize import ErrorStats
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.errors import ArtifactError, ConfigError, GateError, RecPressError, StorageError
from recpress_edge.core.files import check_ours, new_directory, storage_errors
from recpress_edge.device.runtime import open_runtime
from recpress_edge.device.verify import check_answers
from recpress_export.closing import Made
from recpress_export.parity import Gate, Parity, Update, silent
from recpress_export.student import Source
from recpress_export.subjects.all_users import fill_all_users

REJECTED: Final = ".rejected"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote."""

    bundle: Bundle
    parity: Parity
    fp32_bytes: int
    """Size of the fp32 file of the same student."""
    errors: ErrorStats | None
    """Quantisation error of the tables; None for fp32."""
    unchanged: bool
    """The very same bundle was there already and was left alone."""


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
    """Ends the making of a bundle that is there already, so that its folder is left alone."""


class Fill(Protocol):
    """Fills a draft with a bundle's files; GateError when its gate is not met and not overruled."""

    def __call__(
        self, draft: Path, source: Source, recipe: Recipe, gate: Gate, update: Update, *, force: bool
    ) -> Made: ...


def export_bundle(
    source: Source,
    recipe: Recipe,
    target: Path,
    *,
    gate: Gate,
    force: bool = False,
    update: Update = silent,
    fill: Fill | None = None,
) -> Exported:
    """Write, check and publish a bundle; of all users, or what a profile's ``fill`` makes.

    GateError: parity is below the gate and ``force`` is off, or the file is not exact where its recipe
    is; nothing is written at ``target``, the draft is kept in ``.rejected`` beside it. ConfigError:
    something else is at ``target`` and ``force`` is off. A bundle below the gate that ``force``
    published says so in its manifest and on its card.
    """
    make = fill or fill_all_users
    return publish(lambda draft: make(draft, source, recipe, gate, update, force=force), target, force=force)


def publish(make: Callable[[Path], Made], target: Path, *, force: bool) -> Exported:
    """``make`` a draft, open it again, run its self-test, and only then let it appear at ``target``."""
    check_ours(target, MANIFEST)
    unchanged = False
    with contextlib.suppress(_UnchangedError), new_directory(target, force=True) as draft:
        try:
            made = make(draft)
        except GateError as error:
            raise GateError(f"{error} {_keep_rejected(draft, target)}") from None
        reopened = open_bundle(draft)
        check_answers(
            open_runtime(reopened.model_path, reopened.contract), reopened.selftest(), reopened.contract
        )
        if target.exists() and not force:
            unchanged = _same_bundle(target, made.digest)
            if not unchanged:
                raise ConfigError(
                    f"{target} exists and differs from what would be written (model, data, versions or "
                    "command changed). Choose another --out, or add --force to replace it."
                )
            raise _UnchangedError
    return Exported(open_bundle(target), made.parity, made.fp32_bytes, made.errors, unchanged)


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

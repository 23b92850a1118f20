"""A trained model with the ids and rows of its data, and what a bundle says about where it comes from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from recpress_edge import __version__
from recpress_edge.artifacts.bundle import BUNDLE_SCHEMA, TIE_RULE, Evaluation
from recpress_edge.artifacts.formats import DEFAULT, FORMATS
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.errors import ArtifactError, DataError
from recpress_export.networks.student import NetworkModel
from recpress_export.options import NO_OPTIONS, FileOptions

Model = TypeVar("Model", bound=Student | NetworkModel, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudentData(Generic[Model]):
    """A trained model and the data that it belongs to."""

    model: Model
    user_ids: Sequence[str]
    item_ids: Sequence[str]
    valid: Evaluation
    test: Evaluation
    licence: str
    """Terms of the data in one line."""
    definition: Mapping[str, str]
    """What is masked and divided by what, for ``valid`` and ``test``."""
    teacher_bytes: int | None
    """Size of the teacher's tables, if there is one."""
    item_counts: NDArray[np.int64]
    """(I,) train interactions of each item."""
    cutoff: int
    """The K that judges models of this data."""
    command: str
    """The command that makes this bundle again."""
    ships_rows: bool = True
    """Whether the test users' rows travel in the bundle, so that a device can measure its quality."""
    file_format: str = DEFAULT
    core: str = ""
    """The core of device/cores.py that integer files are arranged for; empty for the usual file."""
    titles: Sequence[str] | None = None
    """A title of each item, which then travel in the bundle."""
    item_features: Mapping[str, Sequence[str]] | None = None
    """Texts of each item by column, which then travel likewise."""
    options: FileOptions = NO_OPTIONS
    """What is asked of the format beside tables."""

    def __post_init__(self) -> None:
        """ArtifactError where the model is of another data set; one without users fits any users."""
        if self.titles is not None and len(self.titles) != len(self.item_ids):
            raise DataError(f"{len(self.titles)} titles for {len(self.item_ids)} items. Give each item one.")
        for kind, names, count in (
            ("user", self.user_ids, self.model.n_users or len(self.user_ids)),
            ("item", self.item_ids, self.model.n_items),
        ):
            if len(names) != count:
                raise ArtifactError(
                    f"the student has {count} {kind}s, the data set {len(names)}: they do not belong "
                    "together. Train the student on this data set."
                )


def bundle_stem(student: str, seed: int) -> str:
    """``htd_dim10``; with a seed other than 0, ``htd_dim10-s1``."""
    return f"{student}-s{seed}" if seed else student


def bundle_name(
    student: str, seed: int, recipe: Recipe, file_format: str = DEFAULT, core: str | None = None
) -> str:
    """``htd_dim10-int8``, ``htd_dim10-int8-tflite``, ``htd_dim10-s1-int8``, ``htd_dim10-int8-armv8.0``."""
    name = f"{bundle_stem(student, seed)}-{recipe.short}{FORMATS[file_format].suffix}"
    return f"{name}-{core}" if core else name


def provenance_of(data: StudentData[Any]) -> dict[str, Any]:
    """Who made this from what; nothing in it depends on when or where."""
    facts, begun = data.model.facts, data.model.facts.get("from")
    return {
        "created_by": f"recpress-edge {__version__}",
        "command": data.command,
        "student": data.model.name,
        "method": facts.get("method"),
        "dim": data.model.dim,
        "seed": data.model.seed,
        **({"core": data.core} if data.core else {}),
        "teacher": facts.get("teacher"),
        **({"from": {key: begun[key] for key in ("name", "seed", "sha256")}} if begun else {}),
        "dataset": {
            **{key: facts["dataset"].get(key) for key in ("name", "digest", "protocol")},
            **({"ties": facts["dataset"]["ties"]} if facts["dataset"].get("ties") else {}),
            "licence": data.licence,
        },
        "model_sha256": data.model.sha256,
        **({"options": data.options.facts} if data.options.given else {}),
        "versions": versions_of(FORMATS[data.file_format].made_by),
    }


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Package -> the version that is installed."""
    return {package: _version(package) for package in packages}


@cache
def _version(package: str) -> str:
    """Read once a process: every look parses the package's whole description."""
    return version(package)


def model_metadata(provenance: Mapping[str, Any], recipe: str) -> dict[str, str]:
    """What the model file says about itself when it is found without its bundle."""
    return {
        "recpress.schema": BUNDLE_SCHEMA,
        "recpress.created_by": provenance["created_by"],
        "recpress.student": provenance["student"],
        "recpress.seed": str(provenance["seed"]),
        "recpress.model_sha256": provenance["model_sha256"],
        "recpress.dataset": str(provenance["dataset"]["name"]),
        "recpress.dataset_sha256": str(provenance["dataset"]["digest"]),
        "recpress.split": str(provenance["dataset"]["protocol"]),
        "recpress.recipe": recipe,
        "recpress.tie_rule": TIE_RULE,
    }


def model_stages(data: StudentData[Any]) -> list[dict[str, Any]]:
    """Of the quality chain: the teacher, where there is one, and the student."""
    facts = data.model.facts
    teacher = facts.get("teacher")
    # Those of the users whom files are asked about, where these are not all.
    metrics = "metrics_compared" if "metrics_compared" in facts else "metrics"
    before = [stage("teacher", teacher["name"], data.teacher_bytes, teacher.get(metrics))] if teacher else []
    return [*before, stage("student", data.model.name, data.model.table_bytes, facts.get(metrics))]


def stage(kind: str, name: str, n_bytes: int | None, metrics: Mapping[str, Any] | None) -> dict[str, Any]:
    """One row of the quality chain, with what is known of it."""
    known = metrics or {}
    return {
        "stage": kind,
        "name": name,
        "bytes": n_bytes,
        "valid": known.get("valid"),
        "test": known.get("test"),
    }

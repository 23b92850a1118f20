"""What an export starts from, and what a bundle says about it: provenance and the chain of metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recpress_edge import __version__
from recpress_edge.artifacts.bundle import BUNDLE_SCHEMA, TIE_RULE, Evaluation
from recpress_edge.artifacts.formats import DEFAULT, FORMATS
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.recipes import RECIPES, Recipe
from recpress_edge.core.errors import ArtifactError
from recpress_export.networks.student import NetworkStudent
from recpress_export.parity import Parity, Yardstick


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Source:
    """What an export starts from, besides the student."""

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
    """What its model is written as."""

    def measured_by(self, seed: int) -> Yardstick:
        """By what files of this data are compared."""
        return Yardstick(users=self.valid, item_counts=self.item_counts, cutoff=self.cutoff, seed=seed)

    def check_ids(self, student: Student | NetworkStudent) -> None:
        """ArtifactError where the student is of another data set; one without users fits any users."""
        for kind, ids, count in (
            ("user", self.user_ids, student.n_users or len(self.user_ids)),
            ("item", self.item_ids, student.n_items),
        ):
            if len(ids) != count:
                raise ArtifactError(
                    f"the student has {count} {kind}s, the data set {len(ids)}: they do not belong together. "
                    "Train the student on this data set."
                )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source(_Source):
    """What the export of a student that is two tables starts from."""

    student: Student

    def __post_init__(self) -> None:
        self.check_ids(self.student)

    @property
    def yardstick(self) -> Yardstick:
        return self.measured_by(self.student.seed)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkSource(_Source):
    """What the export of a student that is a network starts from."""

    student: NetworkStudent

    def __post_init__(self) -> None:
        self.check_ids(self.student)

    @property
    def yardstick(self) -> Yardstick:
        return self.measured_by(self.student.seed)


def bundle_stem(student: str, seed: int) -> str:
    """``htd_dim10``; with a seed other than 0, ``htd_dim10-s1``."""
    return f"{student}-s{seed}" if seed else student


def bundle_name(student: str, seed: int, recipe: Recipe, file_format: str = DEFAULT) -> str:
    """``htd_dim10-int8``, ``htd_dim10-int8-tflite``, ``htd_dim10-s1-int8``."""
    return f"{bundle_stem(student, seed)}-{recipe.short}{FORMATS[file_format].suffix}"


def provenance_of(source: Source | NetworkSource) -> dict[str, Any]:
    """Who made this from what; nothing in it depends on when or where."""
    facts = source.student.facts
    return {
        "created_by": f"recpress-edge {__version__}",
        "command": source.command,
        "student": source.student.name,
        "method": facts.get("method"),
        "dim": source.student.dim,
        "seed": source.student.seed,
        "teacher": facts.get("teacher"),
        "dataset": {
            **{key: facts["dataset"].get(key) for key in ("name", "digest", "protocol")},
            **({"ties": facts["dataset"]["ties"]} if facts["dataset"].get("ties") else {}),
            "licence": source.licence,
        },
        "model_sha256": source.student.sha256,
        "versions": {package: version(package) for package in FORMATS[source.file_format].made_by},
    }


def model_metadata(provenance: Mapping[str, Any], recipe: Recipe) -> dict[str, str]:
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
        "recpress.recipe": recipe.name,
        "recpress.tie_rule": TIE_RULE,
    }


def quality_chain(
    source: Source | NetworkSource, recipe: Recipe, file_bytes: int, fp32_bytes: int, parity: Parity
) -> list[dict[str, Any]]:
    """Teacher -> student -> fp32 -> this recipe, with what is known of each."""
    facts, chain = source.student.facts, []
    teacher = facts.get("teacher")
    if teacher:
        chain.append(_stage("teacher", teacher["name"], source.teacher_bytes, teacher.get("metrics") or {}))
    chain.append(
        _stage("student", source.student.name, source.student.table_bytes, facts.get("metrics") or {})
    )
    student = source.student
    plain, name = (
        bundle_name(student.name, student.seed, one, source.file_format) for one in (RECIPES["fp32"], recipe)
    )
    own = recipe.name == "fp32"
    measured = parity.metrics_after if own else parity.metrics_before
    chain.append(_stage("fp32", plain, fp32_bytes, {"valid": measured}))
    if not own:
        chain.append(_stage(recipe.name, name, file_bytes, {"valid": parity.metrics_after}))
    return chain


def _stage(stage: str, name: str, file_bytes: int | None, metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "stage": stage,
        "name": name,
        "bytes": file_bytes,
        "valid": metrics.get("valid"),
        "test": metrics.get("test"),
    }

"""A click model on its way to a bundle: what it is made from, and its file by a recipe and format."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recpress_edge import __version__
from recpress_edge.artifacts.clicks.contract import ClickContract
from recpress_edge.artifacts.clicks.evaluation import EvaluationRows
from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.folded import ITEM, fold, tensors_of
from recpress_edge.artifacts.clicks.weights import ClickWeights
from recpress_edge.artifacts.formats import DEFAULT, FORMATS
from recpress_edge.artifacts.manifest import CLICK_SCHEMA
from recpress_edge.core.arrays import I32, U8
from recpress_edge.core.registry import named
from recpress_export.student import bundle_stem, versions_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClickSource:
    """What a click bundle is made from."""

    weights: ClickWeights
    catalogue: I32
    """Every item's rows of its fields' tables (I, W_T)."""
    item_ids: tuple[str, ...]
    users: I32
    """Of the validation rows (n,), like those that follow."""
    items: I32
    labels: U8
    rows: I32
    """(n, W)"""
    asked: I32
    """Columns of user and context alone (n, W_C)."""
    facts: Mapping[str, Any]
    """The model's record."""
    licence: str | None
    command: str
    """What makes its bundles, without the flags of recipe and format."""
    test: EvaluationRows | None = None
    """Rows that travel along, for a device to judge the file by."""

    @property
    def name(self) -> str:
        """The model's, with a seed that is not 0."""
        return bundle_stem(str(self.facts["name"]), int(self.facts["seed"]))


def of_requests(fields: tuple[FeatureField, ...], rows: I32) -> I32:
    """The columns of user and context of rows (n, W)."""
    kept = np.repeat([field.side != ITEM for field in fields], [field.width for field in fields])
    return np.ascontiguousarray(rows[:, kept])


@dataclass(frozen=True, slots=True, eq=False)
class DraftModel:
    """A model as a file of a recipe and format, which is not written yet."""

    contract: ClickContract
    """Without its tolerance."""
    tensors: Mapping[str, NDArray[Any]]
    provenance: Mapping[str, Any]

    @property
    def least_bytes(self) -> int:
        """What its tables alone take."""
        return sum(table.nbytes for table in self.tensors.values())

    def to_bytes(self) -> bytes:
        """The file."""
        metadata = _metadata(self.provenance, self.contract)
        data: bytes = named(FORMATS[self.contract.format].click_writer)(self.contract, self.tensors, metadata)
        return data


def draft_model(source: ClickSource, recipe: str, file_format: str = DEFAULT) -> DraftModel:
    """Fold a model and store it by a recipe, in memory."""
    model = fold(source.weights, source.catalogue)
    fields = model.request.fields
    contract = ClickContract(
        recipe=recipe,
        n_items=len(source.item_ids),
        dim=source.weights.dim,
        pairs=source.weights.pairs,
        fields=fields,
        folded=tuple(field.name for field in source.weights.fields if field not in fields),
        score_tolerance=0.0,
        format=file_format,
    )
    return DraftModel(contract, tensors_of(model, recipe), _provenance(source, recipe, file_format))


def bundle_name(source: ClickSource, recipe: str, file_format: str) -> str:
    """Of a bundle and of its folder."""
    return f"{source.name}-{recipe}{FORMATS[file_format].suffix}"


def _provenance(source: ClickSource, recipe: str, file_format: str) -> dict[str, Any]:
    """Who made this from what; nothing in it depends on when or where."""
    facts = source.facts
    teacher = facts.get("teacher")
    as_format = [] if file_format == DEFAULT else ["--format", file_format]
    return {
        "created_by": f"recpress-edge {__version__}",
        "command": " ".join([source.command, "--recipe", recipe, *as_format]),
        "student": facts["name"],
        "method": facts["method"],
        "dim": facts["dim"],
        "seed": facts["seed"],
        "teacher": {key: teacher[key] for key in ("name", "sha256")} if teacher else None,
        "dataset": {
            **{key: facts["dataset"].get(key) for key in ("name", "digest", "protocol", "labels_digest")},
            "licence": source.licence,
        },
        "model_sha256": facts["sha256"],
        "versions": versions_of(FORMATS[file_format].made_by),
    }


def _metadata(provenance: Mapping[str, Any], contract: ClickContract) -> dict[str, str]:
    """What the model file says about itself when it is found without its bundle."""
    return {
        "recpress.schema": CLICK_SCHEMA,
        "recpress.created_by": provenance["created_by"],
        "recpress.student": provenance["student"],
        "recpress.model_sha256": provenance["model_sha256"],
        "recpress.recipe": contract.recipe,
        "recpress.fields": ",".join(field.name for field in contract.fields),
    }

"""Click models as they are stored, one or several as one: written as arrays, and read to score again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.reading import read_fields
from recpress_edge.artifacts.model_folder import FIELD_PREFIX, NETWORK_PREFIX, network_parameters, read_model
from recpress_edge.core.arrays import F32
from recpress_edge.data.features.fit import encode_rows
from recpress_edge.data.interactions import Dataset
from recpress_edge.models.clicks.scorer import ClickScorer, scorer_of
from recpress_edge.training.store import TrainedModel

ENSEMBLE_KIND: Final = "click ensemble"
"""Architecture of several: ``members`` has theirs, and names of arrays begin with a member's place."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class StoredClicks:
    """A stored click model, or each of several that are stored as one."""

    scorers: tuple[ClickScorer, ...]

    def logits(self, data: Dataset, part: str) -> F32:
        """Logits (K, n) of each for the rows of a part."""
        return np.stack([one.logits(encode_rows(one.layout.fields, data, part)) for one in self.scorers])

    def hidden(self, data: Dataset, part: str) -> F32:
        """Their last hidden layers side by side (n, H) for the rows of a part."""
        return np.hstack([one.hidden(encode_rows(one.layout.fields, data, part)) for one in self.scorers])

    @property
    def hidden_width(self) -> int:
        """H"""
        return sum(one.network.shape.layers[-1] for one in self.scorers)


def click_arrays(parameters: Arrays, fields: Sequence[FeatureField]) -> dict[str, NDArray[Any]]:
    """Parameters by name, and the vocabulary of each field that has one."""
    named = {f"{NETWORK_PREFIX}{name}": array for name, array in parameters.items()}
    return named | {
        f"{FIELD_PREFIX}{field.name}": vocabulary_bytes(field) for field in fields if field.values
    }


def vocabulary_bytes(field: FeatureField) -> NDArray[Any]:
    """A field's values as UTF-8, one a line: uint8."""
    return np.frombuffer("".join(f"{value}\n" for value in field.values).encode(), np.uint8)


def fused(models: Sequence[TrainedModel]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Architecture and arrays of several click models as one."""
    architectures, arrays = [], {}
    for place, model in enumerate(models):
        facts, own = read_model(model.folder)
        architectures.append(facts["architecture"])
        for name, array in own.items():
            kind, _, rest = name.partition("/")
            arrays[f"{kind}/{place}/{rest}"] = array
    return {"kind": ENSEMBLE_KIND, "members": architectures}, arrays


def stored_clicks(model: TrainedModel) -> StoredClicks:
    """What a model's folder holds, ready to score; what does not fit together is an ArtifactError."""
    facts, arrays = read_model(model.folder)
    architecture = facts["architecture"]
    if architecture["kind"] != ENSEMBLE_KIND:
        return StoredClicks((_scorer(architecture, arrays, ""),))
    members = enumerate(architecture["members"])
    return StoredClicks(tuple(_scorer(member, arrays, f"{place}/") for place, member in members))


def _scorer(architecture: dict[str, Any], arrays: Arrays, prefix: str) -> ClickScorer:
    """One of the scorers of a folder, whose names begin with ``prefix`` after their kind."""
    fields = read_fields(architecture, arrays, prefix)
    parameters = {
        name.removeprefix(prefix): array
        for name, array in network_parameters(arrays).items()
        if name.startswith(prefix)
    }
    return scorer_of(architecture, fields, parameters)

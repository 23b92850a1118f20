"""What the model file of a click bundle takes, returns and promises, as bundle.json states it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.clicks.fields import FIRST, FeatureField, read_field
from recpress_edge.artifacts.contract import MAX_ENTITIES, TIE_RULE
from recpress_edge.artifacts.formats import DEFAULT, FORMATS, model_file
from recpress_edge.artifacts.ids import encode_lines, read_lines
from recpress_edge.core.errors import ArtifactError

CLICKS: Final = "clicks"
"""Profile of a bundle that ranks candidates for a row of features."""
MAX_WIDTH: Final = 4096
"""Columns of a request's row at most."""
MAX_WHOLE: Final = 2**53
"""Of the range of a field of integers: values are compared as doubles."""
ROWS_INPUT: Final = "rows"
"""int64 (W,): rows of the fields' tables in the order of ``features``, as FeatureField.rows_of gives them."""
CANDIDATES_INPUT: Final = "candidates"
"""int64 (n,): item indices to choose from, ascending and distinct, n >= 1."""
K_INPUT: Final = "k"
"""int64 (1,): 1 <= k <= n."""
ITEMS_OUTPUT: Final = "items"
"""int64 (k,): the best candidates, best first."""
SCORES_OUTPUT: Final = "scores"
"""float32 (k,): their logits; the chance of a click is 1 / (1 + e^-logit)."""
FORMAT_RECIPES: Final[Mapping[str, tuple[str, ...]]] = {
    name: row.click_recipes for name, row in FORMATS.items() if row.click_recipes
}
"""The formats of click bundles, and what each stores."""
_NAMES: Final = {
    "profile": CLICKS,
    "rows_input": ROWS_INPUT,
    "candidates_input": CANDIDATES_INPUT,
    "k_input": K_INPUT,
    "items_output": ITEMS_OUTPUT,
    "scores_output": SCORES_OUTPUT,
    "tie_rule": TIE_RULE,
}
"""What every contract of this version says."""
ReadField = Callable[[dict[str, Any], list[str]], FeatureField]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClickContract:
    """What a click bundle answers from."""

    recipe: str
    """One of RECIPES."""
    n_items: int
    dim: int
    """Of the embeddings; 0 for none."""
    pairs: bool
    """Whether products of embeddings are part of the logit."""
    fields: tuple[FeatureField, ...]
    """Of user and context, in the order of the columns of ``rows``."""
    folded: tuple[str, ...]
    """Names of the items' fields, which no request states."""
    score_tolerance: float
    """Largest allowed difference from the self-test's logits."""
    format: str = DEFAULT
    """One of FORMAT_RECIPES."""

    @property
    def model_file(self) -> str:
        """Its name inside the bundle."""
        return model_file(self.format)

    @property
    def width(self) -> int:
        """W, the columns of ``rows``."""
        return sum(field.width for field in self.fields)


def vocabulary_file(place: int) -> str:
    """Of the field at a place: its values, one a line."""
    return f"field-{place}.txt"


def click_contract_facts(contract: ClickContract) -> dict[str, Any]:
    """As plain JSON; vocabularies are files of their own."""
    features = [
        {**field.entry(), **({"vocabulary": vocabulary_file(place)} if field.values else {})}
        for place, field in enumerate(contract.fields)
    ]
    return {
        **_NAMES,
        "format": contract.format,
        "model_file": contract.model_file,
        "recipe": contract.recipe,
        "n_items": contract.n_items,
        "dim": contract.dim,
        "pairs": contract.pairs,
        "exact": False,
        "score_tolerance": contract.score_tolerance,
        "features": features,
        "folded": list(contract.folded),
    }


def vocabularies(contract: ClickContract) -> dict[str, bytes]:
    """The files of the fields' values, by name."""
    return {
        vocabulary_file(place): encode_lines(field.values)
        for place, field in enumerate(contract.fields)
        if field.values
    }


def read_click_contract(where: Path, values: Mapping[str, Any]) -> ClickContract:
    """The contract of a manifest ``where``, with the vocabularies beside it; else an ArtifactError."""
    form = values.get("format")
    if type(form) is not str or form not in FORMAT_RECIPES:
        raise _unsupported(where, "format", form, " or ".join(FORMAT_RECIPES))
    for name, wanted in (_NAMES | {"model_file": model_file(form)}).items():
        if values.get(name) != wanted:
            raise _unsupported(where, name, values.get(name), wanted)
    fits = {
        "recipe": values.get("recipe") in FORMAT_RECIPES[form],
        "n_items": _whole(values.get("n_items"), 1),
        "dim": _whole(values.get("dim"), 0),
        "pairs": isinstance(values.get("pairs"), bool),
        "features": isinstance(values.get("features"), list) and values["features"],
        "folded": isinstance(values.get("folded"), list) and all(type(n) is str for n in values["folded"]),
        "score_tolerance": _tolerance(values.get("score_tolerance")),
    }
    for name, fine in fits.items():
        if not fine:
            raise ArtifactError(f"{where}: contract field {name!r} is {values.get(name)!r}", fault="field")
    fields = tuple(read_feature(where, place, entry) for place, entry in enumerate(values["features"]))
    if sum(field.width for field in fields) > MAX_WIDTH:
        raise ArtifactError(f"{where}: rows of more than {MAX_WIDTH:,} columns", fault="range")
    names = [field.name for field in fields] + values["folded"]
    if len(set(names)) < len(names) or any(field.side == "item" for field in fields):
        raise ArtifactError(f"{where}: features of one name, or of items: {names}", fault="field")
    return ClickContract(
        **{name: values[name] for name in ("recipe", "n_items", "dim", "pairs", "score_tolerance", "format")},
        fields=fields,
        folded=tuple(values["folded"]),
    )


def _unsupported(where: Path, name: str, found: Any, known: str) -> ArtifactError:
    return ArtifactError(
        f"{where}: contract field {name!r} is {found!r}; this version knows {known!r}. "
        "Install the recpress-edge that wrote it.",
        fault="unsupported",
    )


def read_feature(where: Path, place: int, entry: Any, read: ReadField = read_field) -> FeatureField:
    """The feature at a place of a contract, with its vocabulary beside the manifest ``where``; else an
    ArtifactError. ``read``: what makes the field of an entry and its values.
    """
    if not isinstance(entry, dict) or entry.get("vocabulary") not in (None, vocabulary_file(place)):
        raise ArtifactError(f"{where}: feature {place} is {entry!r}", fault="field")
    values: list[str] = []
    if "vocabulary" in entry:
        if not _whole(entry.get("size"), FIRST + 1):
            raise ArtifactError(f"{where}: feature {place} is {entry!r}", fault="field")
        values = read_lines(where.parent / vocabulary_file(place), entry["size"] - FIRST, "values")
    if len(set(values)) < len(values):
        raise ArtifactError(f"{where}: feature {place} has one value twice", fault="content")
    field = read(entry, values)
    numbers = (field.least, field.most, field.capacity, field.buckets, field.seed)
    if any(type(number) is not int for number in numbers) or not all(map(_edge, field.edges)):
        raise ArtifactError(f"{where}: feature {place} is {entry!r}", fault="field")
    whole = max(abs(field.least), abs(field.most)) <= MAX_WHOLE and 0 <= field.seed < 2**32
    if not whole or field.size > MAX_ENTITIES:
        raise ArtifactError(f"{where}: feature {place} is out of range: {entry!r}", fault="range")
    return field


def _edge(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _whole(value: Any, least: int) -> bool:
    return type(value) is int and least <= value <= MAX_ENTITIES


def _tolerance(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0

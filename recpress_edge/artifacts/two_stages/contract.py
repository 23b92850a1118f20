"""What the model file of a two-stage bundle takes, returns and promises, as bundle.json states it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.clicks.contract import MAX_WIDTH, read_feature, vocabulary_file
from recpress_edge.artifacts.clicks.fields import FIRST, FeatureField
from recpress_edge.artifacts.contract import ALL_USERS, HISTORY, Contract, contract_facts, read_contract
from recpress_edge.artifacts.formats import FORMATS, model_file
from recpress_edge.artifacts.ids import encode_lines
from recpress_edge.artifacts.two_stages.fields import HeldField, field_entry, place_of, read_list_field
from recpress_edge.core.errors import ArtifactError

TWO_STAGES: Final = "two-stages"
"""Profile of a bundle that finds candidates for a user, then ranks them again."""
ROWS_INPUT: Final = "rows"
"""int64 (W,): rows of the fields' tables that the request states, in the order of ``features``."""
RETRIEVE_INPUT: Final = "retrieve"
"""int64 (1,): how many items the first stage finds: ``candidates``, or all that are left."""
K_INPUT: Final = "k"
"""int64 (1,): 1 <= k <= retrieve."""
ITEMS_OUTPUT: Final = "items"
"""int64 (k,): the best candidates, best first."""
SCORES_OUTPUT: Final = "scores"
"""float32 (k,): what the second stage ranks by."""
FIRST_ITEMS: Final = "first_items"
"""int64 (retrieve,): what the first stage found, best first."""
FIRST_SCORES: Final = "first_scores"
"""float32 (retrieve,): its scores."""
TIE_RULE: Final = "as the first stage has them"
RECIPE: Final = "int8"
FIRST_RECIPE: Final = "int8-dim"
_NAMES: Final = {
    "profile": TWO_STAGES,
    "recipe": RECIPE,
    "exact": True,
    "rows_input": ROWS_INPUT,
    "retrieve_input": RETRIEVE_INPUT,
    "k_input": K_INPUT,
    "items_output": ITEMS_OUTPUT,
    "scores_output": SCORES_OUTPUT,
    "tie_rule": TIE_RULE,
}
"""What every contract of this version says."""
STAGE_FORMATS: Final = tuple(row.name for row in FORMATS.values() if row.stages_writer)
"""In which two stages are one file."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoStageContract:
    """What a two-stage bundle answers from."""

    first: Contract
    """Of the first stage, which is the same file up to ``first_items``: ids, users, and what is seen."""
    candidates: int
    """Items that the first stage finds, where so many are left."""
    of_users: tuple[FeatureField, ...]
    """Fields whose values the file holds for each user."""
    fields: tuple[FeatureField, ...]
    """Fields that a request states, in the order of the columns of ``rows``; last items at the end."""
    folded: tuple[str, ...]
    """Names of the items' fields, which are one row an item."""

    @property
    def format(self) -> str:
        """Of the model file; in a tflite file whole numbers in and out are int32."""
        return self.first.format

    @property
    def model_file(self) -> str:
        """Its name in the bundle."""
        return self.first.model_file

    @property
    def recipe(self) -> str:
        return RECIPE

    @property
    def profile(self) -> str:
        return TWO_STAGES

    @property
    def exact(self) -> bool:
        """Every runtime returns the same ids and scores."""
        return True

    @property
    def dim(self) -> int:
        """Of the first stage's tables."""
        return self.first.dim

    @property
    def n_items(self) -> int:
        return self.first.n_items

    @property
    def n_users(self) -> int:
        """0 where the first stage reads a history: such a bundle knows nobody."""
        return self.first.n_users

    @property
    def stated(self) -> tuple[FeatureField, ...]:
        """Fields whose values a request names; the others come from its seen items."""
        return tuple(field for field in self.fields if not place_of(field))

    @property
    def width(self) -> int:
        """W, the columns of ``rows``."""
        return sum(field.width for field in self.fields)


def first_contract(contract: Contract) -> Contract:
    """A contract of the all-users or the history profile with the names that it has within two stages."""
    return replace(contract, k_input=RETRIEVE_INPUT, items_output=FIRST_ITEMS, scores_output=FIRST_SCORES)


def two_stage_facts(contract: TwoStageContract) -> dict[str, Any]:
    """As plain JSON; vocabularies of what a request states are files of their own."""
    features = [
        {**field_entry(field), **({"vocabulary": vocabulary_file(place)} if field.values else {})}
        for place, field in enumerate(contract.fields)
    ]
    return {
        **_NAMES,
        "format": contract.format,
        "model_file": contract.model_file,
        "candidates": contract.candidates,
        "first": contract_facts(contract.first),
        "features": features,
        "of_users": [{"name": one.name, "rows": one.size, "width": one.width} for one in contract.of_users],
        "folded": list(contract.folded),
    }


def vocabularies(contract: TwoStageContract) -> dict[str, bytes]:
    """The files of the stated fields' values, by name."""
    return {
        vocabulary_file(place): encode_lines(field.values)
        for place, field in enumerate(contract.fields)
        if field.values
    }


def read_two_stage_contract(where: Path, values: Mapping[str, Any]) -> TwoStageContract:
    """The contract of a manifest ``where``, with the vocabularies beside it; else an ArtifactError."""
    for name, wanted in _NAMES.items():
        if values.get(name) != wanted:
            raise ArtifactError(
                f"{where}: contract field {name!r} is {values.get(name)!r}; this version knows {wanted!r}. "
                "Install the recpress-edge that wrote it.",
                fault="unsupported",
            )
    first = _first(where, values.get("first"))
    fits = {
        "format": values.get("format") == first.format,
        "model_file": values.get("model_file") == first.model_file,
        "candidates": _whole(values.get("candidates"), 1, first.n_items),
        "features": isinstance(values.get("features"), list),
        "of_users": isinstance(values.get("of_users"), list),
        "folded": isinstance(values.get("folded"), list) and all(type(n) is str for n in values["folded"]),
    }
    for name, fine in fits.items():
        if not fine:
            raise ArtifactError(f"{where}: contract field {name!r} is {values.get(name)!r}", fault="field")
    fields = tuple(_field(where, place, entry, first) for place, entry in enumerate(values["features"]))
    of_users = tuple(_of_users(where, entry) for entry in values["of_users"])
    contract = TwoStageContract(
        first=first,
        candidates=values["candidates"],
        of_users=of_users,
        fields=fields,
        folded=tuple(values["folded"]),
    )
    _check(where, contract)
    return contract


def _first(where: Path, values: Any) -> Contract:
    if not isinstance(values, dict):
        raise ArtifactError(f"{where}: contract field 'first' is {values!r}", fault="field")
    first = read_contract(where, values)
    named = first == first_contract(first) and first.model_file == model_file(first.format)
    forgets = first.profile == HISTORY and first.history_length > 0
    known = (first.recipe, first.exact, first.retired) == (FIRST_RECIPE, True, ()) and named
    if not known or not (first.profile == ALL_USERS or forgets) or first.format not in STAGE_FORMATS:
        raise ArtifactError(
            f"{where}: the first stage is {first.profile}, {first.format}, {first.recipe}; this version "
            f"knows {ALL_USERS} or a {HISTORY} in order, {' or '.join(STAGE_FORMATS)}, {FIRST_RECIPE} with "
            "its own names",
            fault="unsupported",
        )
    return first


def _field(where: Path, place: int, entry: Any, first: Contract) -> FeatureField:
    field = read_feature(where, place, entry, read_list_field)
    if place_of(field) and field.size != FIRST + first.n_items:
        raise ArtifactError(
            f"{where}: feature {place} has {field.size} rows, and there are {first.n_items} items",
            fault="range",
        )
    return field


def _of_users(where: Path, entry: Any) -> FeatureField:
    """A field whose rows the file holds: how many, and how many of a user; its values are not told."""
    whole = isinstance(entry, dict) and all(_whole(entry.get(name), 1, None) for name in ("rows", "width"))
    if not whole or type(entry.get("name")) is not str or entry["rows"] < FIRST:
        raise ArtifactError(f"{where}: a field of users is {entry!r}", fault="field")
    return HeldField(entry["name"], "user", "hashed", buckets=entry["rows"] - FIRST, capacity=entry["width"])


def _check(where: Path, contract: TwoStageContract) -> None:
    names = [field.name for field in (*contract.of_users, *contract.fields)] + list(contract.folded)
    places = [place_of(field) for field in contract.fields]
    seen = [place for place in places if place]
    ordered = places == [0] * (len(places) - len(seen)) + list(range(1, len(seen) + 1))
    if len(set(names)) < len(names) or any(f.side == "item" for f in contract.fields) or not ordered:
        raise ArtifactError(
            f"{where}: features of one name, of items, or out of order: {names}", fault="field"
        )
    if contract.of_users and not contract.n_users:
        raise ArtifactError(f"{where}: fields of users where the first stage knows none", fault="field")
    if contract.width + sum(field.width for field in contract.of_users) > MAX_WIDTH:
        raise ArtifactError(f"{where}: rows of more than {MAX_WIDTH:,} columns", fault="range")


def _whole(value: Any, least: int, most: int | None) -> bool:
    return type(value) is int and least <= value <= (2**31 - 1 if most is None else most)

"""The first way to store a click model that keeps a budget of bytes and its gate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.clicks.contract import FORMAT_RECIPES
from recpress_edge.artifacts.clicks.folded import INT4_FIELDS, INT8, INT8_FIELDS
from recpress_edge.artifacts.formats import DEFAULT
from recpress_edge.core.errors import GateError
from recpress_edge.core.units import format_bytes
from recpress_export.clicks.build import BelowGateError, ExportedClicks, build_clicks
from recpress_export.clicks.draft import ClickSource, bundle_name, draft_model

ORDER: Final = (INT8, INT8_FIELDS, INT4_FIELDS)
"""What costs the least quality and memory first."""


@dataclass(frozen=True, slots=True)
class FitBudget:
    """What a model file may take."""

    most_bytes: int
    format: str = DEFAULT


@dataclass(frozen=True, slots=True)
class Tried:
    """A recipe that was not taken."""

    recipe: str
    n_bytes: int
    """Of its file; of its tables where these alone are too large."""
    why: str


@dataclass(frozen=True, slots=True)
class FittedClicks:
    """What was published, and what was tried before."""

    exported: ExportedClicks
    tried: tuple[Tried, ...]


def fit_clicks(
    source: ClickSource, budget: FitBudget, target: Path | None, dist: Path, *, force: bool
) -> FittedClicks:
    """Publish the first recipe of ORDER whose file keeps the budget and its gate.

    ``target``: the bundle's folder, by default one below ``dist`` of the bundle's name. Bytes are computed: a
    recipe that takes too many is neither written nor judged. ``force`` replaces what is there, and overrules
    no gate. GateError with every figure where none fits.
    """
    tried: list[Tried] = []
    for recipe in ORDER:
        if recipe not in FORMAT_RECIPES[budget.format]:
            continue
        n_bytes, whole = _bytes_of(source, recipe, budget)
        if n_bytes > budget.most_bytes:
            what = "takes" if whole else "has tables of"
            tried.append(Tried(recipe, n_bytes, f"{what} {format_bytes(n_bytes)}"))
            continue
        folder = target or dist / bundle_name(source, recipe, budget.format)
        try:
            made = build_clicks(source, folder, recipe, force=force, file_format=budget.format, gated=True)
        except BelowGateError as error:
            tried.append(Tried(recipe, n_bytes, f"takes {format_bytes(n_bytes)}, and {error.failure}"))
            continue
        return FittedClicks(made, tuple(tried))
    told = "; ".join(f"{one.recipe} {one.why}" for one in tried)
    others = [recipe for recipe in ORDER if recipe not in FORMAT_RECIPES[budget.format]]
    more = f" {' and '.join(others)} may be smaller, and need --format onnx." if others else ""
    raise GateError(
        f"{source.name} does not fit --fit {budget.most_bytes} ({format_bytes(budget.most_bytes)}) as "
        f"{budget.format}: {told}. Allow more, or take a student of lower dimension or narrower layers, such "
        f"as --set method.layers=[32,16].{more}"
    )


def _bytes_of(source: ClickSource, recipe: str, budget: FitBudget) -> tuple[int, bool]:
    """Bytes of the file, and whether that is the whole file: of tables alone where they are too large."""
    draft = draft_model(source, recipe, budget.format)
    if draft.least_bytes > budget.most_bytes:
        return draft.least_bytes, False
    return len(draft.to_bytes()), True

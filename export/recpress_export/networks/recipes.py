"""Recipes and formats that networks support, and why others do not."""

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from recpress_edge.artifacts.contract import HISTORY
from recpress_edge.artifacts.formats import FORMATS, check_recipe
from recpress_edge.artifacts.recipes import RECIPES, Recipe, recipe_named
from recpress_edge.core.errors import ConfigError, MissingExtraError, unknown_name
from recpress_edge.core.install import install_command
from recpress_export.networks.kinds import KINDS
from recpress_export.profiles import check_recipe_profile

INT8: Final = "int8-dynamic"
"""What --int8 means for a network."""

_FP32: Final = replace(
    RECIPES["fp32"],
    high="all parameters, scores",
    summary="float32 parameters; what depends on one side alone is computed beforehand",
)
NETWORK_RECIPES: Final[Mapping[str, Recipe]] = {
    recipe.name: recipe
    for recipe in (
        _FP32,
        replace(
            _FP32,
            name=INT8,
            short=INT8,
            user_bits=8,
            item_bits=8,
            low="tables that are looked up, constant factors of products",
            high="what is added, normalised or ranked; activations are quantised as they come",
            summary="8-bit constants, activations quantised to 8 bits as they come, products in int32",
        ),
    )
}
_WHY_NOT: Final[Mapping[str, str]] = {
    "int8-static": "calibrated ranges take in the attention's mask, after which half of the first ten differ",
    "int8-dim": "its scales are folded into a product of two tables, which a network is not",
    "score16": "its bound is that of a product of two tables, which a network is not",
    "int8-item": "its scales belong to the items of a product of two tables, which a network is not",
    "int4-item": "it packs the items of a product of two tables; with 4-bit factors (MatMulNBits) a network "
    "gets no smaller, because its table is stored twice",
    "fp16": "its values would be widened in every request and save the file's bytes only",
}


def choose_recipe(kind: str | None, name: str | None, file_format: str, *, int8: bool) -> Recipe:
    """The recipe that the flags ask for, of a network or (None) of two tables in this format.

    ConfigError: it is not available, and the message names what is; or it is named twice.
    """
    if int8 and name:
        raise ConfigError("--int8 means --recipe int8-dim, for a network int8-dynamic; give one of the two")
    if kind is not None:
        _check_format(kind, file_format)
    if kind is not None and not KINDS[kind].tables:
        return _network_recipe(name, int8=int8)
    if name in NETWORK_RECIPES and name not in RECIPES:
        raise ConfigError(
            f"recipe {name} is for networks; a student that is two tables takes {', '.join(RECIPES)}."
        )
    recipe = recipe_named("int8-dim" if int8 else name or "fp32")
    check_recipe(recipe, file_format)
    if kind is not None:
        check_recipe_profile(recipe, KINDS[kind].profile)
    return recipe


def recipes_of(kind: str | None) -> Mapping[str, Recipe]:
    """The recipes of a network, or (None) of two tables."""
    if kind is None:
        return RECIPES
    if not KINDS[kind].tables:
        return NETWORK_RECIPES
    return {name: recipe for name, recipe in RECIPES.items() if not recipe.bounds_scores}


def _check_format(kind: str, file_format: str) -> None:
    if file_format not in FORMATS:
        raise unknown_name("format", file_format, list(FORMATS))
    formats = KINDS[kind].formats
    if formats and file_format not in formats:
        raise ConfigError(
            f"--format {file_format} is not available for a {kind}: {KINDS[kind].why_formats}. "
            f"Write --format {' or '.join(formats)}."
        )


def _network_recipe(name: str | None, *, int8: bool) -> Recipe:
    asked = INT8 if int8 or name == "int8" else name or "fp32"
    if asked in NETWORK_RECIPES:
        return NETWORK_RECIPES[asked]
    can = " or ".join(NETWORK_RECIPES)
    if asked in _WHY_NOT:
        raise ConfigError(
            f"recipe {asked} is not available for networks: {_WHY_NOT[asked]}. Choose {can}, in any format."
        )
    raise unknown_name("recipe of a network", asked, [*NETWORK_RECIPES, "int8", *RECIPES])


def check_route(kind: str, file_format: str) -> None:
    """MissingExtraError where what traces a network is missing: it says what to install or to do instead."""
    if KINDS[kind].tables:
        return
    row = FORMATS[file_format]
    modules = [package.replace("-", "_") for package in reversed(row.trace_packages)]
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        advice = f" It is {row.trace_advice}." if row.trace_advice else ""
        raise MissingExtraError(
            f"a network as {row.label} needs {missing[0]}. Run in the checkout: "
            f"{install_command(row.trace_extra)}.{advice}"
        )


def check_network(kind: str, file_format: str, profile: str | None, user: str | None) -> str:
    """The profile of a network's bundle; ConfigError for a format or profile that it does not have."""
    _check_format(kind, file_format)
    own = KINDS[kind].profile
    if profile not in (None, own) or user is not None:
        asked = f"--profile {profile}" if profile not in (None, own) else "--user"
        raise ConfigError(
            f"{asked} is not available for a {kind}: its file is {own}"
            + (", and reads the consumed items of whoever asks" if own == HISTORY else "")
            + ". Leave it out; students that are two tables have the other profiles."
        )
    return own

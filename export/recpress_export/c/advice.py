"""What might be better for a model.bin."""

from typing import Final

from recpress_edge.artifacts.contract import HISTORY, Contract
from recpress_edge.artifacts.recipes import ALIASES

_MOST_DIM: Final = 32
"""Above it rows of 16-bit scores lose levels that rankings need (docs/guide/choose-a-recipe.md)."""


def hint(contract: Contract) -> str:
    """Another recipe, where it costs nothing and is faster; empty otherwise."""
    if contract.recipe != ALIASES["int8"] or contract.dim > _MOST_DIM or contract.profile == HISTORY:
        return ""
    return (
        "--recipe score16 takes as many bytes and fewer instructions on cores without dot products "
        "(every Raspberry Pi before the 5)"
    )

"""How shares, differences, factors and lists of names are written."""

import math
from collections.abc import Sequence
from typing import Final

NONE: Final = "–"
"""What was not measured, or says nothing."""


def recall(value: float) -> str:
    """0.27512 -> '.2751', as the literature prints it; 1 stays '1.0000', and NaN is '–'."""
    if math.isnan(value):
        return NONE
    text = f"{value:.4f}"
    return text[1:] if text.startswith("0.") else text


def signed(value: float) -> str:
    """A difference with its sign: '−.0002', '+.0010', '±0'."""
    if abs(value) < 0.00005:
        return "±0"
    return f"{'+' if value > 0 else '−'}{recall(abs(value))}"


def times(ratio: float) -> str:
    """A factor: '3.7×', '12×'."""
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.1f}×"


def listed(names: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

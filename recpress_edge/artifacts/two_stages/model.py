"""A trained model of two stages as its folder holds it."""

from typing import Final

KIND: Final = "two stages"
"""Architecture of such a model."""
FIRST_PREFIX: Final = "first."
"""Of the names of the first stage's tables."""

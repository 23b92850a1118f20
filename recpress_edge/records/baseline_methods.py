"""Methods that train nothing by gradients: what needs more than these must give more."""

from typing import Final

PLAIN_BASELINES: Final = ("puresvd", "als")
"""Factorisations of the log itself: what a file of the same bytes reaches without a teacher."""
TAUGHT_BASELINE: Final = "svd"
"""The factorisation of a teacher: what its student must be better than."""
POPULAR: Final = "pop"
BASELINES: Final = (TAUGHT_BASELINE, *PLAIN_BASELINES, POPULAR)

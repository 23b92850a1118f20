"""The compiled engine."""

from typing import Any

import numpy as np


def import_engine() -> Any:
    """The engine's library."""
    return np

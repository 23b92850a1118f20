"""Code that a table names: imported when it is used, so that reading the table stays light."""

import importlib
from typing import Any


def named(entry: str) -> Any:
    """What ``module:attribute`` names; ImportError where what it needs is not installed."""
    module, _, attribute = entry.partition(":")
    return getattr(importlib.import_module(module), attribute)

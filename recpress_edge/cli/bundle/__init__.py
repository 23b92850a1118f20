"""recpress-edge bundle: what happens to a bundle after its export. A module for each verb."""

import argparse
import importlib
from typing import Final

VERBS: Final = ("update", "retire", "rollback", "strip")
"""In the order of help: module ``recpress_edge.cli.bundle.VERB`` has ``add_verb(verbs)``."""


def add_options(bundle: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    verbs = bundle.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in VERBS:
        importlib.import_module(f"{__name__}.{name}").add_verb(verbs)

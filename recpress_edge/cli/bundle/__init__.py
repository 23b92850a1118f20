"""recpress-edge bundle: what happens to a bundle after its export. A module for each verb."""

import argparse
from collections.abc import Mapping
from typing import Final

VERBS: Final[Mapping[str, str]] = {
    # name -> what it does, in the order of help. Its module here has add_options(verb).
    "update": "append, replace or retire items without training",
    "fold-in": "append new items: their vectors are made from interactions, similar items or features",
    "retire": "items that are never recommended again",
    "rollback": "put the version before the last change back",
    "strip": "a lean bundle: what an application needs, without the proof",
    "keygen": "make a pair of keys to sign bundles with",
    "sign": "sign a bundle with a private key",
    "verify": "check who signed a bundle, and every digest in it",
    "diff": "make a small patch from one version of a bundle to another",
    "apply": "bring a bundle to the next version by a patch",
}


def add_options(bundle: argparse.ArgumentParser) -> None:
    """Describe the command and list its verbs."""
    bundle.description = (
        "What happens to a bundle after its export: new and retired items without training, a smaller one "
        "to ship, signatures, and patches over the air. Each verb checks the bundle that it makes; the "
        "version before stays as BUNDLE.previous where one is replaced."
    )
    bundle.epilog = (
        "From one day to the next: fold-in or update, sign, diff; on the device apply, or rollback."
    )
    verbs = bundle.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, summary in VERBS.items():
        verbs.add_parser(name, help=summary, module=f"{__name__}.{name.replace('-', '_')}")

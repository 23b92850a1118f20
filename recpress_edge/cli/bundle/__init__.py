"""recpress-edge bundle: what happens to a bundle after its export. A module for each verb."""

import argparse
import importlib
from pathlib import Path
from typing import Final

VERBS: Final = (
    "update", "fold_in", "retire", "rollback", "strip", "keygen", "sign", "verify", "diff", "apply"
)  # fmt: skip
"""In the order of help: module ``recpress_edge.cli.bundle.VERB`` has ``add_verb(verbs)``."""


def add_options(bundle: argparse.ArgumentParser) -> None:
    """Add the verbs."""
    bundle.description = (
        "What happens to a bundle after its export: new and retired items without training, a smaller one "
        "to ship, signatures, and patches over the air. Each verb checks the bundle that it makes; the "
        "version before stays as BUNDLE.previous where one is replaced."
    )
    bundle.epilog = (
        "From one day to the next: fold-in or update, sign, diff; on the device apply, or rollback."
    )
    verbs = bundle.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in VERBS:
        try:
            importlib.import_module(f"{__name__}.{name}").add_verb(verbs)
        except ImportError as error:
            _add_missing(verbs, name, error)


def _add_missing(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, error: ImportError
) -> None:
    """A verb whose packages a device leaves out: it says so when it is asked for."""

    def run(_: argparse.Namespace) -> int:
        raise error

    verb = verbs.add_parser(
        name.replace("_", "-"), help="needs packages that are not installed", add_help=False
    )
    verb.add_argument("rest", nargs=argparse.REMAINDER)
    verb.set_defaults(func=run, work=Path())

"""recpress-edge bundle: what happens to a bundle after its export. A module for each verb."""

import argparse
import importlib
from pathlib import Path
from typing import Final

VERBS: Final = ("update", "retire", "rollback", "strip", "keygen", "sign", "verify", "diff", "apply")
"""In the order of help: module ``recpress_edge.cli.bundle.VERB`` has ``add_verb(verbs)``."""


def add_options(bundle: argparse.ArgumentParser) -> None:
    """Add the verbs."""
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

    verb = verbs.add_parser(name, help="needs packages that are not installed", add_help=False)
    verb.add_argument("rest", nargs=argparse.REMAINDER)
    verb.set_defaults(func=run, work=Path())

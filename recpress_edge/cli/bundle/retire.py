"""recpress-edge bundle retire: items that are never recommended again."""

import argparse
from pathlib import Path

from recpress_edge.artifacts.trust.options import add_trust_options, trust_of
from recpress_edge.cli.bundle.update import run_change
from recpress_edge.cli.common import add_common_options, request_of
from recpress_edge.device.guard import add_guard_options, guard_of
from recpress_edge.jobs.update import RetireRequest


def add_options(retire: argparse.ArgumentParser) -> None:
    """Describe the verb and add its flags."""
    retire.description = (
        "Writes the bundle with these items excluded for everybody, and re-checks it whole "
        "before it takes the old one's place, which is kept as BUNDLE.previous. A retired item keeps its "
        "index, and its id never comes back. The base install is enough "
        "for ONNX and format c, the extra tflite for TFLite."
    )
    add_common_options(retire)
    retire.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    retire.add_argument("ids", nargs="+", metavar="ID", help="items by their ids in the log")
    retire.add_argument("--out", type=Path, metavar="DIR", help="write there and leave BUNDLE alone")
    retire.add_argument("--force", action="store_true", help="replace what is at --out")
    add_guard_options(retire)
    add_trust_options(retire)
    retire.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    return run_change(args, request_of(RetireRequest, args, guard=guard_of(args), trust=trust_of(args)))

"""recpress-edge recommend: ask a bundle for one person, by the same code as ``device_bench ask``."""

import argparse

from device_bench.ask import add_ask_options, ask_bundle, question_of
from recpress_edge.cli.common import add_common_options, emit, say


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Verifies the bundle, runs its self-test and prints the best unseen items with their "
        "scores, as a device would answer. Seen items that the bundle does not know are left out and named."
    )
    add_common_options(parser)
    add_ask_options(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the bundle answered."""
    if args.dry_run:
        question_of(args)
        whom = "whoever consumed what is seen" if args.user is None else args.user
        say(args, f"would ask  {args.bundle} for {whom}")
        emit(args, {"dry_run": True, "bundle": str(args.bundle), "user": args.user})
        return 0
    return ask_bundle(args)

"""``recpress-edge settings``: every setting of a model with its usual value, as a configuration file."""

import argparse
from typing import get_args

from recpress_edge.cli.common import add_common_options, add_method_options, emit, only_reads, request_of
from recpress_edge.distill.methods import Role
from recpress_edge.jobs.settings import SettingsRequest


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Prints a TOML file with every setting, its usual value and what it does. --config takes it; as it "
        "is, it changes nothing. A single setting is changed by --set KEY=VALUE."
    )
    parser.epilog = "example: recpress-edge settings soft_dim20 > soft.toml"
    add_common_options(parser)
    add_method_options(parser, settings=False)
    parser.add_argument("name", metavar="STUDENT", help="for example soft_dim20")
    parser.add_argument(
        "--role",
        choices=get_args(Role),
        default="student",
        help="as which it is trained (default: student); a teacher may have other usual settings",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the name is a model's."""
    only_reads(args)
    result = request_of(SettingsRequest, args).run()
    flag = "distill --student" if args.role == "student" else "train --teacher"
    if not args.json:  # a file, whose lines are not cut
        print(f"# recpress-edge {flag} {result.name} --config THIS_FILE")
        print(result.toml().rstrip())
    emit(args, result.facts())
    return 0

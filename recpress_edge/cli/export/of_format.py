"""Flags of an export that only some formats know."""

import argparse

from recpress_edge.cli.common import names_of
from recpress_edge.device.c.model_bin import ORDERS
from recpress_export.c.build import TARGETS
from recpress_export.options import FileOptions


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    group = parser.add_argument_group("format c")
    group.add_argument(
        "--order",
        choices=ORDERS,
        help="how items are stored, so that an engine may leave most of them unread (default: the cheapest, "
        "counted on validation users; int8-dim and score16)",
    )
    group.add_argument(
        "--model-h", action="store_true", help="write the model as a C array too, for microcontrollers"
    )
    group.add_argument(
        "--build",
        metavar="A,B",
        help=f"compile the self-test and the library for machines without a compiler: {', '.join(TARGETS)}",
    )


def format_options(args: argparse.Namespace) -> FileOptions:
    """What the flags ask for."""
    build = tuple(dict.fromkeys(names_of("build", args.build))) if args.build else ()
    return FileOptions(order=args.order, model_h=args.model_h, build=build)

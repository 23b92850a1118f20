"""Flags of an export that only some formats know."""

import argparse

from recpress_export.options import FileOptions


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    group = parser.add_argument_group("format c")
    group.add_argument(
        "--model-h", action="store_true", help="write the model as a C array too, for microcontrollers"
    )


def format_options(args: argparse.Namespace) -> FileOptions:
    """What the flags ask for."""
    return FileOptions(model_h=args.model_h)

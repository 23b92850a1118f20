"""Flags of an export that only some formats know."""

import argparse
import shlex
from typing import Final

from device_bench.mcu.boards import BOARDS
from recpress_edge.artifacts.bundle import ALL_USERS, HISTORY, Bundle
from recpress_edge.cli.common import names_of
from recpress_edge.device.c.footprint import footprint
from recpress_edge.device.c.model_bin import ORDERS, read_header
from recpress_export.c.build import TARGETS
from recpress_export.options import FileOptions

DEFAULT_K: Final = 10
"""What a small device is asked for."""


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


def command_that_asks(bundle: Bundle) -> str:
    """Ask for the first user, or for someone who consumed the first item."""
    folder, contract = shlex.quote(str(bundle.folder)), bundle.contract
    asked = f" --user {shlex.quote(bundle.user_ids()[0])}" if contract.profile == ALL_USERS else ""
    if contract.profile == HISTORY:
        asked = f" --seen {shlex.quote(bundle.item_ids()[0])}"
    return f"recpress-edge recommend {folder}{asked}"


def commands_of_c(bundle: Bundle) -> list[str]:
    """Compile the self-test, and bench on the smallest emulated microcontroller that holds the model."""
    folder, contract = shlex.quote(str(bundle.folder)), bundle.contract
    commands = [f"make -C {folder}"]
    needs = footprint(read_header(bundle.model_path.read_bytes()), min(DEFAULT_K, contract.n_items))
    fitting = [
        (board.flash_bytes, name)
        for name, board in BOARDS.items()
        if needs.flash_bytes <= board.flash_bytes and needs.ram_bytes <= board.ram_bytes
    ]
    if fitting:
        commands.append(f"device_bench run {folder} --on mcu:{min(fitting)[1]} --k {DEFAULT_K}")
    return commands


def format_options(args: argparse.Namespace) -> FileOptions:
    """What the flags ask for."""
    build = tuple(dict.fromkeys(names_of("build", args.build))) if args.build else ()
    return FileOptions(order=args.order, model_h=args.model_h, build=build)

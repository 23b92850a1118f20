"""The flags that say which bundles a command takes."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from recpress_edge.artifacts.trust.policy import Trust
from recpress_edge.core.errors import ConfigError


def add_trust_options(parser: argparse._ActionsContainer, *, one: bool = True) -> None:
    """--trusted and, of a command that takes ``one`` bundle, --expect-digest."""
    parser.add_argument(
        "--trusted",
        type=Path,
        metavar="FILE",
        help="file of public keys, one a line (recpress-edge bundle keygen): take a bundle only when one of "
        "them signed it (needs the extra signed)",
    )
    if not one:
        return
    parser.add_argument(
        "--expect-digest",
        metavar="HEX",
        help="take this bundle alone: its sha256, 64 hex digits, as recpress-edge bundle verify prints it",
    )


def check_one_expected(digest: str | None, bundles: Sequence[Path]) -> None:
    """ConfigError where several bundles would have to have one digest."""
    if digest is not None and len(bundles) > 1:
        raise ConfigError(f"--expect-digest names one bundle, and {len(bundles)} are given. Give them apart.")


def trust_of(args: argparse.Namespace) -> Trust:
    """What the flags ask for."""
    return Trust.of(args.trusted, getattr(args, "expect_digest", None))

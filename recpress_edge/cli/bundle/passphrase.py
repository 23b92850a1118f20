"""Passphrases of private keys, asked for where a flag says so."""

import argparse
import getpass
import sys
from pathlib import Path

from recpress_edge.core.errors import ConfigError


def add_passphrase_option(parser: argparse.ArgumentParser, about: str) -> None:
    """--ask-passphrase."""
    parser.add_argument("--ask-passphrase", action="store_true", help=about)


def add_key_options(parser: argparse.ArgumentParser, *, required: bool, about: str) -> None:
    """--key and its passphrase."""
    parser.add_argument("--key", type=Path, required=required, metavar="FILE", help=about)
    add_passphrase_option(parser, "the private key has a passphrase: ask for it")


def passphrase_of(args: argparse.Namespace) -> bytes | None:
    """What the person types; None where --ask-passphrase is not given."""
    return _asked("passphrase: ") if args.ask_passphrase else None


def new_passphrase() -> bytes:
    """The same, typed twice."""
    first = _asked("new passphrase: ")
    if first != _asked("once more: "):
        raise ConfigError("the two passphrases differ. Nothing was written; run the command again.")
    return first


def _asked(prompt: str) -> bytes:
    if not sys.stdin.isatty():
        raise ConfigError("--ask-passphrase needs a terminal, and stdin is none")
    text = getpass.getpass(prompt)
    if not text:
        raise ConfigError("the passphrase is empty. Leave out --ask-passphrase for a key without one.")
    return text.encode()

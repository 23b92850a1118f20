"""recpress-edge bundle keygen: a pair of keys to sign bundles and patches with."""

import argparse
import shlex
from pathlib import Path

from recpress_edge.cli.bundle.passphrase import add_passphrase_option, new_passphrase
from recpress_edge.cli.common import add_common_options, emit, next_steps, say
from recpress_edge.jobs.bundles.signing import KeygenRequest


def add_options(keygen: argparse.ArgumentParser) -> None:
    """Describe the verb and add its flags."""
    keygen.description = (
        "Writes a private key to FILE (Ed25519, PKCS #8 in PEM, mode 0600) and the public one to "
        "FILE.pub, one line. Neither is ever replaced. The private key signs; FILE.pub goes to every device, "
        "alone or with other lines, as --trusted. Needs the extra signed."
    )
    add_common_options(keygen)
    keygen.add_argument("private", type=Path, metavar="FILE", help="where the private key is written")
    keygen.add_argument(
        "--comment", default="", metavar="TEXT", help="whose key it is, written into the public one"
    )
    add_passphrase_option(keygen, "encrypt the private key with a passphrase, which is asked for twice")
    keygen.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when both files are written."""
    request = KeygenRequest(private=args.private, comment=args.comment)
    if args.dry_run:
        say(args, f"would      write {request.private} and {request.public}")
        emit(args, {"dry_run": True, "private": str(request.private), "public": str(request.public)})
        return 0
    passphrase = new_passphrase() if args.ask_passphrase else None
    key = KeygenRequest(private=args.private, comment=args.comment, passphrase=passphrase).run()
    say(args, f"private    {request.private}   mode 0600: it stays on the machine that signs")
    say(args, f"public     {request.public}   key {key.id[:16]}…, for every device")
    next_steps(args, [f"recpress-edge bundle sign BUNDLE --key {shlex.quote(str(request.private))}"])
    emit(args, {"private": str(request.private), "public": str(request.public), "key": key.id})
    return 0

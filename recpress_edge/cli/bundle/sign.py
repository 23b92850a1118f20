"""recpress-edge bundle sign: say who made a bundle."""

import argparse
import shlex
from pathlib import Path

from recpress_edge.artifacts.trust.keys import public_path, short
from recpress_edge.artifacts.trust.signature import SIGNATURE
from recpress_edge.cli.bundle.passphrase import add_key_options, passphrase_of
from recpress_edge.cli.common import add_common_options, emit, next_steps, request_of, say
from recpress_edge.jobs.bundles.signing import SignRequest


def add_options(sign: argparse.ArgumentParser) -> None:
    """Describe the verb and add its flags."""
    sign.description = (
        f"Checks every digest of the bundle, and writes {SIGNATURE} into its folder: an Ed25519 "
        "signature over the exact bytes of bundle.json, which names every file's digest. Whatever changes "
        "the bundle later (bundle update, a new export) makes an unsigned one. Needs the extra signed."
    )
    add_common_options(sign)
    sign.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    add_key_options(sign, required=True, about="private key, made by recpress-edge bundle keygen")
    sign.add_argument("--force", action="store_true", help="replace the signature of another key")
    sign.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the bundle is signed."""
    request = request_of(SignRequest, args, passphrase=passphrase_of(args))
    result = request.run(dry_run=args.dry_run)
    bundle, key = result.bundle, short(result.signed.key)
    if args.dry_run:
        say(args, f"would      sign {bundle.folder}/ by key {key}")
        say(args, f"sha256     {bundle.digest}")
        emit(args, {"dry_run": True, **result.facts()})
        return 0
    say(args, f"bundle     {bundle.folder}/")
    say(args, f"sha256     {bundle.digest}")
    say(args, f"signed     {bundle.folder / SIGNATURE}   by key {key}")
    words = ("recpress-edge", "bundle", "verify", str(args.bundle), "--trusted", str(public_path(args.key)))
    next_steps(args, [shlex.join(words)])
    emit(args, result.facts())
    return 0

"""recpress-edge bundle diff: what differs between two versions of a bundle, as one small file."""

import argparse
import shlex
from pathlib import Path

from recpress_edge.artifacts.trust.keys import public_path, short
from recpress_edge.artifacts.trust.options import add_trust_options, trust_of
from recpress_edge.cli.bundle.passphrase import add_key_options, passphrase_of
from recpress_edge.cli.common import add_common_options, emit, next_steps, request_of, say
from recpress_edge.core.units import format_bytes
from recpress_edge.jobs.bundles.patching import DiffRequest, DiffResult


def add_options(diff: argparse.ArgumentParser) -> None:
    """Describe the verb and add its flags."""
    diff.description = (
        "Writes a file from which recpress-edge bundle apply makes NEW, byte for byte, where OLD "
        "is: rows that did not change are not sent. It is never larger than NEW compressed. With --key the "
        "patch is signed, and so is the bundle that it makes where NEW is not signed yet."
    )
    add_common_options(diff)
    diff.add_argument("old", type=Path, metavar="OLD", help="folder of the bundle that devices have")
    diff.add_argument("new", type=Path, metavar="NEW", help="folder of the bundle that they are to have")
    diff.add_argument("--out", type=Path, required=True, metavar="PATCH", help="where the patch is written")
    add_key_options(diff, required=False, about="private key to sign with (recpress-edge bundle keygen)")
    add_trust_options(diff, one=False)
    diff.add_argument("--force", action="store_true", help="replace what is at --out")
    diff.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the patch is written."""
    request = request_of(DiffRequest, args, passphrase=passphrase_of(args), trust=trust_of(args))
    if args.dry_run:
        old, new = request.check()
        say(args, f"would      write {request.out}")
        say(args, f"from       {old.folder}/   sha256 {old.digest[:16]}…")
        say(args, f"to         {new.folder}/   sha256 {new.digest[:16]}…")
        emit(args, {"dry_run": True, "base_sha256": old.digest, "target_sha256": new.digest})
        return 0
    result = request.run()
    _report(args, result)
    words = ["recpress-edge", "bundle", "apply", "BUNDLE", str(args.out)]
    words += [] if args.key is None else ["--trusted", str(public_path(args.key))]
    say(args, "on the device:")
    next_steps(args, [shlex.join(words)])
    emit(args, result.facts())
    return 0


def _report(args: argparse.Namespace, result: DiffResult) -> None:
    made, facts = result.made, result.facts()
    say(
        args,
        f"patch      {args.out}   {format_bytes(len(made.data))}   (NEW has "
        f"{format_bytes(facts['new_bytes'])}, compressed {format_bytes(made.new_packed)})",
    )
    for file in made.files:
        if file.how != "same":
            alone = f"{format_bytes(file.packed)} of {format_bytes(file.size)}" if file.packed else "stored"
            say(args, f"{file.how:<9}  {file.name}   {alone}")
    say(args, f"from       {result.old.folder}/   sha256 {result.old.digest[:16]}…")
    say(args, f"to         {result.new.folder}/   sha256 {result.new.digest[:16]}…")
    if result.key is None:
        say(args, "unsigned   --key FILE signs it: who can change a patch can change a bundle")
    else:
        say(args, f"signed     by key {short(result.key.id)}")

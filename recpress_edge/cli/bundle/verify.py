"""recpress-edge bundle verify: who signed a bundle, and whether it is whole."""

import argparse
import shlex
from pathlib import Path

from recpress_edge.artifacts.trust.keys import short
from recpress_edge.artifacts.trust.options import add_trust_options, trust_of
from recpress_edge.cli.common import add_common_options, emit, next_steps, only_reads, say
from recpress_edge.jobs.bundles.signing import VerifyRequest


def add_options(verify: argparse.ArgumentParser) -> None:
    """Describe the verb and add its flags."""
    verify.description = (
        "Checks that one of the trusted keys signed the bundle's manifest and that every file is "
        "as the manifest states; its model is not run. With --expect-digest alone nobody asks who signed it. "
        "The same checks are made by --trusted and --expect-digest of device_bench run, self-test and ask, "
        "and of recpress-edge bench, recommend, inspect and web. --trusted needs the extra signed."
    )
    verify.epilog = "exit codes: 0 as asked, and whole · 1 refused, and why · 2 wrong usage"
    add_common_options(verify)
    verify.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    add_trust_options(verify)
    verify.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the bundle is whole, and signed by a trusted key or the expected one."""
    only_reads(args)
    result = VerifyRequest(bundle=args.bundle, trust=trust_of(args)).run()
    bundle, key = result.bundle, result.key
    say(args, f"bundle     {bundle.folder}/")
    say(args, f"sha256     {bundle.digest}")
    if key:
        say(args, f"signed by  key {short(key.id)}   {key.comment}".rstrip())
    say(args, f"files      {len(bundle.files)} verified, as the manifest states them")
    asked = ("--trusted", str(args.trusted)) if args.trusted else ("--expect-digest", args.expect_digest)
    next_steps(args, [shlex.join(("device_bench", "self-test", str(args.bundle), *asked))])
    emit(args, result.facts())
    return 0

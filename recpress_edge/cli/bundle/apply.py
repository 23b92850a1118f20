"""recpress-edge bundle apply: on a device, the next version from a patch."""

import argparse
import shlex
from pathlib import Path

from recpress_edge.artifacts.trust.keys import short
from recpress_edge.artifacts.trust.options import add_trust_options, trust_of
from recpress_edge.cli.common import add_common_options, emit, next_steps, say
from recpress_edge.core.terminal import stopped_by_signals
from recpress_edge.device.guard import add_guard_options, guard_of
from recpress_edge.jobs.bundles.patching import ApplyRequest


def add_options(apply: argparse.ArgumentParser) -> None:
    """Describe the verb and add its flags."""
    apply.description = (
        "Makes the new version beside BUNDLE, checks its digests and asks it its self-test, and "
        "exchanges the two in one step; the version before is kept as BUNDLE.previous (recpress-edge bundle "
        "rollback). Cut off or killed at any moment BUNDLE is whole, and the same command starts over. The "
        "base install is enough; --trusted needs the extra signed."
    )
    apply.epilog = (
        "exit codes: 0 at the new version, also where it was before · 1 refused, and why; nothing is "
        "changed · 2 wrong usage"
    )
    add_common_options(apply)
    apply.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    apply.add_argument("patch", type=Path, metavar="PATCH", help="file made by recpress-edge bundle diff")
    add_trust_options(apply)
    apply.add_argument(
        "--no-self-test",
        dest="self_test",
        action="store_false",
        help="check digests alone: for a device without Python's runtime of this format",
    )
    add_guard_options(apply)
    apply.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the bundle is what the patch makes."""
    request = ApplyRequest(
        bundle=args.bundle,
        patch=args.patch,
        trust=trust_of(args),
        guard=guard_of(args),
        self_test=args.self_test,
    )
    if args.dry_run:
        plan = request.plan()
        what = "nothing: it was applied before" if plan["applied_before"] else f"make {plan['to'][:16]}…"
        say(args, f"would      {what}")
        emit(args, plan)
        return 0
    with stopped_by_signals():
        result = request.run()
    bundle, key = result.applied.bundle, result.applied.key
    tested = "self-test passed" if args.self_test else "digests verified, self-test left out"
    if not result.applied.changed:
        say(args, f"there      {bundle.folder}/   sha256 {bundle.digest[:16]}…   applied before")
    else:
        say(args, f"bundle     {bundle.folder}/   sha256 {bundle.digest[:16]}…   {tested}")
        say(args, f"set aside  {result.set_aside}/   sha256 {result.applied.base[:16]}…")
    if key is not None:
        say(args, f"signed by  key {short(key.id)}   {key.comment}".rstrip())
    if result.applied.changed:
        trusted = f" --trusted {shlex.quote(str(args.trusted))}" if args.trusted else ""
        next_steps(args, [f"recpress-edge bundle rollback {shlex.quote(str(bundle.folder))}{trusted}"])
    emit(args, result.facts())
    return 0

"""recpress-edge bundle rollback: put the version before the last change back."""

import argparse
from pathlib import Path

from recpress_edge.artifacts.trust.keys import short
from recpress_edge.artifacts.trust.options import add_trust_options, trust_of
from recpress_edge.artifacts.trust.signature import read_signature
from recpress_edge.cli.common import add_common_options, emit, request_of, say
from recpress_edge.device.guard import add_guard_options, guard_of
from recpress_edge.jobs.bundles.rollback import RollbackRequest


def add_options(rollback: argparse.ArgumentParser) -> None:
    """Describe the verb and add its flags."""
    rollback.description = (
        "Exchanges BUNDLE with BUNDLE.previous after that passed its self-test. Once more undoes it."
    )
    add_common_options(rollback)
    rollback.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    add_guard_options(rollback)
    add_trust_options(rollback)
    rollback.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    request = request_of(RollbackRequest, args, guard=guard_of(args), trust=trust_of(args))
    if args.dry_run:
        plan = request.plan()
        say(args, f"would      exchange {plan.bundle} and {plan.previous}")
        emit(args, plan.facts())
        return 0
    result = request.run()
    bundle, was = result.bundle, result.was
    say(args, f"bundle     {bundle.folder}/   sha256 {bundle.digest[:16]}…   self-test passed")
    if (signed := read_signature(bundle.folder)) is not None:
        say(args, f"signed     by key {short(signed.key)}, as that version was")
    say(args, f"set aside  {result.set_aside}/" + (f"   sha256 {was[:16]}…" if was else ""))
    emit(args, result.facts())
    return 0

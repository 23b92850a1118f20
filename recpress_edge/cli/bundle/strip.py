"""recpress-edge bundle strip: what an application needs of a bundle, and nothing else."""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.manifest import SIGNATURE
from recpress_edge.artifacts.trust.options import add_trust_options, trust_of
from recpress_edge.cli.common import add_common_options, emit, next_steps, request_of, say, table
from recpress_edge.core.terminal import stopped_by_signals
from recpress_edge.core.units import format_bytes
from recpress_edge.device.guard import add_guard_options, guard_of
from recpress_edge.jobs.lean import StripRequest, StripResult

ORDER_ONLY_HELP: Final = (
    "leave out users' scales too, a float32 for each user of an integer file: each user's items come in the "
    "same order, scores are in units of that user alone, and nobody is shown them"
)


def add_options(strip: argparse.ArgumentParser) -> None:
    """Describe the verb and add its flags."""
    strip.description = (
        "Writes a second bundle that answers as the first does: model, ids, titles, and a short "
        "self-test for whoever loads it. Evaluation rows, most of the self-test, the card and what an update "
        "needs stay in the full bundle, whose digest the lean one states. The full bundle is left alone: it "
        "is what compare, update, fold-in and retire take."
    )
    add_common_options(strip)
    strip.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the full bundle, of any kind")
    strip.add_argument("--out", type=Path, metavar="DIR", help="default: BUNDLE-lean")
    strip.add_argument("--order-only", action="store_true", help=ORDER_ONLY_HELP)
    strip.add_argument("--force", action="store_true", help="replace the bundle that is at the target")
    add_guard_options(strip)
    add_trust_options(strip)
    strip.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    request = request_of(StripRequest, args, guard=guard_of(args), trust=trust_of(args))
    if args.dry_run:
        plan = request.plan()
        say(args, f"would      strip {plan.full.folder} to {plan.target}")
        emit(args, plan.facts())
        return 0
    with stopped_by_signals():
        result = request.run()
    say_stripped(args, result)
    emit(args, result.facts())
    return 0


def say_stripped(args: argparse.Namespace, result: StripResult) -> None:
    """What is in the lean bundle, what is not, and where the proof is."""
    stripped = result.stripped
    full, lean = stripped.full, stripped.lean
    rows = [[name, _bytes(full.files, name), _bytes(lean.files, name)] for name in sorted(full.files)]
    rows.append(["all", format_bytes(full.total_bytes), format_bytes(lean.total_bytes)])
    say(args, table(("file", "full", "lean"), rows))
    verb = "unchanged" if stripped.unchanged else "wrote"
    say(
        args,
        f"{verb:<9}  {lean.folder}/   model {format_bytes(lean.model_bytes)}, bundle "
        f"{format_bytes(lean.total_bytes)}",
    )
    say(args, f"           sha256 {lean.digest[:16]}…   self-test: {stripped.queries} queries, passed")
    if getattr(lean.contract, "scores", ""):
        say(args, "scores     order only: the same items in the same order, and no scores to show")
    say(args, f"proof      {full.folder}/")
    say(args, f"           sha256 {full.digest[:16]}…, which the lean bundle states")
    folder = shlex.quote(str(lean.folder))
    sign = []
    if (full.folder / SIGNATURE).exists() and not (lean.folder / SIGNATURE).exists():
        say(args, "unsigned   the signature of the full bundle is not one of the lean bundle")
        sign = [f"recpress-edge bundle sign {folder} --key FILE"]
    next_steps(args, [*sign, f"recpress-edge inspect {folder}", f"device_bench run {folder}"])


def _bytes(files: Mapping[str, Mapping[str, Any]], name: str) -> str:
    return format_bytes(files[name]["bytes"]) if name in files else "–"

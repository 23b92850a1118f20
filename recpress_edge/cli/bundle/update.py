"""recpress-edge bundle update: append, replace or retire items."""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.manifest import SIGNATURE
from recpress_edge.artifacts.trust.options import add_trust_options, trust_of
from recpress_edge.cli.common import add_common_options, emit, next_steps, request_of, say
from recpress_edge.core.terminal import stopped_by_signals
from recpress_edge.core.units import format_bytes, format_share
from recpress_edge.device.guard import add_guard_options, guard_of
from recpress_edge.jobs.update import ChangeRequest, UpdateRequest, UpdateResult
from recpress_export.update.changes import Changes


def add_options(update: argparse.ArgumentParser) -> None:
    """Describe the verb and add its flags."""
    update.description = (
        "Rewrites the item table and re-checks the whole bundle before it takes the old one's "
        "place, which is kept as BUNDLE.previous. Item indices never change; a retired item keeps its index "
        "and is never recommended. The base install is enough for ONNX and format c, the extra tflite for "
        "TFLite."
    )
    add_common_options(update)
    update.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    update.add_argument(
        "--items",
        type=Path,
        required=True,
        metavar="FILE",
        help="npz with any of append_ids + append_emb, replace_ids + replace_emb, retire_ids: ids as text, "
        "vectors as float32 (n, dim) that fit the bundle's users; of a history bundle append_history and "
        "replace_history too",
    )
    update.add_argument("--out", type=Path, metavar="DIR", help="write there and leave BUNDLE alone")
    update.add_argument(
        "--force",
        action="store_true",
        help="clip new rows however far they go beyond the int8 range, and replace what is at --out",
    )
    add_guard_options(update)
    add_trust_options(update)
    update.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> int:
    return run_change(args, request_of(UpdateRequest, args, guard=guard_of(args), trust=trust_of(args)))


def run_change(args: argparse.Namespace, request: ChangeRequest) -> int:
    """Exit code 0 when the catalogue is changed, or would be."""
    if args.dry_run:
        plan = request.plan()
        say(args, f"would      {_counts(plan.changes)}; {plan.clipped} of {plan.n_new} new rows clipped")
        emit(args, plan.facts())
        return 0
    was_signed = is_signed(args)
    with stopped_by_signals():
        result = request.run()
    say(args, f"changed    {_counts(result.changes)}")
    say_updated(args, result, was_signed=was_signed)
    emit(args, result.facts())
    return 0


def _counts(changes: Changes) -> str:
    return (
        f"append {len(changes.append_ids):,}, replace {len(changes.replace_ids):,}, "
        f"retire {len(changes.retire_ids):,} items"
    )


def is_signed(args: argparse.Namespace) -> bool:
    """Whether the bundle that is to be changed is signed."""
    return bool((args.bundle / SIGNATURE).exists())


def say_updated(args: argparse.Namespace, result: UpdateResult, *, was_signed: bool) -> None:
    """What a bundle with a changed catalogue is, what was checked, and what to run next."""
    updated = result.updated
    bundle, entry = updated.bundle, updated.entry
    contract = bundle.contract
    say(args, f"catalogue  {contract.n_items:,} items, {len(contract.retired):,} retired; indices unchanged")
    if entry["clipped_rows"]:
        overruled = ", accepted by --force" if entry["overruled"] else ""
        say(
            args,
            f"clipped    {entry['clipped_rows']:,} new rows at the int8 range, "
            f"the worst was {entry['worst_clip']:.2f} times it{overruled}",
        )
    say(args, f"same       {updated.compared_scores:,} scores of unchanged items verified identical")
    say(args, _recall_line(entry.get("recall")))
    say(args, f"wrote      {bundle.model_path}   {format_bytes(bundle.model_bytes)}")
    say(args, f"bundle     {bundle.folder}/   {format_bytes(bundle.total_bytes)} in all")
    say(args, f"           sha256 {bundle.digest[:16]}…   (was {updated.previous[:16]}…)")
    say(args, f"           self-test: {len(bundle.selftest().users)} users, passed")
    back = [] if args.out else [f"recpress-edge bundle rollback {shlex.quote(str(bundle.folder))}"]
    sign = [f"recpress-edge bundle sign {shlex.quote(str(bundle.folder))} --key FILE"] if was_signed else []
    if was_signed:
        say(args, "unsigned   the signature of the version before is not one of this version")
    next_steps(args, [*sign, f"device_bench run {shlex.quote(str(bundle.folder))}", *back])


def _recall_line(recall: Mapping[str, Any] | None) -> str:
    if recall is None:
        return "recall     not measured: the bundle carries no evaluation rows (export --with-evaluation)"
    figures = " → ".join(format_share(recall[when]) for when in ("before", "after"))
    return f"{'recall@' + str(recall['cutoff']):<9}  {figures}   ({recall['split']} users)"

"""What recpress-edge export says of a bundle that it made."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.common import next_steps, say
from recpress_edge.cli.profile import audience, profile_facts, say_profile, say_rows
from recpress_edge.core.units import format_bytes

if TYPE_CHECKING:
    from recpress_edge.cli.export import Request
    from recpress_export.compare import Parity
    from recpress_export.publish import Exported


def report_export(request: "Request", args: argparse.Namespace, exported: "Exported") -> None:
    """Everything that a person should know of it."""
    from recpress_edge.core.metrics import DEFAULT_CUTOFF
    from recpress_export.profiles import stored_text

    bundle, parity, recipe = exported.bundle, exported.parity, request.recipe
    contract, size = bundle.contract, bundle.model_bytes
    smaller = "" if recipe.name == "fp32" else f"   (fp32 {format_bytes(exported.fp32_bytes)}, "
    smaller += f"{exported.fp32_bytes / size:.2f}× smaller)" if smaller else ""
    say(
        args,
        f"student    {request.student}  seed {request.seed}  ·  "
        f"{audience(contract.n_users)} × {contract.n_items:,} items × {contract.dim}",
    )
    calibration = "   (no calibration needed)" if recipe.low else ""
    say(args, f"recipe     {recipe.name}: {stored_text(recipe.summary, contract.profile)}{calibration}")
    verb = "unchanged" if exported.unchanged else "wrote"
    say(args, f"{verb:<9}  {bundle.model_path}   {format_bytes(size)}{smaller}")
    if recipe.low:
        say(args, f"{recipe.name.partition('-')[0]:<9}  {stored_text(recipe.low, contract.profile)}")
    say(args, f"fp32       {stored_text(recipe.high, contract.profile)}")
    say_profile(args, bundle)
    say_rows(args, bundle)
    say(args, f"parity     {parity.users:,} validation users, against {parity.reference}")
    for name, overlap in parity.overlap.items():
        say(args, f"             {name:<12} {overlap.mean:.4f}   (lowest user {overlap.lowest:.2f})")
    for name, change in parity.change.items():
        delta = change.delta
        say(
            args,
            f"             {name:<12} {change.before:.4f} → {change.after:.4f}   "
            f"Δ {delta.mean:+.4f}  [{delta.low:+.4f}, {delta.high:+.4f}]",
        )
    if parity.cutoff != DEFAULT_CUTOFF:
        say(
            args,
            f"             K is {parity.cutoff}: {contract.n_items:,} items are too few for 50",
        )
    _say_thirds(args, parity)
    say(args, f"             {_first_difference(parity)}")
    if parity.exact_users is not None:
        say(
            args,
            f"             ids and scores equal the integer reference for all {parity.exact_users:,} users",
        )
    gate = bundle.quality["parity"]["gate"]
    if gate["overruled"]:
        say(args, f"gate       NOT MET, overruled by --force: {gate['failure']}")
    checked = f"self-test: {len(bundle.selftest().users)} users, passed"
    say(args, f"bundle     {bundle.folder}/   sha256 {bundle.digest[:16]}…   {checked}")
    next_steps(args, next_commands(request, args))


def _say_thirds(args: argparse.Namespace, parity: "Parity") -> None:
    for name, third in parity.by_popularity.items():
        if third.delta:
            say(
                args,
                f"             recall@{parity.cutoff} {name} {third.before:.4f} → {third.after:.4f}   "
                f"Δ {third.delta.mean:+.4f}  [{third.delta.low:+.4f}, {third.delta.high:+.4f}]   "
                f"({third.items:,} items, {third.users:,} users)",
            )


def _first_difference(parity: "Parity") -> str:
    if parity.first_difference is None:
        return "every list of 50 is the same, in the same order"
    return (
        f"{parity.identical_users:,} users get the same list of 50 in the same order; "
        f"the others first differ at rank {parity.first_difference:.0f} (median)"
    )


def next_commands(request: "Request", args: argparse.Namespace) -> list[str]:
    """What to do with the bundle."""
    return [
        f"device_bench run {request.target}",
        f"recpress-edge report {args.work / 'runs'} -o {args.work / 'report.html'}",
    ]


def export_facts(request: "Request", exported: "Exported") -> dict[str, Any]:
    """The same for --json."""
    bundle = exported.bundle
    dim = bundle.contract.dim
    row_bytes = {
        "item_row_bytes": request.recipe.item_row_bytes(dim),
        "user_row_bytes": request.recipe.user_row_bytes(dim),
    }
    return {
        "bundle": str(bundle.folder),
        "name": bundle.name,
        "sha256": bundle.digest,
        "unchanged": exported.unchanged,
        "student": request.student,
        "seed": request.seed,
        "dataset": request.data,
        "recipe": request.recipe.name,
        "format": request.file_format,
        "file_bytes": bundle.model_bytes,
        "fp32_file_bytes": exported.fp32_bytes,
        **({} if request.network else row_bytes),
        **profile_facts(bundle),
        "quantisation_error": asdict(exported.errors) if exported.errors else None,
        "parity": bundle.quality["parity"],
        "chain": bundle.quality["chain"],
        "selftest_users": len(bundle.selftest().users),
    }

"""What ``recpress-edge export`` says of a bundle of tables or of a network."""

import argparse
import shlex

from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.contract import ALL_USERS, HISTORY, SINGLE_USER
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.cli.common import audience, next_steps, say
from recpress_edge.cli.export.of_format import command_that_asks
from recpress_edge.core.metrics import DEFAULT_CUTOFF
from recpress_edge.core.registry import named
from recpress_edge.core.terminal import hanging
from recpress_edge.core.units import format_bytes
from recpress_edge.jobs.export import ExportResult
from recpress_export.compare import Parity
from recpress_export.profiles import stored_text


def next_commands(args: argparse.Namespace, bundle: Bundle) -> list[str]:
    row, folder = FORMATS[bundle.contract.format], shlex.quote(str(bundle.folder))
    return [
        *([f"{row.shown_by} {folder}"] if row.shown_by else []),
        command_that_asks(bundle),
        *(named(row.tried_by)(bundle) if row.tried_by else []),
        f"device_bench run {folder}",
        f"recpress-edge report {args.work / 'runs'} -o {args.work / 'report.html'}",
    ]


def report_export(args: argparse.Namespace, result: ExportResult) -> None:
    """Everything that a person should know of a bundle."""
    plan, exported = result.plan, result.exported
    bundle, parity, recipe = exported.bundle, exported.parity, plan.recipe
    contract, size = bundle.contract, bundle.model_bytes
    smaller = "" if recipe.name == "fp32" else f"   (fp32 {format_bytes(exported.fp32_bytes)}, "
    smaller += f"{exported.fp32_bytes / size:.2f}× smaller)" if smaller else ""
    say(
        args,
        f"student    {plan.student.name}  seed {plan.student.seed}  ·  "
        f"{audience(contract.n_users)} × {contract.n_items:,} items × {contract.dim}",
    )
    calibration = "   (no calibration needed)" if recipe.low else ""
    say(args, f"recipe     {recipe.name}: {stored_text(recipe.summary, contract.profile)}{calibration}")
    verb = "unchanged" if exported.unchanged else "wrote    "
    say(args, f"{verb}  {bundle.model_path}   {format_bytes(size)}{smaller}")
    if recipe.low:
        say(args, f"{recipe.name.partition('-')[0]:<9}  {stored_text(recipe.low, contract.profile)}")
    say(args, f"fp32       {stored_text(recipe.high, contract.profile)}")
    shown = ", ".join(f"{name} {format_bytes(found)}" for name, found in bundle.shown_bytes().items())
    if shown:
        say(args, f"shown      {shown} beside the model, for people; --titles none leaves titles out")
    if order := bundle.provenance.get("order"):
        say(args, hanging("order", order["why"]))
    _say_profile(args, bundle)
    _say_rows(args, bundle)
    kind = "validation users" if parity.change else "users with nothing held out"
    say(args, f"parity     {parity.users:,} {kind}, against {parity.reference}")
    if parity.certain:
        say(args, f"             tells nothing: no user has more items to rank than {parity.cutoff}")
    else:
        _say_differences(args, parity)
    if parity.cutoff != DEFAULT_CUTOFF:
        say(args, f"             K is {parity.cutoff}: {contract.n_items:,} items are too few for 50")
    say(args, f"             {_first_difference(parity)}")
    if parity.exact_users is not None:
        say(
            args,
            f"             ids and scores equal the integer reference for all {parity.exact_users:,} users",
        )
    gate = bundle.quality["parity"]["gate"]
    if gate["overruled"]:
        say(args, f"gate       NOT MET, overruled by --force: {gate['failure']}")
    row = FORMATS[contract.format]
    if row.hint and (hint := named(row.hint)(contract)):
        say(args, hanging("hint", hint))
    checked = f"self-test: {len(bundle.selftest().users)} users, passed"
    say(
        args,
        f"bundle     {bundle.folder}/   {format_bytes(bundle.total_bytes)} in all   "
        f"sha256 {bundle.digest[:16]}…   {checked}",
    )
    next_steps(args, next_commands(args, bundle))


def _say_differences(args: argparse.Namespace, parity: Parity) -> None:
    for name, overlap in parity.overlap.items():
        say(args, f"             {name:<12} {overlap.mean:.4f}   (lowest user {overlap.lowest:.2f})")
    for name, change in parity.change.items():
        delta = change.delta
        say(
            args,
            f"             {name:<12} {change.before:.4f} → {change.after:.4f}   "
            f"Δ {delta.mean:+.4f}  [{delta.low:+.4f}, {delta.high:+.4f}]",
        )
    for name, third in parity.by_popularity.items():
        if third.delta:
            say(
                args,
                f"             recall@{parity.cutoff} {name} {third.before:.4f} → {third.after:.4f}   "
                f"Δ {third.delta.mean:+.4f}  [{third.delta.low:+.4f}, {third.delta.high:+.4f}]   "
                f"({third.items:,} items, {third.users:,} users)",
            )


def _first_difference(parity: Parity) -> str:
    if parity.first_difference is None:
        return "every list of 50 is the same, in the same order"
    users = "user gets" if parity.identical_users == 1 else "users get"
    return (
        f"{parity.identical_users:,} {users} the same list of 50 in the same order; "
        f"the others first differ at rank {parity.first_difference:.0f} (median)"
    )


def _say_profile(args: argparse.Namespace, bundle: Bundle) -> None:
    """What a reader must know about a profile; nothing for all users."""
    profile = bundle.contract.profile
    if profile == SINGLE_USER:
        say(args, "profile    single-user: one vector, one id; the parity below is that of the recipe")
        say(args, "           not comparable with an all-users bundle's size")
    if bundle.contract.history_length:
        say(args, f"profile    history: the last {bundle.contract.history_length} consumed items, in order")
    elif profile == HISTORY and "fold_in" not in bundle.quality:
        say(args, "profile    history: nobody's vector; one hidden layer reads the consumed items")
    elif profile == HISTORY:
        changes = bundle.quality["fold_in"]["change"]
        say(args, "profile    history: nobody's vector; the file sums rows of the consumed items")
        if changes:
            say(args, "             by the user table → from the train items, all that both know:")
        for name, change in changes.items():
            delta = change["delta"]
            say(
                args,
                f"             {name:<12} {change['before']:.4f} → {change['after']:.4f}   "
                f"Δ {delta['mean']:+.4f}  [{delta['low']:+.4f}, {delta['high']:+.4f}]",
            )


def _say_rows(args: argparse.Namespace, bundle: Bundle) -> None:
    """Whose interactions travel in a bundle that is meant for people's devices; nothing for all users."""
    if bundle.contract.profile == ALL_USERS:
        return
    inside = "no evaluation rows; --with-evaluation brings them, to measure recall on the device"
    if (rows := bundle.evaluation()) is not None:
        inside = f"what {rows.users.size:,} test users consumed, to measure recall; no application needs it"
    say(args, f"inside     {inside}")

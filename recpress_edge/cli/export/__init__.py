"""recpress-edge export: make what is missing, then write, check and publish a bundle."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.contract import ALL_USERS, HISTORY, SINGLE_USER
from recpress_edge.artifacts.formats import DEFAULT, FORMATS
from recpress_edge.cli.common import (
    add_common_options,
    add_first_option,
    add_method_options,
    add_training_options,
    audience,
    emit,
    names_of,
    next_steps,
    request_of,
    say,
    say_costs,
    seed_number,
    set_first,
)
from recpress_edge.cli.events import print_events
from recpress_edge.cli.export.of_clicks import add_fit_option, refuse_fit, run_clicks
from recpress_edge.cli.export.of_format import add_format_options, command_that_asks, format_options
from recpress_edge.cli.export.of_two_stages import run_two_stages
from recpress_edge.cli.export.sweep import add_sweep_options, check_single, run_sweep
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.metrics import DEFAULT_CUTOFF
from recpress_edge.core.registry import named
from recpress_edge.core.terminal import hanging
from recpress_edge.core.units import format_bytes
from recpress_edge.data.holdout import MOST_COMPARED
from recpress_edge.device.cores import CORES
from recpress_edge.jobs.export import ExportPlan, ExportRequest, ExportResult
from recpress_edge.jobs.rankers.clicks import is_click_student
from recpress_edge.jobs.rankers.two_stages import is_two_stage_student
from recpress_export.compare import Parity
from recpress_export.profiles import stored_text


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Trains the teacher and the student if they are missing, writes the bundle, compares "
        f"its rankings with fp32 on the validation users ({MOST_COMPARED:,} at most), and runs its "
        "self-test. A bundle below the gate (export.toml) is not published: exit code 3, unless --force "
        "overrules it."
    )
    add_common_options(parser)
    add_training_options(parser)
    add_method_options(parser)
    parser.add_argument(
        "--student",
        metavar="NAME",
        help="for example soft_dim32; or the folder of a trained model, whatever its settings were",
    )
    parser.add_argument("--teacher", metavar="NAME", help="default: the one the student's method asks for")
    parser.add_argument(
        "--seed", type=seed_number, metavar="N", help="of the student's training (default: 0)"
    )
    add_first_option(parser)
    _add_file_options(parser)
    _add_profile_options(parser)
    parser.add_argument(
        "--titles",
        type=Path,
        metavar="FILE",
        help="table of item ids and titles, CSV or TSV, that travel in the bundle and are shown with answers "
        "(default: those of the data set; none leaves them out)",
    )
    parser.add_argument(
        "--item-features",
        metavar="A,B",
        help="item features of the data set that travel in the bundle and are shown with answers",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="default: WORK/dist/STUDENT-RECIPE, then "
        f"{', '.join(row.suffix for row in FORMATS.values() if row.suffix)}, -CORE, -PROFILE",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace what is at the target, and publish below the gate; the bundle then says so",
    )
    add_sweep_options(parser)
    parser.set_defaults(func=run, data=None)  # a model folder has its own


def _add_file_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--int8", action="store_true", help="the default int8 recipe: int8-dim; for a network int8-dynamic"
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help="fp32 (default), fp16, int8-dim (or int8), score16, int8-item, int4-item; "
        "of a network fp32 or int8-dynamic; of a click model fp32, int8, int8-fields or int4-fields",
    )
    add_fit_option(parser)
    parser.add_argument("--format", metavar="NAME", help="onnx (default), tflite, c, web, or several: onnx,c")
    parser.add_argument(
        "--core",
        metavar="NAME",
        help="arrange an integer file for one kind of core, with the same answers: "
        f"{'; '.join(f'{name} ({whose})' for name, whose in CORES.items())}",
    )
    add_format_options(parser)


def _add_profile_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="whose vectors are inside: all-users (default), single-user, or history: nobody's, the file "
        "makes them from the consumed items",
    )
    parser.add_argument("--user", metavar="ID", help="whose single-user bundle: an id of the log")
    parser.add_argument(
        "--with-evaluation",
        action="store_true",
        help="put the test users' rows into a single-user or history bundle, so that device_bench can "
        "measure its recall, or the test rows into a click bundle, for its AUC, or the test requests into a "
        "bundle of two stages, for the NDCG of each; an all-users bundle always holds them",
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the bundle is there, whether written now or before."""
    if args.all:
        return run_sweep(args)
    check_single(args)
    if args.student and is_click_student(args.student):
        return run_clicks(args)
    refuse_fit(args)
    stages = bool(args.student) and is_two_stage_student(args.student)
    set_first(args, stages=stages)
    if stages:
        return run_two_stages(args)
    features = tuple(names_of("item-features", args.item_features)) if args.item_features else ()
    plans = [
        request_of(
            ExportRequest, args, format=name, item_features=features, options=format_options(args)
        ).check(target=not args.dry_run)
        for name in _formats(args)
    ]
    facts = [_say_plan(args, plan) if args.dry_run else _export(args, plan) for plan in plans]
    emit(args, facts[0] if len(facts) == 1 else {"bundles": facts})
    return 0


def _formats(args: argparse.Namespace) -> list[str]:
    """The formats that are asked for; each makes a bundle."""
    names = names_of("format", args.format or DEFAULT)
    if len(names) > 1 and args.out:
        raise ConfigError(f"--out names one bundle, and --format makes {len(names)}. Leave one out.")
    return names


def _export(args: argparse.Namespace, plan: ExportPlan) -> dict[str, Any]:
    if targets := plan.request.options.build:
        say(args, f"compile    for {', '.join(targets)} once the file is checked: a minute or two each")
    with print_events(args) as on_event:
        result = plan.run(on_event)
    _report(args, result)
    return result.facts() | {"next": _next_commands(args, result.exported.bundle)}


def _say_plan(args: argparse.Namespace, plan: ExportPlan) -> dict[str, Any]:
    with print_events(args) as on_event:
        steps = plan.steps(on_event)
    for step in steps:
        say(args, f"{step.action:<9}  {step.name}  seed {step.seed}  {step.folder or ''}".rstrip())
        say_costs(args, step, 10)
    stored = stored_text(plan.recipe.summary, plan.profile)
    say(args, f"write      {plan.target}  {plan.recipe.name}: {stored}")
    return plan.facts(steps)


def _next_commands(args: argparse.Namespace, bundle: Bundle) -> list[str]:
    row, folder = FORMATS[bundle.contract.format], shlex.quote(str(bundle.folder))
    return [
        *([f"{row.shown_by} {folder}"] if row.shown_by else []),
        command_that_asks(bundle),
        *(named(row.tried_by)(bundle) if row.tried_by else []),
        f"device_bench run {folder}",
        f"recpress-edge report {args.work / 'runs'} -o {args.work / 'report.html'}",
    ]


def _report(args: argparse.Namespace, result: ExportResult) -> None:
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
    say(args, f"bundle     {bundle.folder}/   sha256 {bundle.digest[:16]}…   {checked}")
    next_steps(args, _next_commands(args, bundle))


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
    return (
        f"{parity.identical_users:,} users get the same list of 50 in the same order; "
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

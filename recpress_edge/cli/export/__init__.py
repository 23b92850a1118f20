"""recpress-edge export: make what is missing, then write, check and publish a bundle."""

import argparse
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.formats import DEFAULT, FORMATS
from recpress_edge.cli.common import (
    add_common_options,
    add_first_option,
    add_method_options,
    add_training_options,
    emit,
    names_of,
    request_of,
    say,
    say_costs,
    seed_number,
    set_first,
)
from recpress_edge.cli.events import print_events
from recpress_edge.cli.export.lean import add_lean_options, check_lean, has_scales, strip_exported
from recpress_edge.cli.export.of_clicks import add_fit_option, refuse_fit, run_clicks
from recpress_edge.cli.export.of_format import add_format_options, format_options
from recpress_edge.cli.export.of_two_stages import run_two_stages
from recpress_edge.cli.export.report import next_commands, report_export
from recpress_edge.cli.export.sweep import add_sweep_options, check_single, run_sweep
from recpress_edge.core.errors import ConfigError
from recpress_edge.data.holdout import MOST_COMPARED
from recpress_edge.device.cores import CORES
from recpress_edge.jobs.export import ExportPlan, ExportRequest
from recpress_edge.jobs.rankers.clicks import is_click_student
from recpress_edge.jobs.rankers.two_stages import is_two_stage_student
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
    add_lean_options(parser)
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
    for plan in plans:
        check_lean(args, plan.target, scaled=has_scales(plan))
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
    report_export(args, result)
    lean = strip_exported(args, result.exported.bundle.folder)
    return result.facts() | lean | {"next": next_commands(args, result.exported.bundle)}


def _say_plan(args: argparse.Namespace, plan: ExportPlan) -> dict[str, Any]:
    with print_events(args) as on_event:
        steps = plan.steps(on_event)
    for step in steps:
        say(args, f"{step.action:<9}  {step.name}  seed {step.seed}  {step.folder or ''}".rstrip())
        say_costs(args, step, 10)
    stored = stored_text(plan.recipe.summary, plan.profile)
    say(args, f"write      {plan.target}  {plan.recipe.name}: {stored}")
    return plan.facts(steps)

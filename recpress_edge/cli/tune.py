"""``recpress-edge tune``: from a log and a budget to the bundle to ship."""

import argparse
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from recpress_edge.artifacts.contract import PROFILES
from recpress_edge.artifacts.formats import DEFAULT, FORMATS
from recpress_edge.artifacts.manifest import bundle_bytes
from recpress_edge.cli.common import (
    add_common_options,
    add_executor_options,
    add_method_options,
    add_training_options,
    emit,
    executor_of,
    names_of,
    next_steps,
    positive_int,
    request_of,
    say,
    seed_number,
    table,
)
from recpress_edge.cli.events import print_events
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.metrics import BALANCED, CHOICES, metric_title, shown_metrics
from recpress_edge.core.progress import Event, OnEvent, TrainingEvent
from recpress_edge.core.terminal import hanging
from recpress_edge.core.units import (
    UNKNOWN,
    format_bytes,
    format_recall,
    format_seconds,
    parse_duration,
    parse_size,
)
from recpress_edge.data.everything import NO_TEST
from recpress_edge.device.c.footprint import file_bytes_within
from recpress_edge.jobs.tune.budget import LISTS_OF
from recpress_edge.jobs.tune.diary import TuneEvent
from recpress_edge.jobs.tune.request import TunePlan, TuneRequest, TuneResult
from recpress_edge.jobs.tune.space import TEACHERS
from recpress_edge.jobs.tune.trial import TuneTrial

_LONG_S: Final = 60.0
"""A training of this many seconds reports its epochs where there is no terminal for a bar."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Finds the best recommender within so many bytes: baselines, teachers, then students whose tables "
        "fill the file, by Optuna. Chosen on validation, tested once, exported. Stopped or killed, the same "
        "command goes on."
    )
    add_common_options(parser)
    add_training_options(parser)
    _add_budget(parser)
    group = parser.add_argument_group("search")
    group.add_argument(
        "--trials", type=positive_int, default=40, metavar="N", help="students to try at most (default: 40)"
    )
    group.add_argument(
        "--hours",
        type=hours,
        default=2.0,
        metavar="H",
        help="begin no round of students that would end later (default: 2)",
    )
    group.add_argument("--seed", type=seed_number, default=0, metavar="S", help="of all (default: 0)")
    group.add_argument(
        "--choose-by",
        choices=CHOICES,
        default=BALANCED,
        metavar="WHAT",
        help=f"metric of the validation users: {', '.join(CHOICES)} (default: {BALANCED})",
    )
    group.add_argument("--recipes", metavar="A,B", help="default: int8-dim,int4-item")
    group.add_argument("--teachers", metavar="A,B", help=f"default: {','.join(TEACHERS)}")
    add_method_options(parser)
    group = parser.add_argument_group("bundle")
    group.add_argument("--format", choices=FORMATS, default=DEFAULT, help=f"default: {DEFAULT}")
    group.add_argument("--profile", choices=PROFILES, default=PROFILES[0], help=f"default: {PROFILES[0]}")
    group.add_argument("--user", metavar="ID", help="the one user of --profile single-user")
    group.add_argument(
        "--final",
        action="store_true",
        help="then train what was chosen again, on everything: the bundle to ship. No test figure of it is "
        "possible, and it says so",
    )
    add_executor_options(parser, "students tried")
    parser.set_defaults(func=_tune)


def _add_budget(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("budget")
    group.add_argument(
        "--max-bytes",
        metavar="SIZE",
        help="largest model file, for example 300KB (with --max-flash: what that leaves)",
    )
    group.add_argument(
        "--max-flash",
        metavar="SIZE",
        help="most flash of a microcontroller, code and model, for example 256KB: needs --format c; computed",
    )
    group.add_argument(
        "--max-ram",
        metavar="SIZE",
        help="most RAM of a microcontroller for lists of 10, for example 16KB; computed",
    )
    group.add_argument(
        "--max-p95",
        metavar="TIME",
        help="longest p95 of a query on the target, for example 5ms: narrower tables where it is exceeded",
    )
    group.add_argument(
        "--on",
        metavar="TARGET",
        help="measure the bundle there: host, ssh://user@host, armvm:CORE (default: nowhere, with "
        "--max-p95 host)",
    )


def hours(text: str) -> float:
    """argparse type: a number above 0."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value


def _tune(args: argparse.Namespace) -> int:
    more = {
        name: tuple(names_of(name, getattr(args, name)))
        for name in ("recipes", "teachers")
        if getattr(args, name) is not None
    }
    for name in ("recipes", "teachers"):
        delattr(args, name)
    request = request_of(
        TuneRequest,
        args,
        max_bytes=_max_bytes(args),
        max_flash=parse_size(args.max_flash) if args.max_flash else None,
        max_ram=parse_size(args.max_ram) if args.max_ram else None,
        max_p95_ns=parse_duration(args.max_p95) if args.max_p95 else None,
        **more,
    )
    if args.dry_run:
        plan = request.plan()
        _say_plan(args, plan)
        emit(args, plan.facts())
        return 0
    with print_events(args) as on_event:
        result = request.run(_listener(args, on_event), executor_of(args))
    _say_result(args, result)
    emit(args, result.facts())
    return 0


def _max_bytes(args: argparse.Namespace) -> int:
    """Of the model file: as it was given, or what a microcontroller's flash leaves beside the code."""
    if args.max_bytes:
        return parse_size(args.max_bytes)
    if not args.max_flash:
        raise ConfigError(
            "tune needs a budget: --max-bytes 300KB, or for a microcontroller --max-flash 256KB"
        )
    return file_bytes_within(parse_size(args.max_flash))


def _say_plan(args: argparse.Namespace, plan: TunePlan) -> None:
    for shape, size in plan.shapes:
        say(args, f"would try  {shape.recipe} at dim {shape.dim}: {size:,} bytes ({format_bytes(size)})")
    for (shape, _), need in zip(plan.shapes, plan.needs, strict=False):
        flash, ram = format_bytes(need.flash_bytes), format_bytes(need.ram_bytes)
        say(args, f"computed   {shape}: {flash} flash with code, {ram} RAM for lists of {LISTS_OF}")
    say(args, hanging("baselines", ", ".join(plan.baselines)))
    say(args, hanging("teachers", ", ".join(plan.teachers)))
    say(args, f"students   {plan.trials} at most, within {plan.hours:g} h")
    say(args, f"would keep {plan.folder}")


def _listener(args: argparse.Namespace, on_event: OnEvent) -> OnEvent:
    def tell(event: Event) -> None:
        if isinstance(event, TuneEvent):
            say(args, _line(event))
        elif not isinstance(event, TrainingEvent) or _is_said(event):
            on_event(event)

    return tell


def _is_said(event: TrainingEvent) -> bool:
    """Of a training, what the line of its trial does not stand for."""
    long = sys.stderr.isatty() or event.seconds > _LONG_S
    return event.kind == "wait" or (event.kind == "epoch" and long)


def _line(event: TuneEvent) -> str:
    trial = event.trial
    value = trial.reason if trial.worth is None else format_recall(trial.worth)
    number = f" {event.number}/{event.limit}" if trial.kind == "student" else ""
    line = f"{trial.kind + number:<13}  {trial.label}  {value}"
    if trial.kind != "student" or event.best is None:
        return line
    left = "" if event.seconds_left is None else f", {format_seconds(event.seconds_left)} left"
    return f"{line}  (best {format_recall(event.best.worth or 0.0)}{left})"


def _say_result(args: argparse.Namespace, result: TuneResult) -> None:
    chosen = result.chosen
    say(args, f"\nvalidation, best first; {_count(result.trials)}")
    say(args, _table(result))
    say(args)
    for label, means in result.tested.items():
        say(args, f"{'test':<11}{label}  {_figures(means, result.cutoff)}")
    first, *others = result.verdict.sentences()
    say(args, hanging("verdict", first))
    for line in others:
        say(args, hanging("", line))
    if chosen.kind == "baseline":
        say(args, hanging("", f"The baseline {chosen.label} is best on validation, so it is exported."))
    say(args)
    sizes = (
        f"model {format_bytes(chosen.file_bytes or 0)}, bundle {format_bytes(bundle_bytes(result.bundle))}"
    )
    say(args, hanging("exported", f"{result.bundle}  {sizes}"))
    if result.final:
        say(args, hanging("final", f"{result.final}  {NO_TEST}"))
    for record in result.records:
        say(args, f"measured   {record}")
    say(args, f"all        {result.tune_file}")
    shipped = shlex.quote(str(result.final or result.bundle))
    runs = shlex.quote(str(args.work / "runs"))
    report = f"recpress-edge report {runs} {shlex.quote(str(result.tune_file))} -o report.html"
    next_steps(args, [f"recpress-edge inspect {shipped}", f"device_bench run {shipped}", report])


def _count(trials: Sequence[TuneTrial]) -> str:
    students = [trial.state for trial in trials if trial.kind == "student"]
    counts = [f"{students.count(state)} {state}" for state in ("done", "pruned", "failed")]
    return f"students: {', '.join(counts)}"


def _table(result: TuneResult) -> str:
    metrics = shown_metrics(result.cutoff)
    short = [metric.replace("recall", "R").replace("ndcg", "N") for metric in metrics]
    fit = [trial for trial in result.trials if trial.recipe and trial.valid]
    ranked = sorted(fit, key=lambda trial: -(trial.worth or 0.0))
    return table(
        ("candidate", "recipe", "bytes", *short, "worth"),
        [
            [
                trial.taught,
                str(trial.recipe),
                f"{trial.file_bytes or 0:,}",
                *(_recall((trial.valid or {}).get(metric)) for metric in metrics),
                _recall(trial.worth) + ("*" if trial is result.chosen else ""),
            ]
            for trial in ranked
        ],
    )


def _recall(value: float | None) -> str:
    return UNKNOWN if value is None else format_recall(value)


def _figures(means: Mapping[str, float | None], cutoff: int) -> str:
    return "  ".join(f"{metric_title(metric)} {_recall(means[metric])}" for metric in shown_metrics(cutoff))

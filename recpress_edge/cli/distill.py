"""``recpress-edge distill``: a small student from a teacher, which is trained first when it is missing."""

import argparse
import shlex

from recpress_edge.cli.common import (
    add_common_options,
    add_executor_options,
    add_training_options,
    emit,
    executor_of,
    flags_again,
    next_steps,
    request_of,
    say,
)
from recpress_edge.cli.events import print_events
from recpress_edge.cli.train import add_run_options, quantised_table, say_metrics, say_plan
from recpress_edge.core.metrics import metric_title, shown_metrics, stated_cutoff
from recpress_edge.core.units import format_share
from recpress_edge.jobs.train import DistillRequest


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_common_options(parser)
    add_training_options(parser)
    add_run_options(parser)
    add_executor_options(parser)
    parser.add_argument(
        "--student",
        required=True,
        metavar="NAME",
        help="for example soft_dim32, htd_dim10, svd_dim20, bpr_dim10",
    )
    parser.add_argument(
        "--teacher",
        metavar="NAME",
        help="name or folder of the teacher, or 'none' (default: soft_dim200; for soft, "
        "ensemble:soft_dim200+als_dim64+ease, or als_dim400 for large data)",
    )
    parser.add_argument(
        "--quantise",
        metavar="RECIPE",
        help="fine-tune the trained student for a recipe's rounding: int8-dim or int4-item. The result is "
        "another student, NAME_qat-RECIPE; --config and --epochs are then those of the fine-tuning",
    )
    parser.set_defaults(func=_distill)


def _distill(args: argparse.Namespace) -> int:
    request, executor = request_of(DistillRequest, args), executor_of(args)
    if args.dry_run:
        say_plan(args, request)
        return 0
    with print_events(args) as on_event:
        result = request.run(on_event, executor)
    first, recipe = result.models[0], result.name.recipe
    say_metrics(args, result.models)
    if recipe:
        say(args)
        say(args, quantised_table(result.models))
    teacher = first.metadata["teacher"]
    if teacher and "test" in teacher["metrics"]:
        k = stated_cutoff(first.metadata)
        test = teacher["metrics"]["test"]
        told = ", ".join(f"{metric_title(m)} {format_share(test.get(m))}" for m in shown_metrics(k))
        say(args, f"teacher    {teacher['name']} seed {teacher['seed']}: test {told}")
    say(args)
    # By its name only a student with the usual settings and teacher is found again; any other by its folder.
    which = str(result.name) if result.usual else shlex.quote(str(first.folder))
    stored = f"--recipe {recipe}" if recipe else "--int8"
    next_steps(args, [f"recpress-edge export --student {which} {stored}{flags_again(args)}"])
    emit(args, result.facts())
    return 0

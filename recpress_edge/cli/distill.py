"""``recpress-edge distill``: a small student from a teacher, which is trained first when it is missing."""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recpress_edge.cli.common import (
    add_common_options,
    add_executor_options,
    add_first_option,
    add_training_options,
    emit,
    executor_of,
    flags_again,
    next_steps,
    request_of,
    say,
    set_first,
)
from recpress_edge.cli.events import print_events
from recpress_edge.cli.train import (
    add_run_options,
    metric_titles,
    quantised_table,
    say_from,
    say_metrics,
    say_plan,
)
from recpress_edge.core.units import format_share
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.train import DistillRequest, TrainResult


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
        help="for example soft_dim32, htd_dim10, svd_dim20, bpr_dim10; of sequences lrh_dim16, sasrec_dim16, "
        "adarec_dim32; of histories in any order ae_dim32; of two stages rerank_dim8; of a data set with "
        "labels deepfm_dim8",
    )
    parser.add_argument(
        "--teacher",
        metavar="NAME",
        help="name or folder of the teacher, or 'none' (default: soft_dim200; for soft, "
        "ensemble:soft_dim200+als_dim64+ease, or als_dim400 for large data; for ae ecae_dim200; for lrh and "
        "adarec sasrec_dim64, for sasrec none; for click models an ensemble of four)",
    )
    add_first_option(parser)
    parser.add_argument(
        "--quantise",
        metavar="RECIPE",
        help="fine-tune the trained student for a recipe's rounding: int8-dim or int4-item. The result is "
        "another student, NAME_qat-RECIPE; --config and --epochs are then those of the fine-tuning",
    )
    parser.add_argument(
        "--cell",
        type=Path,
        metavar="FILE",
        help="of adarec_dim<N>: the cell.json of a model or of your own, which is then trained without a "
        "search; --set method.cell=conv3+skip+max3 says it in a word",
    )
    parser.set_defaults(func=_distill)


def _distill(args: argparse.Namespace) -> int:
    if args.first is not None:
        set_first(args, stages=parse_name(args.student).entry.stages)
    request, executor = request_of(DistillRequest, args), executor_of(args)
    if args.dry_run:
        say_plan(args, request)
        return 0
    with print_events(args) as on_event:
        result = request.run(on_event, executor)
    first = result.models[0]
    say_metrics(args, result.models)
    if result.name.recipe:
        say(args)
        say(args, quantised_table(result.models))
    if search := first.metadata.get("search"):
        say(args)
        say(args, search_words(search))
    teacher = first.metadata["teacher"]
    if teacher and "test" in teacher["metrics"]:
        test, titles = teacher["metrics"]["test"], metric_titles(first.metadata)
        told = ", ".join(f"{title} {format_share(test.get(name))}" for name, title in titles.items())
        say(args, f"teacher    {teacher['name']} seed {teacher['seed']}: test {told}")
    say_from(args, result.models)
    say(args)
    next_steps(args, [_following(args, result)])
    emit(args, result.facts())
    return 0


def search_words(search: Mapping[str, Any]) -> str:
    """What a search for a cell says of it, in two lines."""
    edges = zip(search["operations"], search["chances"], strict=True)
    told = ", ".join(f"{name} {format_share(chance)}" for name, chance in edges)
    verdict = "decided" if search["decided"] else "did not decide: it takes the likeliest operations"
    return f"cell       {told}\nsearch     {verdict}, after {search['epochs']} epochs"


def _following(args: argparse.Namespace, result: TrainResult) -> str:
    model, recipe = result.models[0], result.name.recipe
    # By its name only a student with the usual settings and teacher is found again; any other by its folder.
    which = str(result.name) if result.usual else shlex.quote(str(model.folder))
    stored = f"--recipe {recipe}" if recipe else "--int8"
    return f"recpress-edge export --student {which} {stored}{flags_again(args)}"

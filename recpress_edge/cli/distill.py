"""``recpress-edge distill``: a small student from a teacher, which is trained first when it is missing."""

import argparse
import shlex
from pathlib import Path

from recpress_edge.cli.common import common_options, emit, next_steps, say, training_options
from recpress_edge.cli.train import (
    flags_again,
    model_record,
    quantised_table,
    run_options,
    say_metrics,
    say_plan,
    seeds_of,
    train_options,
    training_events,
    warn_of_ensemble,
)
from recpress_edge.core.metrics import stated_cutoff
from recpress_edge.core.units import format_share


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "distill",
        parents=[common_options(), training_options(), run_options()],
        help="distil a small student; a missing teacher is trained first",
    )
    parser.add_argument(
        "--student",
        required=True,
        metavar="NAME",
        help="for example htd_dim10, ftd_dim20, soft_dim10, bpr_dim10",
    )
    parser.add_argument(
        "--teacher",
        metavar="NAME",
        help="name or folder of the teacher, or 'none' (default: bpr_dim200; for soft, soft_dim200)",
    )
    parser.add_argument(
        "--quantise",
        metavar="RECIPE",
        help="fine-tune the trained student for a recipe's rounding: int8-dim or int4-item. The result is "
        "another student, NAME_qat-RECIPE; --config and --epochs are then those of the fine-tuning",
    )
    parser.set_defaults(func=_distill)


def _distill(args: argparse.Namespace) -> int:
    from recpress_edge.data.resolve import load_dataset
    from recpress_edge.distill.students import parse_name
    from recpress_edge.training.ensure import ensure_model
    from recpress_edge.training.plan import ModelRequest, asked_teacher, is_folder

    student = parse_name(args.student, "student")
    if args.quantise:
        student = student.fine_tuned(args.quantise)
    asked_teacher(student, "student", args.teacher)  # a wrong combination is refused before any data is read
    options = train_options(args, args.teacher)
    if args.dry_run:
        say_plan(args, str(student), "student", options)
        return 0
    data = load_dataset(args.data, args.work, lambda text: say(args, text))
    if args.teacher and is_folder(args.teacher):
        warn_of_ensemble(args, Path(args.teacher))
    with training_events(args) as tell:
        models = [
            ensure_model(
                ModelRequest(name=str(student), role="student", seed=seed, options=options),
                data,
                args.work,
                tell,
            )
            for seed in seeds_of(args)
        ]
    say_metrics(args, models)
    if student.recipe:
        say(args)
        say(args, quantised_table(models))
    teacher = models[0].metadata["teacher"]
    if teacher and "test" in teacher["metrics"]:
        k = stated_cutoff(models[0].metadata)
        recall = format_share(teacher["metrics"]["test"].get(f"recall@{k}"))
        say(args, f"teacher    {teacher['name']} seed {teacher['seed']}: test recall@{k} {recall}")
    say(args)
    recipe = f"--recipe {student.recipe}" if student.recipe else "--int8"
    # By its name only a student with the usual settings and teacher is found again; any other by its folder.
    usual = args.teacher is None and not (options.method or options.training) and seeds_of(args)[0] == 0
    which = str(student) if usual else shlex.quote(str(models[0].folder))
    next_steps(args, [f"recpress-edge export --student {which} {recipe}{flags_again(args)}"])
    emit(args, {"models": [model_record(model) for model in models]})
    return 0

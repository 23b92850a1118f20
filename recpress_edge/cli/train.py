"""``recpress-edge train``: a teacher, or any model that learns from the interactions alone."""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.clicks.metrics import CLICK_METRICS, TITLES
from recpress_edge.cli.common import (
    add_common_options,
    add_executor_options,
    add_method_options,
    add_training_options,
    emit,
    executor_of,
    flags_again,
    next_steps,
    positive_int,
    request_of,
    say,
    say_costs,
    seed_number,
    table,
)
from recpress_edge.cli.events import print_events
from recpress_edge.core.metrics import (
    DEFAULT_CUTOFF,
    THIRDS,
    metric_title,
    shown_metrics,
    stated_cutoff,
)
from recpress_edge.core.terminal import hanging
from recpress_edge.core.units import format_share
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.train import DistillRequest, TrainRequest, TrainResult
from recpress_edge.training.store import TrainedModel, is_click_model
from recpress_edge.training.warm.gate import OVERLAP


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_common_options(parser)
    add_training_options(parser)
    add_run_options(parser)
    add_executor_options(parser)
    parser.add_argument(
        "--teacher",
        required=True,
        metavar="NAME",
        help="for example bpr_dim200, soft_dim200, lightgcn_dim64, ease, or several as one: "
        "ensemble:soft_dim200+als_dim64+ease (members that are missing are trained first); of a data set "
        "with labels a click model: lr, fm_dim10, wide_deep_dim16, deepfm_dim16",
    )
    parser.add_argument(
        "--member",
        action="append",
        default=[],
        metavar="FOLDER",
        help="a trained model to take for the ensemble's member of that name; may be given again",
    )
    parser.add_argument(
        "--refit",
        action="store_true",
        help="then train again on train and validation together, for the epochs chosen on validation, and "
        "give the test figures of that, as published tables do; what is distilled comes from the first",
    )
    parser.set_defaults(func=_train)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """The options of train and distill: which seeds, and what differs from the defaults."""
    add_method_options(parser)
    group = parser.add_argument_group("one training run")
    seeds = group.add_mutually_exclusive_group()
    seeds.add_argument(
        "--seed", type=seed_number, default=0, metavar="S", help="train this seed (default: 0)"
    )
    seeds.add_argument("--seeds", type=positive_int, metavar="N", help="train seeds 0 to N-1")
    group.add_argument("--epochs", type=positive_int, metavar="N", help="length of the schedule")
    group.add_argument(
        "--keep", choices=("best", "last"), help="which epoch: best on validation (default), or last"
    )
    group.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML with the tables [method] and [training]"
    )
    group.add_argument(
        "--from",
        dest="earlier",
        metavar="MODEL",
        help="go on from an earlier model's folder, on a log that grew: of the same method and dim; rows are "
        "matched by id, new ones folded in, and its teacher goes on from the earlier one's; als and ease are "
        "computed again with its settings. 'newest': the newest of that name and seed on an earlier state of "
        "--data",
    )
    group.add_argument(
        "--min-overlap",
        type=float,
        metavar="SHARE",
        help="with --from: exit code 3 where less of users' first ten items stays on average, such as 0.6",
    )
    group.add_argument(
        "--restart", action="store_true", help="ignore the model and its checkpoint, and train from the start"
    )


def _train(args: argparse.Namespace) -> int:
    request, executor = request_of(TrainRequest, args), executor_of(args)
    if args.dry_run:
        say_plan(args, request)
        return 0
    with print_events(args) as on_event:
        result = request.run(on_event, executor)
    say_metrics(args, result.models)
    if result.refitted:
        say(args, "\ntrained again on train and validation:")
        say_metrics(args, result.refitted)
    say_from(args, result.models)
    say(args)
    next_steps(args, _following(args, result))
    emit(args, result.facts())
    return 0


def _following(args: argparse.Namespace, result: TrainResult) -> list[str]:
    folder = shlex.quote(str(result.models[0].folder))
    if is_click_model(result.models[0].metadata):
        return [f"recpress-edge distill --student deepfm_dim4 --teacher {folder}{flags_again(args)}"]
    student = "soft_dim32"
    # By its name a default teacher is found again; one with other settings only by its folder.
    usual = result.usual and str(result.name) == parse_name(student).entry.usual_teacher
    teacher = "" if usual else f" --teacher {folder}"
    following = [f"recpress-edge distill --student {student}{teacher}{flags_again(args)}"]
    if result.name.entry.network and "student" in result.name.entry.roles:  # it fits a device by itself
        following.append(f"recpress-edge export --student {folder} --int8{flags_again(args)}")
    return following


def say_from(args: argparse.Namespace, models: Sequence[TrainedModel]) -> None:
    """What each model goes on from, and how far users' lists moved."""
    for model in models:
        if begun := model.metadata.get("from"):
            say(args)
            rows = [f"{_rows_told(begun[side])} {side}" for side in ("users", "items")]
            again = "" if "drawn" in begun["users"] else ", all computed again"
            say(args, hanging("from", f"{begun['folder']}: {'; '.join(rows)}{again}"))
            if seen := begun.get("held_out_seen"):
                say(
                    args,
                    f"seen       {seen:.1%} of what is held out, by the model before: figures gain",
                )
            found = begun[OVERLAP]
            mean, decile = format_share(found["mean"]), format_share(found["lowest_decile"])
            both = f"of the {found['users']:,} users; {found['items']:,} items that both know"
            say(args, hanging("moved", f"{OVERLAP} {mean} on average, at most {decile} for a tenth {both}"))


def _rows_told(side: Mapping[str, int]) -> str:
    """How many rows were known, folded in and drawn; of a closed form known and new."""
    more = {how.replace("_", " "): count for how, count in side.items() if how != "known"}
    return ", ".join(
        [f"{side['known']:,} known", *(f"{count:,} {how}" for how, count in more.items() if count)]
    )


def say_plan(args: argparse.Namespace, request: TrainRequest | DistillRequest) -> None:
    """What would be found or trained, in order."""
    with print_events(args) as on_event:
        plan = request.plan(on_event)
    for step in plan.steps:
        verb = {"cached": "found", "resume": "would resume", "train": "would train"}[step.action]
        say(args, f"{verb:<13} {step.name} seed {step.seed}{step.left_out}  {step.folder or ''}".rstrip())
        say_costs(args, step, 13)
    if plan.refit:
        say(args, f"then again    {plan.refit} on train and validation, for the epochs chosen on validation")
    emit(args, plan.facts())


def metrics_table(models: Sequence[TrainedModel]) -> str:
    """Recall@10, NDCG@10 and Recall at the K that judges, or all metrics of a click model: a line per model
    and split."""
    titles = metric_titles(models[0].metadata)
    rows = [
        [
            *(metadata["name"], str(metadata["seed"]), split, str(metadata["chosen_epoch"])),
            *(format_share(metadata["metrics"][split].get(metric)) for metric in titles),
        ]
        for metadata in (model.metadata for model in models)
        for split in ("valid", "test")
        if split in metadata["metrics"]
    ]
    return table(["model", "seed", "split", "epoch", *titles.values()], rows)


def metric_titles(facts: Mapping[str, Any]) -> dict[str, str]:
    """What is shown of a model, of which these are the facts: titles of metrics by their names."""
    if is_click_model(facts):
        return {name: TITLES[name] for name in CLICK_METRICS}
    return {name: metric_title(name) for name in shown_metrics(stated_cutoff(facts))}


def popularity_table(models: Sequence[TrainedModel]) -> str:
    """Test recall@K of popular and of rare items; empty for models trained before it was recorded."""
    rows = []
    for model in models:
        thirds = model.metadata.get("recall_by_popularity", {}).get("test", {})
        values = [format_share(value) for value in thirds.values()]
        if values:
            rows.append([model.name, str(model.metadata["seed"]), *values])
    k = stated_cutoff(models[0].metadata)
    return table([f"test recall@{k} by popularity", "seed", *THIRDS], rows) if rows else ""


def say_metrics(args: argparse.Namespace, models: Sequence[TrainedModel]) -> None:
    """The tables of results."""
    for text in (metrics_table(models), popularity_table(models)):
        if text:
            say(args)
            say(args, text)
    k = stated_cutoff(models[0].metadata)
    if k != DEFAULT_CUTOFF and not is_click_model(models[0].metadata):
        n_items = models[0].metadata["n_items"]
        by = f"by recall@{k} and ndcg@{min(k, 10)}: {n_items:,} items are too few for recall@50"
        if models[0].metadata["metrics"].get("valid", {}).get(f"recall@{k}") is None:
            by = f"by nothing: no validation user has more items to rank than {k}, so any model is as good"
        say(args, f"judged     {by}")


def quantised_table(models: Sequence[TrainedModel]) -> str:
    """Fine-tuned students as their recipe stores them, each after the model that it started from."""
    rows = []
    shown = shown_metrics(stated_cutoff(models[0].metadata))
    for model in models:
        found = model.metadata["quantised"]
        for name, metrics in (
            (found["start"]["name"], found["start_metrics"]),
            (model.name, found["metrics"]),
        ):
            for split in ("valid", "test"):
                values = [format_share(metrics.get(split, {}).get(metric)) for metric in shown]
                rows.append([name, str(model.metadata["seed"]), split, *values])
    recipe = models[0].metadata["quantised"]["recipe"]
    return table([f"as {recipe}", "seed", "split", *map(metric_title, shown)], rows)

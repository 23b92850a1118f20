"""``recpress-edge train``: a teacher, or any model that learns from the interactions alone."""

import argparse
import contextlib
import dataclasses
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.common import (
    Progress,
    common_options,
    emit,
    next_steps,
    positive_int,
    progress,
    say,
    seed_number,
    table,
    training_options,
)
from recpress_edge.core.errors import unknown_name
from recpress_edge.core.metrics import DEFAULT_CUTOFF, reported_cutoffs, stated_cutoff
from recpress_edge.core.popularity import THIRDS
from recpress_edge.core.units import format_bytes, format_share

if TYPE_CHECKING:
    from recpress_edge.distill.students import Role
    from recpress_edge.training.ensure import OnTrainingEvent, TrainingEvent
    from recpress_edge.training.plan import TrainOptions
    from recpress_edge.training.store import TrainedModel


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        parents=[common_options(), training_options(), run_options()],
        help="train a teacher on the interactions alone",
    )
    parser.add_argument(
        "--teacher",
        required=True,
        metavar="NAME",
        help="for example bpr_dim200, soft_dim200, lightgcn_dim64, ease, or several as one: "
        "ensemble:bpr_dim200+soft_dim200+ease (members that are missing are trained first)",
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


def run_options() -> argparse.ArgumentParser:
    """Parent parser of train and distill: which seeds, and what differs from the defaults."""
    parser = argparse.ArgumentParser(add_help=False)
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
        "--restart", action="store_true", help="ignore the model and its checkpoint, start anew"
    )
    return parser


def seeds_of(args: argparse.Namespace) -> list[int]:
    """The seeds that the flags ask for."""
    return list(range(args.seeds)) if args.seeds else [args.seed]


def train_options(args: argparse.Namespace, teacher: str | None) -> "TrainOptions":
    """Flags and configuration file as one value; a flag wins over the file."""
    from recpress_edge.core.config import read_toml
    from recpress_edge.training.plan import TrainOptions

    tables: dict[str, Any] = read_toml(args.config) if args.config else {}
    for key, value in tables.items():
        if key not in ("method", "training") or not isinstance(value, Mapping):
            raise unknown_name(f"table in {args.config}", key, ["[method]", "[training]"])
    flags = {"epochs": args.epochs, "keep": args.keep}
    return TrainOptions(
        teacher=teacher,
        device=args.device,
        threads=args.threads,
        method=tables.get("method", {}),
        training={**tables.get("training", {}), **{k: v for k, v in flags.items() if v is not None}},
        restart=args.restart,
    )


@contextlib.contextmanager
def training_events(args: argparse.Namespace, found: set[Path] | None = None) -> Iterator["OnTrainingEvent"]:
    """Tell a person what :func:`ensure_model` finds and does, with a bar for each run.

    An interrupt closes the bar, names the command that goes on, and is passed on. ``found`` keeps what was
    said to be there, so that a sweep says it once.
    """
    known = set() if found is None else found
    from recpress_edge.training.usage import describe_cost

    with contextlib.ExitStack() as bar:
        update: Progress | None = None

        def tell(event: "TrainingEvent") -> None:
            nonlocal update
            what = f"{event.name} seed {event.seed}"
            if event.kind in ("train", "resume"):
                reason = (
                    f", the teacher of {event.teacher_of}, is missing: training it"
                    if event.teacher_of
                    else ""
                )
                length = f"{event.epochs} epochs" if event.epochs else "computed at once"
                verb = "resuming  " if event.kind == "resume" else "training  "
                say(args, f"{verb} {what}{reason}  ({length})")
                update = bar.enter_context(progress(args, what))
            elif event.kind == "needs" and event.memory_bytes is not None:
                say(
                    args,
                    f"           needs {format_bytes(event.memory_bytes)} of memory at least, and has it",
                )
            elif event.kind == "epoch" and update and event.epochs:
                k = event.cutoff
                note = (
                    f"valid recall@{k} {format_share(event.metrics[f'recall@{k}'])}" if event.metrics else ""
                )
                update(event.epoch, event.epochs, note, event.seconds)
            elif event.kind == "wait":
                say(args, f"waiting    another process is training {what}")
            elif event.kind == "cached" and event.folder not in known:
                known.add(event.folder)
                say(args, f"found      {what}  {event.folder}")
                warn_of_ensemble(args, event.folder)
            elif event.kind == "done":
                bar.close()
                say(args, f"trained    {what}  {event.seconds:.1f} s  {event.folder}")
                say(args, f"           {describe_cost(event.seconds, event.epoch, event.memory_bytes)}")
                warn_of_ensemble(args, event.folder)

        try:
            yield tell
        except KeyboardInterrupt:
            bar.close()
            say(args, f"\nstopped    to go on: {shlex.join(['recpress-edge', *sys.argv[1:]])}")
            raise


def warn_of_ensemble(args: argparse.Namespace, folder: Path) -> None:
    """Say so where an ensemble is worse than its best member."""
    from recpress_edge.artifacts.model_folder import MODEL_FACTS as METADATA
    from recpress_edge.core.files import read_json
    from recpress_edge.core.metrics import stated_cutoff
    from recpress_edge.training.fusion import below_member, below_member_words

    where = folder / METADATA
    known = read_json(where) if where.exists() else {}
    if known.get("method") != "ensemble":
        return
    below = below_member(known["metrics"].get("valid"), known["members"], stated_cutoff(known))
    if below:
        say(args, f"warning    {below_member_words(known['name'], below)}")


def say_plan(args: argparse.Namespace, name: str, role: "Role", options: "TrainOptions") -> None:
    """What would be found or trained, in order."""
    from recpress_edge.data.resolve import load_dataset
    from recpress_edge.training.ensure import plan_steps
    from recpress_edge.training.plan import ModelRequest

    data = load_dataset(args.data, args.work)
    lines: list[dict[str, Any]] = []
    for seed in seeds_of(args):
        for step in plan_steps(
            ModelRequest(name=name, role=role, seed=seed, options=options), data, args.work
        ):
            line: dict[str, Any] = {
                "name": step.name,
                "seed": step.seed,
                "action": step.action,
                "folder": str(step.folder) if step.folder else None,
            }
            if line not in lines:  # seeds share their teacher
                lines.append(line)
    for line in lines:
        verb = {"cached": "found", "resume": "would resume", "train": "would train"}[line["action"]]
        say(args, f"{verb:<13} {line['name']} seed {line['seed']}  {line['folder'] or ''}".rstrip())
    emit(args, {"dry_run": True, "steps": lines})


def metrics_row(model: "TrainedModel") -> list[str]:
    """One line of the table of results."""
    metadata = model.metadata
    valid, test = (metadata["metrics"].get(split, {}) for split in ("valid", "test"))
    k = stated_cutoff(metadata)
    figures = [valid.get(f"recall@{k}"), *(test.get(name) for name in _test_metrics(k))]
    cells = [metadata["name"], str(metadata["seed"]), str(metadata["chosen_epoch"])]
    return [*cells, *map(format_share, figures)]


def _test_metrics(judge: int) -> list[str]:
    return [*(f"recall@{k}" for k in reported_cutoffs(judge)), f"ndcg@{judge}"]


def metrics_table(models: Sequence["TrainedModel"]) -> str:
    """Validation recall@K of the K by which epochs are chosen, and the test metrics."""
    k = stated_cutoff(models[0].metadata)
    metrics = [f"test {name}" for name in _test_metrics(k)]
    return table(
        ["model", "seed", "epoch", f"valid recall@{k}", *metrics], [metrics_row(model) for model in models]
    )


def popularity_table(models: Sequence["TrainedModel"]) -> str:
    """Test recall@K of popular and of rare items; empty for models trained before it was recorded."""
    rows = []
    for model in models:
        thirds = model.metadata.get("recall_by_popularity", {}).get("test", {})
        values = [format_share(value) for value in thirds.values()]
        if values:
            rows.append([model.name, str(model.metadata["seed"]), *values])
    k = stated_cutoff(models[0].metadata)
    return table([f"test recall@{k} by popularity", "seed", *THIRDS], rows) if rows else ""


def say_metrics(args: argparse.Namespace, models: Sequence["TrainedModel"]) -> None:
    """The tables of results."""
    for text in (metrics_table(models), popularity_table(models)):
        if text:
            say(args)
            say(args, text)
    k = stated_cutoff(models[0].metadata)
    if k != DEFAULT_CUTOFF:
        n_items = models[0].metadata["n_items"]
        say(args, f"judged     by recall@{k}, then ndcg@{k}: {n_items:,} items are too few for recall@50")


def quantised_table(models: Sequence["TrainedModel"]) -> str:
    """Fine-tuned students as their recipe stores them, each after the model that it started from."""
    rows = []
    k = stated_cutoff(models[0].metadata)
    for model in models:
        found = model.metadata["quantised"]
        for name, metrics in (
            (found["start"]["name"], found["start_metrics"]),
            (model.name, found["metrics"]),
        ):
            values = [format_share(metrics.get(split, {}).get(f"recall@{k}")) for split in ("valid", "test")]
            rows.append([name, str(model.metadata["seed"]), *values])
    recipe = models[0].metadata["quantised"]["recipe"]
    return table([f"as {recipe}", "seed", f"valid recall@{k}", f"test recall@{k}"], rows)


def model_record(model: "TrainedModel") -> dict[str, Any]:
    """A trained model for --json."""
    kept = ("name", "seed", "chosen_epoch", "cutoff", "metrics", "seconds", "teacher", "sha256")
    quantised = {key: model.metadata[key] for key in ("quantised",) if key in model.metadata}
    return {"folder": str(model.folder), **{key: model.metadata.get(key) for key in kept}, **quantised}


def flags_again(args: argparse.Namespace) -> str:
    """The data and work flags that a following command needs too."""
    flags = ["--data", args.data] if args.data != "synthetic" else []
    if args.work != Path():
        flags += ["--work", str(args.work)]
    return "".join(f" {part}" for part in map(shlex.quote, flags))


def _train(args: argparse.Namespace) -> int:
    from recpress_edge.data.resolve import load_dataset
    from recpress_edge.distill.students import parse_name
    from recpress_edge.training.ensure import ensure_model
    from recpress_edge.training.plan import ModelRequest
    from recpress_edge.training.refit import check_refit, refit

    name = str(parse_name(args.teacher, "teacher"))
    options = dataclasses.replace(train_options(args, None), members=tuple(args.member))
    if args.dry_run:
        say_plan(args, name, "teacher", options)
        if args.refit:
            say(args, f"then again    {name} on train and validation, for the epochs chosen on validation")
        return 0
    data = load_dataset(args.data, args.work, lambda text: say(args, text))
    if args.refit:
        check_refit(name, data)
    with training_events(args) as tell:
        models = [
            ensure_model(
                ModelRequest(name=name, role="teacher", seed=seed, options=options), data, args.work, tell
            )
            for seed in seeds_of(args)
        ]
        refitted = [refit(model, data, args.work, options, tell) for model in models if args.refit]
    say_metrics(args, models)
    if refitted:
        say(args, "\ntrained again on train and validation:")
        say_metrics(args, refitted)
    say(args)
    student = "htd_dim10" if name.startswith("bpr") else "soft_dim10"
    # By its name a default teacher is found again; one with other settings only by its folder.
    usual = name == parse_name(student).entry.usual_teacher and not (options.method or options.training)
    teacher = "" if usual and args.seed == 0 else f" --teacher {shlex.quote(str(models[0].folder))}"
    following = [f"recpress-edge distill --student {student}{teacher}{flags_again(args)}"]
    if parse_name(name, "teacher").entry.network:  # it fits a device by itself
        folder = shlex.quote(str(models[0].folder))
        following.append(f"recpress-edge export --student {folder} --int8{flags_again(args)}")
    next_steps(args, following)
    records = {"refitted": [model_record(model) for model in refitted]} if refitted else {}
    emit(args, {"models": [model_record(model) for model in models], **records})
    return 0

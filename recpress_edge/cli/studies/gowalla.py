"""Teachers on Gowalla, each trained again on train and validation, beside the published figures."""

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.common import next_steps, say, table
from recpress_edge.cli.events import print_events
from recpress_edge.cli.studies.common import close, frame, say_differences, say_verdicts
from recpress_edge.core.files import check_free

if TYPE_CHECKING:
    from recpress_edge.core.progress import OnEvent
    from recpress_edge.data.interactions import Dataset
    from recpress_edge.studies.gowalla import Outcome
    from recpress_edge.training.store import TrainedModel


def run(args: argparse.Namespace) -> int:
    """Train what is missing, print ours beside the published table, judge the goals."""
    from recpress_edge.data.resolve import load_dataset
    from recpress_edge.studies import gowalla as study

    teachers = study.parse_teachers(args.teachers)
    if args.out:
        check_free(args.out, force=args.force)
    if args.dry_run:
        say(args, "\n".join(f"would find or train  {name}" for name in teachers))
        return 0
    data = load_dataset(study.DATA, args.work, lambda text: say(args, text))
    with print_events(args) as tell:
        outcomes = [
            _make(args, data, name, seed, tell) for name in teachers for seed in range(args.seeds or 1)
        ]
    say(args)
    say(args, table(study.HEADERS, study.table_rows(outcomes)))
    say(args)
    result: dict[str, Any] = {
        **frame(args, study.PROTOCOL),
        "differences": say_differences(args, study.DIFFERENCES),
        "published": {name: s.published for name, s in study.STUDIES.items() if s.published},
        "outcomes": [dataclasses.asdict(outcome) for outcome in outcomes],
        "verdicts": say_verdicts(args, study.verdicts(outcomes)),
    }
    next_steps(args, [f"recpress-edge distill --student soft_dim32 --teacher ease --data {study.DATA}"])
    close(args, result)
    return 0


def _make(args: argparse.Namespace, data: "Dataset", name: str, seed: int, tell: "OnEvent") -> "Outcome":
    """The model on train, whose epoch validation chooses, and again on both; a closed form on both only."""
    from recpress_edge.distill.students import parse_name
    from recpress_edge.studies.gowalla import STUDIES
    from recpress_edge.training.cache import TrainOptions, ensure_model
    from recpress_edge.training.refit import joined, refit

    study = STUDIES[name]
    options = TrainOptions(method=study.method, training=study.training)
    if parse_name(name, "teacher").entry.closed_form:
        return _outcome(ensure_model(name, "teacher", joined(data), seed, args.work, options, tell), None)
    chosen = ensure_model(name, "teacher", data, seed, args.work, options, tell)
    return _outcome(refit(chosen, data, args.work, options, tell), chosen)


def _outcome(model: "TrainedModel", chosen: "TrainedModel | None") -> "Outcome":
    from recpress_edge.studies.gowalla import Choosing, Outcome

    known = model.metadata
    choosing = None
    if chosen:
        before = chosen.metadata
        choosing = Choosing(before["seconds"], before["metrics"]["valid"], before["metrics"]["test"])
    return Outcome(
        name=model.name,
        seed=known["seed"],
        settings=known["config"],
        epochs=known["chosen_epoch"],
        seconds=known["seconds"],
        peak_memory_bytes=known.get("peak_memory_bytes"),
        test=known["metrics"]["test"],
        choosing=choosing,
    )

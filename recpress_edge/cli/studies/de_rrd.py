"""DE, RRD, DE-RRD and IR-RRD on CiteULike, beside the reference runs and the paper's table."""

import argparse
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.common import next_steps, say, table
from recpress_edge.cli.events import print_events
from recpress_edge.cli.studies.common import close, frame, say_differences, say_verdicts
from recpress_edge.core.files import check_free

if TYPE_CHECKING:
    from recpress_edge.studies.de_rrd import Outcome
    from recpress_edge.training.cache import TrainOptions
    from recpress_edge.training.sampled import Candidates
    from recpress_edge.training.store import TrainedModel


def run(args: argparse.Namespace) -> int:
    """Train what is missing, print ours beside both published tables, judge the goals."""
    from recpress_edge.data.resolve import load_dataset
    from recpress_edge.studies import de_rrd as study
    from recpress_edge.training.cache import ensure_model
    from recpress_edge.training.sampled import sample_candidates

    students = [
        (method, seed) for seed in range(args.seeds or 1) for method in study.parse_methods(args.methods)
    ]
    if args.out:
        check_free(args.out, force=args.force)
    if args.dry_run:
        named = [f"{method}_dim{study.DIM} seed {seed}" for method, seed in students]
        lines = [f"{study.TEACHER} seed 0", *named]
        say(args, "\n".join(f"would find or train  {line}" for line in lines))
        return 0
    data = load_dataset(study.DATA, args.work, lambda text: say(args, text))
    training = study.UNTIL_STALLED if args.until_stalled else study.STUDENT_TRAINING
    with print_events(args) as tell:
        teacher = ensure_model(study.TEACHER, "teacher", data, 0, args.work, _teacher_options(), tell)
        options = {method: _student_options(method, teacher, training) for method, _ in students}
        models = [
            ensure_model(f"{method}_dim{study.DIM}", "student", data, seed, args.work, options[method], tell)
            for method, seed in students
        ]
    drawn = (
        sample_candidates(data, "valid", study.SEED_OF_NEGATIVES),
        sample_candidates(data, "test", study.SEED_OF_NEGATIVES),
    )
    outcomes = [_outcome(model, *drawn) for model in (teacher, *models)]
    headers = ["model", *study.METRICS, "H@5 over seeds", "reference H@5", "paper H@5"]
    say(args)
    say(args, table(headers, study.table_rows(outcomes)))
    say(args)
    result: dict[str, Any] = {
        **frame(args, study.PROTOCOL),
        "negatives": drawn[1].definition,
        "differences": say_differences(args, study.differences(args.until_stalled)),
        "reference": {method: dict(row) for method, row in study.REFERENCE.items()},
        "paper": dict(study.PAPER),
        "outcomes": [dataclasses.asdict(outcome) for outcome in outcomes],
        "verdicts": say_verdicts(args, study.verdicts(outcomes)),
    }
    next_steps(args, [f"recpress-edge export --student rrd_dim{study.DIM} --int8 --data {study.DATA}"])
    close(args, result)
    return 0


def _teacher_options() -> "TrainOptions":
    from recpress_edge.studies import de_rrd as study
    from recpress_edge.training.cache import TrainOptions

    return TrainOptions(training=study.TEACHER_TRAINING)


def _student_options(method: str, teacher: "TrainedModel", training: "Mapping[str, Any]") -> "TrainOptions":
    from recpress_edge.studies import de_rrd as study
    from recpress_edge.training.cache import TrainOptions

    return TrainOptions(
        method=study.STUDENT_METHOD.get(method, {}),
        teacher=None if method == "bpr" else str(teacher.folder),
        training=training,
    )


def _outcome(model: "TrainedModel", valid: "Candidates", test: "Candidates") -> "Outcome":
    import torch

    from recpress_edge.studies.de_rrd import TEACHER, Outcome
    from recpress_edge.training.sampled import evaluate_sampled

    known = model.metadata
    tables = torch.from_numpy(model.user_emb), torch.from_numpy(model.item_emb)
    return Outcome(
        name=model.name,
        method="teacher" if model.name == TEACHER else known["method"],
        seed=known["seed"],
        chosen_epoch=known["chosen_epoch"],
        seconds=known["seconds"],
        seconds_per_epoch=round(known["seconds"] / known["history"][-1]["epoch"], 3),
        peak_memory_bytes=known.get("peak_memory_bytes"),
        valid=evaluate_sampled(*tables, valid),
        test=evaluate_sampled(*tables, test),
        recall_at_50=known["metrics"]["test"]["recall@50"],
    )

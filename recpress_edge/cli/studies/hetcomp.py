"""HetComp from heterogeneous teachers, beside the ensemble, its members and single-teacher students."""

import argparse
import dataclasses
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.common import next_steps, say, table
from recpress_edge.cli.events import print_events
from recpress_edge.cli.studies.common import close, frame, say_differences, say_verdicts
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import check_free

if TYPE_CHECKING:
    from recpress_edge.core.progress import OnEvent
    from recpress_edge.data.interactions import Dataset
    from recpress_edge.studies.hetcomp import Outcome
    from recpress_edge.training.store import TrainedModel

HEADERS = ("model", "part", "teacher", "seed", "epoch", "test R@10", "test R@50", "test N@50", "valid R@50")


def run(args: argparse.Namespace) -> int:
    """Train what is missing, teachers with their trajectories first, and print one table."""
    from recpress_edge.data.fetch import REGISTRY
    from recpress_edge.data.resolve import known_names, load_dataset
    from recpress_edge.distill.students import parse_name
    from recpress_edge.studies import hetcomp as study

    teachers = args.teachers.split(",") if args.teachers else list(study.KINDS)
    for name in (*teachers, study.ensemble_of(teachers)):
        parse_name(name, "teacher")
    if args.out:
        check_free(args.out, force=args.force)
    if study.DATA not in known_names(args.work):
        raw = REGISTRY["citeulike-t"].files[0].url
        raise ConfigError(
            f"data set {study.DATA!r} is not here yet: CiteULike-t, split 60/20/20 by user. "
            f"Download {raw} as PATH/citeulike/users.dat, then run: {study.IMPORT}"
        )
    if args.dry_run:
        students = [study.PLAIN, study.SINGLE, *study.SINGLE_OF_TABLES, study.HETCOMP]
        names = [*teachers, study.ensemble_of(teachers), *students]
        say(args, "\n".join(f"would find or train  {name}" for name in names))
        return 0
    data = load_dataset(study.DATA, args.work, lambda text: say(args, text))
    with print_events(args) as tell:
        outcomes = _train_all(args, data, teachers, tell)
    say(args)
    say(args, table(HEADERS, study.table_rows(outcomes)))
    say(args)
    result: dict[str, Any] = {
        **frame(args, study.PROTOCOL),
        "differences": say_differences(args, study.DIFFERENCES),
        "kinds": {name: study.KINDS.get(name, "other") for name in teachers},
        "outcomes": [dataclasses.asdict(outcome) for outcome in outcomes],
        "verdicts": say_verdicts(args, study.verdicts(outcomes)),
    }
    student = shlex.quote(str(args.work / "models" / outcomes[-1].folder))
    next_steps(args, [f"recpress-edge export --student {student} --int8 --data {study.DATA}"])
    close(args, result)
    return 0


def _train_all(
    args: argparse.Namespace, data: "Dataset", teachers: Sequence[str], tell: "OnEvent"
) -> "list[Outcome]":
    """Teachers, then students: those by other methods from one teacher with seed 0 alone."""
    from recpress_edge.studies import hetcomp as study
    from recpress_edge.training.cache import TrainOptions, ensure_model

    def make(name: str, role: Any, seed: int, options: TrainOptions) -> "TrainedModel":
        return ensure_model(name, role, data, seed, args.work, options, tell)

    made = [make(name, "teacher", 0, TrainOptions(trajectory=True)) for name in teachers]
    outcomes = [_outcome(model, "teacher", "") for model in made]
    with_tables = [teacher for teacher, model in zip(outcomes, made, strict=True) if model.tables]
    single = _single_teacher(outcomes, with_tables)
    strongest = study.best(outcomes, "teacher")
    assert strongest is not None
    sources = {"hetcomp alone": strongest.name}
    if len(teachers) > 1:
        sources["hetcomp"] = study.ensemble_of(teachers)
        ensemble = make(sources["hetcomp"], "teacher", 0, TrainOptions())
        outcomes.append(_outcome(ensemble, "ensemble", ""))
    plain = TrainOptions(training=study.PLAIN_TRAINING)
    for name, teacher in single:
        options = dataclasses.replace(plain, teacher=str(args.work / "models" / teacher.folder))
        outcomes.append(_outcome(make(name, "student", 0, options), "single", teacher.name))
    together = TrainOptions(method=study.HETCOMP_METHOD, training=study.HETCOMP_TRAINING)
    for seed in range(args.seeds or 1):
        outcomes.append(_outcome(make(study.PLAIN, "student", seed, plain), "plain", ""))
        for part, source in sources.items():
            options = dataclasses.replace(together, teacher=source)
            outcomes.append(_outcome(make(study.HETCOMP, "student", seed, options), part, source))
    return outcomes


def _single_teacher(
    teachers: "Sequence[Outcome]", with_tables: "Sequence[Outcome]"
) -> "list[tuple[str, Outcome]]":
    """Students by other methods, each with its teacher."""
    from recpress_edge.studies import hetcomp as study

    strongest = study.best(with_tables, "teacher")
    by_tables = [(name, strongest) for name in study.SINGLE_OF_TABLES] if strongest else []
    return [*((study.SINGLE, teacher) for teacher in teachers), *by_tables]


def _outcome(model: "TrainedModel", part: Any, teacher: str) -> "Outcome":
    from recpress_edge.studies.hetcomp import Outcome

    known = model.metadata
    return Outcome(
        name=model.name,
        part=part,
        teacher=teacher,
        folder=model.folder.name,
        seed=known["seed"],
        chosen_epoch=known["chosen_epoch"],
        seconds=known["seconds"],
        peak_memory_bytes=known.get("peak_memory_bytes"),
        valid=known["metrics"]["valid"],
        test=known["metrics"]["test"],
    )

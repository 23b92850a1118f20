"""FTD and HTD (Kang et al., KDD 2021) on CiteULike by the reference protocol."""

import argparse
import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.common import next_steps, say, table
from recpress_edge.cli.events import progress
from recpress_edge.cli.studies.common import close, frame, say_verdicts
from recpress_edge.core.errors import ConfigError, RecPressError
from recpress_edge.core.files import check_free

if TYPE_CHECKING:
    from recpress_edge.studies.topology import Outcome, Run

DIMS = "10,20,100,200"


def run(args: argparse.Namespace) -> int:
    """Train what is missing, print ours beside the published table, judge the claims."""
    from recpress_edge.data.resolve import load_dataset
    from recpress_edge.studies import topology

    dims = _dims(args.dims or DIMS)
    seeds = {dim: args.seeds or (3 if dim < 100 else 1) for dim in dims}
    runs = topology.plan(dims, seeds)
    if args.out:
        check_free(args.out, force=args.force)
    if args.dry_run:
        commands = [_teacher_command(args), *(_student_command(args, r, "TEACHER_FOLDER") for r in runs)]
        say(args, "\n".join(shlex.join(["recpress-edge", *command]) for command in commands))
        return 0
    load_dataset(topology.DATA, args.work, lambda text: say(args, text))  # said once, before any process
    teacher, outcomes = _train_all(args, runs)
    verdicts = topology.verdicts(outcomes)
    say(
        args,
        table(
            ["student", "ours R@50", "over seeds", "published", "difference"], topology.table_rows(outcomes)
        ),
    )
    say(args, f"teacher {topology.TEACHER}: ours {teacher:.4f}, published {topology.PUBLISHED_TEACHER:.4f}")
    judged = say_verdicts(args, verdicts)
    protocol = "CiteULike, leave-one-out, full ranking, test Recall@50 at epoch 100, no early stopping"
    result = {
        **frame(args, protocol),
        "published": {str(dim): dict(row) for dim, row in topology.PUBLISHED.items()},
        "published_teacher": topology.PUBLISHED_TEACHER,
        "teacher": {"name": topology.TEACHER, "recall": teacher},
        "outcomes": [dataclasses.asdict(o) for o in outcomes],
        "verdicts": judged,
    }
    next_steps(args, [f"recpress-edge export --student htd_dim{dims[0]} --int8 --data {topology.DATA}"])
    close(args, result)
    return 0


def _dims(text: str) -> list[int]:
    try:
        dims = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise ConfigError(
            f"--dims must be numbers with commas between, such as 10,20; got {text!r}"
        ) from None
    if dims[0] < 1:
        raise ConfigError(f"--dims must be at least 1, got {dims[0]}")
    return dims


def _train_all(args: argparse.Namespace, runs: Sequence["Run"]) -> tuple[float, list["Outcome"]]:
    """The teacher first, then the students, ``--jobs`` processes at a time."""
    from recpress_edge.studies import topology

    jobs = args.jobs or 1
    say(
        args,
        f"teacher {topology.TEACHER}, then {len(runs)} students on {topology.DATA}, {jobs} at a time",
    )
    teacher = _train(_teacher_command(args))
    outcomes = []
    with progress("students") as update, ThreadPoolExecutor(jobs) as pool:
        pending = {pool.submit(_train, _student_command(args, r, teacher["folder"])): r for r in runs}
        try:
            for done, future in enumerate(as_completed(pending), start=1):
                trained, model = pending[future], future.result()
                outcomes.append(topology.Outcome(trained, _recall(model), model["seconds"]))
                update(done, len(runs), f"{trained.student} seed {trained.seed}: {_recall(model):.4f}")
        except BaseException:
            pool.shutdown(cancel_futures=True, wait=False)
            raise
    order = {r: index for index, r in enumerate(runs)}
    return _recall(teacher), sorted(outcomes, key=lambda o: order[o.run])


def _teacher_command(args: argparse.Namespace) -> list[str]:
    from recpress_edge.studies import topology

    return ["train", "--teacher", topology.TEACHER, *_protocol(args)]


def _student_command(args: argparse.Namespace, model: "Run", teacher: str) -> list[str]:
    learns = ["--teacher", teacher] if model.method != "bpr" else []
    return ["distill", "--student", model.student, "--seed", str(model.seed), *learns, *_protocol(args)]


def _protocol(args: argparse.Namespace) -> list[str]:
    from recpress_edge.studies import topology

    fixed = ["--data", topology.DATA, "--epochs", str(topology.EPOCHS), "--keep", "last", "--threads", "1"]
    return [*fixed, "--work", str(args.work)]


def _train(command: Sequence[str]) -> dict[str, Any]:
    """Run one command in a process of its own, with one thread, and return its model's record."""
    whole = [sys.executable, "-m", "recpress_edge", *command, "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(whole, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        if done.returncode < 0:  # its last line is its progress
            name = signal.strsignal(-done.returncode)
            raise RecPressError(
                f"ended by signal {-done.returncode} ({name}), perhaps for memory "
                f"(from: recpress-edge {shlex.join(command)})"
            )
        last = (done.stderr.strip().splitlines() or ["no message"])[-1].removeprefix("error: ")
        raise RecPressError(f"{last} (from: recpress-edge {shlex.join(command)})")
    answer: dict[str, Any] = json.loads(done.stdout)
    trained: dict[str, Any] = answer["models"][0]
    return trained


def _recall(model: dict[str, Any]) -> float:
    from recpress_edge.studies import topology

    return float(model["metrics"]["test"][topology.METRIC])

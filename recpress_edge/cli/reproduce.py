"""recpress-edge reproduce: published studies with the code that ships, beside the published figures."""

import argparse
import dataclasses
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.common import common_options, emit, next_steps, positive_int, progress, say, table
from recpress_edge.core.errors import ConfigError, RecPressError
from recpress_edge.core.files import check_free, write_json

if TYPE_CHECKING:
    from recpress_edge.reproduce.topology import Outcome, Run


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "reproduce",
        parents=[common_options()],
        help="a published study, run again beside its published figures",
        description="topology: FTD and HTD (Kang et al., KDD 2021) on CiteULike by the reference protocol: "
        "100 epochs, no early stopping, test Recall@50 at the last epoch. What is trained already is reused.",
        epilog="example: recpress-edge reproduce topology --dims 10,20 --jobs 2 --out topology.json",
    )
    parser.add_argument("study", choices=["topology"], help="which study")
    parser.add_argument(
        "--dims", default="10,20,100,200", metavar="N,N", help="student dims (default: %(default)s)"
    )
    parser.add_argument(
        "--seeds",
        type=positive_int,
        metavar="N",
        help="seeds of every dim (default: 3 for dims below 100, else 1)",
    )
    parser.add_argument(
        "--jobs", type=positive_int, default=1, metavar="N", help="models trained at once, one thread each"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every run and the verdicts as JSON")
    parser.add_argument("--force", action="store_true", help="replace --out when it exists")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Train what is missing, print ours beside the published table, judge the claims."""
    from recpress_edge.reproduce import topology

    dims = _dims(args.dims)
    seeds = {dim: args.seeds or (3 if dim < 100 else 1) for dim in dims}
    runs = topology.plan(dims, seeds)
    if args.out:
        check_free(args.out, force=args.force)
    if args.dry_run:
        commands = [_teacher_command(args), *(_student_command(args, r, "TEACHER_FOLDER") for r in runs)]
        say(args, "\n".join(shlex.join(["recpress-edge", *command]) for command in commands))
        return 0
    teacher, outcomes = _train_all(args, runs)
    verdicts = topology.verdicts(outcomes)
    say(
        args,
        table(
            ["student", "ours R@50", "over seeds", "published", "difference"], topology.table_rows(outcomes)
        ),
    )
    say(args, f"teacher {topology.TEACHER}: ours {teacher:.4f}, published {topology.PUBLISHED_TEACHER:.4f}")
    for verdict in verdicts:
        say(args, f"{'holds' if verdict.holds else 'does NOT hold'}: {verdict.claim} ({verdict.evidence})")
    result = {
        "schema": "recpress.reproduction/1",
        "study": "topology",
        "command": shlex.join(["recpress-edge", *sys.argv[1:]]),
        "protocol": "CiteULike, leave-one-out, full ranking, test Recall@50 at epoch 100, no early stopping",
        "machine": {"cpu": _cpu_name(), "jobs": args.jobs, "threads": 1, "python": platform.python_version()},
        "published": {str(dim): dict(row) for dim, row in topology.PUBLISHED.items()},
        "published_teacher": topology.PUBLISHED_TEACHER,
        "teacher": {"name": topology.TEACHER, "recall": teacher},
        "outcomes": [dataclasses.asdict(o) for o in outcomes],
        "verdicts": [dataclasses.asdict(v) for v in verdicts],
    }
    if args.out:
        write_json(args.out, result)
        say(args, f"wrote {args.out}")
    next_steps(args, [f"recpress-edge export --student htd_dim{dims[0]} --int8 --data {topology.DATA}"])
    emit(args, result)
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
    from recpress_edge.reproduce import topology

    say(
        args,
        f"teacher {topology.TEACHER}, then {len(runs)} students on {topology.DATA}, {args.jobs} at a time",
    )
    teacher = _train(_teacher_command(args))
    outcomes = []
    with progress(args, "students") as update, ThreadPoolExecutor(args.jobs) as pool:
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
    from recpress_edge.reproduce import topology

    return ["train", "--teacher", topology.TEACHER, *_protocol(args)]


def _student_command(args: argparse.Namespace, model: "Run", teacher: str) -> list[str]:
    learns = ["--teacher", teacher] if model.method != "bpr" else []
    return ["distill", "--student", model.student, "--seed", str(model.seed), *learns, *_protocol(args)]


def _protocol(args: argparse.Namespace) -> list[str]:
    from recpress_edge.reproduce import topology

    fixed = ["--data", topology.DATA, "--epochs", str(topology.EPOCHS), "--keep", "last", "--threads", "1"]
    return [*fixed, "--work", str(args.work)]


def _train(command: Sequence[str]) -> dict[str, Any]:
    """Run one command in a process of its own, with one thread, and return its model's record."""
    whole = [sys.executable, "-m", "recpress_edge", *command, "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(whole, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RecPressError(f"{last} (from: recpress-edge {shlex.join(command)})")
    answer: dict[str, Any] = json.loads(done.stdout)
    trained: dict[str, Any] = answer["models"][0]
    return trained


def _recall(model: dict[str, Any]) -> float:
    from recpress_edge.reproduce import topology

    return float(model["metrics"]["test"][topology.METRIC])


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )

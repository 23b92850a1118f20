"""Time the fast forms of FTD and HTD beside the plain definitions, over one whole training schedule.

    python benchmarks/topology_speed.py --work work --threads 2 --out benchmarks/results/topology-speed.json

(with RECPRESS_DATA_DIR set). One process trains a student by the shipped method for all epochs, each timed;
after every epoch a few steps of the plain definition (N×N matrices, every expert for every entity) are taken
from the state just reached and scaled to an epoch. Both sides are the same code but for the loss: rows, BPR,
backward, Adam. The temperature of HTD falls over the schedule, so its cost changes from epoch to epoch: only
means over the whole of it are compared.
"""

import argparse
import itertools
import os
import platform
import shlex
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from recpress_edge.cli.common import table
from recpress_edge.core.errors import RecPressError
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.distill.config import FTDConfig, HTDConfig
from recpress_edge.distill.methods.topology import FTD, HTD, TopologyStudent
from recpress_edge.distill.plain import full_topology_loss_plain, hierarchical_topology_loss_plain
from recpress_edge.models.method import Job
from recpress_edge.models.teacher import Teacher
from recpress_edge.records.bench import write_record
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.loop import train_epoch
from recpress_edge.training.plan import ModelRequest, TrainOptions

SEED: Final = 0
TEACHER: Final = "bpr_dim200"


class PlainFTD(FTD):
    """FTD by its definition."""

    def topology_loss(self, student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
        return full_topology_loss_plain(torch.cat(student), torch.cat(teacher))


class PlainHTD(HTD):
    """HTD by its definition."""

    def topology_loss(self, student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
        experts = (self.experts[0], self.experts[1])
        return hierarchical_topology_loss_plain(
            student, teacher, experts, self.temperature, self.noise, self.gamma
        )


def create(method: str, job: Job, *, plain: bool) -> TopologyStudent:
    """A fresh student of either form."""
    if method == "ftd":
        return (PlainFTD if plain else FTD)(job, FTDConfig())
    return (PlainHTD if plain else HTD)(job, HTDConfig())


def measure(method: str, job: Job, plain_steps: int) -> dict[str, Any]:
    """Raw samples of both forms over the schedule, and the ratio of their means."""
    fast, plain = create(method, job, plain=False), create(method, job, plain=True)
    steps = -(-len(job.train) // FTDConfig().batch_size)
    epoch_ns: list[int] = []
    plain_step_ns: list[list[int]] = []
    for epoch in range(job.epochs):
        started = time.perf_counter_ns()
        train_epoch(fast, epoch)
        epoch_ns.append(time.perf_counter_ns() - started)
        copy_state(fast, plain)  # what the plain steps learn is thrown away
        plain_step_ns.append(time_steps(plain, epoch, plain_steps))
        done = statistics.mean(itertools.chain(*plain_step_ns)) * steps / statistics.mean(epoch_ns)
        if (epoch + 1) % 10 == 0:
            print(f"{method}  epoch {epoch + 1} of {job.epochs}: {done:.1f}× so far", file=sys.stderr)
    fast_s = statistics.mean(epoch_ns) / 1e9
    plain_s = statistics.mean(itertools.chain(*plain_step_ns)) * steps / 1e9
    return {
        "method": method,
        "steps_per_epoch": steps,
        "fast_epoch_mean_s": fast_s,
        "plain_epoch_mean_s": plain_s,
        "ratio": plain_s / fast_s,
        "fast_epoch_ns": epoch_ns,
        "plain_step_ns": list(itertools.chain(*plain_step_ns)),
    }


def copy_state(source: TopologyStudent, target: TopologyStudent) -> None:
    """Give ``target`` the parameters and optimiser state of ``source``."""
    with torch.no_grad():
        for mine, theirs in zip(
            target.optimizer.state().values(), source.optimizer.state().values(), strict=True
        ):
            mine.copy_(theirs)


def time_steps(method: TopologyStudent, epoch: int, count: int) -> list[int]:
    """Nanoseconds of each of the first steps of an epoch, after one that is not counted."""
    samples = []
    losses = method.batch_losses(epoch)
    for _ in range(count + 1):
        started = time.perf_counter_ns()
        loss = next(losses)
        method.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        method.optimizer.step()
        samples.append(time.perf_counter_ns() - started)
    return samples[1:]  # the first also draws the epoch's negatives


def main() -> int:
    """Measure both methods, print the ratios, write the raw samples."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--data", default="citeulike")
    parser.add_argument("--methods", nargs="+", choices=["ftd", "htd"], default=["ftd", "htd"])
    parser.add_argument("--dim", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--plain-steps", type=int, default=3, help="after each epoch (default: 3)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    try:
        data = load_dataset(args.data, args.work, print)
        job = Job(data.train, args.dim, SEED, args.epochs, trained_teacher(data, args))
        torch.set_num_threads(args.threads)
        conditions = machine(args)
        results = [measure(method, job, args.plain_steps) for method in args.methods]
        if args.out:
            write_record(args.out, {"schema": "recpress.topology-speed/1", **conditions, "results": results})
    except RecPressError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    seconds = [
        [
            r["method"],
            *(f"{r[f'{form}_epoch_mean_s']:.2f} s" for form in ("plain", "fast")),
            f"{r['ratio']:.1f}×",
        ]
        for r in results
    ]
    print(table([f"dim {args.dim}, per epoch", "plain definition", "as shipped", "faster"], seconds))
    return 0


def trained_teacher(data: Dataset, args: argparse.Namespace) -> Teacher:
    """The usual teacher: the groups of HTD, hence its cost, depend on what it learned."""
    options = TrainOptions(threads=args.threads)
    model = ensure_model(
        ModelRequest(name=TEACHER, role="teacher", seed=SEED, options=options),
        data,
        args.work,
        lambda event: None,
    )
    return model.teacher


def machine(args: argparse.Namespace) -> dict[str, Any]:
    """What the figures depend on."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "command": shlex.join(["python", *sys.argv]),
        "basis": "measured",
        "data": args.data,
        "teacher": TEACHER,
        "dim": args.dim,
        "epochs": args.epochs,
        "threads": args.threads,
        "cpus": os.cpu_count(),
        "cpu": names[0].partition(":")[2].strip() if names else platform.processor(),
        "load_average_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


if __name__ == "__main__":
    sys.exit(main())

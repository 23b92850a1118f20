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
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _bench import options, run, table
from _models import made
from torch import Tensor

from recpress_edge.data.resolve import load_dataset
from recpress_edge.distill.bases import DistilledBPR, MakeTerm
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.topology import FullTopologyTerm, HierarchicalTopologyTerm
from recpress_edge.models.method import TrainingInput
from recpress_edge.training.loop import train_epoch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "oracle"))
from plain_topology import full_topology_loss_plain, hierarchical_topology_loss_plain

SEED: Final = 0
TEACHER: Final = "bpr_dim200"


class PlainFTD(FullTopologyTerm):
    """FTD by its definition."""

    def topology_loss(self, student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
        return full_topology_loss_plain(torch.cat(student), torch.cat(teacher))


class PlainHTD(HierarchicalTopologyTerm):
    """HTD by its definition."""

    def topology_loss(self, student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
        experts = (self.experts[0], self.experts[1])
        return hierarchical_topology_loss_plain(
            student, teacher, experts, self.temperature, self.noise, self.gamma
        )


TERMS: Final[Mapping[str, tuple[MakeTerm, MakeTerm]]] = {
    "ftd": (FullTopologyTerm, PlainFTD),
    "htd": (HierarchicalTopologyTerm, PlainHTD),
}


def create(method: str, given: TrainingInput, *, plain: bool) -> DistilledBPR:
    """A fresh student of either form."""
    return DistilledBPR(given, METHODS[method].config(), {"topology": TERMS[method][plain]})


def timed(method: str, given: TrainingInput, plain_steps: int) -> dict[str, Any]:
    """Raw samples of both forms over the schedule, and the ratio of their means."""
    fast, plain = create(method, given, plain=False), create(method, given, plain=True)
    steps = -(-len(given.train) // METHODS[method].config().batch_size)
    epoch_ns: list[int] = []
    plain_step_ns: list[list[int]] = []
    for epoch in range(given.epochs):
        started = time.perf_counter_ns()
        train_epoch(fast, epoch)
        epoch_ns.append(time.perf_counter_ns() - started)
        copy_state(fast, plain)  # what the plain steps learn is thrown away
        plain_step_ns.append(time_steps(plain, epoch, plain_steps))
        done = statistics.mean(itertools.chain(*plain_step_ns)) * steps / statistics.mean(epoch_ns)
        if (epoch + 1) % 10 == 0:
            print(f"{method}  epoch {epoch + 1} of {given.epochs}: {done:.1f}× so far", file=sys.stderr)
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


def copy_state(source: DistilledBPR, target: DistilledBPR) -> None:
    """Give ``target`` the parameters and optimiser state of ``source``."""
    with torch.no_grad():
        for mine, theirs in zip(
            target.optimizer.state().values(), source.optimizer.state().values(), strict=True
        ):
            mine.copy_(theirs)


def time_steps(method: DistilledBPR, epoch: int, count: int) -> list[int]:
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


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path("work"))
    made.add_argument("--data", default="citeulike")
    made.add_argument("--methods", nargs="+", choices=["ftd", "htd"], default=["ftd", "htd"])
    made.add_argument("--dim", type=int, default=10)
    made.add_argument("--epochs", type=int, default=100)
    made.add_argument("--plain-steps", type=int, default=3, help="after each epoch (default: 3)")
    made.add_argument("--threads", type=int, default=2)
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Both methods, and what the figures depend on.

    The teacher is the usual one: the groups of HTD, hence its cost, depend on what it learned.
    """
    data = load_dataset(args.data, args.work, print)
    teacher = made(TEACHER, data, args.work, role="teacher", seed=SEED, threads=args.threads).teacher
    given = TrainingInput(data.train, args.dim, SEED, args.epochs, teacher)
    torch.set_num_threads(args.threads)
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "schema": "recpress.topology-speed/1",
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
        "results": [timed(method, given, args.plain_steps) for method in args.methods],
    }


def show(record: dict[str, Any]) -> str:
    """Seconds an epoch of both forms."""
    rows = [
        [
            found["method"],
            *(f"{found[f'{form}_epoch_mean_s']:.2f} s" for form in ("plain", "fast")),
            f"{found['ratio']:.1f}×",
        ]
        for found in record["results"]
    ]
    return table([f"dim {record['dim']}, per epoch", "plain definition", "as shipped", "faster"], rows)


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))

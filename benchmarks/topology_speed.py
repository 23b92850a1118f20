"""Time the fast forms of FTD and HTD beside the plain definitions, over one whole training schedule.

    RECPRESS_DATA_DIR=../shared/data python benchmarks/topology_speed.py --method htd --threads 2 -o htd.json

One run, one process: the fast form trains a student for all epochs, each epoch timed; after every epoch a
few steps of the plain definition are taken from the state just reached and scaled to an epoch. A timed
step is all that training does: rows, BPR, distillation, backward and Adam with weight decay. Both sides
use the same optimiser kernel, so that the ratio credits the forms alone. The temperature of HTD falls
over the schedule, so its cost changes from epoch to epoch: compare means over the whole of it.
"""

import argparse
import copy
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from recpress_edge.core.files import write_json
from recpress_edge.core.rng import torch_seed
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.experts import Experts, temperature_at
from recpress_edge.distill.plain import full_topology_loss_plain, hierarchical_topology_loss_plain
from recpress_edge.distill.topology import full_topology_loss, hierarchical_topology_loss
from recpress_edge.models.bpr import NegativeSampler, bpr_loss
from recpress_edge.models.method import adam
from recpress_edge.models.mf import MF

SEED = 0
TOPOLOGY_WEIGHT = 1e-3
BATCH = 1024
Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Teacher:
    """Fixed tables, (U, D) and (I, D), as they are and with rows of length one."""

    user: Tensor
    item: Tensor
    unit_user: Tensor
    unit_item: Tensor


class Trainee(nn.Module):
    """A student and, for HTD, its experts."""

    def __init__(self, teacher: Teacher, dim: int, *, with_experts: bool) -> None:
        super().__init__()
        self.mf = MF(len(teacher.user), len(teacher.item), dim, SEED, 0.01)
        generator = torch.Generator().manual_seed(torch_seed(SEED, "experts"))
        sides = 2 if with_experts else 0
        self.experts = nn.ModuleList(
            Experts(dim, teacher.user.shape[1], generator=generator) for _ in range(sides)
        )


def step_loss(
    trainee: Trainee,
    teacher: Teacher,
    batch: Batch,
    temperature: float,
    noise: torch.Generator,
    *,
    fast: bool,
) -> Tensor:
    """BPR plus λ times the distillation loss of one batch, for either form."""
    users, user_at = torch.unique(batch[0], return_inverse=True)
    items, item_at = torch.unique(torch.cat(batch[1:]), return_inverse=True)
    student = (
        nn.functional.embedding(users, trainee.mf.user_emb),
        nn.functional.embedding(items, trainee.mf.item_emb),
    )
    positive_at, negative_at = item_at.split(len(batch[0]))
    base = bpr_loss(
        nn.functional.embedding(user_at, student[0]),
        nn.functional.embedding(positive_at, student[1]),
        nn.functional.embedding(negative_at, student[1]),
    )
    if trainee.experts:
        user_side, item_side = trainee.experts
        assert isinstance(user_side, Experts)
        assert isinstance(item_side, Experts)
        targets = (teacher.user.index_select(0, users), teacher.item.index_select(0, items))
        form = hierarchical_topology_loss if fast else hierarchical_topology_loss_plain
        topology = form(student, targets, (user_side, item_side), temperature, noise)
    elif fast:
        unit = torch.cat([teacher.unit_user.index_select(0, users), teacher.unit_item.index_select(0, items)])
        topology = full_topology_loss(torch.cat(student), unit, teacher_is_unit=True, with_constant=False)
    else:
        rows = torch.cat([teacher.user.index_select(0, users), teacher.item.index_select(0, items)])
        topology = full_topology_loss_plain(torch.cat(student), rows)
    return base + TOPOLOGY_WEIGHT * topology


def take_step(trainee: Trainee, optimizer: torch.optim.Adam, loss_of: Callable[[], Tensor]) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss_of().backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _batches(column: NDArray[np.int64]) -> list[Tensor]:
    return [torch.from_numpy(column[first : first + BATCH]) for first in range(0, len(column), BATCH)]


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Raw samples of both forms over the schedule."""
    train = read_train(Path(args.data) / "citeulike" / "train.tsv")
    teacher = read_teacher(args.teacher, train)
    sampler = NegativeSampler(train)
    trainee = Trainee(teacher, args.dim, with_experts=args.method == "htd")
    optimizer = adam(trainee, 1e-3, 1e-3)
    fast_epoch_ns: list[int] = []
    plain_step_ns: list[list[int]] = []
    epochs = range(0, args.epochs, args.stride)
    steps = 0
    for epoch in epochs:
        temperature = temperature_at(epoch, args.epochs)
        noise = torch.Generator().manual_seed(torch_seed(SEED, "noise", epoch))

        started = time.perf_counter_ns()
        columns = [_batches(column) for column in sampler.epoch(SEED, epoch)]
        batches: list[Batch] = list(zip(*columns, strict=True))
        for batch in batches:
            take_step(
                trainee,
                optimizer,
                lambda b=batch: step_loss(trainee, teacher, b, temperature, noise, fast=True),  # type: ignore[misc]  # noqa: B023
            )
        fast_epoch_ns.append(time.perf_counter_ns() - started)

        steps = len(batches)
        twin = copy.deepcopy(trainee)  # what the plain steps learn is thrown away
        twin_optimizer = adam(twin, 1e-3, 1e-3)
        samples = []
        for index in range(args.plain_steps + 1):
            batch = batches[index]
            started = time.perf_counter_ns()
            take_step(
                twin,
                twin_optimizer,
                lambda b=batch: step_loss(twin, teacher, b, temperature, noise, fast=False),  # type: ignore[misc]  # noqa: B023
            )
            samples.append(time.perf_counter_ns() - started)
        plain_step_ns.append(samples[1:])  # the first also creates the twin's optimiser state
        if sys.stderr.isatty() or args.verbose:
            fast_s, plain_s = fast_epoch_ns[-1] / 1e9, statistics.mean(samples[1:]) * steps / 1e9
            print(f"epoch {epoch:3d}  fast {fast_s:.2f} s  plain {plain_s:.2f} s", file=sys.stderr)
    fast_s = statistics.mean(fast_epoch_ns) / 1e9
    plain_s = statistics.mean(statistics.mean(s) for s in plain_step_ns) * steps / 1e9
    return {
        "epochs": list(epochs),
        "steps_per_epoch": steps,
        "fast_epoch_ns": fast_epoch_ns,
        "plain_step_ns": plain_step_ns,
        "fast_epoch_mean_s": round(fast_s, 4),
        "plain_epoch_mean_s": round(plain_s, 4),
        "ratio": round(plain_s / fast_s, 2),
    }


def read_train(path: Path) -> Interactions:
    pairs = np.loadtxt(path, dtype=np.int64, skiprows=1)
    counts = pairs.max(axis=0) + 1
    # Ids run over train, valid and test together; the last items may be held out.
    for name in ("valid.tsv", "test.tsv"):
        counts = np.maximum(
            counts, np.loadtxt(path.with_name(name), dtype=np.int64, skiprows=1).max(axis=0) + 1
        )
    return Interactions.from_pairs(pairs[:, 0], pairs[:, 1], int(counts[0]), int(counts[1]))


def read_teacher(path: Path | None, train: Interactions) -> Teacher:
    if path is None:
        tables = MF(train.n_users, train.n_items, 200, SEED, 0.1)
        user, item = tables.user_emb.detach(), tables.item_emb.detach()
    else:
        stored = load_file(path)
        user, item = stored["user_emb"], stored["item_emb"]
    return Teacher(user, item, nn.functional.normalize(user), nn.functional.normalize(item))


def conditions(args: argparse.Namespace) -> dict[str, Any]:
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "method": args.method,
        "dim": args.dim,
        "teacher": "random, dim 200" if args.teacher is None else f"trained, {args.teacher.name}",
        "data": "citeulike train",
        "batch": BATCH,
        "schedule_epochs": args.epochs,
        "threads": args.threads,
        "cpus": os.cpu_count(),
        "cpu": model[0].partition(":")[2].strip() if model else platform.processor(),
        "load_average_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "optimizer": "torch.optim.Adam, fused kernel, both sides",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--method", choices=("ftd", "htd"), required=True)
    parser.add_argument("--dim", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=100, help="length of the schedule")
    parser.add_argument("--stride", type=int, default=1, help="run only every n-th epoch (a quick look)")
    parser.add_argument("--plain-steps", type=int, default=3, help="plain steps timed after each epoch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--teacher", type=Path, help="safetensors with user_emb and item_emb (default: random)"
    )
    parser.add_argument(
        "--data", default=os.environ.get("RECPRESS_DATA_DIR"), help="default: RECPRESS_DATA_DIR"
    )
    parser.add_argument("--verbose", action="store_true", help="a line per epoch")
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    if args.data is None:
        parser.error("set RECPRESS_DATA_DIR, or pass --data")
    torch.set_num_threads(args.threads)
    record = {"schema": "topology-speed-1", **conditions(args)}
    record |= measure(args)
    write_json(args.out, record)
    print(
        f"{args.method}_dim{args.dim}, {args.threads} threads: fast {record['fast_epoch_mean_s']:.2f} s, "
        f"plain {record['plain_epoch_mean_s']:.2f} s an epoch, {record['ratio']:.1f}x -> {args.out}"
    )


if __name__ == "__main__":
    main()

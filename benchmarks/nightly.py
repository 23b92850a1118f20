"""A nightly retrain from the last model against one from the start: CPU time, figures, how far lists move.

    python benchmarks/nightly.py --log ml-1m --work work/nightly --out nightly-ml-1m.json
    python benchmarks/nightly.py --log ml-100k --nights 2 --teacher als_dim16 --student soft_dim8

(with RECPRESS_DATA_DIR set). The log before the first night trains both sides' first model. Each night adds
--share of the log; the warm side goes on from its model of the night before (``distill --from``), its teacher
likewise, the cold side trains teacher and student anew. Figures are of the test items of that night, each
user's last, and the difference of both sides has an interval over the users, of a night and of each user's
mean over all nights; overlap@10 is with the same side's model of the night before.

What each took is kept below WORK, so that a run goes on where another stopped; a side's models and its times
are of the code that trained them, whose commit the record names.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _bench import commit, options, run, table
from _nights import NIGHTS, SHARE, add_model_options, nights, rows_of, student

from recpress_edge.core.arrays import F64, places_among
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import read_json, write_json
from recpress_edge.core.progress import Event, TrainingEvent
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import paired_bootstrap
from recpress_edge.data.interactions import Dataset
from recpress_edge.training.evaluate import evaluate
from recpress_edge.training.store import TrainedModel
from recpress_edge.training.warm.gate import OVERLAP
from recpress_edge.training.warm.moved import moved

SCHEMA: Final = "recpress.nightly/3"
METRICS: Final = ("recall@10", "recall@50", "ndcg@10")


def made(args: argparse.Namespace, data: Dataset, work: Path, earlier: TrainedModel | None) -> dict[str, Any]:
    """A student on a night's log, with the CPU seconds of it and of all that it is made from."""
    trained: list[str] = []

    def watch(event: Event) -> None:
        if isinstance(event, TrainingEvent) and event.kind == "train":
            trained.append(event.name)

    started = time.process_time()
    model = student(args, data, work, earlier, watch)
    file = work / "times" / f"{data.name}-{model.folder.name}.json"
    if args.student in trained:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"cpu_s": round(time.process_time() - started, 3), "commit": commit()})
    if not file.exists():
        raise ConfigError(f"{model.folder} is there, and {file} does not say what it took. Delete {work}.")
    return {"model": model, **read_json(file)}


def figures(
    found: dict[str, Any], data: Dataset, before: tuple[TrainedModel, Dataset] | None
) -> dict[str, Any]:
    """One side of one night."""
    model: TrainedModel = found["model"]
    test, teacher = model.metadata["metrics"]["test"], model.metadata["teacher"]
    return {
        "cpu_s": found["cpu_s"],
        "commit": found["commit"],
        "chosen_epoch": model.metadata["chosen_epoch"],
        **{name: test[name] for name in METRICS},
        "teacher": teacher and teacher["metrics"]["test"],
        OVERLAP: before and _moved(before, model, data),
    }


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What both sides' lists of a night are worth to its users (B,)."""

    users: tuple[str, ...]
    cold: dict[str, F64]
    """By metric (B,)."""
    warm: dict[str, F64]

    def difference(self) -> dict[str, dict[str, float]]:
        """By metric, warm - cold with its 95 % interval over the users."""
        return {
            name: asdict(paired_bootstrap(self.cold[name], self.warm[name], stream(0, f"nightly {name}")))
            for name in METRICS
        }


def judged(cold: TrainedModel, warm: TrainedModel, data: Dataset) -> Judged:
    """Both sides on the night's test items."""
    assert cold.tables
    assert warm.tables
    old, new = (
        evaluate(torch.from_numpy(one.user_emb), torch.from_numpy(one.item_emb), data, "test")
        for one in (cold.tables, warm.tables)
    )
    users = tuple(data.user_ids[user] for user in old.users)
    return Judged(users, *({name: side.by_user[name] for name in METRICS} for side in (old, new)))


def pooled(every: Sequence[Judged]) -> Judged:
    """A user's mean over the nights that the user is in."""
    ids, at = np.unique([user for night in every for user in night.users], return_inverse=True)
    counts = np.bincount(at)

    def mean(side: str, name: str) -> F64:
        values = np.concatenate([getattr(night, side)[name] for night in every])
        return np.asarray(np.bincount(at, values) / counts, np.float64)

    sides = ({name: mean(side, name) for name in METRICS} for side in ("cold", "warm"))
    return Judged(tuple(ids.tolist()), *sides)


def _moved(before: tuple[TrainedModel, Dataset], model: TrainedModel, data: Dataset) -> dict[str, Any]:
    earlier, old = before
    assert earlier.tables
    assert model.tables
    users, items = places_among(data.user_ids, old.user_ids), places_among(data.item_ids, old.item_ids)
    return moved(earlier.tables, model.tables, data.train, users, items).facts()


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every night, warm and cold."""
    if args.nights < 1:
        raise ConfigError(f"--nights must be at least 1, got {args.nights}")
    logs = nights(rows_of(args.log), args.nights, args.share)
    data = logs[0].dataset(f"{args.log}-night-0")
    first = made(args, data, args.work / "night-0", None)
    last = {side: (first["model"], data) for side in ("warm", "cold")}
    told: list[dict[str, Any]] = [{"night": 0, **counts(data), "cold": figures(first, data, None)}]
    every: list[Judged] = []
    for night, log in enumerate(logs[1:], start=1):
        data = log.dataset(f"{args.log}-night-{night}")
        line: dict[str, Any] = {"night": night, **counts(data)}
        for side, (model, _) in list(last.items()):
            work = args.work / ("warm" if side == "warm" else f"cold-{night}")
            # What was made from the first model lies beside it: the teacher goes on from there.
            found = made(args, data, work, model if side == "warm" else None)
            line[side] = figures(found, data, last[side])
            last[side] = found["model"], data
        every.append(judged(last["cold"][0], last["warm"][0], data))
        line["warm - cold"] = every[-1].difference()
        told.append(line)
    return {
        "schema": SCHEMA,
        "log": args.log,
        "student": args.student,
        "teacher": args.teacher or "usual",
        "seed": args.seed,
        "share": args.share,
        "protocol": data.protocol,
        "nights": told,
        "all nights": {
            "share": sum(line["warm"]["cpu_s"] for line in told[1:])
            / sum(line["cold"]["cpu_s"] for line in told[1:]),
            "warm - cold": pooled(every).difference(),
        },
    }


def counts(data: Dataset) -> dict[str, int]:
    """Users, items and train interactions of a night."""
    return {"users": data.n_users, "items": data.n_items, "train": len(data.train)}


def show(record: dict[str, Any]) -> str:
    """A row a night and side."""
    rows = [
        [
            str(line["night"]),
            side,
            f"{line['train']:,}",
            f"{line[side]['cpu_s']:.1f}",
            *(f"{line[side][name]:.4f}" for name in METRICS),
            f"{line[side][OVERLAP]['mean']:.4f}" if line[side][OVERLAP] else "–",
            str(line[side]["chosen_epoch"]),
        ]
        for line in record["nights"]
        for side in ("warm", "cold")
        if side in line
    ]
    return table(["night", "side", "train", "CPU s", *METRICS, OVERLAP, "epoch"], rows)


def parser() -> argparse.ArgumentParser:
    """The flags."""
    found = options(__doc__, work=Path("work/nightly"))
    add_model_options(found)
    found.add_argument("--nights", type=int, default=NIGHTS, help="default: %(default)s")
    found.add_argument("--share", type=float, default=SHARE, help="of the log, a night; default: %(default)s")
    return found


if __name__ == "__main__":
    raise SystemExit(run(parser(), measure, show))

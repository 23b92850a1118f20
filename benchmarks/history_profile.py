"""Recall of a history profile and of the user table it replaces, for known users and for new ones.

    python benchmarks/history_profile.py --work work --students soft_dim10,soft_dim32 \\
        --out benchmarks/results/history-profile.json

(with RECPRESS_DATA_DIR set). Known users: the students as they are trained, each user's vector against the
fold-in of the same train items. New users: a seeded tenth of the users is taken out of the data set
altogether, so that neither teacher, student nor fold-in has seen them; they are then asked about with their
train items as history, and compared with the plain mean of those items' vectors and with the table of the
student that was trained with them. All in float32, full ranking, one thread; the export measures int8.
"""

import argparse
import dataclasses
import platform
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _bench import options, run, table
from _models import METRIC, dataset_facts, made

from recpress_edge.artifacts.fold_in import FoldIn
from recpress_edge.core.arrays import F32, F64, I64
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import paired_bootstrap
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.data.resolve import load_dataset
from recpress_edge.distill.settings import FoldInConfig
from recpress_edge.training.evaluate import evaluate
from recpress_edge.training.fold_in import learn_fold_in, users_after
from recpress_edge.training.store import TrainedModel

SEED: Final = 0
NEW_SHARE: Final = 0.1
# 0 were looked at while the fold-in was designed, 1 reported first; 2 were asked once, after all choices.
NEW_USERS_SEED: Final = 1
SPLITS: Final = ("valid", "test")


def users_of(data: Dataset, users: I64, name: str) -> Dataset:
    """The data set of some users only; items keep their indices."""
    parts = [
        Interactions.from_pairs(
            np.repeat(np.arange(users.size), part.counts()[users]),
            np.concatenate([part.of(user) for user in users.tolist()]),
            users.size,
            part.n_items,
        )
        for part in (data.train, data.valid, data.test)
    ]
    ids = tuple(data.user_ids[user] for user in users.tolist())
    return dataclasses.replace(data, name=name, train=parts[0], valid=parts[1], test=parts[2], user_ids=ids)


def mean_of_items(model: TrainedModel) -> FoldIn:
    """The baseline: every consumed item counts alike, with its own vector."""
    return FoldIn(model.item_emb, np.zeros(model.item_emb.shape[1], np.float32))


def recall(user_emb: F32, model: TrainedModel, data: Dataset) -> dict[str, F64]:
    """Recall@50 of each user, by split."""
    item_emb = torch.from_numpy(model.item_emb)
    vectors = torch.from_numpy(np.ascontiguousarray(user_emb))
    return {
        "valid": evaluate(vectors, item_emb, data, "valid").by_user[METRIC],
        "test": evaluate(vectors, item_emb, data, "test").by_user[METRIC],
    }


def measured(sources: dict[str, dict[str, F64]], against: str) -> dict[str, Any]:
    """Means of each source, and the difference to one of them with its paired bootstrap interval."""
    found: dict[str, Any] = {}
    for name, by_split in sources.items():
        found[name] = {split: float(by_split[split].mean()) for split in SPLITS}
        if name != against:
            found[name]["difference"] = {
                split: dataclasses.asdict(
                    paired_bootstrap(
                        sources[against][split], by_split[split], stream(SEED, f"{name} {split}")
                    )
                )
                for split in SPLITS
            }
    return found


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Divided:
    """A data set whose new users are taken out."""

    data: Dataset
    known: Dataset
    new: Dataset
    new_users: I64


def divide(data: Dataset, seed: int) -> Divided:
    """A seeded tenth of the users is new."""
    order = stream(seed, "new users").permutation(data.n_users)
    n_new = round(NEW_SHARE * data.n_users)
    new, known = np.sort(order[:n_new]), np.sort(order[n_new:])
    parts = (
        users_of(data, known, f"{data.name}-without-new-users"),
        users_of(data, new, f"{data.name}-new-users"),
    )
    return Divided(data, *parts, new)


def study(student: str, divided: Divided, work: Path) -> dict[str, Any]:
    """Everything about one student."""
    data, known, new = divided.data, divided.known, divided.new
    whole, part = (made(student, of, work, seed=SEED, threads=1) for of in (data, known))
    started = time.perf_counter()
    fold_in = learn_fold_in(whole.user_emb, whole.item_emb, data.train, SEED, FoldInConfig())
    seconds = time.perf_counter() - started
    fold_in_of_known = learn_fold_in(part.user_emb, part.item_emb, known.train, SEED, FoldInConfig())
    everyone = {
        "user table": recall(whole.user_emb, whole, data),
        "history": recall(users_after(fold_in, data.train), whole, data),
        "mean of item vectors": recall(users_after(mean_of_items(whole), data.train), whole, data),
    }
    unseen = {
        "user table, trained with them": recall(whole.user_emb[divided.new_users], whole, new),
        "history": recall(users_after(fold_in_of_known, new.train), part, new),
        "mean of item vectors": recall(users_after(mean_of_items(part), new.train), part, new),
    }
    remaining = {
        "user table": recall(part.user_emb, part, known),
        "history": recall(users_after(fold_in_of_known, known.train), part, known),
    }
    return {
        "student": student,
        "learning_seconds": round(seconds, 2),
        "all_users": {"users": data.n_users, **measured(everyone, "user table")},
        "without_the_new": {
            "known_users": {"users": known.n_users, **measured(remaining, "user table")},
            "new_users": {"users": new.n_users, **measured(unseen, "user table, trained with them")},
        },
    }


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path("work"), out=True)
    made.add_argument("--data", default="citeulike")
    made.add_argument("--students", default="soft_dim10,soft_dim32")
    made.add_argument("--new-users-seed", type=int, default=NEW_USERS_SEED, help="which tenth is left out")
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every student, for known and for new users."""
    torch.set_num_threads(1)
    data = load_dataset(args.data, args.work)
    divided = divide(data, args.new_users_seed)
    return {
        "schema": "recpress.history-profile/1",
        "dataset": dataset_facts(data),
        "metric": METRIC,
        "masks": "valid: train and the other held-out item; test: train and valid",
        "history": "the user's train items, for valid and test alike",
        "seed": SEED,
        "new_users_seed": args.new_users_seed,
        "fold_in": dataclasses.asdict(FoldInConfig()),
        "machine": {"processor": platform.processor() or platform.machine(), "torch": torch.__version__},
        "students": [study(student, divided, args.work) for student in args.students.split(",")],
    }


def show(record: dict[str, Any]) -> str:
    """A row for each student, group of users and source of vectors."""
    rows = [
        [entry["student"], who, name, f"{figures['valid']:.4f}", f"{figures['test']:.4f}"]
        for entry in record["students"]
        for who, group in (
            ("all", entry["all_users"]),
            ("known", entry["without_the_new"]["known_users"]),
            ("new", entry["without_the_new"]["new_users"]),
        )
        for name, figures in group.items()
        if name != "users"
    ]
    return table(["student", "users", "vector from", "valid", "test"], rows)


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))

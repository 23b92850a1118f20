"""How far the rule for equal times moves figures on MovieLens 100K, where it decides for half of the users.

    recpress-edge data fetch ml-100k --work work
    python benchmarks/ties.py work/downloads/ml-100k/ml-100k.inter --work work \\
        --out benchmarks/results/ties.json

The same log is split by time with its ties in the order of the file (our rule), by item id, the highest last
(the rule that made the held-out item a function of its id), and drawn with several seeds. Teachers with their
usual settings learn from each split; full ranking, test.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import options, run, table
from _models import made

from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.prepare import prepare
from recpress_edge.data.public.table import public_set

SCHEMA: Final = "recpress.ties/1"
DATA: Final = "ml-100k"
METRICS: Final = ("recall@10", "recall@50")


def parser() -> argparse.ArgumentParser:
    made_parser = options(__doc__, work=Path())
    made_parser.add_argument("log", type=Path, metavar="LOG", help="ml-100k.inter")
    made_parser.add_argument("--models", default="pop,itemknn,ease,bpr_dim20", metavar="A,B")
    made_parser.add_argument("--seeds", type=int, default=3, metavar="N", help="of drawn ties")
    return made_parser


def splits(log: Path, seeds: int) -> Iterator[tuple[str, Dataset]]:
    """The data set by each rule."""
    header, *lines = log.read_text(encoding="utf-8").splitlines()
    items = np.array([int(line.split("\t")[1]) for line in lines])
    rules = {"in file order": np.arange(len(lines)) / len(lines), "by item id": items / (items.max() + 1)}
    rules |= {f"drawn, seed {seed}": stream(seed, "ties").random(len(lines)) for seed in range(seeds)}
    for rule, fractions in rules.items():
        moved = [f"{line}{f'{part:.6f}'[1:]}" for line, part in zip(lines, fractions.tolist(), strict=True)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / log.name
            path.write_text("\n".join([header, *moved]) + "\n", encoding="utf-8")
            yield rule, prepare(DATA, [path], public_set(DATA).how).dataset


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every model's figures under every rule."""
    ours = prepare(DATA, [args.log], public_set(DATA).how)
    results = [
        {
            "rule": rule,
            "dataset": data.digest(),
            "model": name,
            **{metric: model.metadata["metrics"]["test"][metric] for metric in METRICS},
        }
        for rule, data in splits(args.log, args.seeds)
        for name in args.models.split(",")
        for model in [made(name, data, args.work, role="teacher")]
    ]
    return {
        "schema": SCHEMA,
        "protocol": f"{DATA}, ratings of 4 and 5, leave-one-out by time, full ranking, test",
        "dataset": {"name": DATA, "digest": ours.dataset.digest()},
        "users": ours.dataset.n_users,
        "tied_users": ours.record["split"]["tied_users"],
        "results": results,
    }


def show(record: dict[str, Any]) -> str:
    """A row for each rule, Recall@10 of each model."""
    models = list(dict.fromkeys(one["model"] for one in record["results"]))
    rules: dict[str, list[str]] = {}
    for one in record["results"]:
        rules.setdefault(one["rule"], []).append(f"{one['recall@10']:.4f}")
    return table(["ties", *models], [[rule, *cells] for rule, cells in rules.items()])


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))

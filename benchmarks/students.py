"""Our students beside what else fits into the same bytes, on six data sets, as they are stored.

    RECPRESS_DATA_DIR=data python benchmarks/students.py --work work --out benchmarks/results/students.json

A budget is the bytes of an item's row, from which each recipe's dimensions follow. Of a row with several
teachers the one counts that is best on validation. What is missing is trained; every cell is kept below
WORK/students, so that a run goes on where another stopped. A cell is run with more seeds unless one takes
over ten minutes; --first-seed 1 measures the seeds that a record of seed 0 lacks, without the rows that
depend on none. Needs the sets in --work: the record names the commands. Product quantisation needs faiss-cpu
from PyPI, which the product itself does not use; --rows leaves it out.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from _bench import commit, options, run, table
from _sets import SETS, protocol
from _students import PQ, RECIPES, ROWS, Cell, measured, teachers_of
from _students_table import HEADERS, groups, rows, verdict_words, verdicts

from device_bench.hardware import device_facts
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import read_json, write_json
from recpress_edge.core.metrics import worth
from recpress_edge.data.holdout import dataset_cutoff
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset

SCHEMA: Final = "recpress.students/1"
BUDGETS: Final = (10, 20, 32, 64)
LONG_S: Final = 600.0


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path("work"))
    made.add_argument("--sets", default=",".join(SETS), metavar="A,B", help="default: %(default)s")
    made.add_argument("--rows", default=",".join(ROWS), metavar="A,B", help="default: %(default)s")
    made.add_argument("--budgets", default=",".join(map(str, BUDGETS)), metavar="N,N", help="bytes an item")
    made.add_argument("--recipes", default=",".join(RECIPES), metavar="A,B", help="default: %(default)s")
    made.add_argument("--seeds", type=int, default=3, metavar="N", help="of what depends on one")
    made.add_argument("--first-seed", type=int, default=0, metavar="N", help="default: %(default)s")
    made.add_argument("--threads", type=int, default=1, metavar="N")
    return made


def kept(cell: Cell, data: Dataset, work: Path) -> dict[str, Any]:
    """A cell, measured once."""
    file = work / "students" / f"{data.name}-{cell}.json".replace(":", "-").replace("/", "-")
    if not file.exists():
        print(file.stem, file=sys.stderr, flush=True)
        found = measured(cell, data, work) | {"commit": commit()}
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, found)
    return read_json(file)


def seeds(name: str, recipe: str, n_bytes: int, data: Dataset, args: argparse.Namespace) -> list[Any]:
    """A row at one size: every seed, with the teacher that is best on validation with the first."""
    row, cutoff, first = ROWS[name], dataset_cutoff(data), args.first_seed
    tried = {
        teacher: kept(Cell(name, recipe, n_bytes, teacher, first), data, args.work)
        for teacher in teachers_of(name, data)
    }
    best = max(tried, key=lambda teacher: worth(tried[teacher]["valid"], cutoff))
    quick = (tried[best]["cpu_s"] or 0.0) < LONG_S
    more = range(first + 1, first + (args.seeds if row.seeded and quick else 1))
    return [
        tried[best],
        *(kept(Cell(name, recipe, n_bytes, best, seed), data, args.work) for seed in more),
    ]


def results(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every set, recipe, budget and row that is asked for."""
    for key in args.sets.split(","):
        data = load_dataset(SETS[key][0], args.work, lambda text: print(text, file=sys.stderr))
        for n_bytes in map(int, args.budgets.split(",")):
            for name in _rows(args):
                for recipe in [PQ] if name == PQ else args.recipes.split(","):
                    runs = seeds(name, recipe, n_bytes, data, args)
                    yield {"set": key, "recipe": recipe, "budget": n_bytes, "row": name, "runs": runs}


def _rows(args: argparse.Namespace) -> list[str]:
    """The rows that are asked for: above seed 0 those that depend on it."""
    return [name for name in args.rows.split(",") if ROWS[name].seeded or not args.first_seed]


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The record of everything."""
    torch.set_num_threads(args.threads)
    for given, known in ((args.sets, SETS), (args.rows, ROWS), (args.recipes, RECIPES)):
        if strange := set(given.split(",")) - set(known):
            raise ConfigError(f"unknown: {', '.join(strange)}. Known are {', '.join(known)}")
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "sets": {key: protocol(key, args.work) for key in args.sets.split(",")},
        "rows": {name: ROWS[name].title for name in _rows(args)},
        "results": list(results(args)),
        "device": device_facts(),
        "torch": torch.__version__,
    }


def show(record: dict[str, Any]) -> str:
    """A table for each set, recipe and budget, then the verdicts."""
    titles = record["rows"]
    parts = [
        f"{key} {recipe}, {budget} bytes an item\n{table(list(HEADERS), rows(here, titles))}"
        for key, recipe, budget, here in groups(record)
    ]
    judged = [[one["set"], *verdict_words(one, titles)] for one in verdicts(record)]
    headers = ["set", "recipe", "bytes", "NDCG@10", "Recall@50", "best or level"]
    return "\n\n".join([*parts, table(headers, judged)])


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))

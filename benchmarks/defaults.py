"""Do the defaults hold: how far each is behind the best change of one setting, on six data sets.

    RECPRESS_DATA_DIR=data python benchmarks/defaults.py --work work --out benchmarks/results/defaults.json

Each method's default model is measured, and beside it the same with one setting changed: a number by factors
of 2 and 4, what validation chooses by each of its candidates and one step beyond, a choice to its others, a
student's teacher to others. The best change is taken by Recall@50 on test, by an oracle that no user has:
the gap holds chance too, and grows with the number of changes. Exit code 1 where one is above .01.

Needs the sets in --work: the record names the commands. Every cell is kept below WORK/defaults, so that a
run goes on where another stopped, and the record has all that is there; delete those of models whose code
has changed. What takes long is left for later by --sets, --methods and --settings.
"""

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from _bench import commit, options, run, table
from _defaults import DEFAULT, TESTED, Change, Tested, changes, grids
from _defaults_table import HEADERS, LIMIT, METRICS, ahead_of, cells, change_words
from _models import made
from _sets import SETS, protocol

from device_bench.hardware import device_facts
from recpress_edge.core.errors import ConfigError, GateError, RecPressError
from recpress_edge.core.files import digest_of, read_json, write_json
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.training.plan import TRAINING_REVISION, ModelRequest, in_order, want

SCHEMA: Final = "recpress.defaults/1"
FOLDER: Final = "defaults"


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path("work"))
    made.add_argument("--sets", default=",".join(SETS), metavar="A,B", help="default: %(default)s")
    made.add_argument("--methods", default=",".join(TESTED), metavar="A,B", help="default: %(default)s")
    made.add_argument("--settings", metavar="A,B", help="change these alone; default: all")
    made.add_argument("--threads", type=int, default=1, metavar="N")
    return made


def place(method: str, change: Change, data: Dataset, work: Path) -> Path:
    """The file of a cell: by all that decides it but code, and not by which of its settings are defaults."""
    tested = TESTED[method]
    asked = change.options(tested, data)
    request = ModelRequest(name=tested.model, role=tested.role, options=asked)
    tree = [
        [str(one.name), dataclasses.asdict(one.config), dataclasses.asdict(one.training)]
        for one in in_order(want(request, data))
    ]
    chosen = [grid for grid in grids(tested, data) if grid[0] != change.setting]
    decides = [TRAINING_REVISION, data.digest(), tree, chosen]
    return work / FOLDER / f"{data.name}-{method}-{digest_of({'decides': decides})[:8]}.json"


def measured(tested: Tested, change: Change, data: Dataset, work: Path) -> dict[str, Any]:
    """What a model with this change finds, and what validation chose; why, where it cannot be computed.

    Its teacher stays in ``work``, the model itself does not.
    """
    asked = change.options(tested, data)
    teacher = made(asked.teacher, data, work, role="teacher") if asked.teacher else None
    given = dataclasses.replace(asked, teacher=str(teacher.folder) if teacher else None)
    wanted = {field.name: getattr(given, field.name) for field in dataclasses.fields(given)}
    started = time.process_time()
    with tempfile.TemporaryDirectory(prefix="recpress-defaults-") as scratch:
        try:
            known = made(tested.model, data, Path(scratch), role=tested.role, **wanted).metadata
        except RecPressError as error:
            return {"refused": str(error), "commit": commit()}
    return {
        "commit": commit(),
        "teacher": asked.teacher,
        "cpu_s": round(time.process_time() - started, 1),
        "chosen": known.get("chosen_settings", {}),
        "chosen_epoch": known["chosen_epoch"],
        **{split: {m: known["metrics"][split][m] for m in METRICS} for split in ("valid", "test")},
    }


def group(
    key: str, method: str, data: Dataset, work: Path, wants: Callable[[str], bool]
) -> dict[str, Any] | None:
    """A method on a set: what is kept of it and, of these settings, what is not; None without its default."""
    tested, found, missing = TESTED[method], [], 0
    for change in changes(tested, data):
        file = place(method, change, data, work)
        if not file.exists() and wants(change.setting):
            print(f"{key} {tested.model} {change}", file=sys.stderr, flush=True)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, measured(tested, change, data, work))
        if file.exists():
            found.append({**read_json(file), "setting": change.setting, "value": change.value})
        else:
            missing += 1
    if not found or found[0]["setting"] != DEFAULT:
        return None
    facts = {"set": key, "method": method, "model": tested.model, "default": found[0]}
    return facts | {"changes": found[1:], "missing": missing}


def results(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every set and method that is asked for, and those that are kept."""
    for key, (name, _) in SETS.items():
        if key not in args.sets.split(",") and not list((args.work / FOLDER).glob(f"{name}-*.json")):
            continue
        data = load_dataset(name, args.work, lambda text: print(text, file=sys.stderr))
        for method in TESTED:
            found = group(key, method, data, args.work, partial(_wants, args, key, method))
            if found:
                yield found


def _wants(args: argparse.Namespace, key: str, method: str, setting: str) -> bool:
    """Whether a cell is asked for; if not, it is told where it is kept."""
    names = [DEFAULT, *args.settings.split(",")] if args.settings else [setting]
    return key in args.sets.split(",") and method in args.methods.split(",") and setting in names


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The record of everything."""
    torch.set_num_threads(args.threads)
    for given, known in ((args.sets, SETS), (args.methods, TESTED)):
        if strange := set(given.split(",")) - set(known):
            raise ConfigError(f"unknown: {', '.join(sorted(strange))}. Known are {', '.join(known)}")
    found = list(results(args))
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "limit": LIMIT,
        "sets": {key: protocol(key, args.work) for key in dict.fromkeys(one["set"] for one in found)},
        "skipped": {method: dict(one.skipped) for method, one in TESTED.items()},
        "results": found,
        "device": device_facts(),
        "torch": torch.__version__,
    }


def show(record: dict[str, Any]) -> str:
    """A row for each set and method, then every change that is above the limit."""
    rows = [cells(one) for one in record["results"]]
    over = [
        [one["set"], one["model"], change_words(change), *(f"{change['test'][m]:.4f}" for m in METRICS[:2])]
        for one in record["results"]
        for change in ahead_of(one)
    ]
    more = table(["set", "model", "above the limit", "Recall@50", "NDCG@10"], over) if over else ""
    return "\n\n".join(filter(None, [table(list(HEADERS), rows), more]))


def gate(record: dict[str, Any]) -> None:
    """GateError where a default is behind by more than the limit."""
    behind = [f"{one['model']} on {one['set']}" for one in record["results"] if ahead_of(one)]
    if behind:
        raise GateError(f"more than {LIMIT} Recall@50 behind their best change: {', '.join(behind)}")


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show, gate))

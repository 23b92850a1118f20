"""Time and memory to the first answer: Recommender.load and recommend, beside a bare onnxruntime session.

Both open the same int8 bundle, drawn at random, in fresh processes taken in turn: the library as it is
delivered (digests and self-test), the library without verification, and onnxruntime given the model file and
indices, without ids. User CPU is the whole process, with the start of Python; memory is VmHWM.

    python benchmarks/first_answer.py --out benchmarks/results/first_answer.json
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from _bench import machine, options, run

from recpress_edge.artifacts.bundle import write_manifest
from recpress_edge.artifacts.evaluation import Evaluation
from recpress_edge.artifacts.formats import writer_of
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import write_atomic
from recpress_edge.testing.tables import random_tables, reference_of
from recpress_edge.testing.writer import graph_of
from recpress_export.selftest import answered, spread_questions, write_rows

_REPORT: Final = """
import json, resource
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
user_s = resource.getrusage(resource.RUSAGE_SELF).ru_utime
print(json.dumps({"user_s": user_s, "peak_kib": peak, "item": item}))
"""
_LIBRARY: Final = """
import sys
from recpress_edge import Recommender
item = Recommender.load(sys.argv[1], verify={verify}).recommend("user-7", ["item-3"], k=10).items[0]
"""
_BARE: Final = """
import os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import numpy, onnxruntime
asked = onnxruntime.SessionOptions()
asked.intra_op_num_threads = asked.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx", asked, providers=["CPUExecutionProvider"])
names = [one.name for one in session.get_inputs()]
found = session.run(["items"], dict(zip(names, map(numpy.array, ([7], [3], [10])))))
item = f"item-{found[0][0]}"
"""
SIDES: Final = {
    "verified": _LIBRARY.format(verify=True),
    "unverified": _LIBRARY.format(verify=False),
    "onnxruntime": _BARE,
}
"""What is timed; every side must name the same best item."""


def main() -> int:
    """Measure, write, print."""
    parser = options(__doc__)
    parser.add_argument("--users", type=int, default=5_000, help="default: %(default)s")
    parser.add_argument("--items", type=int, default=16_000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=10, help="processes of each side; default: %(default)s")
    return run(parser, _measure, _table)


def _measure(args: argparse.Namespace) -> dict[str, Any]:
    if args.users < 8 or args.items < 100 or args.rounds < 1:
        raise ConfigError("--users must be at least 8, --items 100 and --rounds 1")
    with tempfile.TemporaryDirectory() as folder:
        _write_bundle(Path(folder), args.users, args.items)
        for code in SIDES.values():
            _ask(code, folder)  # into the page cache
        rounds = [_round(number, folder) for number in range(args.rounds)]
    samples = {side: [one[side] for one in rounds] for side in SIDES}
    if len({one["item"] for side in samples.values() for one in side}) != 1:
        raise ConfigError("the sides name different items: this comparison is wrong")
    return {
        "users": args.users,
        "items": args.items,
        "median": {side: _medians(found) for side, found in samples.items()},
        "samples": samples,
        **machine("onnxruntime", onnxruntime.__version__),
    }


def _round(number: int, folder: str) -> dict[str, dict[str, Any]]:
    """Each side once; odd rounds go backwards, so that no side is always the first."""
    sides = list(SIDES)[:: -1 if number % 2 else 1]
    return {side: _ask(SIDES[side], folder) for side in sides}


def _ask(code: str, folder: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", code + _REPORT, folder], capture_output=True, check=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _medians(samples: list[dict[str, Any]]) -> dict[str, float]:
    return {name: float(np.median([one[name] for one in samples])) for name in ("user_s", "peak_kib")}


def _write_bundle(folder: Path, n_users: int, n_items: int) -> None:
    """An int8-dim bundle of random tables of dim 20."""
    tables = random_tables(n_users, n_items, 20)
    graph = graph_of("int8-dim", *tables)
    write_atomic(folder / graph.contract.model_file, writer_of(graph.contract.format)(graph, {}))
    none, start = np.empty(0, np.int32), np.zeros(1, np.int64)
    empty = Evaluation(none, start, none, start, none)
    test = answered(reference_of("int8-dim", *tables), spread_questions(n_users, empty), n_items)
    users, items = [f"user-{n}" for n in range(n_users)], [f"item-{n}" for n in range(n_items)]
    write_rows(folder, users, items, test, None)
    facts = {"student": "random", "seed": 0}
    write_manifest(folder, "first-answer", graph.contract, facts, {"chain": [], "parity": {}})


def _table(record: dict[str, Any]) -> str:
    return "\n".join(
        f"{side:<12} {found['user_s']:.3f} s user  {found['peak_kib'] / 1024:.1f} MiB"
        for side, found in record["median"].items()
    )


if __name__ == "__main__":
    sys.exit(main())

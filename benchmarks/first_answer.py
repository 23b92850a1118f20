"""Time and memory to the first answer: Recommender, and a bare onnxruntime session on the same file.

    python benchmarks/first_answer.py dist/soft_dim20-int8 --out benchmarks/results/first-answer.json

A fresh process for each way and round, in turn. Measured from its first line on: imports, load, first
answer; the memory is the peak of the whole process. ``session`` opens the model file and asks for indices.
``Recommender`` adds external ids, every digest and the self-test; ``runtime`` is the part of it without them.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import machine, options, run, table

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.formats import DEFAULT
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.units import format_bytes, format_ns
from recpress_edge.device.onnx_runtime import import_onnxruntime

SCHEMA: Final = "recpress.first-answer/1"
SEEN: Final = 3
WAYS: Final = {
    "session": """
import numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(folder + "/model.onnx", options, providers=["CPUExecutionProvider"])
asked = {"user": [0], "seen": range(len(seen)), "k": [10]}
session.run(None, {name: np.array(value, np.int64) for name, value in asked.items()})
""",
    "runtime": """
from pathlib import Path
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.device.runtime import open_runtime
bundle = open_bundle(Path(folder))
open_runtime(bundle.model_path, bundle.contract).recommend(0, range(len(seen)), 10)
""",
    "Recommender": """
from recpress_edge import Recommender
Recommender.load(folder).recommend(user, seen, 10)
""",
}
PROGRAM: Final = """
import time
wall, cpu = time.perf_counter_ns(), time.process_time_ns()
import json, os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
folder, user, *seen = sys.argv[1:]
{way}
took = {{"wall_ns": time.perf_counter_ns() - wall, "cpu_ns": time.process_time_ns() - cpu}}
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps(took | {{"peak_bytes": 1024 * int(peak)}}))
"""


def parser() -> argparse.ArgumentParser:
    made = options(__doc__)
    made.add_argument("bundle", type=Path, help="an all-users bundle as ONNX")
    made.add_argument("--rounds", type=int, default=10, help="processes of each way; default: %(default)s")
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every way in a fresh process, in turn."""
    bundle = open_bundle(args.bundle)
    if bundle.contract.format != DEFAULT or not bundle.contract.user_input:
        raise ConfigError(f"{args.bundle} is not an all-users bundle as ONNX; give one")
    asked = [str(args.bundle), bundle.user_ids()[0], *bundle.item_ids()[:SEEN]]
    runs: dict[str, list[dict[str, int]]] = {way: [] for way in WAYS}
    for _ in range(args.rounds):
        for way, code in WAYS.items():
            command = [sys.executable, "-c", PROGRAM.format(way=code), *asked]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            runs[way].append(json.loads(done.stdout))
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "bundle": {"name": bundle.name, "sha256": bundle.digest, "file_bytes": bundle.model_bytes},
        "medians": {
            way: {name: float(np.median([one[name] for one in ones])) for name in ones[0]}
            for way, ones in runs.items()
        },
        "runs": runs,
        **machine("onnxruntime", import_onnxruntime().__version__),
    }


def show(record: dict[str, Any]) -> str:
    """A row for each way."""
    rows = [
        [way, format_ns(row["wall_ns"]), format_ns(row["cpu_ns"]), format_bytes(int(row["peak_bytes"]))]
        for way, row in record["medians"].items()
    ]
    return table(["first answer by", "wall", "CPU", "peak memory"], rows)


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))

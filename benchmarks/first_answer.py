"""The first answer of a fresh process: ``Recommender.load`` beside a bare onnxruntime session.

    python benchmarks/first_answer.py demo/dist/soft_dim20-int8 --out benchmarks/results/first-answer.json

Three forms, each in fresh processes by turns, with the same ONNX file and the same question: ``bare``
(import onnxruntime, open the file, run it), ``recommender`` (digests, self-test, ids), and ``unverified``
(the same with ``verify=False``). What counts is user CPU time from the start of the process and its peak
resident memory: the clock of a shared machine counts the neighbours too. The answers must be equal.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import machine, options, run, table

from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.artifacts.contract import ALL_USERS
from recpress_edge.artifacts.formats import DEFAULT
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.units import format_bytes
from recpress_edge.device.onnx_runtime import OnnxRuntime

_COST: Final = """
import json, os
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(json.dumps({"items": items, "user_s": os.times().user, "peak_bytes": 1024 * int(peak)}))
"""
_BARE: Final = """
import os
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import sys
import numpy as np
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.log_severity_level = 4
session = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
feed = {"user": np.array([0]), "seen": np.array([], np.int64), "k": np.array([10])}
names = open(sys.argv[1] + "/items.txt").read().splitlines()
items = [names[item] for item in session.run(None, feed)[0].ravel().tolist()]
"""
_LOADED: Final = """
import sys
from recpress_edge import Recommender
items = Recommender.load(sys.argv[1], verify={verify}).recommend(sys.argv[3], k=10).items
"""
FORMS: Final = {
    "bare": _BARE,
    "recommender": _LOADED.replace("{verify}", "True"),
    "unverified": _LOADED.replace("{verify}", "False"),
}


def parser() -> argparse.ArgumentParser:
    made = options(__doc__)
    made.add_argument("bundle", type=Path, help="an all-users bundle in ONNX")
    made.add_argument("--rounds", type=int, default=15, help="fresh processes of each form (default: 15)")
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every form by turns, and the medians."""
    bundle = open_bundle(args.bundle)
    if bundle.contract.profile != ALL_USERS or bundle.contract.format != DEFAULT:
        raise ConfigError(f"{args.bundle} is no all-users bundle in ONNX, which a bare session is asked for")
    samples: dict[str, list[dict[str, Any]]] = {name: [] for name in FORMS}
    for _ in range(args.rounds):
        for name in FORMS:
            samples[name].append(fresh(FORMS[name], bundle))
    answers = {str(one["items"]) for form in samples.values() for one in form}
    if len(answers) != 1:
        raise ArtifactError(f"the forms answer differently: {sorted(answers)}")
    runtime = OnnxRuntime(bundle.model_path, bundle.contract)
    return {
        "schema": "recpress.first-answer/1",
        "bundle": {"name": bundle.name, "sha256": bundle.digest, "bytes": bundle.total_bytes},
        **machine(runtime.name, runtime.version),
        "basis": "measured",
        "samples": {
            name: [{key: one[key] for key in ("user_s", "peak_bytes")} for one in form]
            for name, form in samples.items()
        },
    }


def fresh(code: str, bundle: Bundle) -> dict[str, Any]:
    """What one process answered, and what it cost."""
    command = [sys.executable, "-c", code + _COST, str(bundle.folder), str(bundle.model_path)]
    done = subprocess.run([*command, bundle.user_ids()[0]], capture_output=True, check=True, text=True)
    return dict(json.loads(done.stdout))


def show(record: dict[str, Any]) -> str:
    """A line for each form, and what it adds to the bare session."""
    costs = {
        name: [float(np.median([one[key] for one in form])) for key in ("user_s", "peak_bytes")]
        for name, form in record["samples"].items()
    }
    bare = costs["bare"]
    rows = [
        [
            name,
            f"{user:.3f} s",
            f"{user - bare[0]:+.3f} s",
            format_bytes(round(peak)),
            f"{peak / bare[1]:.2f}×",
        ]
        for name, (user, peak) in costs.items()
    ]
    return table(["form", "user CPU", "beside bare", "peak resident", "of bare"], rows)


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))

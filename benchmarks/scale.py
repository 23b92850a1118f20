"""The cost of an int8 file as the catalogue grows: bytes, export, load, query, memory; one level or two.

    python benchmarks/scale.py --out benchmarks/results/scale.json

Synthetic tables (seeded), so nothing is needed but this repository. Export and serving each get a fresh
process per size and round; rounds run over all sizes in turn, so that whatever else the machine does meets
every size. Queries are timed as one follows the other, and cold: after 96 MiB of other memory were read, as
on a device that does something else in between. One process per size then times both kinds of top-k on the
same tables, in turn (A B B A).
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import Rounds, in_brackets, machine, options, ratio_interval, run, table, time_in_turn

from device_bench.measure import BlockTimer, no_garbage_collection
from recpress_edge.artifacts.bundle import Contract
from recpress_edge.artifacts.quantize import QuantizedTables, quantize_int8_dim
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.memory import process_memory
from recpress_edge.core.rng import stream
from recpress_edge.core.units import format_bytes, format_ns
from recpress_edge.device.onnx_runtime import Feed, OnnxRuntime, import_onnxruntime
from recpress_edge.device.reference import ReferenceRuntime
from recpress_export.graph import contract_for, describe_int8
from recpress_export.onnx.topk import TWO_LEVEL_ITEMS
from recpress_export.onnx.writer import to_onnx

SCHEMA: Final = "recpress.scale/1"
SIZES: Final = (25_000, 100_000, 250_000, 1_000_000)
K: Final = 50
SEEN: Final = 20
CHECKED_USERS: Final = 20
QUERIES: Final = 1000
COLD_QUERIES: Final = 40
EVICTING_BYTES: Final = 96 * 2**20
MEASURES: Final = (
    "file_bytes",
    "export_s",
    "export_memory_bytes",
    "load_ms",
    "query_p50_us",
    "query_cold_p50_us",
    "model_memory_bytes",
    "table_read_us",
)


def tables(n_items: int, dim: int, n_users: int) -> QuantizedTables:
    """Normal embeddings with a skew of popularity, quantised."""
    rng = stream(0, "scale", n_items, dim)
    user_emb = rng.standard_normal((n_users, dim), np.float32)
    item_emb = rng.standard_normal((n_items, dim), np.float32)
    item_emb *= rng.lognormal(0.0, 0.3, (n_items, 1)).astype(np.float32)
    return quantize_int8_dim(user_emb, item_emb)


def contract(n_items: int, dim: int, n_users: int) -> Contract:
    """Of a file that is not in any bundle."""
    return contract_for(recipe_named("int8-dim"), "onnx", n_users=n_users, n_items=n_items, dim=dim)


def feeds(runtime: OnnxRuntime | ReferenceRuntime, count: int) -> list[Any]:
    """Requests of different users, each with its own seen items."""
    rng = stream(0, "scale queries", runtime.catalogue.n_items)
    users = rng.integers(0, runtime.catalogue.n_users, count)
    return [runtime.prepare(int(user), rng.integers(0, runtime.catalogue.n_items, SEEN), K) for user in users]


def export(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Quantised tables to a file; the making of the synthetic tables is not counted."""
    size = (job["n_items"], job["dim"], job["n_users"])
    stored = tables(*size)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the tables
    before = memory()
    start = time.perf_counter_ns()
    data = to_onnx(describe_int8(contract(*size), stored), {})
    (folder / f"{job['n_items']}.onnx").write_bytes(data)
    seconds = (time.perf_counter_ns() - start) / 1e9
    return {"file_bytes": len(data), "export_s": seconds, "export_memory_bytes": memory() - before}


def serve(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Load the file and answer; the growth of the process' peak is the model's memory."""
    import_onnxruntime()
    before = memory()
    start = time.perf_counter_ns()
    runtime = OnnxRuntime(
        folder / f"{job['n_items']}.onnx", contract(job["n_items"], job["dim"], job["n_users"])
    )
    load_ns = time.perf_counter_ns() - start
    timer = BlockTimer(runtime.run, feeds(runtime, job["queries"]))
    timer.block(20)
    timer.forget()
    with no_garbage_collection():
        timer.block(job["queries"])
    memory_bytes = memory() - before
    cold = cold_ns(runtime, feeds(runtime, COLD_QUERIES))
    return {
        "load_ms": load_ns / 1e6,
        "query_p50_us": float(np.median(timer.samples)) / 1e3,
        "query_cold_p50_us": float(np.median(cold)) / 1e3,
        "model_memory_bytes": memory_bytes,
        "table_read_us": read_ns(job["n_items"] * job["dim"]) / 1e3,
        "query_ns": timer.samples,
        "query_cold_ns": cold,
    }


def cold_ns(runtime: OnnxRuntime, requests: Sequence[Feed]) -> list[int]:
    """Each request once, after more other memory was read than any cache holds."""
    other = np.ones(EVICTING_BYTES // 8, np.int64)
    samples = []
    for request in requests:
        other.max()
        timer = BlockTimer(runtime.run, [request])
        timer.block(1)
        samples += timer.samples
    return samples


def read_ns(n_bytes: int) -> float:
    """Median time to read so many bytes once: what no query over a table of that size can beat."""
    timer = BlockTimer(np.max, [np.ones(max(n_bytes // 8, 1), np.int64)])
    timer.block(30)
    return float(np.median(timer.samples))


def two_levels(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Both kinds of top-k on the same tables: the same answers as numpy's integers, then their times."""
    size = (job["n_items"], job["dim"], job["n_users"])
    stored = tables(*size)
    graph = describe_int8(contract(*size), stored)
    timers: list[BlockTimer[Feed]] = []
    reference = ReferenceRuntime.from_int8(stored.user_q, stored.item_q, stored.user_scale)
    for threshold in (1, job["n_items"] + 1):  # two levels, then one
        path = folder / f"levels-{threshold}.onnx"
        path.write_bytes(to_onnx(graph, {}, threshold))
        runtime = OnnxRuntime(path, graph.contract)
        path.unlink()
        requests = feeds(runtime, QUERIES)
        for mine, theirs in list(zip(requests, feeds(reference, QUERIES), strict=True))[:CHECKED_USERS]:
            (items, scores), (wanted, best) = runtime.run(mine), reference.run(theirs)
            if items.tolist() != wanted.tolist() or scores.tolist() != best.tolist():
                raise ArtifactError(f"{size[0]} items, threshold {threshold}: not the answers of numpy")
        timers.append(BlockTimer(runtime.run, requests))
    samples, wait_share = time_in_turn(timers, Rounds(rounds=job["rounds"], block=job["block"]), warm_up=20)
    return {
        **ratio_interval(samples),
        "two_level_p50_ns": float(np.median(samples[0])),
        "one_level_p50_ns": float(np.median(samples[1])),
        "checked_users": CHECKED_USERS,
        "wait_share": wait_share,
        "query_ns": samples.tolist(),
    }


def memory() -> int:
    """Peak resident bytes of this process so far."""
    peak = process_memory()["vm_hwm"]
    assert peak is not None
    return peak


WORK: Final = {"export": export, "serve": serve, "two_levels": two_levels}


def fresh_process(kind: str, job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """One job in a process of its own."""
    request = json.dumps({"kind": kind, "job": job, "folder": str(folder)})
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, "--worker"],
        input=request,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        raise ArtifactError(f"{kind} of {job['n_items']} items failed, see above")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def growth(sizes: Sequence[int], values: Sequence[float]) -> dict[str, Any]:
    """Least squares line through (items, value), and what each step costs per added item."""
    n, y = np.array(sizes, np.float64), np.array(values, np.float64)
    slope, intercept = np.polyfit(n, y, 1)
    rest = y - (slope * n + intercept)
    spread = float(((y - y.mean()) ** 2).sum())
    return {
        "per_item": float(slope),
        "fixed": float(intercept),
        "r_squared": 1.0 - float((rest**2).sum()) / spread if spread else 1.0,
        "per_added_item": (np.diff(y) / np.diff(n)).tolist(),
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All sizes, in rounds."""
    runs: dict[int, list[dict[str, Any]]] = {size: [] for size in args.sizes}
    levels: dict[int, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="recpress-scale-") as name:
        folder = Path(name)
        for done in range(args.rounds):
            for size in args.sizes:
                job = {"n_items": size, "dim": args.dim, "n_users": args.users, "queries": args.queries}
                exported = fresh_process("export", job, folder)
                runs[size].append(exported | fresh_process("serve", job, folder))
                print(f"round {done + 1}: {size:,} items", file=sys.stderr)
        for size in args.sizes:
            block = max(10, min(50, 5_000_000 // size))
            job = {"n_items": size, "dim": args.dim, "n_users": args.users, "rounds": 40, "block": block}
            levels[size] = fresh_process("two_levels", job, folder)
    medians = {m: [float(np.median([run[m] for run in runs[size]])) for size in args.sizes] for m in MEASURES}
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "dim": args.dim,
        "n_users": args.users,
        "k": K,
        "two_level_items": TWO_LEVEL_ITEMS,
        "sizes": args.sizes,
        "medians": medians,
        "growth": {m: growth(args.sizes, values) for m, values in medians.items()},
        "two_levels": {str(size): found for size, found in levels.items()},
        "runs": {str(size): found for size, found in runs.items()},
        **machine("onnxruntime", import_onnxruntime().__version__),
    }


def worker() -> int:
    """Read a job on stdin, write its answer on stdout."""
    request = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        answer = WORK[request["kind"]](request["job"], Path(request["folder"]))
    json.dump(answer, sys.stdout)
    return 0


def parser() -> argparse.ArgumentParser:
    made = options(__doc__)
    made.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="ITEMS")
    made.add_argument("--dim", type=int, default=32)
    made.add_argument("--users", type=int, default=1000)
    made.add_argument("--queries", type=int, default=300, help="per process (default: 300)")
    made.add_argument("--rounds", type=int, default=3)
    return made


def show(record: dict[str, Any]) -> str:
    """A row for each size, and the fit of each column."""
    found = record["medians"]
    rows = []
    for at, size in enumerate(record["sizes"]):
        levels = record["two_levels"][str(size)]
        rows.append(
            [
                f"{size:,}",
                format_bytes(found["file_bytes"][at]),
                f"{found['export_s'][at]:.2f} s",
                f"{found['load_ms'][at]:.1f} ms",
                format_ns(1e3 * found["query_p50_us"][at]),
                format_ns(1e3 * found["query_cold_p50_us"][at]),
                f"{found['query_p50_us'][at] / found['table_read_us'][at]:.1f}×",
                format_bytes(found["model_memory_bytes"][at]),
                in_brackets(levels),
            ]
        )
    fits = [
        f"{m}: {g['per_item']:.4g} per item + {g['fixed']:.4g}, R² {g['r_squared']:.4f}"
        for m, g in record["growth"].items()
    ]
    head = [
        f"items, dim {record['dim']}",
        "file",
        "export",
        "load",
        "query p50",
        "cold",
        "over one read",
        "memory",
        "two levels / one",
    ]
    return "\n".join([table(head, rows), "", *fits])


if __name__ == "__main__":
    sys.exit(worker() if sys.argv[1:] == ["--worker"] else run(parser(), measure, show))

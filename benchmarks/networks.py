"""What a network costs as a file: unfolded, folded, in int8; bytes, Recall@50, overlap and latency of each.

    python benchmarks/networks.py --model work/models/neumf_dim8-s0-… --work work --out neumf.json

(with RECPRESS_DATA_DIR set; --formats onnx,tflite where litert-torch is installed). Every file goes through
the writers that an export uses. Latency is a ratio to the fp32 file of the same runtime, timed in turn
with it on the same test users (latency_ratio.py). TFLite runs with XNNPACK.
"""

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _bench import Rounds, add_rounds, in_brackets, machine, options, ratio_interval, run, table, time_in_turn
from numpy.typing import NDArray
from torch import Tensor, nn

from device_bench.measure import BlockTimer
from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.contract import Contract
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.metrics import overlap_by_user, recall_at_k
from recpress_edge.core.units import format_bytes, format_ns
from recpress_edge.data.holdout import holdout, sequence_holdout
from recpress_edge.data.resolve import load_dataset
from recpress_edge.device.runtime import Runtime, open_runtime
from recpress_export.graph import write_model
from recpress_export.networks.modules import Traceable
from recpress_export.networks.recipes import NETWORK_RECIPES, check_route
from recpress_export.networks.student import NetworkStudent, read_parameters
from recpress_export.networks.to_onnx import traced
from recpress_export.ranking import LIST_LENGTH, rank
from recpress_export.subjects.network import in_recipe, network_contract, network_graph, trace

SCHEMA: Final = "recpress.networks/1"


class UnfoldedNeuMF(nn.Module):
    """user (1,) -> scores (I,), as the paper writes it: every pair of embeddings concatenated."""

    def __init__(self, student: NetworkStudent) -> None:
        super().__init__()
        for name, array in student.arrays.items():
            self.register_parameter(name, nn.Parameter(torch.from_numpy(array), requires_grad=False))

    def forward(self, user: Tensor) -> Tensor:
        p = self.get_parameter
        items = p("item_mlp")
        pairs = torch.cat([p("user_mlp")[user].expand(len(items), -1), items], dim=1)  # (I, 4d)
        first = torch.relu(pairs @ p("hidden1_weight").T + p("hidden1_bias"))
        second = torch.relu(first @ p("hidden2_weight").T + p("hidden2_bias"))
        both = torch.cat([p("user_gmf")[user] * p("item_gmf"), second], dim=1)
        return both @ p("output_weight") + p("output_bias")


@dataclass(frozen=True, slots=True)
class Variant:
    """One file."""

    name: str
    format: str
    recipe: str
    network: bytes


def variants(student: NetworkStudent, file_format: str) -> list[Variant]:
    """The fp32 file that the others of this format are compared with comes first."""
    plain = trace(student, file_format)
    contract = network_contract(student, NETWORK_RECIPES["int8-dynamic"], file_format)
    made = [
        Variant("fp32", file_format, "fp32", plain),
        Variant("int8-dynamic", file_format, "int8-dynamic", in_recipe(plain, contract)),
    ]
    if student.kind == "neumf" and file_format == "onnx":
        unfolded = traced(Traceable(UnfoldedNeuMF(student), torch.zeros(1, dtype=torch.int64)))
        made += [
            Variant("fp32, not folded", file_format, "fp32", unfolded),
            Variant("int8-dynamic, not folded", file_format, "int8-dynamic", in_recipe(unfolded, contract)),
        ]
    return made


def opened(folder: Path, student: NetworkStudent, variant: Variant) -> tuple[Runtime, Contract, int]:
    """The file in its runtime, its contract and its bytes."""
    contract = network_contract(student, NETWORK_RECIPES[variant.recipe], variant.format)
    path = folder / f"{variant.name}.{variant.format}"
    path.write_bytes(write_model(network_graph(contract, variant.network), {}))
    delegate = next(iter(FORMATS[variant.format].delegates), None)
    return open_runtime(path, contract, 1, delegate), contract, path.stat().st_size


def some_users(rows: Evaluation, count: int) -> Evaluation:
    """Every n-th of the rows, about ``count`` of them."""
    step = max(rows.users.size // count, 1)
    kept = range(0, rows.users.size, step)

    def taken(indptr: NDArray[np.int64], of: Any) -> tuple[NDArray[np.int64], Any]:
        parts = [of(row) for row in kept]
        return np.cumsum([0, *(part.size for part in parts)]), np.concatenate(parts)

    seen = taken(rows.seen_indptr, rows.seen)
    relevant = taken(rows.relevant_indptr, rows.relevant)
    return Evaluation(rows.users[::step], *seen, *relevant)


def timed(
    folder: Path, student: NetworkStudent, made: Sequence[Variant], rows: Evaluation, rounds: Rounds
) -> list[dict[str, Any]]:
    """Each variant's figures, ratios to the first."""
    relevant = [rows.relevant(row).tolist() for row in range(rows.users.size)]
    found, timers = [], []
    for variant in made:
        runtime, _, size = opened(folder, student, variant)
        lists = rank(runtime, rows)
        feeds = [
            runtime.prepare(rows.user(row), rows.seen(row), LIST_LENGTH) for row in range(rows.users.size)
        ]
        timers.append(BlockTimer(runtime.run, feeds))
        found.append((variant, runtime, size, lists.items))
    entries = []
    for number, (variant, runtime, size, items) in enumerate(found):
        entry = {
            "name": variant.name,
            "format": variant.format,
            "runtime": f"{runtime.name} {runtime.version}",
            "file_bytes": size,
            "recall@50": recall_at_k(items, relevant),
            "overlap@50": float(overlap_by_user(found[0][3], items).mean()),
        }
        if number:
            timers[0].forget()
            samples, wait_share = time_in_turn([timers[number], timers[0]], rounds)
            medians = np.median(samples, axis=(1, 2))
            entry |= {
                "latency_ratio": {"of": "fp32", **ratio_interval(samples, rounds.seed)},
                "p50_ns": int(medians[0]),
                "fp32_p50_ns": int(medians[1]),
                "wait_share": wait_share,
            }
        entries.append(entry)
    return entries


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path())
    made.add_argument("--model", type=Path, required=True, help="folder of a trained network")
    made.add_argument("--formats", default="onnx", help="onnx, or onnx,tflite")
    made.add_argument("--users", type=int, default=2000, help="test users, about; default: %(default)s")
    add_rounds(made, "rounds", "block", rounds=20, block=50)
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every variant in every format."""
    torch.set_num_threads(1)
    student, rounds = read_parameters(args.model), Rounds.of(args)
    data = load_dataset(student.facts["dataset"]["name"], args.work)
    if data.digest() != student.facts["dataset"]["digest"]:
        raise ArtifactError(f"{args.model} was trained on another split than the one in {args.work}")
    history = student.row.profile == "history"
    rows = sequence_holdout(data, "test").anonymous() if history else holdout(data, "test")
    rows = some_users(rows, args.users)
    entries: list[dict[str, Any]] = []
    for file_format in args.formats.split(","):
        check_route(student.kind, file_format)
        with tempfile.TemporaryDirectory(prefix="recpress-") as folder:
            entries += timed(Path(folder), student, variants(student, file_format), rows, rounds)
    facts = ("config", "training", "chosen_epoch", "metrics", "dataset")
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "student": student.name,
        "model": {key: student.facts[key] for key in facts},
        "parameter_bytes": student.table_bytes,
        "test_users": int(rows.users.size),
        "protocol": dataclasses.asdict(rounds),
        **machine("torch", torch.__version__),
        "variants": entries,
    }


def show(record: dict[str, Any]) -> str:
    """A row for each file."""
    headers = ["file", "format", "size", "Recall@50", "overlap@50", "p50", "latency ratio"]
    return table(headers, list(map(_cells, record["variants"])))


def _cells(entry: dict[str, Any]) -> list[str]:
    ratio = entry.get("latency_ratio")
    return [
        entry["name"],
        entry["format"],
        format_bytes(entry["file_bytes"]),
        f"{entry['recall@50']:.4f}",
        f"{entry['overlap@50']:.4f}",
        format_ns(entry["p50_ns"]) if ratio else "–",
        in_brackets(ratio) if ratio else "1",
    ]


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))

"""What int8 keeps and costs on both runtimes, for several students: a table of docs/results/citeulike.md.

    python benchmarks/device_table.py --work work --out table.json work/models/htd_dim10-s0-… soft_dim20

(with RECPRESS_DATA_DIR set). Trains what is missing and exports fp32 and int8 as ONNX and TFLite. Then, for
each of six ways to run them: Recall@50 of the test users, overlap with the fp32 ONNX file, and the memory of
a fresh process over one that has only loaded the runtime. Last, the latency of all six, timed in one process,
blocks in turn, over that of the naive fp32 ONNX file (Gather, MatMul, mask, TopK) of the same student.

``--part time`` wants the machine to itself and takes about ten seconds a student; again, it adds a timing, of
which the calmest is kept. ``--part prepare`` does not mind company, and forgets timings. Rows of students
that are not named stay as they are in --out, whose ``command`` is all the commands that made it, in order.
"""

import argparse
import dataclasses
import importlib.metadata
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import _bench
import numpy as np

from device_bench.measure import BlockTimer
from device_bench.process import measurement_of, run_worker
from device_bench.quality import ranking_metrics
from device_bench.settings import TIMEOUT_S, Protocol
from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.cli import main as recpress_edge
from recpress_edge.core.errors import RecPressError
from recpress_edge.core.files import read_json
from recpress_edge.core.metrics import overlap_by_user, stated_cutoff
from recpress_edge.core.units import format_bytes, format_ns
from recpress_edge.device.onnx_runtime import import_onnxruntime
from recpress_edge.records.bench import write_record
from recpress_edge.training.store import is_folder, load_model
from recpress_export.ranking import TopLists, rank
from recpress_export.student import bundle_stem

SCHEMA: Final = "recpress.device-table/2"
STUDENTS: Final = (*(f"{method}_dim{dim}" for method in ("htd", "soft") for dim in (10, 20, 32, 100)),)
METRIC: Final = "recall@50"
MEMORY_PROCESSES: Final = 3
KEPT_SAMPLES: Final = 40
"""Raw samples of each way that a record keeps."""
TIMING: Final = _bench.Rounds(rounds=20, block=50)


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """One file on one runtime."""

    recipe: str
    format: str
    delegate: str | None = None

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.format, self.recipe, self.delegate)))


NAIVE: Final = Way("fp32", "onnx")
WAYS: Final = (
    NAIVE,
    Way("int8", "onnx"),
    Way("fp32", "tflite"),
    Way("int8", "tflite"),
    Way("fp32", "tflite", "xnnpack"),
    Way("int8", "tflite", "xnnpack"),
)


def parser() -> argparse.ArgumentParser:
    made = _bench.options(__doc__, work=Path("work"), out=True)
    made.add_argument("--data", default="citeulike")
    made.add_argument("--part", choices=("prepare", "time"), help="default: both")
    made.add_argument(
        "students",
        nargs="*",
        metavar="STUDENT",
        help=f"names or folders (default: {' '.join(STUDENTS)})",
    )
    return made


def main() -> None:
    """Do the part for every student, write the record after each, print the table."""
    args = parser().parse_args()
    record: dict[str, Any] = read_json(args.out) if args.out.exists() else {"schema": SCHEMA, "rows": {}}
    part = args.part or "all"
    students = {stem_of(student): student for student in args.students or STUDENTS}
    afresh = part != "time" and set(record["rows"]) <= set(students)
    record["command"] = with_command("" if afresh else record.get("command", ""), _bench.command_line())
    for stem, student in students.items():
        with _bench.recorded({}) as facts:
            if part != "time":
                export(student, args)
                record["rows"][stem] = prepare(bundles_of(stem, args.work))
            if part != "prepare":
                row = record["rows"][stem]
                row["latency"] = calmest(row.get("latency"), timed(bundles_of(stem, args.work)))
        record.setdefault("runs", {}).setdefault(stem, {})[part] = facts
        record |= machine()
        write_record(args.out, record)
        print(f"{stem}: {part} done", file=sys.stderr)
    print(report(record["rows"]))


def with_command(before: str, command: str) -> str:
    """One more command of a record; a repeated one, which only adds timings, is named once."""
    return " && ".join(dict.fromkeys([*filter(None, before.split(" && ")), command]))


def machine() -> dict[str, Any]:
    """The device, and the versions of both runtimes."""
    litert = {"ai-edge-litert": importlib.metadata.version("ai-edge-litert")}
    return _bench.machine("onnxruntime", import_onnxruntime().__version__, **litert)


def stem_of(student: str) -> str:
    """How the bundles of a student start."""
    if not is_folder(student):
        return student
    model = load_model(Path(student))
    return bundle_stem(model.name, model.metadata["seed"])


def export(student: str, args: argparse.Namespace) -> None:
    """All four files."""
    for recipe in ("fp32", "int8"):
        command = ["export", "--student", student, "--data", args.data, "--work", str(args.work)]
        command += ["--recipe", recipe, "--format", "onnx,tflite"]
        code = recpress_edge(command)
        if code:
            raise RecPressError(f"exit code {code} from: recpress-edge {' '.join(command)}")


def bundles_of(stem: str, work: Path) -> dict[Way, Bundle]:
    """The bundle of each way."""
    folder = work / "dist"
    return {way: open_bundle(folder / f"{stem}-{way.recipe}{FORMATS[way.format].suffix}") for way in WAYS}


def prepare(bundles: Mapping[Way, Bundle]) -> dict[str, Any]:
    """Bytes, quality on test and memory of every way."""
    naive = bundles[NAIVE]
    lists = {
        way: rank(_bench.opened(bundle, delegate=way.delegate), bundle.rows())
        for way, bundle in bundles.items()
    }
    return {
        "teacher": (naive.provenance["teacher"] or {}).get("name"),
        "dim": naive.contract.dim,
        "model_sha256": naive.provenance["model_sha256"],
        "ways": {
            way.name: {
                "bundle_sha256": bundle.digest,
                "file_bytes": bundle.model_bytes,
                "exact": bundle.contract.exact and way.delegate is None,
                **quality(lists[way], lists[NAIVE], bundle),
                "model_memory_bytes": memory(way, bundle),
            }
            for way, bundle in bundles.items()
        },
    }


def quality(found: TopLists, naive: TopLists, bundle: Bundle) -> dict[str, Any]:
    """Metrics of the test users, and what their lists share with those of the naive file."""
    rows = bundle.rows()
    return {
        "test": ranking_metrics(
            found.items, rows, rows.candidates(bundle.contract.n_items), stated_cutoff(bundle.quality)
        ),
        "overlap@50": float(overlap_by_user(found.items, naive.items).mean()),
        "identical_lists": float((found.items == naive.items).all(axis=1).mean()),
    }


def memory(way: Way, bundle: Bundle) -> list[int]:
    """Peak resident memory over that of the idle runtime, in fresh processes."""
    job = measurement_of(bundle.folder, bundle, Protocol(queries=200, delegate=way.delegate))
    grown = []
    for _ in range(MEMORY_PROCESSES):
        idle = run_worker("idle", job, TIMEOUT_S)["idle"]["vm_hwm"]
        grown.append(run_worker("memory", job, TIMEOUT_S)["model"]["vm_hwm"] - idle)
    return grown


def timed(bundles: Mapping[Way, Bundle]) -> dict[str, Any]:
    """Every way's latency, and its ratio to the naive file and to the fp32 file on the same runtime."""
    runtimes = {way: _bench.opened(bundle, delegate=way.delegate) for way, bundle in bundles.items()}
    timers = [BlockTimer(r.run, _bench.queries(r, bundles[way], TIMING)) for way, r in runtimes.items()]
    samples, wait_share = _bench.time_in_turn(timers, TIMING)  # (ways, rounds, N)
    found: dict[str, Any] = {}
    for at, way in enumerate(runtimes):
        plain = WAYS.index(dataclasses.replace(way, recipe="fp32"))
        found[way.name] = {
            "p50_ns": float(np.median(samples[at])),
            "over_naive": _bench.ratio_interval(samples[[at, 0]]),
            "over_same_runtime": _bench.ratio_interval(samples[[at, plain]]),
            **_bench.kept(samples[at], KEPT_SAMPLES),
        }
    return {"ways": found, "wait_share": wait_share, "protocol": dataclasses.asdict(TIMING)}


def calmest(before: dict[str, Any] | None, found: dict[str, Any]) -> dict[str, Any]:
    """Of all timings of a student, the one in which the naive file was fastest; the others in a line each.

    On a virtual machine other guests disturb a timing, which nothing inside it shows. The naive file alone
    decides, so that no timing is kept for its ratio.
    """
    lines = [*(before or {}).get("timings", []), {w.name: p50_and_ratio(found, w) for w in WAYS}]
    if before and before["ways"][NAIVE.name]["p50_ns"] < found["ways"][NAIVE.name]["p50_ns"]:
        found = before
    return found | {"timings": lines}


def p50_and_ratio(found: Mapping[str, Any], way: Way) -> list[float]:
    facts = found["ways"][way.name]
    return [facts["p50_ns"], facts["over_naive"]["ratio"]]


HEADERS: Final = (
    "student",
    "way",
    "bytes",
    "of fp32",
    "R@50 test",
    "overlap@50",
    "memory",
    "p50",
    "/ naive fp32 ONNX",
    "/ own fp32",
)


def report(rows: Mapping[str, Any]) -> str:
    """A line for each student and way."""
    lines: list[Sequence[str]] = []
    for student, row in rows.items():
        for way in WAYS:
            facts = row["ways"][way.name]
            fp32 = row["ways"][dataclasses.replace(way, recipe="fp32", delegate=None).name]["file_bytes"]
            latency = row.get("latency", {}).get("ways", {}).get(way.name)
            lines.append(
                [
                    student,
                    way.name,
                    format_bytes(facts["file_bytes"]),
                    f"{facts['file_bytes'] / fp32:.3f}",
                    f"{facts['test'][METRIC]:.4f}",
                    f"{facts['overlap@50']:.4f}",
                    format_bytes(int(np.median(facts["model_memory_bytes"]))),
                    *(_latency(latency) if latency else ("–", "–", "–")),
                ]
            )
    return _bench.table(HEADERS, lines)


def _latency(found: Mapping[str, Any]) -> tuple[str, str, str]:
    over, own = found["over_naive"], found["over_same_runtime"]
    return (
        format_ns(found["p50_ns"]),
        _bench.in_brackets(over),
        f"{own['ratio']:.2f}",
    )


if __name__ == "__main__":
    sys.exit(_bench.exit_code(main))

"""Bench records for tests: complete, schema-valid, and made up."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.records.survival import SURVIVED, SurvivalResult, survival_record

RECALL = "hits / |relevant|, full ranking, ties to the lower item index, users with >= 1 relevant item"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOptions:
    """What a made-up record says. The nearest-rank p95 of its query samples is exactly ``p95_ns``."""

    student: str = "soft_dim10"
    recipe: str = "int8-dim"
    recall: float = 0.2751
    ndcg_at_10: float | None = None
    """None: a fifth of the Recall@50."""
    file_bytes: int = 324_915
    p95_ns: int = 61_000
    paced_p95_ns: int | None = None
    model_bytes: int = 2_400_000
    idle: int = 61_000_000
    seed: int = 0
    teacher: str | None = "bpr_dim200"
    device: str = "host-x86"
    device_model: str = "Intel Xeon (2 cores)"
    dataset: str = "citeulike"
    basis: str = "measured"
    created: str = "2026-11-20T10:00:00Z"
    reasons: tuple[str, ...] = ()
    name: str = ""
    k: int = 50
    queries: int = 2000
    threads: int = 1
    profile: str = "all-users"
    runtime: str = "onnxruntime"

    @property
    def bundle(self) -> str:
        seed = f"-s{self.seed}" if self.seed else ""
        return self.name or f"{self.student}{seed}-{self.recipe.split('-')[0]}"

    @property
    def dim(self) -> int:
        return int(self.student.partition("_dim")[2])


def make_record(student: str = "soft_dim10", **options: Any) -> dict[str, Any]:
    """One record, with these :class:`RecordOptions`."""
    made = RecordOptions(student=student, **options)
    return {
        "schema": "recpress.bench/1",
        "created": made.created,
        "basis": made.basis,
        "valid": not made.reasons,
        "invalid_reasons": list(made.reasons),
        "warnings": [],
        "artifact": _artifact(made),
        "device": _device(made),
        "state": {"before": state(0.05), "after": state(1.0)},
        "validity": {
            "query": judged(50, 90, 95, 99),
            "end_to_end": judged(50, 90, 95, 99),
            **{series: judged(50) for series in ("first_query", "load", "import")},
        },
        "software": {
            "recpress_edge": "0.1.0",
            "python": "3.11.2",
            "numpy": "2.4.6",
            "psutil": "7.2.2",
            "runtime": made.runtime,
            made.runtime: "1.32.0",
        },
        "protocol": {
            "threads": made.threads,
            "batch": 1,
            "k": made.k,
            "warmup": 200,
            "processes": 5,
            "queries": made.queries,
            "seconds": 2.0,
            "seed": 0,
            "clock": "perf_counter_ns",
            "command": f"device_bench run dist/{made.bundle} --runs runs/",
        },
        "latency_ns": {
            "query": samples(made.p95_ns, made.queries),
            "end_to_end": samples(round(made.p95_ns * 1.2), made.queries),
            "first_query": [900_000] * 5,
            "load": [8_100_000] * 5,
            "import": [90_000_000] * 5,
            **({} if made.paced_p95_ns is None else {"paced": samples(made.paced_p95_ns, 200)}),
        },
        "memory_bytes": {
            "idle": memory(made.idle),
            "loaded": memory(made.idle + made.model_bytes // 2),
            "first_query": memory(made.idle + made.model_bytes // 2),
            "model": memory(made.idle + made.model_bytes),
        },
        "quality": {
            **metric(made.recall),
            **({} if made.ndcg_at_10 is None else {"ndcg@10": made.ndcg_at_10}),
            "cutoff": 50,
            "definition": RECALL,
            "split": "test",
            "users": 5219,
            "ids_sha256": sha(f"answers {made.bundle}{made.seed}"),
        },
        "selftest": {"queries": 64, "exact": made.recipe != "fp32"},
    }


def make_survival(
    outcome: str = SURVIVED,
    stage: str | None = None,
    *,
    created: str = "2026-11-24T18:00:00Z",
    on: str = "limit",
    **changes: Any,
) -> dict[str, Any]:
    """A survival record of a limit of 256 MiB and half a core."""
    bench = make_record()
    facts = {"detail": "served every query", "peak_bytes": 90_000_000, "oom_kills": 0}
    return survival_record(
        SurvivalResult(outcome, stage, **(facts | changes)),
        created=created,
        on=on,
        limit={"memory_bytes": 2**28, "cpus": 0.5, "how": "cgroup v1"},
        sections={name: bench[name] for name in ("artifact", "device", "protocol")},
    )


def _artifact(made: RecordOptions) -> dict[str, Any]:
    return {
        "name": made.bundle,
        "bundle_sha256": sha(f"bundle {made.bundle}{made.seed}{made.dataset}"),
        "model_sha256": sha(f"file {made.bundle}{made.seed}{made.dataset}"),
        "file_bytes": made.file_bytes,
        "bundle_bytes": made.file_bytes + 400_000,
        "format": "onnx",
        "recipe": made.recipe,
        "profile": made.profile,
        "dim": made.dim,
        "n_users": 5219,
        "n_items": 25181,
        "provenance": {
            "student": made.student,
            "method": made.student.partition("_dim")[0],
            "dim": made.dim,
            "seed": made.seed,
            "teacher": made.teacher,
            "dataset": {
                "name": made.dataset,
                "digest": sha(made.dataset),
                "protocol": "LOO-full",
                "licence": "see source",
            },
            "model_sha256": sha(f"{made.student}{made.seed}{made.dataset}"),
        },
        "quality": {"chain": _chain(made), "parity": {}},
    }


def _device(made: RecordOptions) -> dict[str, Any]:
    return {
        "id": made.device,
        "model": made.device_model,
        "cores": 2,
        "core": made.device_model,
        "cpu_part": None,
        "cpu_id": {"vendor": "GenuineIntel", "family": "6", "model": "106", "stepping": "6"},
        "int8_flags": ["avx2", "avx512_vnni"],
        "dotprod": True,
        "dot_product_flags": ["avx512_vnni"],
        "arch": "x86_64",
        "bits": 64,
        "kernel": "6.1.0",
        "governor": "performance",
        "max_freq_khz": None,
        "mem_total_bytes": 4 * 2**30,
        "swap_total_bytes": 0,
        "allocator": "glibc 2.36",
    }


def _chain(made: RecordOptions) -> list[dict[str, Any]]:
    tables, valid, fp32 = 4 * 30_400 * made.dim, metric(made.recall + 0.004), f"{made.student}-fp32"
    test = metric(made.recall + 0.0001)
    return [
        *(
            [_stage("teacher", made.teacher, 24_320_000, metric(0.317), metric(0.3123))]
            if made.teacher
            else []
        ),
        _stage("student", made.student, tables, valid, test),
        _stage("fp32", fp32, tables + 2_000, valid),
        *(
            [_stage(made.recipe, made.bundle, made.file_bytes, metric(made.recall + 0.003))]
            if made.recipe != "fp32"
            else []
        ),
    ]


def _stage(stage: str, name: str, n_bytes: int, valid: Any, test: Any = None) -> dict[str, Any]:
    return {"stage": stage, "name": name, "bytes": n_bytes, "valid": valid, "test": test}


def judged(*trusted: int, reasons: tuple[str, ...] = ()) -> dict[str, Any]:
    """One series' part of ``validity``."""
    return {
        "valid": 50 in trusted,
        "trusted": list(trusted),
        "reasons": list(reasons),
        "wait_share": 0.001,
        "other_work": 0.02,
        "interruptions": 3,
    }


def with_pauses(record: dict[str, Any], samples_ns: list[int], pause_ns: int = 10**8) -> dict[str, Any]:
    """The record with a paced series."""
    record["protocol"]["pause_ns"], record["latency_ns"]["paced"] = pause_ns, samples_ns
    record["validity"]["paced"] = judged(50, 90, 95)
    return record


def as_counted(record: dict[str, Any]) -> dict[str, Any]:
    """The record as an emulator would have made it: instructions, no time."""
    record["protocol"]["clock"], record["basis"] = "instructions", "emulated"
    record["instructions"] = record.pop("latency_ns")
    return record


def judged_at(record: dict[str, Any], k: int, recall: float, *, n_items: int) -> dict[str, Any]:
    """The record as one of a small catalogue: judged by Recall@k, and Recall@50 says nothing."""
    record["artifact"]["n_items"] = n_items
    record["quality"] |= {"cutoff": k, f"recall@{k}": recall, f"ndcg@{k}": recall / 2, "recall@50": None}
    for stage in record["artifact"]["quality"]["chain"]:
        for split in ("valid", "test"):
            if stage[split]:
                whole = stage[split]["recall@50"]
                judged = {f"recall@{k}": whole, f"ndcg@{k}": whole / 2, "recall@50": None}
                stage[split] = stage[split] | judged
    return record


def unmeasured(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a bundle without evaluation rows: nobody was ranked."""
    kept = {name: record["quality"][name] for name in ("definition", "ids_sha256")}
    record["quality"] = kept | {"cutoff": 50, "split": None, "users": 0}
    return record


def metric(recall: float) -> dict[str, float]:
    """Every metric, by Recall@50."""
    shares = {"recall@10": 0.5, "recall@20": 0.7, "ndcg@10": 0.2, "ndcg@20": 0.25, "ndcg@50": 0.3}
    return {"recall@50": recall, **{name: share * recall for name, share in shares.items()}}


def memory(vm_hwm: int) -> dict[str, int]:
    return {"vm_hwm": vm_hwm, "pss_anon": vm_hwm - 37_000_000}


def state(load1: float) -> dict[str, Any]:
    return {"temp_c": None, "throttled": None, "load1": load1, "governor": "performance", "freq_khz": None}


def samples(p95_ns: int, count: int) -> list[int]:
    """Ascending positive integers whose nearest-rank 95th percentile is ``p95_ns``."""
    rank = int(np.ceil(0.95 * count))
    below = np.linspace(0.8, 1.0, rank) * p95_ns
    above = np.linspace(1.001, 1.4, count - rank) * p95_ns
    return [int(v) for v in np.concatenate([below[:-1], [p95_ns], above])]


def study() -> list[dict[str, Any]]:
    """A small study: four methods, two sizes, fp32 and int8, three seeds of two students."""
    recalls = {
        "bpr": (0.1757, 0.2240),
        "ftd": (0.2058, 0.2490),
        "htd": (0.2320, 0.2712),
        "soft": (0.2756, 0.2925),
    }
    records = []
    for method, by_dim in recalls.items():
        for dim, recall in zip((10, 20), by_dim, strict=True):
            student, teacher = f"{method}_dim{dim}", None if method == "bpr" else "bpr_dim200"
            for seed in (0, 1, 2) if method == "soft" else (0,):
                shift = (0.0, 0.0015, -0.0012)[seed]
                fp32 = 4 * 30_400 * dim + 2_000
                jitter = 1 + 0.02 * len(method) * (dim % 7) / 10
                common = {"seed": seed, "teacher": teacher}
                large = {"file_bytes": fp32, "model_bytes": fp32 * 2 + 900_000}
                small = {"file_bytes": fp32 // 4 + 20_000, "model_bytes": fp32 // 2 + 700_000}
                large["p95_ns"] = round((74_000 + 900 * dim) * jitter)
                small["p95_ns"] = round((55_000 + 600 * dim) * jitter)
                records += [
                    make_record(student, recipe="fp32", recall=recall + shift, **large, **common),
                    make_record(
                        student, recipe="int8-dim", recall=recall + shift - 0.0002, **small, **common
                    ),
                ]
    return records


def write_runs(folder: Path, records: list[dict[str, Any]]) -> Path:
    """Each record in a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, record in enumerate(records):
        (folder / f"run-{number:03d}.json").write_text(
            json.dumps(record, ensure_ascii=False), encoding="utf-8"
        )
    return folder

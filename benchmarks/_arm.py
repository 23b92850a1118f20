"""Records of emulated Arm cores, as benchmarks read them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from device_bench.hardware import device_facts
from recpress_edge.core.stats import percentile
from recpress_edge.records.bench import find_records, read_record

CORES: Final = ("armvm:cortex-a53", "armvm:cortex-a76")


def newest(runs: Path, digest: str, target: str) -> dict[str, Any] | None:
    """The newest record of a bundle on a target."""
    device = device_facts()["id"] if target == "host" else target.replace(":", "-")
    records = [read_record(path) for path in find_records(runs / device)] if runs.is_dir() else []
    mine = [record for record in records if record["artifact"]["bundle_sha256"] == digest]
    return max(mine, key=lambda record: str(record["created"]), default=None)


def counts(samples: Mapping[str, Sequence[int]]) -> dict[str, dict[str, float]]:
    """p50 and p99 of every kind of sample."""
    return {
        name: {"samples": len(values), "p50": percentile(values, 50), "p99": percentile(values, 99)}
        for name, values in samples.items()
    }

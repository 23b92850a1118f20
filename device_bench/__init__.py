"""Measures a bundle where it will run. Needs numpy, psutil and a runtime, nothing else."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from device_bench.api import plan, run
    from device_bench.lanes.targets import bench_request
    from device_bench.settings import BenchRequest, Protocol, Target

# onnxruntime 1.29 and later start vendor telemetry unless this is set before it loads.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = ["BenchRequest", "Protocol", "Target", "bench_request", "plan", "run"]

DEVICE_PARTS = ("core", "artifacts", "records", "device")
"""Packages of recpress_edge that a board needs beside this one."""


def __getattr__(name: str) -> Any:
    """The public names, imported when they are asked for: a worker times its imports."""
    if name not in __all__:
        raise AttributeError(f"module 'device_bench' has no attribute {name!r}")
    from device_bench import api

    return getattr(api, name)

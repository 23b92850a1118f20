"""A Ray cluster of two nodes on this machine, each with one CPU and a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from recpress_edge.jobs.executor import WORKER_FOLDER

NODES: Final = ("head", "other")
_RAY: Final = (sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus=1")
_STORE: Final = "--object-store-memory=200000000"


def environment(home: Path, node: str) -> dict[str, str]:
    """Of a process of a node; ``home`` keeps what Ray writes."""
    own = {"HOME": str(home), "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    path = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, **own, "PYTHONPATH": path, WORKER_FOLDER: str(home / node)}


@contextmanager
def cluster(home: Path) -> Iterator[str]:
    """Its address; both nodes end with the block."""
    head = ("--head", "--port=0", "--include-dashboard=false", f"--temp-dir={home}/r")
    try:
        _start(home, NODES[0], *head)
        address = (home / "r" / "ray_current_cluster").read_text(encoding="utf-8").strip()
        _start(home, NODES[1], f"--address={address}")
        yield address
    finally:
        for process in psutil.process_iter():
            try:
                if process.environ().get(WORKER_FOLDER) in {str(home / node) for node in NODES}:
                    process.kill()
            except psutil.Error:
                continue


def _start(home: Path, node: str, *words: str) -> None:
    subprocess.run(
        [*_RAY, _STORE, *words], env=environment(home, node), capture_output=True, text=True, check=True
    )


def models_on(home: Path) -> dict[str, int]:
    """How many models each node has, those that it trained and those that it was sent."""
    return {node: len(list((home / node).glob("*/models/*/model.json"))) for node in NODES}

"""From exec to the first answer of the C engine: instructions and memory, the kernel's share in both.

    python benchmarks/engine_start.py --out benchmarks/results/engine-start.json

The machine of the lane armvm counts: qemu's clock advances by an instruction at a time, and Debian's kernel
runs in it. A watching process starts each program and reads its answer, so that loading it, page faults,
reading and mapping are in the figures. Files lie in memory, as after a first start. The model: 25,181 items
of dim 10 as score16, with 5,219 users.
"""

import argparse
import dataclasses
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import ROOT, options, run, table

sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tests" / "engine"))

from engine_cases import Question
from engine_counts import N_ITEMS, K
from engine_models import Kind
from engine_watch import RUNS, Start, put_program, starts
from exports import NO_GATE, make_source  # type: ignore[import-not-found]

from device_bench.emulation.engine import board_engine, engine_variable
from device_bench.emulation.guest import Setup, prepare
from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.cache import cache_root
from recpress_edge.core.progress import silent
from recpress_edge.device.c import model_bin as mb
from recpress_export.build import build
from recpress_export.options import FileOptions
from recpress_export.subjects.all_users import AllUsers

SCHEMA: Final = "recpress.engine-start/1"
CPU: Final = "cortex-a53"
DIM, N_USERS = 10, 5_219
USER: Final = 17
_ENDS: Final = "print(answer, flush=True)\nsys.stdin.read()\n"
SCRIPTS: Final[Mapping[str, str]] = {
    "python": "import sys\nanswer = 0\n",
    "ctypes": f"""
import ctypes, mmap, sys
library = ctypes.CDLL("/app/{CPU}.so")
library.rp_scratch_bytes.restype = ctypes.c_size_t
with open("/app/bundle/model.bin", "rb") as file:
    data = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE)
at = ctypes.addressof(ctypes.c_char.from_buffer(data))
model = (ctypes.c_uint64 * 16)()
if library.rp_open(model, ctypes.c_void_p(at), ctypes.c_size_t(len(data))):
    sys.exit(1)
size = library.rp_scratch_bytes(model, {K})
scratch = ctypes.create_string_buffer(size + 16)
query = (ctypes.c_uint64 * 4)({USER}, 0, {K} << 32)
items = (ctypes.c_uint32 * {K})()
place = ctypes.c_void_p(ctypes.addressof(scratch) + 15 & ~15)
answer = library.rp_recommend(model, query, items, None, place, ctypes.c_size_t(size))
""",
    "unverified": f"""
import sys
from recpress_edge import Recommender
answer = len(Recommender.load("/app/bundle", verify=False).recommend("user {USER}", k={K}))
""",
    "verified": f"""
import sys
from recpress_edge import Recommender
answer = len(Recommender.load("/app/bundle").recommend("user {USER}", k={K}))
""",
}
"""What is asked of Python: each script ends by saying ``answer``."""


def measure(args: argparse.Namespace) -> dict[str, Any]:
    setup = prepare("c", cache_root(args.cache), silent)
    with tempfile.TemporaryDirectory() as folder:
        found = measured(setup, Path(folder))
    rows = {
        name: dataclasses.asdict(one) | {"median": statistics.median(one.instructions)}
        for name, one in found.items()
    }
    facts = {"qemu": setup.tools.facts["qemu"], "kernel": setup.system.facts["kernel"]}
    facts |= {"python": setup.python, "cpu": CPU, "runs": RUNS}
    return {"schema": SCHEMA, "basis": "emulated", "emulator": facts, "starts": rows}


def measured(setup: Setup, scratch: Path) -> dict[str, Start]:
    """The program of C and every script, started in one boot."""
    files = scratch / "files"
    files.mkdir()
    bundle = _bundle(scratch / "model", files / "bundle")
    kind = Kind(mb.INT8_DIM, flags=mb.FITS_16, dim=DIM)
    program = put_program(files, kind, Question(USER, K, np.zeros(0, np.uint32)))
    engine = board_engine(bundle, CPU, files)
    for name, script in SCRIPTS.items():
        (files / _script(name)).write_text(script + _ENDS)
    commands = {"c": [*program, "/app/bundle/model.bin"]}
    commands |= {name: ["/usr/bin/python3", f"/app/{_script(name)}"] for name in SCRIPTS}
    inside = None if engine is None else Path("/app") / engine.name
    return starts(setup, CPU, files, commands, engine_variable(inside))


def _script(name: str) -> str:
    return f"start-{name}.py"  # no module of this name is imported


def _bundle(model: Path, folder: Path) -> Bundle:
    source = dataclasses.replace(
        make_source(model, N_USERS, N_ITEMS, DIM),
        file_format="c",
        options=FileOptions(order=mb.ORDERS[mb.CATALOGUE]),
    )
    return build(AllUsers(source), RECIPES["score16"], folder, gate=NO_GATE).bundle


def show(record: dict[str, Any]) -> str:
    rows = [
        [name, f"{one['median']:,}", f"{one['resident_kib']:,} KiB", f"{one['private_kib']:,} KiB"]
        for name, one in record["starts"].items()
    ]
    return table(["start", "instructions", "resident", "of it no file's"], rows)


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument(
        "--cache", type=Path, help="what an emulated machine needs; default: the user's cache"
    )
    sys.exit(run(parser, measure, show))

"""Every evaluation user of trained students, asked of the C engine on every core: numpy's answers to the bit.

    recpress-edge export --student soft_dim10 --data citeulike --int8 ...
    python benchmarks/engine_equal.py --work work --out benchmarks/results/engine-equal.json

Lists of 50, items and the bits of scores, of all recipes of integers: a sum of floats depends on its order.
The builds are those of ``tests/engine/engine_programs.py``; cores without vectors answer from the files of
integers with one scale.
"""

import argparse
import dataclasses
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import options, run, table
from _engine import Form, Trained, add_work, missing, students, tables_of
from engine_cases import Expected, expected
from engine_counts import asked_bytes
from engine_models import packed
from engine_programs import BUILDS, TIMEOUT_S, Build

from recpress_edge.core.errors import GateError
from recpress_edge.device.c import model_bin as mb

STUDENTS: Final = ("soft_dim10", "soft_dim20", "soft_dim32", "soft_dim100", "soft_dim200", "bpr_dim10")
FORMS: Final = (
    Form("int8-dim"),
    Form("score16"),
    Form("score16", layout=mb.DIMS),
    Form("int8-item"),
    Form("int4-item"),
    Form("int8-dim", mb.LENGTH),
    Form("int8-dim", mb.NEIGHBOURS),
)
NAMES: Final = (
    *("gcc-plain", "gcc-avx2", "gcc-vnni", "gcc-a53", "gcc-a76", "gcc-a7", "zig-a53", "zig-a76"),
    *("zig-arm1176", "gcc-arm1176", "zig-riscv64", "gcc-riscv64"),
)
SLOW: Final = ("zig-arm1176", "gcc-arm1176", "zig-riscv64", "gcc-riscv64")
SLOW_FORMS: Final = FORMS[:1]


def measure(args: argparse.Namespace) -> dict[str, Any]:
    builds = [BUILDS[name] for name in args.builds if BUILDS[name].missing() is None]
    lacking = missing(args.work, args.students)
    names = [name for name in args.students if name not in lacking.get("students_missing", [])]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        programs = [(build, build.compiled(Path(folder), "count.c")) for build in builds]
        for student in students(args.work, names):
            for form in FORMS:
                rows += _rows(student, form, programs, Path(folder))
                print(f"{student.name} {form.words}", file=sys.stderr, flush=True)
    return {"rows": rows} | lacking


def _rows(
    student: Trained, form: Form, programs: Sequence[tuple[Build, Sequence[str]]], folder: Path
) -> list[dict[str, Any]]:
    """One form of one student on every build."""
    kind, tables = form.kind(student.dim), tables_of(student, form)
    (folder / "model.bin").write_bytes(packed(kind, tables))
    (folder / "questions").write_bytes(asked_bytes(student.questions))
    exact = dataclasses.replace(tables, items=tables.items.astype(np.float64))
    wanted = [expected(kind, exact, question) for question in student.questions]
    rows = []
    for build, program in programs:
        if build.name in SLOW and form not in SLOW_FORMS:
            continue
        row = {"student": student.name, "form": form.words, "build": build.name, "compiler": build.version()}
        differing = _differing(program, folder, student.questions[0].k, wanted)
        rows.append(row | {"users": len(wanted), "differing": differing})
    return rows


def _differing(program: Sequence[str], folder: Path, k: int, wanted: Sequence[Expected]) -> int:
    """Users whose list is another one."""
    out = folder / "answers"
    command = [*program, str(folder / "model.bin"), str(folder / "questions"), str(k), str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)
    said, at, differing = out.read_bytes(), 0, 0
    for one in wanted:
        (n,) = struct.unpack_from("<i", said, at)
        items = np.frombuffer(said, "<u4", n, at + 4)
        scores = np.frombuffer(said, "<u4", n, at + 4 + 4 * n)
        at += 4 + 8 * n
        bits = one.scores.astype("<f4").view("<u4")
        differing += not (np.array_equal(items, one.items) and np.array_equal(scores, bits))
    return differing + (at != len(said))


def show(record: dict[str, Any]) -> str:
    rows = [
        [str(row[name]) for name in ("student", "form", "build", "users", "differing")]
        for row in record["rows"]
    ]
    return table(["student", "form", "build", "users", "differing"], rows)


def gate(record: dict[str, Any]) -> None:
    """GateError where a list differs."""
    wrong = [f"{row['student']} {row['build']}" for row in record["rows"] if row["differing"]]
    if wrong:
        raise GateError(f"lists differ: {', '.join(wrong)}")


if __name__ == "__main__":
    parser = options(__doc__, work=Path("work"))
    add_work(parser, STUDENTS)
    parser.add_argument("--builds", nargs="+", default=list(NAMES), help="default: all that can be had")
    sys.exit(run(parser, measure, show, gate))

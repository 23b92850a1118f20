"""Instructions that the C engine executes for a query, on Cortex-A53 and A76, against the limits set for it.

    recpress-edge export --student soft_dim10 --data citeulike --int8 ...
    python benchmarks/engine_instructions.py --work work --out benchmarks/results/engine-instructions.json

Counted by the plugin of device_bench/emulation in qemu's user mode: medians over 300 evaluation users of
CiteULike, 50 best, each engine compiled for its kind of model alone, as a bundle's is. Gcc is Debian's, zig's
clang is that of ziglang from PyPI. ``--reference`` writes tests/engine/instructions.json, the figures of
synthetic models that a test holds the engine to.
"""

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from _bench import ROOT, options, run, table
from _engine import Form, Trained, add_work, file_of, million, missing, students
from engine_counts import Counted, alone, compiled_plugin, gated, instructions, synthetic
from engine_programs import BUILDS
from engine_tiny import footprint

from recpress_edge.core.files import write_json
from recpress_edge.device.c import model_bin as mb

BUILDS_COUNTED: Final = ("gcc-a53", "gcc-a76", "zig-a53", "zig-a76")
STUDENTS: Final = ("soft_dim10", "soft_dim20", "soft_dim32", "soft_dim100", "bpr_dim10")
REFERENCE: Final = ROOT / "tests" / "engine" / "instructions.json"
REFERENCE_QUESTIONS: Final = 20
SCORE16, SCORE16_DIMS = Form("score16"), Form("score16", layout=mb.DIMS)
WIDE, BY_LENGTH, NEAR = Form("int8-dim"), Form("int8-dim", mb.LENGTH), Form("int8-dim", mb.NEIGHBOURS)
LENGTH_16: Final = Form("score16", mb.LENGTH)
NEAR_16: Final = Form("score16", mb.NEIGHBOURS)
FORMS: Final[Mapping[str, tuple[Form, ...]]] = {
    "soft_dim10": (SCORE16, SCORE16_DIMS, WIDE, Form("int8-item"), Form("int4-item"), Form("fp32")),
    "soft_dim20": (SCORE16, SCORE16_DIMS, WIDE),
    "soft_dim32": (SCORE16, SCORE16_DIMS, WIDE),
    "soft_dim100": (SCORE16, WIDE),
    "bpr_dim10": (WIDE, BY_LENGTH, LENGTH_16),
}
MILLION: Final = "soft_dim10, 40 times"
LIMITS: Final = (
    ("soft_dim10", "score16", "a53", 70_000),
    ("soft_dim10", "score16", "a76", 65_000),
    ("soft_dim10", "int8-dim", "a53", 115_000),
    ("soft_dim20", "score16", "a53", 115_000),
    ("soft_dim20", "score16", "a76", 88_000),
    ("soft_dim32", "score16", "a53", 175_000),
    ("soft_dim32", "score16", "a76", 125_000),
    ("soft_dim100", "int8-dim", "a53", 820_000),
    ("soft_dim100", "int8-dim", "a76", 315_000),
    ("bpr_dim10", "length", "a53", 50_000),
    ("bpr_dim10", "length", "a76", 38_000),
    (MILLION, "neighbours", "a53", 650_000),
    (MILLION, "neighbours", "a76", 380_000),
)
"""Student, a word of the form, core, and the most instructions that the best build and form may take."""


def measure(args: argparse.Namespace) -> dict[str, Any]:
    builds = [BUILDS[name] for name in BUILDS_COUNTED if BUILDS[name].missing() is None]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        plugin = compiled_plugin(where)
        for student, form in _asked(args.work, args.students, args.million):
            counted = Counted(file_of(student, form), student.some())
            for build in builds:
                own, defines = alone(build, form.kind(student.dim))
                found = instructions(own, counted, where, plugin, defines)
                row = {"student": student.name, "form": form.words, "build": build.name}
                rows.append(row | {"compiler": build.version(), "instructions": found})
                print(f"{student.name} {form.words} {build.name}: {found:,}", file=sys.stderr, flush=True)
        kind = SCORE16.kind(10)
        tiny = footprint(kind, synthetic(kind, 1), where, plugin)
    record: dict[str, Any] = {"rows": rows, "limits": _limits(rows), "alone": dataclasses.asdict(tiny)}
    return record | missing(args.work, args.students)


def _asked(work: Path, names: list[str], with_million: bool) -> Iterator[tuple[Trained, Form]]:
    lacking = missing(work, names).get("students_missing", [])
    for student in students(work, [name for name in names if name not in lacking]):
        for form in FORMS[student.name]:
            yield student, form
        if with_million and student.name == "soft_dim10":
            for form in (WIDE, NEAR, NEAR_16):
                yield million(student), form


def _limits(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for student, word, core, limit in LIMITS:
        best = min(
            (row for row in rows if _is_meant(row, student, word, core)),
            key=lambda row: row["instructions"],
            default=None,
        )
        if best is not None:
            met = best["instructions"] <= limit
            found.append({"core": core, "limit": limit, "met": met} | best)
    return found


def _is_meant(row: Mapping[str, Any], student: str, word: str, core: str) -> bool:
    return row["student"] == student and word in row["form"].split() and row["build"].endswith(core)


def write_reference() -> None:
    """The figures that the test compares with."""
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        plugin = compiled_plugin(where)
        found = {}
        for name, kind in gated().items():
            own, defines = alone(BUILDS[name.split()[0]], kind)
            found[name] = instructions(own, synthetic(kind, REFERENCE_QUESTIONS), where, plugin, defines)
    version = BUILDS["gcc-a53"].version()
    write_json(REFERENCE, {"compiler": version, "questions": REFERENCE_QUESTIONS, "instructions": found})


def show(record: dict[str, Any]) -> str:
    rows = [
        [
            row["student"],
            row["form"],
            row["build"],
            f"{row['instructions']:,}",
            f"{row['limit']:,}",
            str(row["met"]),
        ]
        for row in record["limits"]
    ]
    return table(["student", "form", "build", "instructions", "limit", "met"], rows)


if __name__ == "__main__":
    parser = options(__doc__, work=Path("work"))
    add_work(parser, STUDENTS)
    parser.add_argument("--million", action="store_true", help="count on a million items too")
    parser.add_argument("--reference", action="store_true", help="write the test's figures, and nothing else")
    if parser.parse_known_args()[0].reference:
        write_reference()
    else:
        sys.exit(run(parser, measure, show))

"""The C engine against numpy on random models, and against damaged files.

    python benchmarks/engine_fuzz.py --out benchmarks/results/engine-fuzz.json

Every build of ``tests/engine/engine_programs.py`` that can be had here answers the same random models: with
the compiler's sanitizers and without, on this processor and on emulated cores. ``alone``: engines compiled
for one kind of model. A finding is an answer that differs from numpy's, to the bit of each score, or
anything that a sanitizer or a fence reports. ``headers``: damaged files, of which ``mutate.c`` tells.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from _bench import ROOT, options, run, table

sys.path.insert(0, str(ROOT / "tests" / "engine"))

from engine_cases import QUESTIONS, Case, cases, findings, to_program
from engine_damage import mutated
from engine_models import Kind
from engine_programs import BUILDS, Build, answers

from recpress_edge.core.errors import GateError
from recpress_edge.device.c import model_bin as mb

CHUNK: Final = 1000
SHOWN: Final = 20
"""Findings of a build that the record keeps."""
DAMAGED: Final = ("gcc-plain-sanitized", "clang-plain-sanitized", "gcc-avx2-sanitized", "gcc-vnni-sanitized")
TURNS_A_RUN: Final = 250_000
MOST: Final = ("gcc-plain-sanitized", "gcc-avx2-sanitized", "gcc-vnni-sanitized")
"""Builds that answer all models; the others a part of them."""
ALONE_BUILDS: Final = ("gcc-avx2", "gcc-vnni", "gcc-a53", "gcc-a76")
ALONE: Final = (
    Kind(mb.INT8_DIM, flags=mb.FITS_16, dim=10),
    Kind(mb.INT8_DIM, layout=mb.DIMS, flags=mb.FITS_16, dim=10),
    Kind(mb.INT8_DIM, order=mb.LENGTH, dim=10),
    Kind(mb.INT8_DIM, mb.HISTORY, mb.NEIGHBOURS, dim=20),
    Kind(mb.INT4_ITEM, dim=100),
    Kind(mb.FP32, dim=32),
)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    here = [BUILDS[name] for name in args.builds if BUILDS[name].missing() is None]
    with tempfile.TemporaryDirectory() as folder:
        return {
            "questions_a_model": QUESTIONS,
            "builds": _all_models(here, args, Path(folder)),
            "alone": [] if args.answers_only else _alone(args, Path(folder)),
            "headers": [] if args.answers_only else _headers(args, Path(folder)),
            "missing": {name: why for name, build in BUILDS.items() if (why := build.missing())},
        }


def _all_models(builds: Sequence[Build], args: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Every build on the same models, a chunk at a time."""
    rows = [_row(build, _share(build, args)) for build in builds]
    with ThreadPoolExecutor(args.jobs) as pool:
        programs = dict(zip(builds, pool.map(lambda build: build.compiled(folder), builds), strict=True))
        _judge_all(rows, [programs[build] for build in builds], args.seed, pool)
    return rows


def _judge_all(
    rows: Sequence[dict[str, Any]], programs: Sequence[Sequence[str]], seed: int, pool: ThreadPoolExecutor
) -> None:
    for start in range(0, max(row["models"] for row in rows), CHUNK):  # counts are whole chunks
        asked = list(cases(seed, range(start, start + CHUNK)))
        given = to_program(asked)
        left = [(row, program) for row, program in zip(rows, programs, strict=True) if start < row["models"]]
        list(pool.map(lambda one, g=given, a=asked: _judge(one[0], one[1], g, a), left))
        print(f"{start + CHUNK:,} models", file=sys.stderr, flush=True)


def _share(build: Build, args: argparse.Namespace) -> int:
    if build.runner:
        return int(args.emulated)
    return int(args.models if build.name in MOST else args.others)


def _row(build: Build, models: int) -> dict[str, Any]:
    flags = " ".join(build.flags)
    models = -(-models // CHUNK) * CHUNK
    runner = " ".join(build.runner).replace(f"{ROOT}/", "")
    row = {"build": build.name, "compiler": build.version(), "flags": flags, "runner": runner}
    return row | {"models": models, "findings": 0, "shown": []}


def _judge(row: dict[str, Any], program: Sequence[str], given: bytes, asked: Sequence[Any]) -> None:
    try:
        found = findings(asked, answers(program, given))
    except RuntimeError as error:
        found = [str(error)]
    row["findings"] += len(found)
    row["shown"] = [*row["shown"], *found][:SHOWN]


def _alone(args: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Engines compiled for one kind of model."""
    todo = []
    for place, kind in enumerate(ALONE):
        asked = list(cases(args.seed + 1 + place, range(CHUNK), kind))
        builds = [BUILDS[name] for name in ALONE_BUILDS if BUILDS[name].missing() is None]
        todo += [(replace(build, name=f"{build.name}-{place}"), kind, asked) for build in builds]

    def judged(one: tuple[Build, Kind, list[Case]]) -> dict[str, Any]:
        build, kind, asked = one
        row = _row(build, CHUNK) | {"build": build.name.rpartition("-")[0], "defines": kind.defines}
        _judge(row, build.compiled(folder, defines=kind.defines), to_program(asked), asked)
        return row

    with ThreadPoolExecutor(args.jobs) as pool:
        return list(pool.map(judged, todo))


def _headers(args: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Damaged files: the turns are shared among the builds, in runs of TURNS_A_RUN."""
    builds = [BUILDS[name] for name in DAMAGED if BUILDS[name].missing() is None]
    runs = -(-args.headers // (TURNS_A_RUN * len(builds)))

    def hunted(build: Build) -> dict[str, Any]:
        program = build.compiled(folder, "mutate.c")
        row: dict[str, Any] = {"build": build.name, "turns": 0, "opened": {}, "answered": {}, "reports": []}
        for number in range(runs):
            try:
                counts = mutated(program, 1000 * builds.index(build) + number, TURNS_A_RUN)
            except RuntimeError as error:
                row["reports"].append(str(error))
                continue
            row["turns"] += TURNS_A_RUN
            _add(row["opened"], counts.opened)
            _add(row["answered"], counts.answered)
        return row

    with ThreadPoolExecutor(args.jobs) as pool:
        return list(pool.map(hunted, builds))


def _add(counts: dict[str, int], found: Mapping[int, int]) -> None:
    for code, count in found.items():
        counts[str(code)] = counts.get(str(code), 0) + count


def show(record: dict[str, Any]) -> str:
    rows = [[row["build"], row["compiler"], row["models"], row["findings"]] for row in record["builds"]]
    rows += [
        [f"{row['build']} alone", row["compiler"], row["models"], row["findings"]] for row in record["alone"]
    ]
    rows += [[row["build"], "damaged files", row["turns"], len(row["reports"])] for row in record["headers"]]
    return table(["build", "compiler", "models", "findings"], [[str(cell) for cell in row] for row in rows])


def gate(record: dict[str, Any]) -> None:
    """GateError where anything was found."""
    found = sum(row["findings"] for row in [*record["builds"], *record["alone"]])
    found += sum(len(row["reports"]) for row in record["headers"])
    if found:
        raise GateError(f"{found} findings")


if __name__ == "__main__":
    parser = options(__doc__)
    for name, default in (
        ("models", 100_000),
        ("others", 20_000),
        ("emulated", 5_000),
        ("headers", 10_000_000),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--builds", nargs="+", default=list(BUILDS), help="default: all that can be had")
    parser.add_argument(
        "--answers-only", action="store_true", help="neither engines of one kind nor damaged files"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes; default: %(default)s")
    parser.add_argument("--seed", type=int, default=100, help="default: %(default)s")
    sys.exit(run(parser, measure, show, gate))

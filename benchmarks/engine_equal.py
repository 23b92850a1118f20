"""Every evaluation user of trained students, asked of the C engine on every core: numpy's answers to the bit.

    recpress-edge export --student soft_dim10 --data citeulike --int8 ...
    python benchmarks/engine_equal.py --work work --out benchmarks/results/engine-equal.json

Lists of 50, items and the bits of scores, of all recipes of integers: a sum of floats depends on its order.
The builds are those of ``tests/engine/engine_programs.py``, the code of a Cortex-M4 on an emulated Cortex-A7,
and WebAssembly in Node. What emulates slowly, or is a second compiler of a kernel, and wide students
answer from two files.
"""

import argparse
import dataclasses
import itertools
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import options, run, table
from _engine import Form, K, Trained, add_work, missing, students, tables_of
from engine_cases import Expected, expected
from engine_counts import asked_bytes
from engine_models import packed
from engine_programs import A7, BUILDS, HERE, QEMU_A7, SOURCES, STRICT, TIMEOUT_S, WASM, Build

from recpress_edge.core.errors import ConfigError, GateError
from recpress_edge.device.c import model_bin as mb


class CortexM(Build):
    """The engine as a Cortex-M4 executes it, in a program for a core of the A profile."""

    def compiled(
        self, folder: Path, main: str = "drive.c", defines: Sequence[str] = (), engine: Path = SOURCES
    ) -> list[str]:
        made, target = folder / f"{self.name}.o", folder / f"{self.name}-{Path(main).stem}"
        gcc, objcopy = self.compiler[0], self.compiler[0].replace("gcc", "objcopy")
        commands: list[list[str | Path]] = [
            [gcc, *STRICT, *M4, *defines, f"-I{engine}", "-c", engine / "recpress.c", "-o", made],
            [objcopy, "--remove-section=.ARM.attributes", made],  # or the linker refuses the other profile
            [*self.compiler, *STRICT, *self.flags, f"-I{engine}", HERE / main, made, "-o", target],
        ]
        for command in commands:
            subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)
        return [*self.runner, str(target)]


M4: Final = ("-O3", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
STUDENTS: Final = ("soft_dim10", "soft_dim20", "soft_dim32", "bpr_dim10", "als_dim20", "soft_dim100")
FORMS: Final = (
    Form("int8-dim"),
    Form("int8-dim", mb.LENGTH),
    Form("int8-dim", mb.NEIGHBOURS),
    Form("int4-item"),
    Form("int8-item"),
    Form("score16"),
    Form("score16", layout=mb.DIMS),
)
"""Those of a recipe together: they have the same answers."""
OF_M4: Final = CortexM("gcc-m4", ("arm-linux-gnueabihf-gcc", "-static"), ("-O3", *A7), QEMU_A7)
KNOWN: Final = BUILDS | {OF_M4.name: OF_M4}
EVERY: Final = ("gcc-plain", "gcc-avx2", "gcc-vnni", "gcc-a53", "gcc-a76", "gcc-a7", WASM)
TWO: Final = ("gcc-m4", "gcc-arm1176", "gcc-riscv64", "zig-a53", "zig-a76", "zig-arm1176", "zig-riscv64")
TWO_FORMS: Final = (Form("int8-dim"), Form("int4-item"))
WIDE: Final = 64
"""Students of more dimensions answer from two files too."""
Programs = Sequence[tuple[Build, Sequence[str]]]


def measure(args: argparse.Namespace) -> dict[str, Any]:
    builds = [KNOWN[name] for name in args.builds]
    if lacks := [f"{build.name}: {build.missing()}" for build in builds if build.missing()]:
        raise ConfigError(f"{'; '.join(lacks)}. Give --builds without it")
    lacking = missing(args.work, args.students)
    names = [name for name in args.students if name not in lacking.get("students_missing", [])]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        with ThreadPoolExecutor(args.jobs) as pool:
            compiled = pool.map(lambda build: build.compiled(Path(folder), "count.c"), builds)
            programs = list(zip(builds, compiled, strict=True))
        for student in students(args.work, names):
            of_width = FORMS if student.dim <= WIDE else TWO_FORMS
            for _, forms in itertools.groupby(of_width, lambda form: form.recipe):
                rows += _of_recipe(student, list(forms), programs, Path(folder), args.jobs)
    return {"rows": rows} | lacking


def _of_recipe(
    student: Trained, forms: Sequence[Form], programs: Programs, folder: Path, jobs: int
) -> list[dict[str, Any]]:
    """The forms of one recipe of a student on every build."""
    exact = dataclasses.replace(tables := tables_of(student, forms[0]), items=tables.items.astype(np.float64))
    wanted = [expected(forms[0].kind(student.dim), exact, question) for question in student.questions]
    (folder / "questions").write_bytes(asked_bytes(student.questions))
    rows = []
    for form in forms:
        (folder / "model.bin").write_bytes(packed(form.kind(student.dim), tables))
        asked = [one for one in programs if one[0].name not in TWO or form in TWO_FORMS]
        with ThreadPoolExecutor(jobs) as pool:
            differing = list(pool.map(lambda one: _differing(one[0], one[1], folder, wanted), asked))
        rows += [
            {
                "student": student.name,
                "form": form.words,
                "build": build.name,
                "compiler": build.version(),
                "users": len(wanted),
                "differing": count,
            }
            for (build, _), count in zip(asked, differing, strict=True)
        ]
        print(f"{student.name} {form.words}: {sum(differing)} differ", file=sys.stderr, flush=True)
    return rows


def _differing(build: Build, program: Sequence[str], folder: Path, wanted: Sequence[Expected]) -> int:
    """Users whose list is another one."""
    out = folder / f"answers-{build.name}"
    command = [*program, str(folder / "model.bin"), str(folder / "questions"), str(K), str(out)]
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
    """A row for each build."""
    rows = []
    for build, of_build in itertools.groupby(sorted(record["rows"], key=_build), _build):
        ones = list(of_build)
        counts = [len({one["student"] for one in ones}), len({one["form"] for one in ones})]
        sums = [sum(one[name] for one in ones) for name in ("users", "differing")]
        rows.append([build, ones[0]["compiler"], *map(str, [*counts, *sums])])
    return table(["build", "compiler", "students", "files of each", "lists", "differing"], rows)


def _build(row: dict[str, Any]) -> str:
    return str(row["build"])


def gate(record: dict[str, Any]) -> None:
    """GateError where a list differs."""
    wrong = [f"{row['student']} {row['build']}" for row in record["rows"] if row["differing"]]
    if wrong:
        raise GateError(f"lists differ: {', '.join(wrong)}")


if __name__ == "__main__":
    parser = options(__doc__, work=Path("work"))
    add_work(parser, STUDENTS)
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="builds at once; default: %(default)s"
    )
    parser.add_argument("--builds", nargs="+", default=[*EVERY, *TWO], help="default: %(default)s")
    sys.exit(run(parser, measure, show, gate))

"""Wrong C engines, and whether the tests of tests/engine notice them.

    python benchmarks/engine_mutants.py --out benchmarks/results/engine-mutants.json

Each mutant of ``_engine_mutants`` changes one text of the engine's sources. It is compiled as the tests
compile it, without optimising, and judged as they judge: wrong fields and damaged files under the sanitizers,
and the quick tests' random models against numpy, on every kernel that its file is part of. Gates: a mutant
survives that is not argued to answer alike.
"""

import argparse
import dataclasses
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from _bench import ROOT, options, run, table
from _engine_mutants import ENGINE, MUTANTS, NEON, PLAIN, X86, Mutant

sys.path.insert(0, str(ROOT / "tests" / "engine"))

from engine_cases import Case, cases, findings, to_program
from engine_damage import mutated, refused_wrongly, surprises
from engine_programs import BUILDS, SOURCES, Build, answers
from engine_special import special

from recpress_edge.core.errors import GateError
from recpress_edge.core.files import read_json

MODELS: Final = 156
"""As many as the quick tests ask."""
TURNS: Final = 100_000
TIMEOUT_S: Final = 120.0
JUDGES: Final = {
    ENGINE: ("gcc-plain", "gcc-plain-sanitized"),
    PLAIN: ("gcc-plain", "gcc-plain-sanitized"),
    NEON: ("gcc-a53", "gcc-a76", "gcc-a7"),
    X86: ("gcc-avx2", "gcc-vnni", "gcc-avx2-sanitized", "gcc-vnni-sanitized"),
}


def measure(args: argparse.Namespace) -> dict[str, Any]:
    asked = [*special(), *cases(0, range(MODELS))]
    texts = {path.name: path.read_text() for path in [*SOURCES.glob("*.c"), *SOURCES.glob("*.h")]}
    chosen = [mutant for mutant in MUTANTS if not args.only or args.only in (mutant.file, mutant.what)]

    known = (
        {_key(row): row for row in read_json(args.again)["mutants"] if row["noticed"]} if args.again else {}
    )

    def row(mutant: Mutant) -> dict[str, Any]:
        key = mutant.file, mutant.old, mutant.new
        if key in known:
            return {**known[key], "what": mutant.what}
        found = judged(mutant, texts, asked)
        print(f"{found['noticed'] or 'SURVIVED'}: {mutant.file}: {mutant.what}", file=sys.stderr, flush=True)
        return {"file": mutant.file, "what": mutant.what, "old": mutant.old, "new": mutant.new} | found

    with ThreadPoolExecutor(args.jobs) as pool:
        return {"models": MODELS, "turns": TURNS, "mutants": list(pool.map(row, chosen))}


def _key(row: Mapping[str, str]) -> tuple[str, str, str]:
    return row["file"], row["old"], row["new"]


def judged(mutant: Mutant, texts: Mapping[str, str], asked: Sequence[Case]) -> dict[str, Any]:
    """By which test a mutant is noticed, and what that said; or why it answers alike."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Path(folder) / "c"
        engine.mkdir()
        if mutant.old not in texts[mutant.file]:
            raise SystemExit(f"{mutant.file}: {mutant.what}: {mutant.old!r} is not there")
        for name, text in texts.items():
            changed = text.replace(mutant.old, mutant.new) if name == mutant.file else text
            (engine / name).write_text(changed)
        for noticed, said in _tests(mutant, engine, Path(folder), asked):
            if said:
                return {
                    "noticed": noticed,
                    "said": said.replace(f"{folder}/", "").strip()[-300:],
                    "equivalent": "",
                }
    return {"noticed": None, "said": "", "equivalent": mutant.equivalent}


def _tests(mutant: Mutant, engine: Path, folder: Path, asked: Sequence[Case]) -> Iterator[tuple[str, str]]:
    """Each test's name and what it found."""
    given = to_program(asked)
    for name in JUDGES[mutant.file]:
        build = _quickly(BUILDS[name])
        if build.missing():
            continue
        try:
            program = build.compiled(folder, engine=engine)
        except RuntimeError as error:
            yield f"{name}: compiler", str(error)
            return
        yield f"{name}: answers", _words(lambda p=program: findings(asked, answers(p, given, TIMEOUT_S)))
        if mutant.file == ENGINE:
            yield f"{name}: fields", _words(lambda p=program: refused_wrongly(p))
        if mutant.file == ENGINE and "sanitized" in name:
            hunted = build.compiled(folder, "mutate.c", engine=engine)
            yield f"{name}: damaged files", _words(lambda p=hunted: _reports(p))


def _quickly(build: Build) -> Build:
    """Without optimising: a mutant is compiled once and runs once; warnings are no notice."""
    flags = ["-O0" if flag in ("-O1", "-O3") else flag for flag in build.flags]
    return dataclasses.replace(build, flags=(*flags, "-Wno-error"))


def _words(test: Any) -> str:
    try:
        return "; ".join(test()[:2])
    except RuntimeError as error:
        return str(error)


def _reports(program: Sequence[str]) -> list[str]:
    return surprises(mutated(program, 0, TURNS))


def show(record: dict[str, Any]) -> str:
    survived = [row for row in record["mutants"] if not row["noticed"]]
    rows = [[row["file"], row["what"], row["equivalent"]] for row in survived]
    noticed = len(record["mutants"]) - len(survived)
    return f"{noticed} of {len(record['mutants'])} noticed\n" + table(["file", "survived", "why"], rows)


def gate(record: dict[str, Any]) -> None:
    """GateError for a survivor that nobody argued about."""
    left = [row["what"] for row in record["mutants"] if not row["noticed"] and not row["equivalent"]]
    if left:
        raise GateError(f"{len(left)} mutants survive: {'; '.join(left)}")


if __name__ == "__main__":
    parser = options(__doc__)
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="mutants at once; default: %(default)s"
    )
    parser.add_argument(
        "--again", type=Path, help="a record whose survivors are judged; what it noticed is kept"
    )
    parser.add_argument("--only", help="a file, or what a mutant does")
    sys.exit(run(parser, measure, show, gate))

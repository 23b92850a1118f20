"""How many wrong programs the tests notice: seeded mutants of core, device_bench and export.

``make mutation`` installs cosmic-ray, which makes the mutants, and runs

    python benchmarks/mutation.py --minutes 15 --out benchmarks/results/mutation.json

One mutant at a time is made in a copy of the tree and judged by the test files that import its module, the
nearest first, until one fails or JUDGE_SECONDS are over. Modules take turns in a seeded order, so that a run
of any length is an even sample; what the output file knows of unchanged modules is kept, so that a later run
goes on. ``--survivors`` judges the survivors again, after tests were written. Those in
mutation_equivalent.json change no behaviour.
"""

import argparse
import compileall
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from _bench import ROOT, options, recorded
from _mutation_sites import Mutant, in_turn, judges, modules_of, mutants_of

from recpress_edge.core.files import read_json, write_json
from recpress_edge.core.rng import stream

EQUIVALENT: Final = Path(__file__).with_name("mutation_equivalent.json")
JUDGE_SECONDS: Final = 40.0
"""Processor time of tests after which no further file is asked about a mutant,"""
LEAST_FILES: Final = 2
"""if so many were."""
FILE_SECONDS: Final = 120.0
"""A test file that takes longer judges nothing."""
SLACK: Final = (3.0, 20.0)
"""A mutant is timed out after so many times the unmutated seconds, and so many seconds more."""
MEMORY_BYTES: Final = 12 << 30
"""Address space of a mutant's tests: an endless loop must not take the machine."""


class Tests:
    """Runs test files in a copy of the tree, and knows how long they take without a mutant."""

    def __init__(self, copy: Path, seconds: Mapping[str, float]) -> None:
        self.copy = copy
        self.files = judges(copy, modules_of(copy))
        self.seconds: dict[str, float | None] = dict(seconds)
        """Without a mutant; None for a file that fails or takes too long then."""
        self.environment = os.environ | {
            "RECPRESS_DATA_DIR": "",  # tests on real data train for minutes
            "PYTHONPATH": f"{copy}:{copy / 'export'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def run(self, name: str) -> tuple[str, str]:
        """'passed', 'failed' or 'timeout' of a file, and the first test that failed."""
        command = [sys.executable, "-m", "pytest", "-x", "-rf", "--tb=no", "-p", "no:cacheprovider", name]
        process = subprocess.Popen(
            command,
            cwd=self.copy,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=_limit_memory,
        )
        try:
            said, _ = process.communicate(timeout=self.timeout(name))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return "timeout", ""
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
        passed = process.returncode == 0 and " passed" in said  # not all skipped
        return "passed" if passed else "failed", failed[1] if failed else ""

    def passes(self, name: str) -> bool:
        """Whether a file passes without a mutant; asked once."""
        if name not in self.seconds:
            start = time.perf_counter()
            outcome, _ = self.run(name)
            self.seconds[name] = time.perf_counter() - start if outcome == "passed" else None
        return self.seconds[name] is not None

    def timeout(self, name: str) -> float:
        took = self.seconds.get(name)
        return FILE_SECONDS if took is None else SLACK[0] * took + SLACK[1]


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def copy_tree(target: Path) -> Path:
    """The files that git knows, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)  # with its time: a mutant is newer than its bytecode
    compileall.compile_dir(target, quiet=2)
    return target


def check_copy_is_imported(tests: Tests) -> None:
    """Otherwise every mutant would survive."""
    code = (
        "import recpress_edge, device_bench, recpress_export as e; print(recpress_edge.__file__, e.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tests.copy.parent,
        env=tests.environment,
        capture_output=True,
        text=True,
    )
    if done.stdout.count(str(tests.copy)) != 2:
        sys.exit(f"the copy in {tests.copy} is not what is imported: {done.stdout}{done.stderr}")


def judge(tests: Tests, mutant: Mutant) -> dict[str, Any]:
    """One row of the record."""
    path = tests.copy / mutant.module
    unmutated = path.read_text()
    outcome, by, asked = "survived", "", []
    before = _processor_seconds()
    for name in tests.files[mutant.module]:
        if tests.seconds.get(name, 0.0) is None:
            continue
        path.write_text(mutant.source)
        try:
            said, failed = tests.run(name)
        finally:
            path.write_text(unmutated)
        if said == "passed":
            asked.append(name)
        elif tests.passes(name):
            outcome, by = "timeout" if said == "timeout" else "killed", failed or name
            break
        if _processor_seconds() - before > JUDGE_SECONDS and len(asked) >= LEAST_FILES:
            break
    return {
        "module": mutant.module,
        "module_sha256": _digest(unmutated),
        "line": mutant.line,
        "operator": mutant.operator.removeprefix("core/"),
        "occurrence": mutant.occurrence,
        "before": mutant.before,
        "after": mutant.after,
        "outcome": outcome,
        "by": by,
        "passed": asked,
    }


def _processor_seconds() -> float:
    """Of all tests so far: a busy machine asks no fewer of them."""
    now = os.times()
    return now.children_user + now.children_system


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _key(row: Mapping[str, Any] | Mutant) -> tuple[str, str, int]:
    if isinstance(row, Mutant):
        return row.module, row.operator.removeprefix("core/"), row.occurrence
    return row["module"], row["operator"], row["occurrence"]


def known_rows(out: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Rows of modules that are as they were."""
    rows = read_json(out)["mutants"] if out.exists() else []
    now = {name: _digest((ROOT / name).read_text()) for name in modules_of(ROOT)}
    return {_key(row): row for row in rows if now.get(row["module"]) == row["module_sha256"]}


def known_seconds(out: Path) -> dict[str, float]:
    return read_json(out)["test_seconds"] if out.exists() else {}


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts, the score and the survivors. A mutant that never ends is killed: a test run would notice."""
    reasons = {(e["module"], e["before"], e["after"]): e["why"] for e in json.loads(EQUIVALENT.read_text())}
    survived = [row for row in rows if row["outcome"] == "survived"]
    named = [(row, reasons.get((row["module"], row["before"], row["after"]))) for row in survived]
    equivalent = sum(why is not None for _, why in named)
    killed = len(rows) - len(survived)
    judged = len(rows) - equivalent
    return {
        "tried": len(rows),
        "killed": killed,
        "of_these_timed_out": sum(row["outcome"] == "timeout" for row in rows),
        "equivalent": equivalent,
        "survived": len(survived) - equivalent,
        "score": round(killed / judged, 4) if judged else None,
        "modules": len({row["module"] for row in rows}),
        "survivors": [
            {name: row[name] for name in ("module", "line", "operator", "before", "after")}
            | {"equivalent": why}
            for row, why in named
        ],
    }


def next_mutants(
    seed: int, known: Mapping[tuple[str, str, int], Mapping[str, Any]], *, survivors: bool, only: str
) -> Iterator[Mutant]:
    """Those that are not judged yet; or those that survived."""
    names = modules_of(ROOT)
    order = stream(seed, "modules").permutation(len(names)).tolist()
    modules = [names[position] for position in order if re.search(only, names[position])]
    for mutant in in_turn([mutants_of(ROOT, module, seed) for module in modules]):
        row = known.get(_key(mutant))
        if row["outcome"] == "survived" if survivors and row else not survivors and row is None:
            yield mutant


def run(
    args: argparse.Namespace,
    tests: Tests,
    rows: dict[tuple[str, str, int], dict[str, Any]],
    save: Callable[[], None],
) -> None:
    end = time.perf_counter() + 60 * args.minutes
    chosen = list(next_mutants(args.seed, rows, survivors=True, only=args.only)) if args.survivors else None
    for mutant in chosen or next_mutants(args.seed, rows, survivors=args.survivors, only=args.only):
        if time.perf_counter() > end:
            return
        row = judge(tests, mutant)
        rows[_key(mutant)] = row
        if row["outcome"] == "survived":
            print(
                f"survived  {mutant.module}:{mutant.line}\n  - {mutant.before}\n  + {mutant.after}",
                flush=True,
            )
        save()


def main() -> int:
    parser = options(__doc__)
    parser.set_defaults(out=ROOT / "benchmarks/results/mutation.json")
    parser.add_argument("--minutes", type=float, default=15.0, help="time after which no mutant is begun")
    parser.add_argument("--seed", type=int, default=0, help="of the places and replacements")
    parser.add_argument("--only", default="", help="a regular expression of modules")
    parser.add_argument("--survivors", action="store_true", help="judge the survivors again")
    args = parser.parse_args()
    rows, seconds = known_rows(args.out), known_seconds(args.out)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder, recorded({}) as record:
        tests = Tests(copy_tree(Path(folder) / "tree"), seconds)
        check_copy_is_imported(tests)

        def save() -> None:
            ordered = sorted(rows.values(), key=lambda row: (row["module"], row["line"], row["occurrence"]))
            facts = {"tool": f"cosmic-ray {version('cosmic-ray')}", "seed": args.seed, **summary(ordered)}
            took = {name: round(s, 1) for name, s in sorted(tests.seconds.items()) if s is not None}
            write_json(args.out, record | facts | {"test_seconds": took, "mutants": ordered})

        run(args, tests, rows, save)
    save()
    found = summary(list(rows.values()))
    print(
        f"{found['tried']} mutants of {found['modules']} modules: {found['killed']} killed, "
        f"{found['survived']} survived, {found['equivalent']} equivalent; score {found['score']}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Mutated bundles against the Java library, in one JVM: each is refused with a BundleException, or answers.

    nice -n 10 python examples/android_stub/tests/fuzz_java.py --count 100000 --seconds 480 \\
        --out benchmarks/results/java-fuzz.json

With --patches, mutated patches: each is refused and changes nothing, or makes the bundle that it states.

The result says how many were tried until the time was over. What is left out: a changed ONNX file that
passes its check is not run, since the runtime is native code. Exit code 1 says: a finding.
"""

import argparse
import json
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

STUB: Final = Path(__file__).resolve().parents[1]
ROOT: Final = STUB.parents[1]
sys.path[:0] = [str(STUB / "tools"), str(ROOT / "tests")]

import fuzz_patches  # noqa: E402  (needs the path above)
from jvm import PACKAGE, Jvm  # noqa: E402
from python_answers import export_bundles  # noqa: E402
from stage_answers import SOURCES, write_stage_bundles  # noqa: E402
from toolchain import ORT_VERSION, ensure_toolchain  # noqa: E402

from recpress_edge.records.bench import write_record  # noqa: E402

HEAP: Final = "256m"
BUNDLES: Final = (
    *("int8-dim", "fp32", "int4-item", "int8-dim-single-user", "fp32-history", "int8-dim-sequence"),
    *("history-without-rows", "retired", "int8-dim-c", "fp32-c", "int4-item-history-c"),
    *SOURCES,
)


def run(first: int, count: int, seconds: float, *, patches: bool) -> dict[str, Any]:
    """What Fuzz or FuzzPatches says; the heap is small, so that nothing large is allocated unseen."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        jvm = Jvm(ensure_toolchain(), work / "classes")
        jvm.compile(STUB / "core/src/main/java", "core")
        jvm.compile(STUB / "core/src/test/java", "test")
        name, mutated = ("FuzzPatches", _patch(work)) if patches else ("Fuzz", _bundles(work))
        settings = [str(work / "fuzz"), str(first), str(count), str(seconds)]
        options = [f"-Xmx{HEAP}", "-XX:ActiveProcessorCount=1"]
        done = jvm.java(*options, f"{PACKAGE}.{name}", *settings, *mutated, timeout=seconds + 120)
    if done.returncode:  # the JVM itself died
        return {"cases": None, "outcomes": {}, "findings": [(done.stdout + done.stderr)[-2000:]]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _bundles(work: Path) -> list[str]:
    for _ in export_bundles(work):
        pass
    write_stage_bundles(work / "bundles")
    return [str(work / "bundles" / name) for name in BUNDLES]


def _patch(work: Path) -> list[str]:
    """A patch, the bundle before, and the one that it makes."""
    made = fuzz_patches.Run(work, seed=0, kinds=("plain",))
    (work / "made.patch").write_bytes(made.patch)
    return [str(work / "made.patch"), str(made.old.folder), str(made.new.folder)]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--first", type=int, default=0, help="number of the first case, which seeds it")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=480.0)
    parser.add_argument("--patches", action="store_true", help="mutate patches, not bundles")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    found = run(args.first, args.count, args.seconds, patches=args.patches)
    command = ["python", "examples/android_stub/tests/fuzz_java.py", *sys.argv[1:]]
    record = {
        "schema": "recpress.java-fuzz/1",
        "command": shlex.join(command),
        "onnxruntime": ORT_VERSION,
        "heap": HEAP,
        "bundles": [] if args.patches else list(BUNDLES),
        "patches": args.patches,
        "first": args.first,
        "asked": args.count,
        **found,
    }
    write_record(args.out, record)
    print(json.dumps(record, indent=1))
    return 1 if found["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())

"""Mutated bundles against the Java library, in one JVM: each is refused with a BundleException, or answers.

    nice -n 10 python examples/android_stub/tests/fuzz_java.py --count 100000 --seconds 480 \\
        --out benchmarks/results/java-fuzz.json

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

from jvm import PACKAGE, Jvm  # noqa: E402  (needs the path above)
from python_answers import export_bundles  # noqa: E402
from toolchain import ORT_VERSION, ensure_toolchain  # noqa: E402

from recpress_edge.records.bench import write_record  # noqa: E402

HEAP: Final = "256m"
BUNDLES: Final = (
    *("int8-dim", "fp32", "int4-item", "int8-dim-single-user", "fp32-history", "int8-dim-sequence"),
    *("history-without-rows", "retired", "int8-dim-c", "fp32-c", "int4-item-history-c"),
)


def run(first: int, count: int, seconds: float) -> dict[str, Any]:
    """What Fuzz.java says; its heap is small, so that nothing large is allocated unseen."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        jvm = Jvm(ensure_toolchain(), work / "classes")
        jvm.compile(STUB / "core/src/main/java", "core")
        jvm.compile(STUB / "core/src/test/java", "test")
        for _ in export_bundles(work):
            pass
        bundles = [str(work / "bundles" / name) for name in BUNDLES]
        settings = [str(work / "fuzz"), str(first), str(count), str(seconds)]
        options = [f"-Xmx{HEAP}", "-XX:ActiveProcessorCount=1"]
        done = jvm.java(*options, f"{PACKAGE}.Fuzz", *settings, *bundles, timeout=seconds + 120)
    if done.returncode:  # the JVM itself died
        return {"cases": None, "outcomes": {}, "findings": [(done.stdout + done.stderr)[-2000:]]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--first", type=int, default=0, help="number of the first case, which seeds it")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=480.0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    found = run(args.first, args.count, args.seconds)
    command = ["python", "examples/android_stub/tests/fuzz_java.py", *sys.argv[1:]]
    record = {
        "schema": "recpress.java-fuzz/1",
        "command": shlex.join(command),
        "onnxruntime": ORT_VERSION,
        "heap": HEAP,
        "bundles": list(BUNDLES),
        "first": args.first,
        "asked": args.count,
        **found,
    }
    write_record(args.out, record)
    print(json.dumps(record, indent=1))
    return 1 if found["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())

"""Real bundles on a JVM beside Python and the emulated Arm core, and what they weigh in a signed APK.

    python examples/android_stub/tests/real_bundles.py dist/soft_dim10-int8 dist/soft_dim32-int8 \\
        --armvm runs/armvm-cortex-a53 --out benchmarks/results/android.json

Per bundle: every self-test query and some more, asked in both languages; a digest of the ranked ids of all
evaluation users on the JVM, in Python, and in the records of ``device_bench run --on armvm`` of that bundle.
Fails where any differs. The APK holds no native library, which only Gradle can fetch; the size of the Linux
build of the same release, stored as Android stores it, gives an estimate of the whole.
"""

import argparse
import json
import re
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

STUB: Final = Path(__file__).resolve().parents[1]
ROOT: Final = STUB.parents[1]
sys.path[:0] = [str(STUB / "tools"), str(ROOT / "tests")]

from apk import Builder  # noqa: E402  (needs the path above)
from jvm import PACKAGE, Jvm  # noqa: E402
from phone_log import parse_log  # noqa: E402
from python_answers import write_answers  # noqa: E402
from toolchain import ORT_VERSION, ToolError, ensure_toolchain  # noqa: E402

from recpress_edge.artifacts.bundle import Bundle, open_bundle  # noqa: E402
from recpress_edge.core.errors import ArtifactError, RecPressError  # noqa: E402
from recpress_edge.records.bench import find_records, read_record, write_record  # noqa: E402


def compare(jvm: Jvm, bundle: Bundle, work: Path, armvm: dict[str, str]) -> dict[str, Any]:
    """One bundle in both languages; ArtifactError where an answer or a digest differs."""
    folder, answers = work / "bundles" / bundle.name, work / "answers" / f"{bundle.name}.json"
    folder.parent.mkdir(parents=True)
    folder.symlink_to(bundle.folder.resolve())
    write_answers(bundle, answers)
    asked = json.loads(answers.read_text())
    done = jvm.junit("PythonAnswersTest", fixtures=work)
    if done.returncode:
        raise ArtifactError(f"{bundle.name}: the JVM answers otherwise\n{done.stdout}")
    digests = {"jvm": jvm_digest(jvm, bundle), "python": asked["quality"]["ids_sha256"]}
    if bundle.digest in armvm:
        digests["armvm"] = armvm[bundle.digest]
    if len(set(digests.values())) != 1:
        raise ArtifactError(f"{bundle.name}: the ranked ids differ: {digests}")
    return {
        "name": bundle.name,
        "bundle_sha256": bundle.digest,
        "recipe": bundle.contract.recipe,
        "profile": bundle.contract.profile,
        "dim": bundle.contract.dim,
        "selftest_queries_equal": len(bundle.selftest().users),
        "queries_equal": len(asked["queries"]),
        "largest_score_difference_allowed": 1e-5,
        "evaluation_users": asked["quality"]["users"],
        "recall@50": asked["quality"].get("recall@50"),
        "ids_sha256": digests["jvm"],
        "ids_equal_in": sorted(digests),
    }


def jvm_digest(jvm: Jvm, bundle: Bundle) -> str:
    """Of the ranked ids of all evaluation users, by the app's own benchmark."""
    settings = ["50", "1", "0", "0"]
    printed = [
        jvm.java(f"{PACKAGE}.BenchMain", "real", phase, str(bundle.folder), *settings).stdout
        for phase in ("cold-1", "full")
    ]
    return str(parse_log("".join(printed).splitlines(), "real").one("quality")["ids_sha256"])


def armvm_digests(folder: Path | None) -> dict[str, str]:
    """Bundle digest -> digest of its ranked ids, from records of the emulated core."""
    records = [read_record(path) for path in find_records(folder)] if folder else []
    return {r["artifact"]["bundle_sha256"]: r["quality"]["ids_sha256"] for r in records}


def weigh(builder: Builder, bundle: Bundle | None, native_bytes: int) -> dict[str, Any]:
    """Size of a signed APK that verifies, with a bundle in its assets or without."""
    assets = None
    if bundle:
        assets = builder.work / f"assets-{bundle.name}"
        assets.mkdir()
        (assets / "bundle").symlink_to(bundle.folder.resolve())
    apk = builder.build(builder.work / "app.apk", assets)
    signature = re.findall(r"Verified using (v\d) scheme .*: true", builder.verify(apk))
    size = apk.stat().st_size
    facts: dict[str, Any] = {
        "bundle": bundle.name if bundle else None,
        "apk_bytes": size,
        "signed": signature,
    }
    if bundle:
        facts |= {
            "model_bytes": bundle.model_bytes,
            "model_share": round(bundle.model_bytes / size, 4),
            "model_share_with_native_library": round(bundle.model_bytes / (size + native_bytes), 4),
        }
    return facts


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--armvm", type=Path, help="folder of records of the emulated core")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    try:
        tools = ensure_toolchain()
        with tempfile.TemporaryDirectory() as folder:
            work, found = Path(folder), [open_bundle(path) for path in args.bundles]
            jvm = Jvm(tools, work / "classes")
            jvm.compile(STUB / "core/src/main/java", "core")
            jvm.compile(STUB / "core/src/test/java", "test")
            armvm = armvm_digests(args.armvm)
            compared = [compare(jvm, bundle, work / bundle.name, armvm) for bundle in found]
            native = (tools.ort_libraries / "libonnxruntime.so").stat().st_size
            (work / "apk").mkdir()
            builder = Builder(tools, STUB, work / "apk")
            weighed = [weigh(builder, bundle, native) for bundle in (None, *found)]
    except (RecPressError, ToolError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    command = ["python", "examples/android_stub/tests/real_bundles.py", *sys.argv[1:]]
    record = {
        "schema": "recpress.android-results/1",
        "command": shlex.join(command),
        "onnxruntime": ORT_VERSION,
        "bundles": compared,
        "native_library": {
            "bytes": native,
            "basis": "estimated",
            "of": "libonnxruntime.so of the wheel for Linux on x86-64: one ABI, not compressed",
        },
        "apks": weighed,
    }
    write_record(args.out, record)
    print(json.dumps(record, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

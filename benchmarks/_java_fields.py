"""Rows of drawn cases by the Java library, in one JVM."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from _bench import ROOT

from recpress_edge.artifacts.clicks.contract import vocabulary_file
from recpress_edge.artifacts.clicks.fields import FeatureField

STUB: Final = ROOT / "examples/android_stub"
sys.path[:0] = [str(STUB / "tools"), str(STUB / "tests")]

from jvm import PACKAGE, Jvm  # noqa: E402  (needs the path above)
from toolchain import ensure_toolchain  # noqa: E402

Case = tuple[tuple[FeatureField, ...], list[dict[str, Any]]]


def rows_of_cases(cases: list[Case], folder: Path) -> list[list[Any]]:
    """:func:`rows_by` a JVM with the library compiled for it."""
    jvm = Jvm(ensure_toolchain(), folder / "classes")
    jvm.compile(STUB / "core/src/main/java", "core")
    jvm.compile(STUB / "core/src/test/java", "test")
    return rows_by(jvm, cases, folder)


def rows_by(jvm: Jvm, cases: list[Case], folder: Path) -> list[list[Any]]:
    """Of each case and each of its rows what FieldRows.java says: the row, or the text that it is refused."""
    given = folder / "cases.jsonl"
    with given.open("w", encoding="utf-8") as file:
        for fields, rows in cases:
            file.write(
                json.dumps({"features": [_feature(*one) for one in enumerate(fields)], "rows": rows}) + "\n"
            )
    done = jvm.java(f"{PACKAGE}.FieldRows", str(given), timeout=900)
    if done.returncode:
        raise RuntimeError((done.stdout + done.stderr)[-2000:])
    return [json.loads(line) for line in done.stdout.splitlines()]


def _feature(place: int, field: FeatureField) -> dict[str, Any]:
    """An entry of a contract with its vocabulary, which bundles keep in a file."""
    known = {"vocabulary": vocabulary_file(place), "values": list(field.values)} if field.values else {}
    return {**field.entry(), **known}

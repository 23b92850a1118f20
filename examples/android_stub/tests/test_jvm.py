"""The library on a JVM, with ONNX Runtime's own Java API over the native library of the 1.27.0 wheel."""

import json
import subprocess
from collections import Counter

import pytest
from _java_fields import rows_by
from _plain_fields import REFUSED
from field_fuzz import drawn_case, library_row

CLASSES = (
    *("JsonTest", "QueryTest", "RecommenderTest", "TimingsTest", "PythonAnswersTest", "VerdictsTest"),
    *(
        "ModelBinTest",
        "FuzzTest",
        "ClickRankerTest",
        "Base64TextTest",
        "ModelFileTest",
        "NewcomerTest",
        "PatchTest",
        "TwoStageTest",
    ),
)


@pytest.mark.parametrize("name", CLASSES)
def test_junit(jvm, fixtures, name):
    done = jvm.junit(name, fixtures=fixtures)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "OK (" in done.stdout


def test_every_test_class_runs(jvm):
    found = {path.stem for path in (jvm.folder / "test").rglob("*Test.class")}
    assert found == {*CLASSES, "NativeScorerTest"}  # which test_jni.py runs


def test_corruptions_are_many_and_of_every_kind(fixtures):
    cases = json.loads((fixtures / "corrupt/cases.json").read_text())["cases"]
    faults = Counter(case["fault"] for case in cases)
    print(f"{len(cases)} corrupted bundles: {dict(faults)}")
    assert len(cases) >= 100
    assert set(faults) == {
        *("missing", "json", "schema", "field", "digest", "size", "path", "range", "unsupported", "content"),
        *("model", "answers"),
    }


def test_onnxruntime_is_not_loaded_where_telemetry_could_start(jvm, fixtures):
    bundle = str(fixtures / "bundles/int8-dim")
    done = jvm.java("org.example.recpress.BenchMain", "r", "cold-1", bundle, "5", "1", "0", "0", env={})
    assert "ORT_DISABLE_TELEMETRY must be 1" in done.stdout
    assert '"kind":"cold"' not in done.stdout


def test_rows_of_drawn_values_are_those_of_python(jvm, tmp_path):
    """A hundredth of what benchmarks/field_fuzz.py compares."""
    cases = [drawn_case(1, number) for number in range(10)]
    found = rows_by(jvm, cases, tmp_path)
    wanted = [[library_row(fields, values) for values in rows] for fields, rows in cases]
    assert found == wanted
    assert sum(row == REFUSED for rows in wanted for row in rows) > 50


def test_a_model_bin_needs_no_runtime(jvm, fixtures):
    """The app's benchmark of a bundle of format c, without a class of ONNX Runtime to be found."""
    path = ":".join(part for part in jvm.classpath("core", "test").split(":") if "onnxruntime" not in part)
    bundle = str(fixtures / "bundles/int8-dim-c")
    command = ["java", "-cp", path, "org.example.recpress.BenchMain", "r", "full", bundle, "5", "1", "0", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert '"runtime":"recpress java 1"' in done.stdout, done.stdout + done.stderr
    assert '"kind":"quality"' in done.stdout

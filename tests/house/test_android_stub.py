"""The Android stub where there is no JVM: one set of names and versions, no permission, logs, installing."""

import dataclasses
import json
import re
import subprocess
import sys
import tomllib
import typing
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from bundles import make_bundle
from phones import write_facts

from recpress_edge.artifacts import bundle as python
from recpress_edge.artifacts.ids import POPULAR_FILE
from recpress_edge.artifacts.patch import header, index
from recpress_edge.artifacts.patch.unpack import MEMORY_BYTES
from recpress_edge.artifacts.wire.operators import ONNX
from recpress_edge.core.errors import ArtifactError, Fault
from recpress_edge.core.files import sha256_bytes
from recpress_edge.device import recommender

ROOT = Path(__file__).parents[2]
STUB = ROOT / "examples/android_stub"
sys.path.insert(0, str(STUB / "tools"))

import apk  # noqa: E402  (needs the path above)
import bench_record  # noqa: E402
import install_bundle  # noqa: E402
import toolchain  # noqa: E402
from phone_log import SCHEMA, parse_log  # noqa: E402

SAMPLE = ROOT / "tests/fixtures/phone/logcat.txt"
CORE = STUB / "core/src/main/java/org/example/recpress"
DEMO = STUB / "app/src/main/java/org/example/recpress/demo"
CATALOGUE = tomllib.loads((STUB / "gradle/libs.versions.toml").read_text())["versions"]
MAVEN = {"m": "http://maven.apache.org/POM/4.0.0"}


def java_files() -> list[Path]:
    return sorted(STUB.glob("*/src/main/java/**/*.java"))


def constants(path: Path) -> dict[str, str]:
    """Names and values of a class's text constants."""
    return dict(re.findall(r'static final String (\w+) = "(.*?)";', path.read_text()))


def code_of(path: Path) -> str:
    """A source without comments and texts."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(\\.|[^"\\\n])*"', "", path.read_text(), flags=re.S)


def test_nothing_is_asked_for_and_nothing_is_sent():
    manifest = ElementTree.parse(STUB / "app/src/main/AndroidManifest.xml").getroot()
    assert not [node.tag for node in manifest.iter() if "permission" in node.tag]
    for path in java_files():
        assert not re.search(r"\bjava\.net\b|\bandroidx\.|\bandroid\.support\.", path.read_text()), path
    assert "androidx." not in (STUB / "app/build.gradle.kts").read_text()


def test_core_is_java_without_android():
    for path in CORE.glob("*.java"):
        assert not re.search(r"^import (android|org\.json)\b", path.read_text(), re.M), path


def test_java_is_what_dx_can_translate():
    """No lambda, no method reference, no stream, no java.nio.file."""
    for path in java_files():
        code = code_of(path)
        assert "->" not in code, path
        assert "::" not in code, path
        assert not re.search(r"\.stream\(|java\.util\.(stream|function)|java\.nio\.file", code), path


def test_versions_agree():
    pom = ElementTree.parse(STUB / "core/pom.xml").getroot()
    properties = {n.tag.partition("}")[2]: n.text for n in pom.find("m:properties", MAVEN)}
    assert properties["onnxruntime.version"] == CATALOGUE["onnxruntime"] == toolchain.ORT_VERSION
    assert properties["junit.version"] == CATALOGUE["junit"]
    assert properties["xz.version"] == CATALOGUE["xz"]
    assert f"xz-{CATALOGUE['xz']}.jar" in (STUB / "tools/toolchain.py").read_text()
    assert properties["maven.compiler.source"] == properties["maven.compiler.target"] == CATALOGUE["java"]
    wrapper = (STUB / "gradle/wrapper/gradle-wrapper.properties").read_text()
    assert f"gradle-{CATALOGUE['gradle']}-bin.zip" in wrapper
    assert (CATALOGUE["minSdk"], CATALOGUE["targetSdk"]) == (apk.MIN_SDK, apk.TARGET_SDK)
    for path in STUB.glob("**/*.gradle.kts"):
        assert not re.search(r'"[^"]*\d+\.\d+\.\d+[^"]*"', path.read_text()), f"{path} states a version"


def test_the_app_has_one_name():
    build = (STUB / "app/build.gradle.kts").read_text()
    script = (STUB / "tools/bench_device.sh").read_text()
    for name in re.findall(r'(?:namespace|applicationId) = "(.*?)"', build):
        assert name == apk.PACKAGE == install_bundle.PACKAGE
    assert f"activity={apk.PACKAGE}/.MainActivity" in script
    assert {path.read_text().split("\n")[0] for path in DEMO.glob("*.java")} == {f"package {apk.PACKAGE};"}


def test_the_reader_knows_the_files_by_the_exporters_names():
    java = constants(CORE / "RecBundle.java")
    names = ("MANIFEST", "USERS_FILE", "ITEMS_FILE", "SELFTEST_FILE", "EVALUATION_FILE")
    assert {name: java[name] for name in names} == {name: getattr(python, name) for name in names}
    assert java["SCHEMA"] == python.BUNDLE_SCHEMA
    arrays = re.search(r"Npz\.read\(file, (.*?)\)\)", (CORE / "Evaluation.java").read_text(), re.S)[1]
    assert re.findall(r'"(\w+)"', arrays) == [field.name for field in dataclasses.fields(python.Evaluation)]
    fields = re.findall(r'fields\.(?:list|integer)\("(\w+)"\)', (CORE / "SelfTest.java").read_text())
    assert set(fields) == {field.name for field in dataclasses.fields(python.SelfTest)}


def test_the_reader_knows_the_contract_by_the_exporters_names():
    text = (CORE / "Contract.java").read_text()
    read = set(re.findall(r'fields\.(?:text|integer|flag|number|list)\("(\w+)"\)', text))
    assert read == {field.name for field in dataclasses.fields(python.Contract)}
    java = constants(CORE / "Contract.java")
    assert java["TIE_RULE"] == python.TIE_RULE
    assert (java["ALL_USERS"], java["SINGLE_USER"], java["HISTORY"]) == python.PROFILES


def test_refusals_have_the_same_words():
    java = re.findall(r"^    ([A-Z]+)[,;]$", (CORE / "Fault.java").read_text(), re.M)
    assert tuple(word.lower() for word in java) == typing.get_args(Fault)


def test_both_sides_take_the_same_patches():
    java = {**constants(CORE / "Patch.java"), **constants(CORE / "Popular.java")}
    texts = {name: java[name].replace("\\n", "\n").encode() for name in ("MAGIC", "DOMAIN")}
    assert texts == {"MAGIC": header.MAGIC, "DOMAIN": header.DOMAIN}
    assert java["FILE"] == POPULAR_FILE
    code = "".join((CORE / f"Patch{part}.java").read_text() for part in ("", "Index", "Files", "Payload"))
    bounds = {
        name: eval(value.replace("L", ""))  # of digits and shifts
        for name, value in re.findall(r"static final (?:int|long) (\w+) = ([\dL<* ]+);", code)
    }
    assert bounds["MAX_PATCH_BYTES"] == header.MAX_PATCH_BYTES
    assert bounds["MAX_SIGNATURE_BYTES"] == header.MAX_SIGNATURE_BYTES
    names = ("MAX_FILES", "MAX_OPERATIONS", "SPARE_BYTES", "BYTES_PER_BASE", "BYTES_PER_PACKED")
    assert {name: bounds[name] for name in names} == {name: getattr(index, name) for name in names}
    assert bounds["MAX_BYTES"] == index.MAX_INDEX_BYTES
    assert bounds["MEMORY_KIB"] * 1024 == MEMORY_BYTES


def test_both_name_the_same_sources():
    java = re.findall(r"^    ([A-Z]+)[,;]$", (CORE / "Source.java").read_text(), re.M)
    assert [word.lower() for word in java] == [recommender.MODEL, recommender.POPULAR, recommender.HISTORY]


def test_both_readers_run_the_same_operators():
    listed = "".join(re.findall(r'"([^"]*)"', (CORE / "Operators.java").read_text().partition("asList(")[2]))
    assert set(listed.split()) == ONNX


def test_the_script_gives_the_extras_that_the_app_takes():
    taken = set(re.findall(r'get\w+Extra\("(\w+)"', (DEMO / "HeadlessRun.java").read_text()))
    given = set(re.findall(r"--e[si] (\w+)", (STUB / "tools/bench_device.sh").read_text()))
    assert taken == given
    tag = constants(DEMO / "HeadlessRun.java")["TAG"]
    assert f"-s {tag}:I" in (STUB / "tools/bench_device.sh").read_text()
    assert constants(CORE / "BenchLog.java")["SCHEMA"] == SCHEMA
    assert f"files/{constants(DEMO / 'BundleStore.java')['PUSHED']}" == install_bundle.PUSHED


def test_telemetry_is_off_before_the_runtime_loads():
    name = constants(CORE / "OrtScorer.java")["TELEMETRY_OFF"]
    assert name == "ORT_DISABLE_TELEMETRY"
    activity = (DEMO / "MainActivity.java").read_text()
    first = activity.index("static {")
    assert activity.index("Os.setenv(OrtScorer.TELEMETRY_OFF") > first
    assert first < activity.index("private ")  # static blocks run in order, before anything of the class
    assert f'environment("{name}", "1")' in (STUB / "core/build.gradle.kts").read_text()
    assert f"<{name}>1</{name}>" in (STUB / "core/pom.xml").read_text()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("phone") / "bundle")


@pytest.fixture
def log(bundle) -> list[str]:
    """The committed log of a real run, as if it were of this bundle."""
    text = SAMPLE.read_text()
    return re.sub(r'"bundle":"[0-9a-f]{64}"', f'"bundle":"{bundle.digest}"', text).splitlines()


PROTOCOL = bench_record.Protocol(k=20, processes=1, queries=10, seconds=0.0, seed=0, pause_ns=0)


def record_of(bundle, log, facts, protocol=PROTOCOL):
    return bench_record.make_record(bundle, protocol, parse_log(log, "sample"), facts, "bench_device.sh x")


def test_a_log_becomes_a_record(bundle, log, tmp_path):
    record = record_of(bundle, log, write_facts(tmp_path / "facts"))
    jsonschema.validate(record, json.loads((ROOT / "schemas/bench-1.schema.json").read_text()))
    assert record["basis"] == "measured"
    assert record["software"]["android"] == "14 (API 34)"
    assert record["device"]["id"] == "example-phone-1-4c-8g-d0b-r4p1-asimddp"
    assert (record["device"]["arch"], record["device"]["bits"]) == ("aarch64", 64)
    assert record["state"]["after"]["temp_c"] == 41.2
    assert "10 queries: the full protocol asks for at least 1000" in record["warnings"]
    assert len(record["latency_ns"]["query"]) == len(record["latency_ns"]["end_to_end"]) >= 10


def test_a_phone_that_throttles_gives_an_invalid_record(bundle, log, tmp_path):
    record = record_of(bundle, log, write_facts(tmp_path / "facts", thermal_status=2))
    assert not record["valid"]
    assert "throttled after the run: Android's thermal status is 2" in record["invalid_reasons"]


@pytest.mark.parametrize("number", range(5))
def test_a_lost_line_is_found(log, number):
    full = [n for n, line in enumerate(log) if " full " in line]
    del log[full[number * (len(full) - 1) // 4]]
    with pytest.raises(ArtifactError, match=r"logcat lost it|expected 1"):
        parse_log(log, "sample").one("start")


def test_a_log_in_logcats_own_format_reads_the_same(log):
    prefix = "11-24 18:00:00.000  1234  1250 I RecPressBench: "
    assert parse_log([prefix + line for line in log], "sample") == parse_log(log, "sample")


def test_another_run_in_the_same_log_is_left_alone(log):
    other = [line.replace(" sample ", " other ") for line in log[: len(log) // 2]]
    assert parse_log([*other, *log], "sample") == parse_log(log, "sample")
    with pytest.raises(ArtifactError, match="no whole run 'third'"):
        parse_log(log, "third")


def test_fewer_queries_than_asked_for_are_refused(bundle, log, tmp_path):
    asked = dataclasses.replace(PROTOCOL, queries=5000)
    with pytest.raises(ArtifactError, match="did not measure as asked: queries"):
        record_of(bundle, log, write_facts(tmp_path / "facts"), asked)


def test_a_log_of_another_bundle_is_refused(bundle, tmp_path):
    with pytest.raises(ArtifactError, match="the phone holds another bundle"):
        record_of(bundle, SAMPLE.read_text().splitlines(), write_facts(tmp_path / "facts"))


def install(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(STUB / "tools/install_bundle.py"), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_bundle_goes_into_the_assets(bundle, tmp_path):
    assets = tmp_path / "assets/bundle"
    for _ in range(2):  # again over what is there
        done = install(bundle.folder, "--assets", assets)
        assert done.returncode == 0, done.stderr
    assert python.open_bundle(assets).digest == bundle.digest
    assert "it holds the vectors and ids of 40 users" in done.stdout


def test_a_damaged_bundle_is_not_installed(bundle, tmp_path):
    data = bytearray(bundle.model_path.read_bytes())
    data[len(data) // 2] ^= 1
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in bundle.folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "model.onnx").write_bytes(data)
    done = install(copy, "--assets", tmp_path / "assets")
    assert done.returncode == 1
    assert f"was changed: SHA-256 {sha256_bytes(bytes(data))}" in done.stderr
    assert not (tmp_path / "assets").exists()


def test_without_a_phone_installing_says_what_to_do(bundle, tmp_path):
    done = install(bundle.folder, "--device", "--adb", tmp_path / "no-adb")
    assert done.returncode == 1
    assert "is missing. Run: apt-get install adb" in done.stderr


def test_the_script_refuses_what_is_no_bundle(tmp_path):
    done = subprocess.run(
        [str(STUB / "tools/bench_device.sh"), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "is not a bundle" in done.stderr

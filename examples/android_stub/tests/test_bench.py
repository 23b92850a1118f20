"""The scripts as a developer runs them, with a JVM in place of the phone (fake_adb.py)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from jvm import PACKAGE, TELEMETRY_OFF
from phone_log import parse_log
from phones import write_facts

from device_bench.quality import ranking_quality
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.device.verify import verify_bundle
from recpress_edge.records.bench import read_record

STUB = Path(__file__).parents[1]
ROOT = STUB.parents[1]
SAMPLE = ROOT / "tests/fixtures/phone/logcat.txt"


@pytest.fixture
def phone(jvm, fixtures, tmp_path):
    """A folder that stands for the phone, and its adb."""
    write_facts(tmp_path / "facts")
    java = ["java", "-XX:+UseSerialGC", f"-Donnxruntime.native.path={jvm.tools.ort_libraries}"]
    config = {
        "java": [*java, "-cp", jvm.classpath("core", "test"), f"{PACKAGE}.BenchMain"],
        "bundle": str(fixtures / "bundles/int8-dim"),
        "phone": str(tmp_path / "facts"),
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "logcat").write_text("")
    adb = tmp_path / "adb"
    adb.write_text(f'#!/bin/sh\nexec {sys.executable} {STUB / "tests/fake_adb.py"} {tmp_path} "$@"\n')
    adb.chmod(0o755)
    return tmp_path


def bench(phone: Path, bundle: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    script = [str(STUB / "tools/bench_device.sh"), str(bundle), "--runs", str(phone / "runs"), *flags]
    env = dict(os.environ) | TELEMETRY_OFF | {"ADB": str(phone / "adb"), "PYTHON": sys.executable}
    return subprocess.run(script, capture_output=True, text=True, check=False, env=env)


def test_a_run_becomes_a_measured_record(phone, fixtures):
    bundle = fixtures / "bundles/int8-dim"
    flags = ["--processes", "2", "--queries", "600", "--seconds", "0.1", "--k", "20", "--seed", "7"]
    done = bench(phone, bundle, *flags)
    assert done.returncode in (0, 4), done.stdout + done.stderr  # 4: timings drifted, on a busy machine
    (path,) = (phone / "runs").rglob("*.json")
    record = read_record(path)
    jsonschema.validate(record, json.loads((ROOT / "schemas/bench-1.schema.json").read_text()))
    assert (record["basis"], record["protocol"]["clock"]) == ("measured", "System.nanoTime")
    assert record["software"]["onnxruntime"] == "1.27.0"
    assert record["device"]["model"] == "Example Phone 1"
    assert record["device"]["dotprod"]
    assert record["artifact"]["bundle_sha256"] == open_bundle(bundle).digest
    assert len(record["latency_ns"]["load"]) == 2
    assert len(record["latency_ns"]["query"]) >= 600
    assert record["memory_bytes"]["model"]["vm_hwm"] >= record["memory_bytes"]["idle"]["vm_hwm"] > 0
    verified = verify_bundle(bundle)
    python = ranking_quality(verified)
    numbers = {name: value for name, value in python.items() if not isinstance(value, str)}
    assert record["quality"] == python | {n: pytest.approx(v, rel=1e-12) for n, v in numbers.items()}
    assert "basis      measured" in done.stdout


def test_a_bundle_without_evaluation_users_is_timed_and_its_quality_not_measured(phone, fixtures):
    """The ids are those that Python ranks too: the answers to the self-test's queries."""
    bundle = fixtures / "bundles/history-without-rows"
    config = json.loads((phone / "config.json").read_text())
    (phone / "config.json").write_text(json.dumps(config | {"bundle": str(bundle)}))
    done = bench(phone, bundle, "--processes", "1", "--queries", "10", "--seconds", "0")
    assert done.returncode in (0, 4), done.stdout + done.stderr
    (path,) = (phone / "runs").rglob("*.json")
    record = read_record(path)
    jsonschema.validate(record, json.loads((ROOT / "schemas/bench-1.schema.json").read_text()))
    assert record["quality"] == ranking_quality(verify_bundle(bundle))
    assert (record["quality"]["users"], record["quality"]["split"]) == (0, None)
    assert len(record["latency_ns"]["query"]) >= 10


def test_the_committed_sample_is_of_this_form(phone, fixtures):
    """What tests/house/test_android_stub.py reads on machines without a JVM."""
    flags = ["--processes", "1", "--queries", "10", "--seconds", "0"]
    assert bench(phone, fixtures / "bundles/int8-dim", *flags).returncode in (0, 4)
    lines = (phone / "logcat").read_text().splitlines()
    run = next(line for line in lines if line.startswith("recpress")).split()[1]

    def forms(log) -> dict[str, set[tuple[str, ...]]]:
        phases = {"full": log.phases["full"], "cold": log.phases["cold-1"]}
        return {phase: {tuple(sorted(line)) for line in lines} for phase, lines in phases.items()}

    sample = parse_log(SAMPLE.read_text().splitlines(), "sample")
    assert forms(parse_log(lines, run)) == forms(sample)


def test_another_bundle_than_the_installed_one_is_refused(phone, fixtures):
    done = bench(phone, fixtures / "bundles/fp32", "--processes", "1", "--queries", "10", "--seconds", "0")
    assert done.returncode == 1
    assert "the phone holds another bundle" in done.stderr


def test_a_bundle_that_the_app_refuses_says_so(phone, fixtures):
    config = json.loads((phone / "config.json").read_text())
    config["bundle"] = str(fixtures / "corrupt/000")
    (phone / "config.json").write_text(json.dumps(config))
    done = bench(
        phone, fixtures / "bundles/int8-dim", "--processes", "1", "--queries", "10", "--seconds", "0"
    )
    assert done.returncode == 1
    assert "the app failed in phase cold-1: BundleException" in done.stderr


def test_a_bundle_is_pushed_as_it_is(phone, fixtures):
    bundle = fixtures / "bundles/int8-dim"
    script = [sys.executable, str(STUB / "tools/install_bundle.py"), str(bundle), "--device"]
    done = subprocess.run([*script, "--adb", str(phone / "adb")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pushed = phone / "files/pushed-bundle"
    assert open_bundle(pushed).digest == open_bundle(bundle).digest
    assert {p.name for p in pushed.iterdir()} == {p.name for p in bundle.iterdir()}

"""Bench records: summaries by hand, conditions that must agree, files that are refused."""

import datetime
import json

import pytest
from records import as_counted

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.results import (
    differences,
    find_records,
    model_memory_bytes,
    read_record,
    record_path,
    summarise,
    write_record,
)


def small_record():
    return {
        "schema": "recpress.bench/1",
        "created": "2026-11-20T10:00:00Z",
        "basis": "measured",
        "valid": True,
        "artifact": {"name": "tiny"},
        "device": {"id": "pi"},
        "state": {},
        "software": {"runtime": "onnxruntime"},
        "protocol": {"threads": 1, "batch": 1, "k": 50},
        "latency_ns": {"query": [3, 1, 2], "end_to_end": [5], "first_query": [6], "load": [7], "import": [8]},
        "memory_bytes": {"idle": {"vm_hwm": 50, "pss_anon": None}, "model": {"vm_hwm": 63, "pss_anon": 9}},
        "quality": {},
        "selftest": {},
    }


def test_summary_by_hand():
    summary = summarise(list(range(1, 101)))
    assert (summary.samples, summary.p50_ns, summary.p90_ns, summary.p99_ns) == (100, 50, 90, 99)
    assert summary.p50_upper_ns > 50
    assert summary.p99_upper_ns is None  # 100 samples cannot bound p99


def test_model_memory_is_what_the_model_adds():
    assert model_memory_bytes(small_record(), "vm_hwm") == 13
    assert model_memory_bytes(small_record(), "pss_anon") is None


def test_differences_name_the_condition_and_both_values():
    left, right = small_record(), small_record()
    assert differences(left, right) == []
    right["protocol"]["threads"] = 4
    right["basis"] = "emulated"
    assert differences(left, right) == ["basis: 'measured' and 'emulated'", "protocol.threads: 1 and 4"]


def test_round_trip_keeps_samples_on_one_line(tmp_path):
    path = tmp_path / "deep" / "run.json"
    write_record(path, small_record())
    assert read_record(path) == small_record()
    assert '"query": [3, 1, 2]' in path.read_text()
    assert find_records(tmp_path) == [path]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: r.update(schema="recpress.bench/2"), "this version reads"),
        (lambda r: r.pop("schema"), "schema None"),
        (lambda r: r.update(basis="guessed"), "'basis' must be one of"),
        (lambda r: r.update(valid="yes"), "'valid' true or false"),
        (lambda r: r.pop("quality"), "section 'quality' is missing"),
        (lambda r: r["latency_ns"].update(query=[]), r"latency_ns\.query"),
        (lambda r: r["latency_ns"].update(load=[1.5]), r"latency_ns\.load"),
        (lambda r: r["latency_ns"].update(load=[-1]), r"latency_ns\.load"),
        (lambda r: r["latency_ns"].update(load=[True]), r"latency_ns\.load"),
        (lambda r: r["latency_ns"].pop("import"), r"latency_ns\.import"),
        (lambda r: r.pop("latency_ns"), "must be in section 'latency_ns'"),
        (lambda r: r["protocol"].update(clock="instructions"), "must be in section 'instructions'"),
        (lambda r: r.update(instructions=r["latency_ns"]), "and nowhere else"),
        (
            lambda r: as_counted(r)["instructions"].update(load=[]),
            r"instructions\.load .* list of instructions",
        ),
    ],
)
def test_what_is_no_record_is_refused(tmp_path, change, says):
    record = small_record()
    change(record)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(record))
    with pytest.raises(ArtifactError, match=says):
        read_record(path)


def test_broken_files_are_refused(tmp_path):
    path = tmp_path / "run.json"
    for content in (b"", b"[]", b"\xff\xfe", b'{"schema": "recpress.bench/1"'):
        path.write_bytes(content)
        with pytest.raises(ArtifactError):
            read_record(path)


def test_record_path_never_names_an_existing_file(tmp_path):
    when = datetime.datetime(2026, 11, 23, 21, 7, 15, tzinfo=datetime.UTC)
    first = record_path(tmp_path, "pi4", "ab" * 32, when)
    assert first == tmp_path / "pi4" / "20261123T210715Z-abababab.json"
    write_record(first, small_record())
    second = record_path(tmp_path, "pi4", "ab" * 32, when)
    assert second.name == "20261123T210715Z-abababab-2.json"
    write_record(second, small_record())
    assert record_path(tmp_path, "pi4", "ab" * 32, when).name == "20261123T210715Z-abababab-3.json"

"""Bench records: summaries by hand, conditions that must agree, files that are refused."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from records import as_counted

from recpress_edge.core.errors import ArtifactError
from recpress_edge.records.bench import (
    add_record,
    differences,
    figure,
    find_records,
    model_memory_bytes,
    read_record,
    read_records,
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


def dated(record):
    return record | {"created": "2026-11-23T21:07:15Z", "artifact": {"bundle_sha256": "ab" * 32}}


def test_a_record_never_replaces_another(tmp_path):
    names = [add_record(tmp_path, dated(small_record())).relative_to(tmp_path).as_posix() for _ in range(3)]
    stem = "pi/20261123T210715Z-abababab"
    assert names == [f"{stem}.json", f"{stem}-2.json", f"{stem}-3.json"]


def test_runs_that_end_in_one_second_keep_every_record(tmp_path):
    """Forty threads, one name: each must find its own record at the path that it was given."""

    def add(number):
        record = dated(small_record()) | {"number": number}
        return number, add_record(tmp_path, record)

    with ThreadPoolExecutor(40) as pool:
        written = list(pool.map(add, range(40)))
    assert len({path for _, path in written}) == 40
    assert all(json.loads(path.read_text())["number"] == number for number, path in written)
    assert [path.name for path in (tmp_path / "pi").glob(".*")] == []


def test_what_is_no_record_is_named_and_skipped(tmp_path):
    whole = write_record(tmp_path / "runs" / "a.json", small_record())
    for name, content in (
        ("cut.json", '{"schema": "recpress.bench/1"'),
        ("survival.json", '{"schema": "recpress.survival/1", "outcome": "fine"}'),
        ("notes.json", "{}"),
    ):
        (tmp_path / "runs" / name).write_text(content)
    records, skipped = read_records([tmp_path / "runs"])
    assert records == [(whole, small_record())]
    assert [line.partition("runs/")[2].partition(":")[0] for line in skipped] == [
        "cut.json",
        "notes.json",
        "survival.json",
    ]
    assert "'outcome' must be one of" in skipped[2]
    with pytest.raises(ArtifactError, match="not readable JSON"):  # named by the user: no silence
        read_records([tmp_path / "runs" / "cut.json"])


def test_a_figure_that_cannot_be_relied_on_is_none():
    record = small_record() | {"validity": {"query": {"trusted": [50]}, "load": {"trusted": []}}}
    assert figure(record, "query", 50) == 2
    assert figure(record, "query", 99) is None
    assert figure(record, "load", 50) is None
    assert figure(record, "paced", 50) is None
    assert figure(record, "import", 50) == 8


@pytest.mark.parametrize("whole", [10**19, -(10**19), 10**400])
@pytest.mark.parametrize("section", ["artifact", "latency_ns", "quality"])
def test_numbers_of_more_than_64_bits_are_refused(tmp_path, section, whole):
    """Python reads them, and stops with an OverflowError where it makes a float of one."""
    record = small_record()
    field, value = {
        "artifact": ("file_bytes", whole),
        "latency_ns": ("query", [whole]),
        "quality": ("recall@50", whole),
    }[section]
    record[section][field] = value
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    with pytest.raises(ArtifactError, match=r"more than 64 bits|latency_ns.query must be a list"):
        read_record(path)

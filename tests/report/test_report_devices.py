"""Devices side by side: what was measured, emulated and estimated is never mixed."""

import json
from pathlib import Path

import pytest
from records import as_counted, make_record, make_survival, write_runs

from recpress_edge.cli import main
from recpress_edge.records.budget import Budget
from recpress_edge.report.devices import compare_devices
from recpress_edge.report.devices_plot import devices_panel
from recpress_edge.report.files import read_files
from recpress_edge.report.front import sections
from recpress_edge.report.robustness import read_survivals
from recpress_edge.report.runs import read_runs, to_run
from recpress_edge.report.time_plot import over_time

PI4 = {"device": "raspberry-pi-4", "device_model": "Raspberry Pi 4 Model B Rev 1.5"}
LABEL = "estimated ±40 %, unvalidated"


def emulated(core, recipe, instructions, boards=()):
    made = make_record(recipe=recipe, p95_ns=instructions, device=f"armvm-{core.lower()}")
    record = as_counted(made)
    record["instructions"]["query"] = [instructions] * 100
    record["device"].update(core=core, dotprod=core == "Cortex-A76")
    record["artifact"]["file_bytes"] = 300_000 if recipe == "int8-dim" else 570_000
    record["estimates"] = [
        {"board": board, "core": core, "query_low_ns": low, "query_high_ns": high, "label": LABEL}
        for board, low, high in boards
    ]
    return record


def study():
    """int8 against fp32 as on real cores: fewer instructions on the A76, more on the A53."""
    return [
        emulated("Cortex-A53", "fp32", 600_000, [("Raspberry Pi 4B", 290_000, 345_000)]),
        emulated("Cortex-A53", "int8-dim", 630_000, [("Raspberry Pi 4B", 305_000, 362_000)]),
        emulated("Cortex-A76", "fp32", 700_000, [("Raspberry Pi 5", 157_000, 219_000)]),
        emulated("Cortex-A76", "int8-dim", 490_000, [("Raspberry Pi 5", 110_000, 153_000)]),
    ]


def placed(records):
    return sections([to_run(Path(str(n)), record) for n, record in enumerate(records)], Budget())


def test_time_and_instructions_are_apart():
    (found,) = compare_devices(placed([make_record(), *study()]))
    assert {mark.basis for mark in found.counts} == {"emulated"}
    assert {mark.basis for mark in found.times} == {"measured", "estimated"}
    assert {mark.device for mark in found.counts} == {"Cortex-A53", "Cortex-A76"}
    bars = [mark for mark in found.times if mark.basis == "estimated"]
    assert (bars[0].device, bars[0].low, bars[0].high) == ("Raspberry Pi 4B", 305_000, 362_000)
    assert found.labels == (LABEL,)


def test_a_measured_board_has_no_estimate_any_more():
    (found,) = compare_devices(placed([make_record(**PI4), *study()]))
    assert {mark.device for mark in found.times} == {"Raspberry Pi 4 Model B Rev 1.5", "Raspberry Pi 5"}


def test_an_invalid_measurement_replaces_nothing():
    (found,) = compare_devices(placed([make_record(**PI4, reasons=("throttled",)), *study()]))
    assert {mark.device for mark in found.times} == {"Raspberry Pi 4B", "Raspberry Pi 5"}


def test_the_verdict_is_per_core_type():
    (found,) = compare_devices(placed(study()))
    (line,) = found.int8
    assert "soft_dim10-int8: 1.9× smaller" in line
    assert "1.05× the instructions on Cortex-A53 (emulated, no int8 dot product)" in line
    assert "0.70× the instructions on Cortex-A76 (emulated, int8 dot product)" in line
    assert line.endswith(
        "memory ±0 B; Recall@10 .1376 (±0), NDCG@10 .0550 (±0), Recall@50 .2751 (±0): "
        "choose it for size, for speed only on Cortex-A76."
    )


@pytest.mark.parametrize(
    ("int8", "says"),
    [
        (900_000, "choose it for size; it is slower."),
        (600_000, "choose it for size."),
        (300_000, "choose it for size and speed."),
    ],
)
def test_what_follows(int8, says):
    records = [emulated("Cortex-A53", "fp32", 600_000), emulated("Cortex-A53", "int8-dim", int8)]
    (found,) = compare_devices(placed(records))
    assert found.int8[0].endswith(says)


def test_one_measured_device_alone_needs_no_lanes():
    assert compare_devices(placed([make_record()])) == ()


def test_the_figure_tells_filled_from_hollow_from_bars():
    (found,) = compare_devices(placed([make_record(), *study()]))
    panel = devices_panel(found, "lanes")
    assert "soft_dim10-int8 on Raspberry Pi 5: 110.0 µs to 153.0 µs, estimated" in panel.description
    assert "soft_dim10-int8 on Cortex-A76: 490.0 k instr, emulated" in panel.description
    assert panel.svg.startswith("<svg")
    assert devices_panel(found, "lanes") == panel  # the same records give the same bytes


@pytest.mark.usefixtures("undrawn")
def test_counted_sections_never_say_time(tmp_path, capsys):
    runs = write_runs(tmp_path / "runs", study())
    assert main(["report", str(runs), "-o", str(tmp_path / "r.html"), "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    for section in out["sections"]:
        assert "p95 490.0 k instr" in section["verdict"] or "k instr" in section["verdict"]
        assert {"p50_instructions", "p95_instructions"} <= section["variants"][0].keys()
        assert "p95_ns" not in section["variants"][0]
    page = (tmp_path / "r.html").read_text()
    assert "What quantising buys, by core" in page
    assert "latency on Cortex" not in page


def sustained(record):
    record["sustained"] = {
        "seconds": 600,
        "window_s": 200,
        "at_s": [200.0, 400.0, 600.0],
        "queries": [10, 10, 10],
        "p50_ns": [31_000, 32_000, 45_000],
        "p95_ns": [40_000, 41_000, 60_000],
        "temp_c": [48.0, 70.0, 81.0],
        "clock_khz": [None, None, None],
        "throttled": ["0x0", "0x0", "0x80008"],
    }
    return record


def test_minutes_of_queries_become_a_plot():
    (section,) = placed([sustained(make_record())])
    (panel,) = over_time(section, "section0")
    assert panel.description == (
        "soft_dim10-int8, 10 minutes without a pause: p50 31.0 µs at first, 45.0 µs at the end; "
        "temperature 48 to 81 °C"
    )
    assert over_time(placed([make_record()])[0], "section0") == ()


@pytest.mark.usefixtures("undrawn")
def test_survival_has_a_table_and_no_place_in_a_plot(tmp_path, capsys):
    runs = write_runs(tmp_path / "runs", [make_record()])
    (runs / "a.json").write_text(json.dumps(make_survival()))
    (runs / "b.json").write_text(json.dumps(make_survival("timed out", "measure", on="armvm:cortex-a53")))
    found, unreadable = read_runs(read_files([runs]))
    assert (len(found), unreadable) == (1, [])
    assert {(row.outcome, row.where) for row in read_survivals(read_files([runs]))[0]} == {
        ("survived", "Intel Xeon (2 cores), cgroup v1"),
        ("timed out in stage measure", "armvm:cortex-a53"),
    }
    assert main(["report", str(runs), "-o", str(tmp_path / "r.html")]) == 0
    assert "Robustness within limits" in (tmp_path / "r.html").read_text()
    assert "timed out in stage measure" in " ".join(capsys.readouterr().out.split())


def test_the_newest_survival_counts(tmp_path):
    for name, created, outcome in (("old", "2026-11-01", "survived"), ("new", "2026-11-02", "crashed")):
        stage = None if outcome == "survived" else "cold"
        record = make_survival(outcome, stage, created=f"{created}T00:00:00Z")
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    ((row,), _) = read_survivals(read_files([tmp_path]))
    assert row.outcome == "crashed in stage cold"


@pytest.mark.usefixtures("undrawn")
def test_a_damaged_survival_is_named_and_skipped(tmp_path, capsys):
    nameless = make_survival()
    del nameless["artifact"]["name"]
    write_runs(tmp_path, [make_record(), make_survival(), nameless, {"schema": "recpress.survival/1"}])
    rows, unreadable = read_survivals(read_files([tmp_path]))
    assert len(rows) == 1
    assert [Path(one.path).name for one in unreadable] == ["run-002.json", "run-003.json"]
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "r.html")]) == 0
    assert "run-002.json: not a whole survival record: KeyError('name')" in " ".join(
        capsys.readouterr().out.split()
    )

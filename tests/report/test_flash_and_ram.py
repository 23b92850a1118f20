"""Limits of a microcontroller: measured by firmware, computed for other C bundles, unknown of the rest."""

import json
from pathlib import Path

import pytest
from published import validator
from records import make_record, write_runs

from device_bench.compare import compare
from device_bench.show import record_lines
from recpress_edge.cli import main
from recpress_edge.device.c import footprint
from recpress_edge.records.check import record_cost
from recpress_edge.report.runs import to_run

FIRMWARE = {
    "compiler": "arm-none-eabi-gcc 12.2.1",
    "flags": ["-mcpu=cortex-m4", "-Os"],
    "flash_bytes": 30_720,
    "code_bytes": 5_120,
    "engine_bytes": 4_096,
    "model_bytes": 25_600,
    "data_bytes": 72,
    "scratch_bytes": 2_112,
    "lists_bytes": 80,
    "stack_bytes": 860,
    "ram_bytes": 3_124,
    "chip_flash_bytes": 2**18,
    "chip_ram_bytes": 2**14,
    "asked": 5_219,
    "scores_equal": True,
    "cross_check": {"clock": 81_920, "plugin": 81_960, "apart": 0.00049},
    "tries": [
        {"level": "-Os", "code_bytes": 5_120, "engine_bytes": 4_096, "instructions": 81_920},
        {"level": "-O3", "code_bytes": 300_000, "engine_bytes": 290_000, "instructions": None},
    ],
}


def c_record(**options):
    """Of a bundle of format c on this machine."""
    record = make_record(**options)
    record["artifact"] |= {"format": "c", "n_items": 2_500}
    return record


def on_a_board(**changes):
    """Of a bundle of format c on an emulated board."""
    record = c_record(basis="emulated", device="mcu-mps2-an386")
    samples = record.pop("latency_ns")
    record["protocol"]["clock"] = "instructions"
    host = {
        "ids_sha256": "0" * 64,
        "ids_equal": True,
        "arch": "x86_64",
        "core": "Any",
        "runtime_version": "2",
    }
    return record | {"instructions": samples, "host": host, "firmware": FIRMWARE | changes}


def test_firmware_is_part_of_a_record():
    validator("bench-1").validate(on_a_board())
    lines = "\n".join(record_lines(on_a_board()))
    assert (
        "flash      30.0 KiB: code 5.0 KiB (the engine's own 4.0 KiB), model 25.0 KiB; of 256.0 KiB" in lines
    )
    assert "ram        3.1 KiB: static 72 B, scratch 2.1 KiB, lists 80 B, stack 860 B as painted" in lines
    assert "-O3 293.0 KiB, too large" in lines
    assert "81,920 instructions by the clock, 81,960 by a plugin (0.05% apart)" in lines
    assert "5,219 users and lists of 50: the reference's ids and scores to the bit" in lines
    assert "but not all scores to the bit" in "\n".join(record_lines(on_a_board(scores_equal=False)))


def test_two_boards_are_compared_by_flash_and_ram(tmp_path):
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, flash in zip(paths, (30_720, 61_440), strict=True):
        path.write_text(json.dumps(on_a_board(flash_bytes=flash)))
    ratios = {one.name: one.ratio for one in compare(*paths).ratios}
    assert (ratios["flash"], ratios["RAM"]) == (2.0, 1.0)


def test_what_no_board_measured_is_computed_and_says_so(tmp_path, capsys):
    runs = write_runs(tmp_path / "runs", [c_record()])
    flash = footprint.CODE_BYTES + 324_915
    assert main(["pick", str(runs), "--max-flash", "512KiB", "--max-ram", "16KiB", "--json"]) == 0
    flash_check, ram_check = json.loads(capsys.readouterr().out)["sections"][0]["margins"]
    assert (flash_check["found"], flash_check["basis"]) == (flash, "estimated")
    assert 4_000 < ram_check["found"] < 8_000
    assert main(["pick", str(runs), "--max-flash", "256KiB"]) == 3
    assert "flash 327.3 KiB (estimated) > 256.0 KiB" in " ".join(capsys.readouterr().out.split())


def test_what_a_board_measured_is_taken_as_it_is():
    cost = to_run(Path("a.json"), on_a_board()).cost
    assert (cost.flash_bytes, cost.ram_bytes, cost.estimated) == (30_720, 3_124, frozenset())
    assert record_cost(on_a_board()).flash_bytes == 30_720
    assert record_cost(c_record()).flash_bytes is None


def test_other_formats_are_no_microcontroller_s(tmp_path, capsys):
    runs = write_runs(tmp_path / "runs", [make_record()])
    assert main(["pick", str(runs), "--max-flash", "512KiB"]) == 3
    assert "flash not known" in capsys.readouterr().out


@pytest.mark.parametrize(("limit", "code"), [("32KiB", 0), ("16KiB", 3)])
def test_a_budget_holds_flash_and_ram(tmp_path, limit, code):
    write_runs(tmp_path / "runs", [on_a_board()])
    budget = tmp_path / "budgets.toml"
    budget.write_text(f'[budget.m4]\nbasis = "emulated"\nmax_flash = "{limit}"\nmax_ram = "6KiB"\n')
    assert main(["check", str(tmp_path / "runs"), "--budget", str(budget)]) == code

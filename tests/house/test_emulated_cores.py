"""benchmarks/emulated_cores.py: which records make a row, and what the int8 verdicts follow from."""

import json
import sys
from pathlib import Path

import pytest
from bundles import make_bundle
from records import as_counted, make_record, write_runs

from recpress_edge.artifacts.bundle import open_bundle

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import emulated_cores


def counted(bundle, core, query, created="2026-11-20T10:00:00Z"):
    record = as_counted(make_record(created=created, device=f"armvm-{core.lower()}"))
    record["artifact"]["bundle_sha256"] = bundle.digest
    record["device"]["core"] = core
    record["instructions"]["query"] = [query] * 100
    record["quality"]["ids_sha256"] = "e" * 64
    return record


@pytest.fixture
def study(tmp_path):
    """fp32 and int8 of one student, counted on both cores; no host record."""
    bundles = [
        open_bundle(make_bundle(tmp_path / recipe, recipe=recipe).folder) for recipe in ("fp32", "int8-dim")
    ]
    runs = tmp_path / "runs"
    for core, per_recipe in (("Cortex-A53", (500, 600)), ("Cortex-A76", (400, 200))):
        made = [counted(b, core, n) for b, n in zip(bundles, per_recipe, strict=True)]
        old = counted(bundles[0], core, 9, created="2026-11-19T10:00:00Z")
        write_runs(runs / f"armvm-{core.lower()}", [*made, old])
    return bundles, runs


def rows_of(study):
    bundles, runs = study
    args = type("Args", (), {"runs": runs, "collect": True})
    return [emulated_cores.row_of(bundle, args) for bundle in bundles]


def test_the_newest_record_counts_and_what_is_missing_is_said(study):
    fp32, _ = rows_of(study)
    assert fp32["missing"] == ["host"]
    assert fp32["on"]["armvm:cortex-a53"]["instructions"]["query"]["p50"] == 500
    assert fp32["ids_equal"]
    assert emulated_cores.line(fp32)[-1] == "equal (2)"


def test_other_ids_on_one_core_are_seen(study):
    bundles, runs = study
    record = counted(bundles[0], "Cortex-A76", 400, created="2026-11-21T10:00:00Z")
    record["quality"]["ids_sha256"] = "f" * 64
    write_runs(runs / "armvm-cortex-a76" / "later", [record])
    assert not rows_of(study)[0]["ids_equal"]


def test_floats_that_round_differently_are_told_in_figures(study):
    """From the parity record of this bundle with these very ids, and from no other."""
    bundles, runs = study
    changed = counted(bundles[0], "Cortex-A76", 400, created="2026-11-21T10:00:00Z")
    changed["quality"]["ids_sha256"] = "f" * 64
    write_runs(runs / "armvm-cortex-a76" / "later", [changed])
    assert emulated_cores.sameness(rows_of(study)[0]) == "differ"
    found = {"users": 1200, "users_equal": 1197, "largest_gap": 2.4e-7}
    for name, ids, figures in (("old", "0", found | {"users_equal": 1}), ("new", "f", found)):
        record = {
            "on": "armuser:pi5",
            "artifact": {"bundle_sha256": bundles[0].digest},
            "quality": {"ids_sha256": ids * 64},
            "host": {"ids_sha256": "e" * 64, "differences": figures},
        }
        (runs / "armuser-pi5").mkdir(exist_ok=True)
        (runs / "armuser-pi5" / f"{name}.json").write_text(json.dumps(record))
    row = rows_of(study)[0]
    assert row["apart"] == {"on": "armuser:pi5", **found}
    assert emulated_cores.line(row)[-1].startswith(
        "equal for 1,197 of 1,200 users, the others swap scores within 2e-07"
    )
    assert rows_of(study)[1]["apart"] is None


def test_a_verdict_per_core(study):
    rows = rows_of(study)
    for row, student in zip(rows, ("soft", "soft"), strict=True):
        row["student"] = student
    found = {v["core"]: v for v in emulated_cores.int8_verdicts(rows)}
    assert found["Cortex-A53"]["instructions"] == 1.2
    assert found["Cortex-A53"]["sentence"].endswith("choose it for size, not speed")
    assert found["Cortex-A76"]["instructions"] == 0.5
    assert found["Cortex-A76"]["sentence"].endswith("choose it for size and speed")
    assert emulated_cores.verdict(1.0) == "choose it for size"

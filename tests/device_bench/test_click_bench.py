"""device_bench of click bundles: what is measured, what the record says, and what is refused."""

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from made_click_bundles import click_bundle, of_many_items, source_of

from device_bench.__main__ import main
from device_bench.clicks.requests import drawn_requests
from device_bench.compare import compare, comparison_lines
from device_bench.record import measure_bundle
from device_bench.settings import Protocol
from device_bench.show import record_lines
from recpress_edge.artifacts.clicks.bundle import open_click_bundle
from recpress_edge.artifacts.clicks.metrics import CLICK_METRICS, click_metrics
from recpress_edge.artifacts.manifest import CLICK_SCHEMA, write_facts
from recpress_edge.cli import main as recpress
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.progress import silent
from recpress_edge.device.clicks.runtimes import numpy_clicks
from recpress_edge.records.bench import check_record, write_record
from recpress_export.clicks.build import build_clicks

ROOT = Path(__file__).parents[2]
QUICK = {"processes": 1, "seconds": 0.0, "queries": 20, "pause_ns": 0, "k": 10}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "b"
    return build_clicks(of_many_items(source_of()), folder, "int8", force=True).bundle


@pytest.fixture(scope="module")
def record(bundle):
    protocol = Protocol(**QUICK | {"pause_ns": 1_000_000})
    return measure_bundle(bundle.folder, protocol, silent, "device_bench run b")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Of a TFLite bundle of few items and without test rows, by numpy."""
    made = build_clicks(
        source_of(), tmp_path_factory.mktemp("small") / "b", "fp32", force=True, file_format="tflite"
    )
    return measure_bundle(made.bundle.folder, Protocol(runtime="reference", **QUICK), silent, "command")


def validated(record):
    schema = json.loads((ROOT / "schemas/bench-1.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(record)
    check_record(record, "record")


def test_a_record_states_times_of_candidates_and_of_the_catalogue(record, bundle):
    validated(record)
    assert set(record["latency_ns"]) >= {"query", "end_to_end", "catalogue", "paced", "load", "import"}
    assert len(record["latency_ns"]["catalogue"]) >= 20
    assert record["protocol"]["candidates"] == 200
    assert record["software"]["runtime"] == "onnxruntime"
    artifact = record["artifact"]
    assert (artifact["profile"], artifact["n_users"], artifact["n_items"]) == ("clicks", 0, 700)
    assert artifact["file_bytes"] == bundle.model_bytes
    assert np.median(record["latency_ns"]["catalogue"]) > np.median(record["latency_ns"]["query"])


def test_quality_is_of_the_file_on_its_test_rows(record, bundle):
    rows, stored = bundle.evaluation(), numpy_clicks(bundle.model_path, bundle.contract)
    wanted = click_metrics(rows.users, rows.labels, stored.logits(rows.rows, rows.items))
    quality = record["quality"]
    assert (quality["rows"], quality["users"], quality["split"]) == (400, 9, "test")
    for name in CLICK_METRICS:
        assert quality[name] == pytest.approx(wanted[name], abs=1e-5), name


def test_lines_for_people_name_both_and_the_metrics(record):
    text = "\n".join(record_lines(record))
    for part in ("clicks × 700 items", "200 candidates", "700 candidates", "values in, ids out", "AUC 0."):
        assert part in text
    assert "Recall" not in text


def test_numpy_answers_a_tflite_bundle_and_no_rows_are_no_metrics(reference):
    validated(reference)
    assert reference["software"]["runtime"] == "numpy-reference"
    assert reference["artifact"]["format"] == "tflite"
    assert reference["quality"]["users"] == 0
    assert "auc" not in reference["quality"]
    assert "catalogue" not in reference["latency_ns"]  # no more items than candidates
    assert "not measured: the bundle carries no evaluation rows" in "\n".join(record_lines(reference))


def test_a_schema_does_not_take_recall_and_auc_together(record):
    mixed = record | {"quality": record["quality"] | {"recall@10": 0.5}}
    with pytest.raises(jsonschema.ValidationError):
        validated(mixed)


def test_two_records_are_compared_by_auc(record, tmp_path):
    valid = record | {"valid": True, "invalid_reasons": []}
    valid["validity"] = {name: one | {"trusted": [50]} for name, one in record["validity"].items()}
    paths = [write_record(tmp_path / f"{name}.json", valid) for name in "ab"]
    lines = "\n".join(comparison_lines(compare(*paths)))
    assert "whole catalogue p50" in lines
    assert "AUC" in lines
    assert "(+0.0000)" in lines


def test_a_budget_holds_the_auc(record, tmp_path, capsys):
    valid = record | {"valid": True, "invalid_reasons": []}
    path, budgets = write_record(tmp_path / "run.json", valid), tmp_path / "budgets.toml"
    for least, code, said in ((0.5, 0, "ok"), (0.99, 3, "MISSED")):
        budgets.write_text(f"[budget.clicks]\nmin_auc = {least}\n")
        assert main(["check", str(path), "--budget", str(budgets)]) == code
        assert f"{said:<7}  AUC 0." in capsys.readouterr().out


def test_the_report_has_click_models_in_a_section_of_their_own(record, reference, tmp_path, capsys):
    smaller = record | {"artifact": record["artifact"] | {"name": "other", "bundle_sha256": "0" * 64}}
    smaller["artifact"]["file_bytes"] += 1
    for number, one in enumerate((record, smaller, reference)):
        write_record(tmp_path / "runs" / f"{number}.json", one)
    page = tmp_path / "r.html"
    assert recpress(["report", str(tmp_path / "runs"), "-o", str(page), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["sections"] == []
    by_rows = {len(section["variants"]): section["variants"] for section in facts["clicks"]}
    first, second = by_rows[2]
    assert (first["front"], second["front"]) == (True, False)
    assert "is no larger and no worse" in second["status"]
    assert by_rows[1][0]["auc"] is None
    text = page.read_text()
    assert "Click models on drawn: 400 test rows, 200 candidates" in text
    assert text.count('"recpress.bench/1"') == 3  # the records travel in the page


def test_self_test_verifies_a_click_bundle(bundle, capsys):
    assert main(["self-test", str(bundle.folder), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["bundles"]
    assert found["answers"] == len(bundle.selftest())


def test_a_bundle_with_other_answers_is_not_measured(bundle, tmp_path):
    copy = shutil.copytree(bundle.folder, tmp_path / "copy")
    other = click_bundle(tmp_path / "other", "int8", seed=5).bundle
    shutil.copy(other.model_path, copy / "model.onnx")
    manifest = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").unlink()
    write_facts(copy, CLICK_SCHEMA, {n: manifest[n] for n in ("name", "contract", "provenance", "quality")})
    with pytest.raises(ArtifactError):
        measure_bundle(copy, Protocol(**QUICK), silent, "command")


@pytest.mark.parametrize("on", ["armvm", "armuser:pi4", "mcu:microbit"])
def test_lanes_without_click_bundles_say_where_they_are_measured(bundle, on, capsys):
    assert main(["run", str(bundle.folder), "--on", on, "--dry-run"]) == 2
    assert "is measured on this machine or on a board" in capsys.readouterr().err


def test_a_delegate_is_refused(bundle):
    with pytest.raises(ConfigError, match="--delegate xnnpack is for bundles of tables"):
        measure_bundle(bundle.folder, Protocol(delegate="xnnpack", **QUICK), silent, "command")


def test_requests_are_drawn_from_the_contract_and_repeat(bundle):
    contract = open_click_bundle(bundle.folder).contract
    first, again = drawn_requests(contract, 5, 1), drawn_requests(contract, 5, 1)
    assert [one.values for one in first] == [one.values for one in again]
    assert [one.values for one in first] != [one.values for one in drawn_requests(contract, 5, 2)]
    row, candidates, k = first[0].feed(contract, 500)
    assert (row.size, candidates.size, k) == (contract.width, 200, 200)
    assert (np.diff(candidates) > 0).all()
    assert (row[:2] >= 2).all()  # values that the fields know

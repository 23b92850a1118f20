"""device_bench of two-stage bundles: each stage and both, what the record says, and what is refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from made_two_stages import FOUND, N_ITEMS, N_USERS, second_of, source_of

from device_bench.__main__ import main
from device_bench.compare import compare, comparison_lines
from device_bench.lanes.checks import check_returned
from device_bench.lanes.parcel import pack
from device_bench.process import measurement_of, run_worker
from device_bench.record import measure_bundle
from device_bench.settings import Protocol
from device_bench.show import record_lines
from device_bench.two_stages.measure import check_apart, job_of
from device_bench.two_stages.requests import drawn_staged
from recpress_edge.artifacts.manifest import STAGES_SCHEMA, write_facts
from recpress_edge.artifacts.two_stages.bundle import open_two_stage_bundle
from recpress_edge.artifacts.two_stages.evaluation import StageEvaluation
from recpress_edge.cli import main as recpress
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.progress import silent
from recpress_edge.records.bench import check_record, write_record
from recpress_export.two_stages.build import build_two_stages

ROOT = Path(__file__).parents[2]
QUICK = {"processes": 1, "seconds": 0.0, "queries": 20, "pause_ns": 0, "k": 10}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    source = dataclasses.replace(source_of(), with_evaluation=True)
    return build_two_stages(source, tmp_path_factory.mktemp("bench") / "b", force=False).bundle


@pytest.fixture(scope="module")
def record(bundle):
    protocol = Protocol(**QUICK | {"pause_ns": 1_000_000})
    return measure_bundle(bundle.folder, protocol, silent, "device_bench run b")


@pytest.fixture(scope="module")
def tflite(tmp_path_factory):
    source = dataclasses.replace(source_of(), format="tflite", with_evaluation=True)
    made = build_two_stages(source, tmp_path_factory.mktemp("tflite") / "b", force=False)
    return measure_bundle(made.bundle.folder, Protocol(**QUICK), silent, "command")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Of a bundle without test rows, published below its gate, by numpy."""
    source = source_of(second_of(0.0))
    made = build_two_stages(source, tmp_path_factory.mktemp("small") / "b", force=True)
    return measure_bundle(made.bundle.folder, Protocol(runtime="reference", **QUICK), silent, "command")


def validated(record):
    schema = json.loads((ROOT / "schemas/bench-1.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(record)
    check_record(record, "record")


def trusted(record):
    """The record as on a quiet machine."""
    judged = {name: one | {"valid": True, "trusted": [50, 95]} for name, one in record["validity"].items()}
    return record | {"valid": True, "invalid_reasons": [], "validity": judged}


def test_a_record_states_times_of_each_stage_and_of_both(record, bundle):
    validated(record)
    assert set(record["latency_ns"]) >= {"query", "retrieve", "rerank", "end_to_end", "paced", "load"}
    assert len(record["latency_ns"]["rerank"]) >= 20
    assert record["protocol"]["candidates"] == FOUND
    artifact = record["artifact"]
    assert (artifact["profile"], artifact["n_users"], artifact["n_items"]) == ("two-stages", N_USERS, N_ITEMS)
    assert artifact["file_bytes"] == bundle.model_bytes
    assert record["selftest"] == {"queries": len(bundle.selftest()), "exact": True}


def test_quality_is_of_both_stages_and_of_the_first_alone(record, bundle):
    gain, quality = bundle.quality["stages"]["gain"]["test"], record["quality"]
    assert (quality["users"], quality["split"], quality["cutoff"]) == (120, "test", 10)
    for name in ("ndcg@10", "recall@10"):
        assert quality[name] == pytest.approx(gain[name]["both"]), name
        assert quality["first_stage"][name] == pytest.approx(gain[name]["first"]), name
    assert quality["first_stage"]["found"] == pytest.approx(gain["found"])
    assert quality["ndcg@10"] > quality["first_stage"]["ndcg@10"]


def test_lines_for_people_name_the_stages(record):
    text = "\n".join(record_lines(record))
    for part in ("40 users × 60 items × 6", "both stages, top 10", "first, 20 items", "second, top 10"):
        assert part in text
    assert "first stage alone: Recall@10 " in text
    assert "of what was taken)" in text


def test_a_tflite_file_has_the_same_lists_and_series(record, tflite):
    validated(tflite)
    assert tflite["software"]["runtime"] == "ai-edge-litert"
    assert tflite["latency_ns"].keys() == record["latency_ns"].keys() - {"paced"}
    assert tflite["quality"] == record["quality"]


def test_numpy_answers_and_no_rows_are_no_metrics(reference):
    validated(reference)
    assert reference["software"]["runtime"] == "numpy-reference"
    assert reference["quality"]["users"] == 0
    assert "first_stage" not in reference["quality"]
    assert any("below its gate, overruled" in warning for warning in reference["warnings"])
    assert "not measured: the bundle carries no evaluation rows" in "\n".join(record_lines(reference))


def test_stages_apart_are_those_of_the_file(bundle):
    job = job_of(dataclasses.asdict(measurement_of(bundle.folder, bundle, Protocol(**QUICK))))
    feeds = job.feeds(30)
    check_apart(job.open(), job.apart(), feeds)

    class Otherwise:
        def rank(self, asked):
            items, scores = job.open().rank(asked)
            return items[::-1], scores

    with pytest.raises(ArtifactError, match="the stages apart rank"):
        check_apart(Otherwise(), job.apart(), feeds)


def test_an_emulated_machine_gets_every_list(bundle):
    job = measurement_of(bundle.folder, bundle, Protocol(**QUICK))
    found = run_worker("rank", job, 60.0)
    assert len(found["items"]) == len(found["scores"]) == 120
    assert {len(items) for items in found["items"]} == {FOUND}
    assert found["quality"]["ids_sha256"]


def test_two_records_are_compared_stage_by_stage(record, tmp_path):
    paths = [write_record(tmp_path / f"{name}.json", trusted(record)) for name in "ab"]
    lines = "\n".join(comparison_lines(compare(*paths)))
    for part in ("first stage alone p50", "second stage alone p50", "NDCG@10"):
        assert part in lines


def test_the_report_tells_what_the_second_stage_adds_and_pick_picks(record, reference, tmp_path, capsys):
    for number, one in enumerate((trusted(record), trusted(reference))):
        write_record(tmp_path / "runs" / f"{number}.json", one)
    page = tmp_path / "r.html"
    assert recpress(["report", str(tmp_path / "runs"), "-o", str(page), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    by_winner = {section["winner"]: section for section in facts["sections"]}
    judged = by_winner["rerank_dim4-int8"]
    assert judged["profile"] == "two-stages"
    assert judged["next"] == ""  # its first stage is the baseline
    (line,) = (note for note in judged["notes"] if "first stage alone" in note)
    assert line.startswith("rerank_dim4-int8: its first stage alone, soft_dim6, has Recall@10 ")
    assert "with the second" in line
    assert "It takes" in line
    assert "was not judged" in by_winner[None]["notes"][-1]
    assert "first stage alone" in page.read_text()
    assert recpress(["pick", str(tmp_path / "runs" / "0.json"), "--max-bytes", "1MiB"]) == 0
    assert "rerank_dim4-int8" in capsys.readouterr().out


def test_a_budget_holds_the_recall_of_both(record, tmp_path, capsys):
    known = trusted(record) | {"quality": record["quality"] | {"recall@10": 0.5}}
    path, budgets = write_record(tmp_path / "run.json", known), tmp_path / "budgets.toml"
    for least, code in ((0.4, 0), (0.6, 3)):
        budgets.write_text(f"[budget.two]\nmin_recall_at_10 = {least}\n")
        assert main(["check", str(path), "--budget", str(budgets)]) == code
        assert "Recall@10" in capsys.readouterr().out


def test_self_test_verifies_a_bundle(bundle, capsys):
    assert main(["self-test", str(bundle.folder), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["bundles"]
    assert found["answers"] == len(bundle.selftest())


def test_a_board_gets_all_of_the_bundle(bundle):
    payload = pack(bundle)
    for name in (b"bundle/evaluation.npz", b"device_bench/two_stages/measure.py", b"bundle/users.txt"):
        assert name in payload


def test_a_board_s_record_is_taken_when_it_is_of_this_bundle(record, bundle):
    protocol = Protocol(**QUICK | {"pause_ns": 1_000_000})
    assert check_returned(json.loads(json.dumps(record)), bundle, protocol, "board") == record
    wrong = record | {"quality": record["quality"] | {"first_stage": {"found": 2}}}
    with pytest.raises(ArtifactError, match="first_stage"):
        check_returned(wrong, bundle, protocol, "board")
    with pytest.raises(ArtifactError, match="did not measure as asked"):
        check_returned(record, bundle, Protocol(**QUICK | {"pause_ns": 1_000_000, "k": 5}), "board")


@pytest.mark.parametrize("on", ["armuser:pi4", "mcu:microbit"])
def test_lanes_without_two_stages_say_where_they_are_measured(bundle, on, capsys):
    assert main(["run", str(bundle.folder), "--on", on, "--dry-run"]) == 2
    assert "is measured on this machine or on a board" in capsys.readouterr().err


def test_an_emulated_machine_is_planned(bundle, capsys):
    assert main(["run", str(bundle.folder), "--on", "armvm", "--dry-run"]) == 0
    assert "cortex-a53 and cortex-a76" in capsys.readouterr().out


def test_a_delegate_is_refused(bundle):
    with pytest.raises(ConfigError, match="is one of two stages"):
        measure_bundle(bundle.folder, Protocol(delegate="xnnpack", **QUICK), silent, "command")


def test_requests_are_drawn_from_the_contract_and_repeat(bundle):
    contract = open_two_stage_bundle(bundle.folder).contract
    first, again = drawn_staged(contract, 40, 1), drawn_staged(contract, 40, 1)
    assert [one.values for one in first] == [one.values for one in again]
    assert [one.seen for one in first] != [one.seen for one in drawn_staged(contract, 40, 2)]
    asked = first[0].feed(contract, 500)
    assert asked.k == asked.retrieve <= FOUND
    assert (asked.row[:3] >= 2).all()  # values that the fields know
    assert len({len(one.seen) for one in first}) > 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.rows[:-1], "row numbers do not fit"),
        (lambda rows: rows.rows + 99, "outside its field's table"),
    ],
)
def test_rows_that_do_not_fit_the_contract_are_refused(bundle, tmp_path, change, message):
    copy, rows = shutil.copytree(bundle.folder, tmp_path / "copy"), bundle.evaluation()
    (copy / "evaluation.npz").write_bytes(StageEvaluation(rows.asked, change(rows)).to_bytes())
    manifest = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").unlink()
    write_facts(copy, STAGES_SCHEMA, {n: manifest[n] for n in ("name", "contract", "provenance", "quality")})
    with pytest.raises(ArtifactError, match=message):
        open_two_stage_bundle(copy).evaluation()
    assert main(["self-test", str(copy)]) != 0


def test_evaluation_rows_come_back_as_they_were(bundle):
    rows, held = bundle.evaluation(), source_of().held_out["test"]
    np.testing.assert_array_equal(rows.rows, held.rows)
    assert [rows.asked.relevant(at).tolist() for at in range(5)] == [
        [item] for item in held.taken[:5].tolist()
    ]
    np.testing.assert_array_equal(rows.asked.seen(3), held.hidden[1][15:20])

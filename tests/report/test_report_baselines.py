"""Choosing by the whole list and its head, and no praise for what a baseline of its bytes beats."""

import json
from pathlib import Path

import pytest
from records import judged_at, make_record, write_runs

from recpress_edge.cli import main
from recpress_edge.distill.methods import METHODS
from recpress_edge.records.baseline_methods import BASELINES
from recpress_edge.records.budget import Budget
from recpress_edge.report.baselines import baseline_command
from recpress_edge.report.front import sections
from recpress_edge.report.runs import to_run
from recpress_edge.report.verdict import verdict


def test_baselines_are_what_is_small_and_computed_at_once():
    at_once = {name for name, row in METHODS.items() if row.closed_form and "student" in row.roles}
    assert set(BASELINES) == at_once


def judged(*records, by="balanced", budget=None):
    """The only section, and what is said of it."""
    runs = [to_run(Path(f"{n}.json"), record) for n, record in enumerate(records)]
    (section,) = sections(runs, budget or Budget(), by)
    return section, verdict(section, budget or Budget())


def student(**facts):
    return make_record("soft_dim20", **{"recall": 0.4253, "ndcg_at_10": 0.218, **facts})


def baseline(**facts):
    return make_record("svd_dim20", **{"recall": 0.4323, "ndcg_at_10": 0.271, **facts})


def test_the_baseline_that_beats_a_student_of_its_bytes_is_shipped_and_called_one():
    """The figures of ML-1M at dim 20, in files 200 bytes apart."""
    _, found = judged(student(file_bytes=220_000), baseline(file_bytes=220_200))
    assert found.winner.point.label == "svd_dim20-int8"
    assert found.rival.verdict == "ahead"
    assert found.sentence.startswith(
        "Ship the baseline svd_dim20-int8: Recall@10 .2162, NDCG@10 .2710, Recall@50 .4323. "
        "No student of its bytes is worth more. It is ahead of soft_dim20-int8, the best student of no more "
        "bytes, in Recall@10 (.2162 to .2127), NDCG@10 (.2710 to .2180) and Recall@50 (.4323 to .4253)"
    )


@pytest.mark.parametrize("recall", [0.30, 0.4253, 0.4322])
@pytest.mark.parametrize("head", [0.10, 0.218, 0.2709])
@pytest.mark.parametrize("size", [0.991, 1.0, 1.0099])
def test_no_student_that_loses_to_a_baseline_of_its_bytes_is_chosen(recall, head, size):
    """However little it loses: also within the 2 % by which a smaller file wins."""
    _, found = judged(
        student(recall=recall, ndcg_at_10=head, file_bytes=round(size * 10**6)), baseline(file_bytes=10**6)
    )
    assert found.winner.point.label == "svd_dim20-int8"


def test_a_student_that_is_better_in_one_metric_only_is_not_said_to_be_ahead():
    _, found = judged(student(recall=0.55, ndcg_at_10=0.24), baseline())
    assert found.winner.point.label == "soft_dim20-int8"
    assert found.rival.verdict == "mixed"
    assert (
        "It is behind svd_dim20-int8, the best baseline of no more bytes, in NDCG@10 (.2400 to .2710) and "
        "ahead of it in Recall@10 (.2750 to .2162) and Recall@50 (.5500 to .4323)"
    ) in found.sentence


def test_what_the_seeds_do_not_tell_apart_is_level():
    """Recall@50 of .430 to .436 and .426 to .434 overlap; NDCG@10 of .280 and .271 do not."""
    ours = [student(seed=s, recall=r, ndcg_at_10=0.28) for s, r in enumerate((0.430, 0.436))]
    theirs = [baseline(seed=s, recall=r) for s, r in enumerate((0.426, 0.434))]
    _, found = judged(*ours, *theirs)
    assert found.rival.verdict == "ahead"
    assert "ahead of svd_dim20-int8, the best baseline of no more bytes, in NDCG@10" in found.sentence
    assert "and level with it in Recall@10" in found.sentence
    assert "(by the seeds' spread)" in found.sentence


@pytest.mark.usefixtures("undrawn")
def test_where_no_baseline_has_its_bytes_nothing_is_claimed_and_a_command_makes_one(tmp_path, capsys):
    small = make_record("svd_dim8", recall=0.30, file_bytes=100_000)
    for others in ((), (small,), (baseline(file_bytes=400_000),)):
        _, found = judged(student(recall=0.55), *others)
        assert "No baseline of its bytes is among these records" in found.sentence
        assert found.next_command == "recpress-edge export --student svd_dim20 --int8 --data citeulike"
    assert not judged(student(), baseline())[1].next_command
    runs = write_runs(tmp_path / "runs", [student()])
    for command in (
        ["pick", str(runs), "--max-bytes", "1MB"],
        ["report", str(runs), "-o", str(tmp_path / "r.html")],
    ):
        assert main(command) == 0
        assert (
            "baseline   recpress-edge export --student svd_dim20 --int8 --data citeulike\n"
            in capsys.readouterr().out
        )
    assert "<pre>recpress-edge export --student svd_dim20" in (tmp_path / "r.html").read_text()


def test_a_baseline_that_breaks_a_limit_is_no_choice():
    budget = Budget(max_p95_ns=70_000)
    _, found = judged(student(p95_ns=60_000), baseline(p95_ns=90_000), budget=budget)
    assert found.winner.point.label == "soft_dim20-int8"
    assert found.rival is None


@pytest.mark.parametrize(
    ("change", "command"),
    [
        ({"recipe": "fp32"}, "--student svd_dim20 --data citeulike"),
        ({"recipe": "int4-item"}, "--student svd_dim20 --recipe int4-item --data citeulike"),
        ({"profile": "history"}, "--student svd_dim20 --int8 --profile history --data citeulike"),
        ({"dataset": "synthetic"}, "--student svd_dim20 --int8"),
    ],
)
def test_the_command_makes_the_same_kind_of_file(change, command):
    section, _ = judged(student(**change))
    assert baseline_command(section.placed[0].point) == f"recpress-edge export {command}"


def test_a_network_is_held_against_tables_of_its_bytes():
    """(5,219 + 25,181) rows of 32 bytes and 4 for each user are 993,676; another byte a row is too much."""
    record = make_record("neumf_dim16", recipe="int8-dynamic", file_bytes=1_000_000)
    record["artifact"]["provenance"]["network"] = {"kind": "neumf"}
    section, _ = judged(record)
    assert "--student svd_dim32 --int8" in baseline_command(section.placed[0].point)


def test_what_is_chosen_by_changes_the_winner():
    whole = make_record("soft_dim10", recall=0.30, ndcg_at_10=0.05)
    head = make_record("bpr_dim10", recall=0.25, ndcg_at_10=0.09, teacher=None)
    winners = {
        by: judged(whole, head, by=by)[1].winner.point.label.partition("_")[0]
        for by in ("balanced", "recall", "recall@50", "ndcg@10", "recall@10")
    }
    assert winners == {
        "balanced": "bpr",  # √(.25 · .09) = .150, √(.30 · .05) = .122
        "recall": "soft",
        "recall@50": "soft",
        "ndcg@10": "bpr",
        "recall@10": "soft",
    }


@pytest.mark.usefixtures("undrawn")
def test_report_and_pick_choose_by_what_they_are_told(tmp_path, capsys):
    runs = write_runs(
        tmp_path / "runs",
        [make_record("soft_dim10", ndcg_at_10=0.02), make_record("bpr_dim10", recall=0.27, ndcg_at_10=0.09)],
    )
    pick = ["pick", str(runs), "--max-bytes", "1MB"]
    report = ["report", str(runs), "-o", str(tmp_path / "r.html"), "--choose-by", "recall"]
    for command, winner, rule in (
        (pick, "bpr", "(--choose-by balanced)"),
        ([*pick, "--choose-by", "recall"], "soft", "Worth is Recall@K (--choose-by)"),
        (report, "soft", "Worth is Recall@K (--choose-by)"),
    ):
        assert main([*command, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["sections"][0]["winner"] == f"{winner}_dim10-int8"
        assert rule in answer["rule"]
    assert "--choose-by recall" in (tmp_path / "r.html").read_text()
    with pytest.raises(SystemExit) as ended:
        main(["pick", str(runs), "--max-bytes", "1MB", "--choose-by", "hits"])
    assert ended.value.code == 2


def test_a_variant_worse_at_the_head_alone_is_not_called_dominated():
    section, _ = judged(
        make_record("soft_dim10", recall=0.28, ndcg_at_10=0.05),
        make_record("svd_dim10", recall=0.27, ndcg_at_10=0.06),
    )
    assert {row.status for row in section.placed} == {"on the front"}


def test_baselines_of_a_small_catalogue_are_compared_by_its_own_k():
    ours = judged_at(student(), 5, 0.4, n_items=40)
    theirs = judged_at(baseline(), 5, 0.3, n_items=40)
    section, found = judged(ours, theirs)
    assert section.shown == ("recall@5", "ndcg@5")
    assert "in Recall@5 (.4000 to .3000) and NDCG@5 (.2000 to .1500)" in found.sentence

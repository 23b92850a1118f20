"""From files to rows, sections, fronts, chains and the sentence."""

import copy
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from records import make_record, study, unmeasured, write_runs

from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.stats import percentile_interval
from recpress_edge.core.units import format_change, format_recall
from recpress_edge.records.budget import Budget
from recpress_edge.report.chain import chains
from recpress_edge.report.claims import quantised_lines
from recpress_edge.report.files import read_files
from recpress_edge.report.front import sections
from recpress_edge.report.runs import read_runs, to_run
from recpress_edge.report.verdict import choose, nearest_misses, verdict

NO_LIMIT = Budget()


def one_section(records, budget=NO_LIMIT):
    (section,) = sections([to_run(Path(f"{n}.json"), r) for n, r in enumerate(records)], budget)
    return section


def status_of(section):
    return {placed.point.label: placed.status for placed in section.placed}


def test_figures_of_a_run_are_those_of_its_record():
    run = to_run(Path("r.json"), make_record(p95_ns=61_000, model_bytes=2_400_000, recall=0.2751))
    assert (run.metrics["recall@50"], run.p95_ns.mean, run.model_bytes, run.cost.file_bytes) == (
        0.2751,
        61_000,
        2_400_000,
        324_915,
    )
    assert run.cost.peak_bytes == 63_400_000  # 61.0 MB idle and the model's 2.4 MB
    assert run.p95_ns.low <= 0.97 * 61_000
    assert run.p95_ns.high >= 1.03 * 61_000


def test_percentile_interval_by_hand():
    """Of 0 … 999 the ranks 500 ± 1.96 · √250 = 469.01 and 530.99: to be safe the 469th and the 532nd."""
    assert percentile_interval(np.arange(1000.0), 50) == (468, 531)


def test_percentile_interval_covers_the_true_value_about_95_times_in_100():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        low, high = percentile_interval(rng.random(1000), 95)
        covered += low <= 0.95 <= high
    assert 370 <= covered <= 395


def test_nothing_is_dropped_in_silence(tmp_path):
    runs = write_runs(tmp_path / "runs", [make_record()])
    (runs / "deep").mkdir()
    (runs / "deep" / "foreign.json").write_text('{"schema": "other/1"}')
    (runs / "broken.json").write_text("{")
    (runs / "list.json").write_text("[1]")
    partial = make_record()
    del partial["artifact"]["provenance"]["student"]
    absurd = make_record()
    absurd["quality"]["recall@50"] = 27.5
    unknown = make_record()
    unknown["memory_bytes"]["model"]["vm_hwm"] = None
    for name, record in (("partial", partial), ("absurd", absurd), ("unknown", unknown)):
        (runs / f"{name}.json").write_text(json.dumps(record))
    found, unreadable = read_runs(read_files([runs, runs / "run-000.json"]))  # named twice, read once
    reasons = {Path(u.path).name: u.reason for u in unreadable}
    assert len(found) == 1
    assert set(reasons) == {
        "foreign.json", "broken.json", "list.json", "partial.json", "absurd.json", "unknown.json",
    }  # fmt: skip
    assert "other/1" in reasons["foreign.json"]
    assert "'student'" in reasons["partial.json"]
    assert "27.5" in reasons["absurd.json"]
    assert "memory_bytes.model.vm_hwm is None" in reasons["unknown.json"]


def test_nothing_readable_names_the_command_that_makes_runs(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"1 JSON files.*recpress-edge bench BUNDLE"):
        read_runs(read_files([tmp_path]))
    with pytest.raises(ConfigError, match="no such file or folder"):
        read_runs(read_files([tmp_path / "missing"]))


def test_newest_run_counts_and_older_ones_are_superseded():
    old = make_record(recall=0.20, created="2026-11-01T00:00:00Z")
    new = make_record(recall=0.25, created="2026-11-02T00:00:00Z")
    section = one_section([new, old])
    assert [p.point.value("recall@50").mean for p in section.placed] == [0.25]
    assert section.superseded == 1
    assert section.left[0].status == "superseded by a newer run of this bundle"


def test_an_invalid_run_keeps_its_reason_and_does_not_replace_a_valid_one():
    good = make_record(recall=0.25, created="2026-11-01T00:00:00Z")
    bad = make_record(recall=0.29, created="2026-11-02T00:00:00Z", reasons=("throttled 0x50005", "load 3.1"))
    section = one_section([good, bad])
    assert [p.point.value("recall@50").mean for p in section.placed] == [0.25]
    assert [left.status for left in section.left] == ["invalid: throttled 0x50005; load 3.1"]


def test_seeds_are_pooled_into_one_point_with_their_spread():
    section = one_section([make_record(seed=s, recall=r) for s, r in ((0, 0.27), (1, 0.28), (2, 0.26))])
    (placed,) = section.placed
    span = placed.point.value("recall@50")
    assert (round(span.mean, 12), span.low, span.high) == (0.27, 0.26, 0.28)
    assert [run.seed for run in placed.point.runs] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "other",
    [{"device": "pi4"}, {"dataset": "gowalla"}, {"threads": 4}, {"k": 20}],
)
def test_unlike_runs_never_share_a_section(other):
    runs = [to_run(Path("a"), make_record()), to_run(Path("b"), make_record(**other))]
    assert len(sections(runs, NO_LIMIT)) == 2


def test_front_domination_and_ties():
    section = one_section(
        [
            make_record("soft_dim10", recall=0.27, file_bytes=300_000, p95_ns=50_000, model_bytes=2_000_000),
            make_record("soft_dim20", recall=0.29, file_bytes=600_000, p95_ns=90_000, model_bytes=4_000_000),
            make_record("htd_dim20", recall=0.26, file_bytes=600_000, p95_ns=90_000, model_bytes=4_000_000),
        ]
    )
    assert status_of(section) == {
        "soft_dim20-int8": "on the front",
        "soft_dim10-int8": "on the front",
        "htd_dim20-int8": "dominated by soft_dim10-int8",
    }
    for measure in ("balanced", "recall@10", "ndcg@10", "recall@50"):
        assert [placed.panels[measure] for placed in section.placed] == [
            (True,) * 3,
            (True,) * 3,
            (False,) * 3,
        ]


def test_equal_variants_are_on_the_front_together():
    section = one_section([make_record("htd_dim10"), make_record("soft_dim10")])
    assert status_of(section) == {
        "htd_dim10-int8": "on the front, tie with soft_dim10-int8",
        "soft_dim10-int8": "on the front, tie with htd_dim10-int8",
    }


def test_overlapping_seeds_are_not_called_dominated():
    costly = {"file_bytes": 600_000, "p95_ns": 200_000, "model_bytes": 9_000_000}
    records = [make_record("soft_dim10", seed=s, recall=0.270 + s / 1000) for s in (0, 1)]
    records += [make_record("htd_dim10", seed=s, recall=0.269 + s / 500, **costly) for s in (0, 1)]
    section = one_section(records)
    assert status_of(section)["htd_dim10-int8"] == (
        "behind soft_dim10-int8 in file size, p95 latency, memory; "
        "level within noise in Recall@10, NDCG@10, Recall@50"
    )


def test_leading_by_noise_alone_is_not_the_front():
    lucky = make_record("htd_dim10", recall=0.23, p95_ns=60_900)  # 0.1 µs of luck, far inside its interval
    section = one_section([make_record("soft_dim10", recall=0.27, p95_ns=61_000), lucky])
    assert "behind soft_dim10-int8 in Recall@10, NDCG@10, Recall@50" in status_of(section)["htd_dim10-int8"]
    assert [placed.front for placed in section.placed] == [True, False]


def test_a_difference_inside_all_intervals_is_a_near_tie():
    section = one_section([make_record("soft_dim10", p95_ns=61_000), make_record("htd_dim10", p95_ns=61_200)])
    assert status_of(section)["htd_dim10-int8"] == "near tie with soft_dim10-int8"


def test_emulated_and_measured_rows_never_beat_each_other():
    fast = make_record("htd_dim10", recall=0.29, p95_ns=1000, basis="emulated")
    assert set(status_of(one_section([make_record(), fast])).values()) == {"on the front"}


def test_the_records_of_these_tests_are_what_the_bench_writes():
    schema = json.loads((Path(__file__).parents[2] / "schemas" / "bench-1.schema.json").read_text())
    kinds = make_record(reasons=("throttled",), basis="emulated"), unmeasured(make_record())
    for record in (*study()[:4], *kinds):
        jsonschema.validate(record, schema)
    for change in ({"users": 0}, {"split": None}, {"recall@50": None, "users": 0}):
        half = make_record()
        half["quality"] |= change
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(half, schema)


def test_bases_are_labelled_apart_and_measured_ones_are_chosen():
    section = one_section([make_record(), make_record(recall=0.29, basis="emulated")])
    assert {p.point.first.basis for p in section.placed} == {"measured", "emulated"}
    assert len({p.point.label for p in section.placed}) == 2
    assert choose(section).point.first.basis == "measured"


def test_without_a_budget_the_smallest_file_near_the_best_recall_is_chosen():
    records = [
        make_record("soft_dim10", recall=0.2950, file_bytes=300_000),
        make_record("soft_dim20", recall=0.3000, file_bytes=600_000),
        make_record("htd_dim10", recall=0.2930, file_bytes=200_000),  # 2.3 % below the best
    ]
    assert choose(one_section(records)).point.label == "soft_dim10-int8"


def test_with_a_budget_the_highest_recall_within_it_is_chosen():
    budget = Budget(max_file_bytes=400_000)
    section = one_section(study(), budget)
    assert choose(section).point.label == "soft_dim10-int8"
    missed = status_of(section)["soft_dim20-int8"]
    assert missed.startswith("on the front; budget missed: file ")
    assert [(p.point.label, c.constraint) for p, c in nearest_misses(section, budget)] == [
        ("soft_dim20-int8", "file_bytes")
    ]


def test_nothing_fits_says_so_with_the_nearest_miss():
    budget = Budget(max_file_bytes=1000)
    found = verdict(
        one_section([make_record(file_bytes=2000), make_record("soft_dim20", file_bytes=3000)], budget),
        budget,
    )
    assert found.winner is None
    assert found.sentence == (
        "Nothing fits the budget (file ≤ 1000 B). "
        "Nearest: soft_dim10-int8: file 2.0 KiB > 1000 B (1000 B over)."
    )


def test_the_sentence():
    records = [
        make_record(recall=0.2751, file_bytes=324_915, p95_ns=61_000),
        make_record(recipe="fp32", recall=0.2753, file_bytes=1_218_000, p95_ns=86_000),
        make_record("bpr_dim10", recall=0.1757, teacher=None),
        make_record("svd_dim10", recall=0.25),
    ]
    budget = Budget(max_file_bytes=2**20)
    found = verdict(one_section(records, budget), budget)
    assert found.sentence == (
        "Ship soft_dim10-int8: Recall@10 .1376, NDCG@10 .0550, Recall@50 .2751. "
        "It is ahead of svd_dim10-int8, the best baseline of no more bytes, in Recall@10 (.1376 to .1250), "
        "NDCG@10 (.0550 to .0500) and Recall@50 (.2751 to .2500) (one seed of each: their spread is not "
        "known). Of its teacher (bpr_dim200, which needs 75× the bytes) it has 88.1 % of Recall@10 (.1376 "
        "of .1562), 88.1 % of NDCG@10 (.0550 of .0625) and 88.1 % of Recall@50 (.2751 of .3123). "
        "It takes 317.3 KiB (its bundle 707.9 KiB), p95 61.0 µs on Intel Xeon (2 cores) (measured). "
        "Of its fp32 file it has 99.9 % of Recall@10, 99.9 % of NDCG@10 and 99.9 % of Recall@50 at 0.27× "
        "the bytes. Distillation changes Recall@10 by +.0497, NDCG@10 by +.0199 and Recall@50 by +.0994 "
        "against bpr_dim10-int8, which had no teacher."
    )


@pytest.mark.parametrize(
    ("p95_ns", "model_bytes", "recall_at_50", "advice"),
    [
        (
            71_000,
            1_400_000,
            0.2751,
            "0.71× its latency (p50), memory −976.6 KiB, Recall@10 −.0001, NDCG@10 ±0, Recall@50 −.0002: "
            "choose it for size, speed and memory.",
        ),
        (
            100_000,
            2_400_000,
            0.2751,
            "1.00× its latency (p50), memory ±0 B, Recall@10 −.0001, NDCG@10 ±0, Recall@50 −.0002: "
            "choose it for size; it is no faster and it holds no less memory.",
        ),
        (
            120_000,
            3_400_000,
            0.2703,
            "1.20× its latency (p50), memory +976.6 KiB, "
            "Recall@10 −.0025, NDCG@10 −.0010, Recall@50 −.0050: "
            "choose it for size; it is slower and it holds more memory; "
            "it loses more than .0020 of Recall@10 and Recall@50.",
        ),
    ],
)
def test_int8_verdict_claims_what_its_column_shows(p95_ns, model_bytes, recall_at_50, advice):
    section = one_section(
        [
            make_record(recipe="fp32", recall=0.2753, file_bytes=1_000_000, p95_ns=100_000),
            make_record(recall=recall_at_50, file_bytes=270_000, p95_ns=p95_ns, model_bytes=model_bytes),
        ]
    )
    assert quantised_lines(section) == (f"soft_dim10-int8: 3.7× smaller than fp32, {advice}",)


def test_a_difference_within_the_intervals_is_no_claim():
    """4 % faster, each known to 3 %: [96.1, 101.9] and [93, 99] overlap, so nobody may call it faster."""
    section = one_section(
        [
            make_record(recipe="fp32", file_bytes=270_000, p95_ns=100_000),
            make_record(file_bytes=270_000, p95_ns=96_000),
        ]
    )
    (line,) = quantised_lines(section)
    assert "0.96× its latency" in line
    assert line.endswith(
        "nothing measured speaks for it; it is no smaller, it is no faster and it holds no less memory."
    )


def test_chain_gathers_both_files_of_a_model():
    section = one_section(
        [make_record(recipe="fp32", recall=0.2753, file_bytes=1_218_000), make_record(recall=0.2751)]
    )
    (chain,) = chains(section)
    assert [(s.stage, s.test["recall@50"]) for s in chain.steps] == [
        ("teacher", 0.3123),
        ("student", pytest.approx(0.2754)),
        ("fp32", 0.2753),
        ("int8-dim", 0.2751),
    ]
    assert [round(s.change["recall@50"], 4) if s.change else None for s in chain.steps] == [
        None,
        -0.0369,
        -0.0001,
        -0.0002,
    ]
    assert {s.change_split for s in chain.steps[1:]} == {"test"}


def test_chain_falls_back_on_valid_where_test_was_not_measured():
    record = make_record(recall=0.2751)
    for stage in record["artifact"]["quality"]["chain"]:
        stage["test"] = None
    (chain,) = chains(one_section([record]))
    by_stage = {step.stage: step for step in chain.steps}
    assert by_stage["student"].change_split == "valid"
    assert by_stage["student"].change["recall@50"] == pytest.approx(0.2751 + 0.004 - 0.317)
    assert by_stage["int8-dim"].test["recall@50"] == 0.2751  # the bench measured it


def test_a_hostile_chain_does_not_break_the_report():
    record = make_record()
    record["artifact"]["quality"] = {"chain": ["x", {"stage": "fp32", "bytes": "many", "valid": 3}, {}]}
    (chain,) = chains(one_section([copy.deepcopy(record)]))
    assert [step.stage for step in chain.steps] == ["fp32", "int8-dim"]


def test_numbers_as_text():
    assert [format_recall(v) for v in (0.27514, 0.0, 1.0)] == [".2751", ".0000", "1.0000"]
    assert [format_change(v) for v in (-0.0002, 0.001, 0.00001)] == ["−.0002", "+.0010", "±0"]


def test_a_name_that_is_a_byte_longer_is_no_bigger_file():
    runs = [
        to_run(Path("a.json"), make_record("soft_dim10", recall=0.28, file_bytes=326_214)),
        to_run(Path("b.json"), make_record("htd_dim10", recall=0.22, file_bytes=326_213)),
    ]
    (section,) = sections(runs, Budget())
    statuses = {placed.point.label: placed.status for placed in section.placed}
    panels = {placed.point.label: placed.panels for placed in section.placed}
    assert (panels["soft_dim10-int8"]["balanced"][0], panels["htd_dim10-int8"]["balanced"][0]) == (
        True,
        False,
    )
    assert statuses["soft_dim10-int8"] == "on the front"
    assert statuses["htd_dim10-int8"].startswith("behind soft_dim10-int8 in Recall@10")


def test_percentile_interval_of_ten_thousand_by_hand():
    """Of 1 … 10,000 the median's rank has deviation √(10,000 · ½ · ½) = 50: 5000 ± 98, and a rank above."""
    assert percentile_interval(np.arange(1.0, 10_001), 50) == (4902, 5099)


def test_a_record_that_lacks_the_size_of_its_catalogue_is_named(tmp_path):
    half = make_record()
    del half["artifact"]["n_items"]
    with pytest.raises(ArtifactError, match="n_items"):
        one_section([half])

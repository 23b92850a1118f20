import json
from pathlib import Path

import pytest

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.progress import Note
from recpress_edge.studies import de_rrd, frappe, gowalla, hetcomp, ml100k_ctr, topology
from recpress_edge.studies.outcome import Outcome
from recpress_edge.studies.study import SCHEMA
from recpress_edge.studies.topology import PUBLISHED, STUDY, TopologyRequest
from recpress_edge.training.store import TrainedModel

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def outcomes(values):
    return [
        Outcome(name=f"{method}_dim{dim}", seed=seed, recall_at_50=recall, seconds=1.0)
        for dim, methods in values.items()
        for method, recalls in methods.items()
        for seed, recall in enumerate(recalls)
    ]


def test_seeds_are_counted_per_dim():
    students = TopologyRequest(dims=(100, 10)).students()
    assert students[:4] == [("bpr_dim10", 0), ("bpr_dim10", 1), ("bpr_dim10", 2), ("ftd_dim10", 0)]
    assert students[9:] == [("bpr_dim100", 0), ("ftd_dim100", 0), ("htd_dim100", 0)]
    assert len(TopologyRequest(dims=(100, 10), seeds=2).students()) == 12


def test_topology_trains_the_teacher_first_and_keeps_the_order_of_the_students(tmp_path, monkeypatch, capsys):
    stages, events = [], []

    def make(requests, **_):
        stages.append(requests)
        return [
            TrainedModel(
                Path("models") / request.name,
                {
                    "name": request.name,
                    "seed": request.seed,
                    "seconds": 2.5,
                    "chosen_epoch": 100,
                    "config": {},
                    "metrics": {"test": {"recall@50": (len(stages) + place) / 100}},
                },
                None,
            )
            for place, request in enumerate(requests)
        ]

    monkeypatch.setattr(topology, "made", make)
    monkeypatch.setattr("recpress_edge.data.resolve.load_dataset", lambda *_: None)
    result = TopologyRequest(dims=(20, 10), seeds=1, work=tmp_path).run(events.append)
    (teacher,), students = stages
    assert (teacher.name, teacher.role) == ("bpr_dim200", "teacher")
    assert teacher.options.training == students[0].options.training == {"epochs": 100, "keep": "last"}
    assert [request.name for request in students] == [outcome.name for outcome in result.outcomes]
    assert [outcome.name for outcome in result.outcomes][:4] == [
        "bpr_dim10", "ftd_dim10", "htd_dim10", "bpr_dim20"
    ]  # fmt: skip
    assert [request.options.teacher for request in students[:3]] == [None, *["models/bpr_dim200"] * 2]
    assert events == [Note("study      teacher bpr_dim200, then 6 students on citeulike")]
    assert result.remarks == ("teacher bpr_dim200: ours 0.0100, published 0.3123",)
    facts = result.facts("recpress-edge reproduce topology", 2)
    assert facts["machine"]["jobs"] == 2
    assert facts["outcomes"][0] == {
        "run": {"student": "bpr_dim10", "seed": 0}, "recall": 0.02, "seconds": 2.5
    }  # fmt: skip
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "study",
    [
        *(topology.STUDY, de_rrd.STUDY, hetcomp.STUDY, gowalla.STUDY),
        *(frappe.STUDY, ml100k_ctr.STUDY),
    ],
    ids=lambda study: study.name,
)
def test_committed_records_have_the_keys_and_the_protocol_of_today(study):
    committed = json.loads((RESULTS / f"{study.name}.json").read_text(encoding="utf-8"))
    assert committed["schema"] == SCHEMA
    assert committed["protocol"] == study.protocol
    assert all(list(outcome) == list(study.recorded) for outcome in committed["outcomes"])


def test_table_shows_mean_range_and_difference():
    (row,) = STUDY.table_rows(outcomes({10: {"htd": [0.22, 0.24]}}))
    assert row == ["htd_dim10", "0.2300", "0.2200–0.2400", "0.2282", "+0.0018"]


def test_published_figures_uphold_both_claims():
    published = outcomes({dim: {m: [v] for m, v in row.items()} for dim, row in PUBLISHED.items()})
    assert [v.holds for v in STUDY.verdicts(published)] == [True, True]


def test_claims_can_fail():
    swapped = {
        dim: {"bpr": [row["bpr"]], "ftd": [row["htd"]], "htd": [row["ftd"]]} for dim, row in PUBLISHED.items()
    }
    assert [v.holds for v in STUDY.verdicts(outcomes(swapped))] == [False, False]


def test_no_verdict_from_one_dim():
    assert STUDY.verdicts(outcomes({10: {"bpr": [0.1], "ftd": [0.2], "htd": [0.3]}})) == []


def ranked(values):
    return [
        Outcome(
            name=f"{method}_dim20",
            part=method,
            seed=seed,
            seconds=1.0,
            test=dict.fromkeys(de_rrd.METRICS, v),
        )
        for method, seeds in values.items()
        for seed, v in enumerate(seeds)
    ]


def test_de_rrd_table_stands_beside_both_sources():
    rows = de_rrd.STUDY.table_rows(ranked({"teacher": [0.52], "rrd": [0.46, 0.48], "irrrd": [0.49]}))
    assert rows[0][-3:] == ["one seed", "", "0.5135"]
    assert rows[1] == ["rrd_dim20", *["0.4700"] * 4, "0.4600–0.4800", "0.4698", "0.4622"]
    assert rows[2][-2:] == ["0.4947", ""]


def test_de_rrd_goals_are_those_of_the_reference_runs():
    reference = {method: [row["hit@5"]] for method, row in de_rrd.REFERENCE.items()}
    found = de_rrd.STUDY.verdicts(ranked({**reference, "de_rrd": [0.4843]}))
    assert [verdict.holds for verdict in found] == [True] * 5
    found = de_rrd.STUDY.verdicts(ranked({"bpr": [0.42], "de": [0.46], "rrd": [0.45], "de_rrd": [0.455]}))
    assert [verdict.holds for verdict in found] == [False] * 4


def test_de_rrd_methods_come_in_the_order_of_the_table():
    assert de_rrd.parse_methods(("rrd", "bpr")) == ["bpr", "rrd"]
    assert de_rrd.parse_methods(None) == list(de_rrd.METHODS)
    with pytest.raises(ConfigError, match="Did you mean 'irrrd'"):
        de_rrd.parse_methods(["irrd"])


def of_gowalla(name, recall, choosing=None):
    metrics = {"recall@20": recall, "ndcg@20": 0.15}
    return Outcome(name=name, seed=0, chosen_epoch=12, seconds=90.0, test=metrics, choosing=choosing)


def test_gowalla_goals_are_below_what_was_published():
    names = ["bpr_dim64", "lightgcn_dim64", "ease"]
    found = gowalla.STUDY.verdicts([of_gowalla(name, gowalla.TEACHERS[name].published[0]) for name in names])
    assert [verdict.holds for verdict in found] == [True] * 3
    found = gowalla.STUDY.verdicts([of_gowalla(name, 0.157) for name in names])
    assert [verdict.holds for verdict in found] == [False] * 3
    assert found[0].evidence == "0.1570, -0.0057 to the published"
    assert gowalla.STUDY.verdicts([of_gowalla("pop", 0.04)]) == []


def test_gowalla_rows_say_how_the_epoch_was_chosen():
    metrics = {"recall@20": 0.14, "ndcg@20": 0.1}
    chosen = of_gowalla("bpr_dim64", 0.16, {"seconds": 120.0, "valid": metrics, "test": metrics})
    first, second = gowalla.STUDY.table_rows([chosen, of_gowalla("ease", 0.17)])
    assert first[0] == "MF-BPR (bpr_dim64)"
    assert first[1:] == [
        "0.1600",
        "0.1500",
        "0.1627",
        "0.1378",
        "0.158",
        "0.1400",
        "0.1400",
        "12",
        "2.0",
        "1.5",
    ]
    assert second[-5:] == ["", "", "", "", "1.5"]
    assert len(first) == len(second) == len(gowalla.STUDY.headers)


def test_gowalla_teachers_are_found_without_their_size_too():
    assert gowalla.parse_teachers(["ease", "bpr"]) == ["bpr_dim64", "ease"]
    assert gowalla.parse_teachers(["bpr_dim64"]) == ["bpr_dim64"]
    assert gowalla.parse_teachers(None) == list(gowalla.TEACHERS)
    with pytest.raises(ConfigError, match="Did you mean 'lightgcn_dim64'"):
        gowalla.parse_teachers(["lightgcn_dim32"])

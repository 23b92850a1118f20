import pytest

from recpress_edge.core.errors import ConfigError
from recpress_edge.studies import de_rrd, gowalla
from recpress_edge.studies.topology import PUBLISHED, Outcome, StudyRun, plan, table_rows, verdicts


def outcomes(values):
    return [
        Outcome(StudyRun(f"{method}_dim{dim}", seed), recall, 1.0)
        for dim, methods in values.items()
        for method, recalls in methods.items()
        for seed, recall in enumerate(recalls)
    ]


def test_plan_counts_seeds_per_dim():
    runs = plan([20, 10], {10: 2, 20: 1})
    assert [(r.student, r.seed) for r in runs][:3] == [("bpr_dim10", 0), ("bpr_dim10", 1), ("ftd_dim10", 0)]
    assert len(runs) == 9
    assert (runs[0].method, runs[0].dim) == ("bpr", 10)


def test_table_shows_mean_range_and_difference():
    (row,) = table_rows(outcomes({10: {"htd": [0.22, 0.24]}}))
    assert row == ["htd_dim10", "0.2300", "0.2200–0.2400", "0.2282", "+0.0018"]


def test_published_figures_uphold_both_claims():
    published = outcomes({dim: {m: [v] for m, v in row.items()} for dim, row in PUBLISHED.items()})
    assert [v.holds for v in verdicts(published)] == [True, True]


def test_claims_can_fail():
    swapped = {
        dim: {"bpr": [row["bpr"]], "ftd": [row["htd"]], "htd": [row["ftd"]]} for dim, row in PUBLISHED.items()
    }
    assert [v.holds for v in verdicts(outcomes(swapped))] == [False, False]


def test_no_verdict_from_one_dim():
    assert verdicts(outcomes({10: {"bpr": [0.1], "ftd": [0.2], "htd": [0.3]}})) == []


def ranked(values):
    return [
        de_rrd.Outcome(
            f"{method}_dim20", method, seed, 50, 1.0, 1.0, None, {}, dict.fromkeys(de_rrd.METRICS, v), 0.2
        )
        for method, seeds in values.items()
        for seed, v in enumerate(seeds)
    ]


def test_de_rrd_table_stands_beside_both_sources():
    rows = de_rrd.table_rows(ranked({"teacher": [0.52], "rrd": [0.46, 0.48], "irrrd": [0.49]}))
    assert rows[0][-3:] == ["one seed", "", "0.5135"]
    assert rows[1] == ["rrd_dim20", *["0.4700"] * 4, "0.4600–0.4800", "0.4698", "0.4622"]
    assert rows[2][-2:] == ["0.4947", ""]


def test_de_rrd_goals_are_those_of_the_reference_runs():
    reference = {method: [row["hit@5"]] for method, row in de_rrd.REFERENCE.items()}
    found = de_rrd.verdicts(ranked({**reference, "de_rrd": [0.4843]}))
    assert [verdict.holds for verdict in found] == [True] * 5
    found = de_rrd.verdicts(ranked({"bpr": [0.42], "de": [0.46], "rrd": [0.45], "de_rrd": [0.455]}))
    assert [verdict.holds for verdict in found] == [False] * 4


def test_de_rrd_methods_come_in_the_order_of_the_table():
    assert de_rrd.parse_methods("rrd,bpr") == ["bpr", "rrd"]
    assert de_rrd.parse_methods(None) == list(de_rrd.METHODS)
    with pytest.raises(ConfigError, match="Did you mean 'irrrd'"):
        de_rrd.parse_methods("irrd")


def of_gowalla(name, recall, choosing=None):
    metrics = {"recall@20": recall, "ndcg@20": 0.15}
    return gowalla.Outcome(name, 0, {}, 12, 90.0, None, metrics, choosing)


def test_gowalla_goals_are_below_what_was_published():
    names = ["bpr_dim64", "lightgcn_dim64", "ease"]
    found = gowalla.verdicts([of_gowalla(name, gowalla.STUDIES[name].published[0]) for name in names])
    assert [verdict.holds for verdict in found] == [True] * 3
    found = gowalla.verdicts([of_gowalla(name, 0.157) for name in names])
    assert [verdict.holds for verdict in found] == [False] * 3
    assert found[0].evidence == "0.1570, -0.0057 to the published"
    assert gowalla.verdicts([of_gowalla("pop", 0.04)]) == []


def test_gowalla_rows_say_how_the_epoch_was_chosen():
    metrics = {"recall@20": 0.14, "ndcg@20": 0.1}
    chosen = of_gowalla("bpr_dim64", 0.16, gowalla.Choosing(120.0, metrics, metrics))
    first, second = gowalla.table_rows([chosen, of_gowalla("ease", 0.17)])
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
    assert len(first) == len(second) == len(gowalla.HEADERS)


def test_gowalla_teachers_are_found_without_their_size_too():
    assert gowalla.parse_teachers("ease,bpr") == ["bpr_dim64", "ease"]
    assert gowalla.parse_teachers("bpr_dim64") == ["bpr_dim64"]
    assert gowalla.parse_teachers(None) == list(gowalla.STUDIES)
    with pytest.raises(ConfigError, match="Did you mean 'lightgcn_dim64'"):
        gowalla.parse_teachers("lightgcn_dim32")

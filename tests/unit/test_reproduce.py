import pytest

from recpress_edge.core.errors import ConfigError
from recpress_edge.reproduce import de_rrd
from recpress_edge.reproduce.topology import PUBLISHED, Outcome, Run, plan, table_rows, verdicts


def outcomes(values):
    return [
        Outcome(Run(f"{method}_dim{dim}", seed), recall, 1.0)
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

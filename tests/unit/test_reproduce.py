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

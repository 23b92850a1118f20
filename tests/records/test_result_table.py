"""Results as columns, CSV, LaTeX and a frame; and the test of a difference, where its answer is known."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import compare_by_user
from recpress_edge.records.result_table import ResultTable, mean_sd, to_latex

TABLE = ResultTable.of_rows([{"name": "a,b", "recall": 0.1}, {"name": "c", "ndcg": None, "more": 3}])


def test_rows_become_columns():
    assert TABLE.columns == {
        "name": ["a,b", "c"],
        "recall": [0.1, None],
        "ndcg": [None, None],
        "more": [None, 3],
    }
    assert len(TABLE) == 2
    assert TABLE.rows()[1] == {"name": "c", "recall": None, "ndcg": None, "more": 3}
    assert len(ResultTable.of_rows([])) == 0


def test_csv_quotes_and_keeps_every_digit():
    assert TABLE.to_csv() == 'name,recall,ndcg,more\n"a,b",0.1,,\nc,,,3\n'
    assert ResultTable({"x": [1 / 3]}).to_csv() == f"x\n{1 / 3!r}\n"


def test_a_frame_where_pandas_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match=r"needs pandas: pip install pandas"):
        TABLE.to_frame()
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=lambda columns: ("frame", columns)))
    assert TABLE.to_frame() == ("frame", dict(TABLE.columns))


def test_latex_is_booktabs_and_escaped():
    text = to_latex(["model", "R@10"], [["soft_dim20 & 5 %", ".3122 ± .0012"], ["a|b", "< 0.0002"]])
    assert text.splitlines() == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"model & R@10 \\",
        r"\midrule",
        r"soft\_dim20 \& 5 \% & .3122 $\pm$ .0012 \\",
        r"a\textbar{}b & $<$ 0.0002 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_mean_and_deviation_over_seeds():
    assert mean_sd([0.1, 0.2, 0.3]) == ".2000 ± .1000"
    assert mean_sd([0.25]) == ".2500"
    assert mean_sd([None]) == "–"


def _compared(first, second, over_seeds=False, draws=2000):
    shaped = [np.asarray(side, np.float64)[..., None] for side in (first, second)]
    (found,) = compare_by_user(*shaped, stream(0, "test"), over_seeds=over_seeds, draws=draws)
    return found


def test_equal_users_are_no_difference_and_equal_gains_are_certain():
    same = _compared([[0.1, 0.2, 0.3]], [[0.1, 0.2, 0.3]])
    assert (same.interval.low, same.interval.mean, same.interval.high, same.p) == (0, 0, 0, 1)
    gain = _compared([[0.1, 0.2, 0.3]], [[0.2, 0.3, 0.4]])
    assert gain.interval.low == pytest.approx(0.1)
    assert gain.p == 1 / 2001  # no draw is as far, and the observed one counts


def test_interval_and_p_are_those_of_the_normal_law():
    """400 users whose differences have mean .1 and deviation 1: two standard errors, p = .0455."""
    delta = stream(1, "normal").normal(size=400)
    delta = 0.1 + (delta - delta.mean()) / delta.std()
    found = _compared([np.zeros(400)], [delta], draws=4000)
    assert found.interval.low == pytest.approx(0.1 - 0.098, abs=0.006)
    assert found.interval.high == pytest.approx(0.1 + 0.098, abs=0.006)
    assert found.p == pytest.approx(0.0455, abs=0.012)


def test_seeds_widen_the_interval_by_their_own_spread():
    """Users are all alike, seeds differ: s²/S of each side, with S - 1 in the variance."""
    first, second = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.6])
    sides = [np.repeat(side[:, None], 50, axis=1) for side in (first, second)]
    assert _compared(*sides).interval.low == pytest.approx(0.35)  # means over seeds: no spread
    found = _compared(*sides, over_seeds=True, draws=4000)
    variance = first.var(ddof=1) / 3 + second.var(ddof=1) / 2
    assert found.interval.mean == pytest.approx(0.35)
    assert found.interval.high - found.interval.low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.15)


def test_users_must_be_the_same():
    with pytest.raises(ValueError, match="no pairs of users"):
        _compared([[1, 2]], [[1, 2, 3]])

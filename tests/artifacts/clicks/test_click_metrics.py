"""AUC by counting pairs, GAUC user by user, log loss and calibration by hand."""

import numpy as np
import pytest

from recpress_edge.artifacts.clicks.metrics import (
    CalibrationBin,
    auc,
    calibration,
    calibration_error,
    click_metrics,
    gauc,
    logloss,
    probability,
)
from recpress_edge.core.errors import DataError


def pairs_auc(labels, scores):
    above = scores[labels == 1][:, None]
    below = scores[labels == 0][None]
    return ((above > below) + 0.5 * (above == below)).mean()


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_auc_counts_pairs_and_halves_ties(decimals):
    rng = np.random.default_rng(decimals)
    labels = rng.integers(0, 2, 1000)
    scores = np.round(rng.normal(size=1000) + 0.5 * labels, decimals).astype(np.float32)
    assert auc(labels, scores) == pytest.approx(pairs_auc(labels, scores), abs=1e-12)
    assert auc(labels, np.zeros(1000)) == 0.5
    assert auc(labels, labels) == 1.0


def test_auc_of_integer_scores_is_that_of_the_same_floats():
    labels, scores = np.array([0, 1, 1, 0]), np.array([3, 3, 7, -2])
    assert auc(labels, scores) == auc(labels, scores.astype(float)) == pytest.approx(3.5 / 4)


@pytest.mark.parametrize("only", [0, 1])
def test_one_outcome_has_no_auc(only):
    with pytest.raises(DataError, match="both outcomes"):
        auc(np.full(3, only), np.arange(3.0))


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(DataError, match="diverged"):
        auc(np.array([0, 1]), np.array([0.1, np.nan]))


def test_gauc_is_the_auc_of_each_user_weighted_by_rows():
    rng = np.random.default_rng(3)
    users = rng.integers(0, 60, 700)
    labels = rng.integers(0, 2, 700)
    labels[users < 5] = 1  # these have one outcome
    scores = np.round(rng.normal(size=700), 1)
    each, weights = [], []
    for user in range(5, 60):
        rows = users == user
        if 0 < labels[rows].sum() < rows.sum():
            each.append(pairs_auc(labels[rows], scores[rows]))
            weights.append(rows.sum())
    assert gauc(users, labels, scores) == pytest.approx(np.average(each, weights=weights), abs=1e-12)
    assert gauc(np.arange(4), np.array([0, 1, 0, 1]), np.arange(4.0)) is None


def test_logloss_clips():
    assert logloss(np.array([1, 0]), np.array([0.8, 0.1])) == pytest.approx(-(np.log(0.8) + np.log(0.9)) / 2)
    assert logloss(np.array([1, 0]), np.array([0.0, 1.0])) == pytest.approx(-np.log(1e-7), rel=1e-9)


def test_calibration_has_bins_of_equal_mass():
    found = calibration(np.array([0, 1, 1, 1]), np.array([0.1, 0.3, 0.9, 0.7]), bins=2)
    assert found == (CalibrationBin(2, pytest.approx(0.2), 0.5), CalibrationBin(2, pytest.approx(0.8), 1.0))
    assert calibration_error(found) == pytest.approx(0.25)
    rows = [one.rows for one in calibration(np.zeros(25, int), np.linspace(0, 1, 25))]
    assert (len(rows), sum(rows)) == (10, 25)
    assert max(rows) - min(rows) == 1
    assert len(calibration(np.array([0, 1]), np.array([0.1, 0.2]))) == 2


def test_click_metrics_read_logits():
    users, labels, logits = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([-1.0, 2, 3, 1])
    found = click_metrics(users, labels, logits)
    assert found["auc"] == 0.5
    assert found["gauc"] == 0.5
    assert found["logloss"] == pytest.approx(logloss(labels, 1 / (1 + np.exp(-logits))))
    assert probability(np.array([-1e4, 0, 1e4])).tolist() == [0.0, 0.5, 1.0]

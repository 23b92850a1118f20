"""What a history file may lose against the user table: limits by hand, and bundles on both sides of them."""

import dataclasses

import numpy as np
import pytest
from exports import evaluation
from test_ruined import DIM, N_USERS, make_source

from recpress_edge.artifacts.fold_in import read_fold_in
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ConfigError, GateError
from recpress_edge.core.rng import stream
from recpress_export.build import build
from recpress_export.compare import Yardstick, compare
from recpress_export.gates import HistoryGate, history_failure, load_gate, load_history_gate
from recpress_export.ranking import TopLists
from recpress_export.subjects.history import History

GATE = HistoryGate(max_recall_share=0.1, max_ndcg_share=0.1, lost_users=3)


def beside(hits_before, hits_after, users):
    """The first ``hits_before`` users find their item by the table, ``hits_after`` by the history."""
    rows = evaluation(list(range(users)), [[]] * users, [[7]] * users)

    def lists(hits):
        items = np.full((users, 50), -1, np.int64)
        items[:, 0] = 3
        items[:hits, 0] = 7
        return TopLists(items, np.zeros((users, 50), np.float32))

    by = Yardstick(users=rows, item_counts=np.ones(90, np.int64), cutoff=5, seed=0)
    return compare(lists(hits_before), lists(hits_after), by, "the student's user table")


@pytest.mark.parametrize(
    ("before", "after", "users", "met"),
    [
        (500, 450, 1000, True),  # a tenth
        (500, 443, 1000, True),  # a tenth and a standard error of the difference: .0575
        (500, 440, 1000, False),
        (500, 600, 1000, True),  # a gain
        (300, 173, 1000, False),  # .127 of Recall, as once published
        (10, 7, 100, True),  # three users
        (10, 5, 100, False),
        (4, 2, 100, True),  # not most of what there is
        (4, 1, 100, False),
        (2, 0, 2, False),  # on two users three would be allowed to lose their hit
        (0, 0, 100, True),
    ],
)
def test_limits_by_hand(before, after, users, met):
    failure = history_failure(beside(before, after, users), GATE)
    assert (failure is None) == met
    if failure:
        assert f"get Recall@5 {after / users:.4f}, by the user table {before / users:.4f}" in failure
        assert "max_recall_share (export.toml [history])" in failure


def test_the_shipped_limits_can_fail():
    gate = load_history_gate()
    assert 0 < gate.max_recall_share < 0.5
    assert 0 < gate.max_ndcg_share < 0.5


def test_a_misspelt_key_is_refused(tmp_path):
    path = tmp_path / "export.toml"
    path.write_text("[history]\nmax_recal_share = 0.1\nmax_ndcg_share = 0.1\nlost_users = 3\n")
    with pytest.raises(ConfigError, match="max_recall_share"):
        load_history_gate(path)


@pytest.fixture
def source(tmp_path):
    return make_source(tmp_path / "model", 100)


def exported(source, fold_in, recipe, target, **more):
    subject = History(source, fold_in, load_history_gate())
    return build(subject, RECIPES[recipe], target, gate=load_gate(recipe), **more)


@pytest.mark.parametrize("recipe", ["fp32", "int8-dim"])
def test_a_fold_in_that_is_not_the_tables_is_refused(source, recipe, tmp_path):
    right = read_fold_in(tmp_path / "model", source.model)
    bundle = exported(source, right, recipe, tmp_path / "right").bundle
    gate = bundle.quality["fold_in"]["gate"]
    assert (gate["met"], gate["max_recall_share"]) == (True, 0.1)
    assert [stage["knows"].startswith("train items") for stage in bundle.quality["chain"]]

    drawn = stream(1, "another").standard_normal(right.history_emb.shape, np.float32)
    wrong = dataclasses.replace(right, history_emb=drawn)
    with pytest.raises(
        GateError, match=f"from their train items {N_USERS} validation users get .* --force"
    ) as told:
        exported(source, wrong, recipe, tmp_path / "wrong")
    assert "--profile all-users holds the user table" in str(told.value)
    assert "plain export" not in str(told.value)  # fp32 loses as much
    assert not (tmp_path / "wrong").exists()
    forced = exported(source, wrong, recipe, tmp_path / "forced", force=True).bundle
    assert not forced.quality["fold_in"]["gate"]["met"]
    assert forced.quality["parity"]["gate"]["overruled"]
    assert "by the user table" in forced.quality["parity"]["gate"]["failure"]
    assert "**Below the gate:** from their train items" in (tmp_path / "forced/CARD.md").read_text()
    assert forced.contract.dim == DIM

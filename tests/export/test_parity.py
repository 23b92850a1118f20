"""Comparison of rankings, exactness and the gate, on lists a reader can check."""

import dataclasses
import re

import numpy as np
import pytest
from exports import evaluation, random_evaluation, random_tables

from recpress_edge.artifacts.quantize import QUANTIZERS
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ConfigError, DataError, GateError
from recpress_edge.device.reference import ReferenceRuntime
from recpress_export.compare import Yardstick, compare
from recpress_export.exactness import check_exact
from recpress_export.gates import Gate, gate_error, gate_failure, load_gate, with_gate
from recpress_export.ranking import LIST_LENGTH, TopLists, rank
from recpress_export.reference import integer_tables, table_reference


def lists(items, scores=None):
    """Ranking lists padded to 50."""
    padded = np.full((len(items), LIST_LENGTH), -1, np.int64)
    values = np.zeros((len(items), LIST_LENGTH), np.float32)
    for row, found in enumerate(items):
        padded[row, : len(found)] = found
        if scores:
            values[row, : len(found)] = scores[row]
    return TopLists(padded, values)


TWO_USERS = evaluation([4, 9], [[], []], [[3], [7]])
COUNTS = np.ones(90, np.int64)


def by(users, *, cutoff=50, counts=COUNTS, seed=0):
    return Yardstick(users=users, item_counts=counts, cutoff=cutoff, seed=seed)


def test_compare_by_hand():
    before = lists([list(range(60))[:50], [5, 7, 6]])
    after = lists([[*range(1, 51)], [5, 7, 6]])
    parity = compare(before, after, by(TWO_USERS), "test")
    # User 4: 49 of 50 shared, 9 of the first 10; its relevant item 3 moves from rank 4 to 3.
    assert parity.overlap["overlap@50"].mean == pytest.approx((0.98 + 1) / 2)
    assert parity.overlap["overlap@50"].lowest == pytest.approx(0.98)
    assert parity.overlap["overlap@10"].mean == pytest.approx((0.9 + 1) / 2)
    assert parity.identical_users == 1
    assert parity.first_difference == 1
    recall, ndcg = parity.change["recall@50"], parity.change["ndcg@50"]
    assert (recall.before, recall.after, recall.delta.mean) == (1, 1, 0)
    assert ndcg.before == pytest.approx((1 / np.log2(5) + 1 / np.log2(3)) / 2)
    assert ndcg.after == pytest.approx((1 / np.log2(4) + 1 / np.log2(3)) / 2)
    assert ndcg.delta.low <= ndcg.delta.mean <= ndcg.delta.high
    assert parity.metrics_before["recall@10"] == 1
    # Items 0 and 50 stand in one list of two, in one of the rankings only.
    assert parity.item_shift == 0.5


def test_items_that_tie_with_the_last_place_are_shared():
    """Items that one user alone consumed have vectors of an ALS that differ by rounding."""
    falling = [float(score) for score in range(50, 0, -1)]

    def overlap(score, error):
        before = lists([list(range(50)), [5, 7]], [falling, [2.0, 1.0]])
        after = lists([[*range(49), 70], [5, 6]], [[*falling[:-1], score], [2.0, 1.0]])
        return compare(before, after, by(TWO_USERS), "test", error=error).overlap["overlap@50"]

    assert overlap(0.9999, 1e-5).mean == pytest.approx((1 + 0.5) / 2)
    assert overlap(0.9999, 0.0).mean == pytest.approx((0.98 + 0.5) / 2)
    assert overlap(0.9, 1e-5).mean == pytest.approx((0.98 + 0.5) / 2)


def test_the_k_that_judges_by_hand():
    """Of 12 items user 4 has seen two: 10 are left, user 9 has 12; K is 2."""
    users = evaluation([4, 9], [[8, 9], []], [[3], [7]])
    before = lists([[3, 1, 0, 2], [5, 7, 6]])
    after = lists([[1, 0, 3, 2], [7, 5, 6]])
    parity = compare(before, after, by(users, cutoff=2, counts=COUNTS[:12]), "test")
    assert list(parity.overlap) == ["overlap@2", "overlap@10"]
    assert parity.overlap["overlap@2"].mean == pytest.approx((0.5 + 1) / 2)
    assert parity.overlap["overlap@10"].mean == 1  # Recall@50 and overlap@10 see nothing of it
    recall, ndcg = parity.change["recall@2"], parity.change["ndcg@2"]
    assert (recall.before, recall.after) == (1, 0.5)
    assert ndcg.before == pytest.approx((1 + 1 / np.log2(3)) / 2)
    assert ndcg.after == pytest.approx((0 + 1) / 2)
    assert parity.metrics_after["recall@10"] == 1  # user 9 has 12 candidates
    assert parity.metrics_after["recall@20"] is None
    assert parity.by_popularity["head"].after == 0.5 or parity.by_popularity["head"].users < 2
    assert parity.item_shift == 0.5
    assert not parity.certain
    certain = compare(before, after, by(users, cutoff=20, counts=COUNTS[:12]), "test")
    assert certain.certain
    assert re.search(
        "could not fail: none of the 2 .* more than 20 items", gate_failure(certain, GATE, "fp32")
    )


def test_an_overlap_that_is_one_by_necessity_is_left_out():
    """Of 9 items nobody has more than 10 to rank."""
    users = evaluation([4, 9], [[8], []], [[3], [7]])
    parity = compare(
        lists([[3, 1, 0, 2], [5, 7, 6]]),
        lists([[1, 0, 3, 2], [7, 5, 6]]),
        by(users, cutoff=2, counts=COUNTS[:9]),
        "test",
    )
    assert list(parity.overlap) == ["overlap@2"]
    assert not parity.certain


def test_short_lists_are_not_shared_padding():
    parity = compare(lists([[1, 2], [7]]), lists([[3, 4], [7]]), by(TWO_USERS), "test")
    assert parity.overlap["overlap@50"].mean == 0.5
    assert parity.overlap["overlap@10"].lowest == 0


def test_identical_lists_have_no_first_difference():
    same = lists([[1, 2], [7]])
    assert compare(same, same, by(TWO_USERS), "test", exact=2).first_difference is None


def test_no_validation_users_is_an_error():
    with pytest.raises(DataError, match="no validation users"):
        compare(lists([]), lists([]), by(evaluation([], [], [])), "test")


def test_the_interval_depends_on_the_seed_only():
    rng = np.random.default_rng(0)
    users = random_evaluation(80, 90, "interval")
    before, after = (lists([rng.permutation(90)[:50].tolist() for _ in range(80)]) for _ in range(2))
    first, again, other = (compare(before, after, by(users, seed=seed), "test") for seed in (0, 0, 1))
    assert first == again
    assert first.change["ndcg@50"].delta.low != other.change["ndcg@50"].delta.low
    assert first.change["ndcg@50"].delta.mean == other.change["ndcg@50"].delta.mean


def test_exactness_counts_users_or_names_the_first_difference():
    want = lists([[1, 2], [7]], [[0.5, 0.25], [1.0]])
    assert check_exact(want, want, TWO_USERS) == 2
    with pytest.raises(
        GateError, match=r"1 of 2 users .* user 9 at rank 1: item 7 score 1\.5, expected item 7"
    ):
        check_exact(lists([[1, 2], [7]], [[0.5, 0.25], [1.5]]), want, TWO_USERS)
    with pytest.raises(GateError, match="user 4 at rank 2: item 3"):
        check_exact(lists([[1, 3], [7]], [[0.5, 0.25], [1.0]]), want, TWO_USERS)


@pytest.mark.parametrize("recipe", sorted(QUANTIZERS))
@pytest.mark.parametrize("dim", [5, 1041])  # 1041 * 127² no longer fits float32 exactly
def test_fast_integer_reference_equals_the_plain_one(dim, recipe):
    tables = QUANTIZERS[recipe](*random_tables(12, 90, dim))
    plain = ReferenceRuntime.from_int8(
        tables.user_q, tables.item_q, tables.user_scale, item_scale=tables.item_row_scale
    )
    users = random_evaluation(12, 90, "reference")
    left, right = rank(plain, users), rank(table_reference(integer_tables(tables)), users)
    assert (left.items == right.items).all()
    assert (left.scores == right.scores).all()


def test_rank_pads_and_reports_progress():
    told = []
    user_emb, item_emb = random_tables(2, 5, 3)
    users = evaluation([0, 1], [[1, 2], []], [[3], [4]])
    found = rank(
        table_reference({"user_emb": user_emb, "item_emb": item_emb}),
        users,
        lambda *a: told.append(a),
        "words",
    )
    assert found.lengths().tolist() == [3, 5]
    assert set(found.items[0].tolist()) == {0, 3, 4, -1}
    assert told[0] == (0, 2, "words")
    assert told[-1] == (2, 2, "words")


GATE = Gate(min_overlap=0.97, max_recall_loss=0.002, max_ndcg_loss=0.002, max_item_shift=0.1, lost_users=3)


def parity_with(overlap, loss, users, *, ndcg=0.0, shift=0.0, before=1.0, head=None):
    same = lists([[1, 2], [7]])
    base = compare(same, same, by(TWO_USERS), "test", exact=2)
    overlaps = {"overlap@50": dataclasses.replace(base.overlap["overlap@50"], mean=overlap)}
    lost = {"recall@50": loss, "ndcg@50": ndcg} | (head or {})
    changed = {
        metric: dataclasses.replace(
            change, before=before, delta=dataclasses.replace(change.delta, mean=-lost.get(metric, 0.0))
        )
        for metric, change in base.change.items()
    }
    return dataclasses.replace(base, users=users, overlap=overlaps, change=changed, item_shift=shift)


@pytest.mark.parametrize(
    ("overlap", "loss", "users", "message"),
    [
        (0.99, 0.0019, 5000, None),
        (0.99, 0.0021, 5000, r"Recall@50 loses 0.0021 on 5000 .* allowed 0.0020"),
        (0.99, 0.0021, 600, None),  # two users of 600 cannot be told from chance: 3/600 = .005 is allowed
        (0.99, 0.0051, 600, r"allowed 0.0050"),
        (0.99, -0.5, 600, None),  # a gain
        (0.99, 0.3, 10, None),  # 3 of 10
        (0.99, 0.31, 10, r"allowed 0.3000"),
        (0.9699, 0, 5000, r"overlap@50 0.9699 < min_overlap 0.97 \(export.toml \[gate.int8-dim\]\)"),
        (float("nan"), 0, 5000, "overlap@50"),
        (0.99, float("nan"), 5000, "Recall@50"),
    ],
)
def test_gate(overlap, loss, users, message):
    parity = parity_with(overlap, loss, users)
    failure = gate_failure(parity, GATE, "int8-dim")
    if message is None:
        assert failure is None
    else:
        assert re.search(message, failure)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"ndcg": 0.0019}, None),
        ({"ndcg": 0.0021}, r"NDCG@50 loses 0.0021 on 5000 .* allowed 0.0020 by max_ndcg_loss"),
        ({"ndcg": float("nan")}, "NDCG@50"),
        ({"head": {"ndcg@10": 0.0019, "recall@10": 0.0019}}, None),
        ({"head": {"ndcg@10": 0.0021}}, r"NDCG@10 loses 0.0021 on 5000 .* allowed 0.0020 by max_ndcg_loss"),
        ({"head": {"recall@10": 0.0021}}, r"Recall@10 loses 0.0021 on 5000 .* by max_recall_loss"),
        ({"head": {"ndcg@10": float("nan")}}, "NDCG@10"),
        ({"shift": 0.1}, None),
        ({"shift": 0.101}, r"first 50 of 10.1 % of 5000 validation users, allowed 10.0 % by max_item_shift"),
        ({"shift": float("nan")}, "max_item_shift"),
    ],
)
def test_the_gate_sees_the_order_and_a_single_wrong_item(more, message):
    failure = gate_failure(parity_with(0.99, 0, 5000, **more), GATE, "int8-dim")
    assert failure is None if message is None else re.search(message, failure)


@pytest.mark.parametrize(("at", "worse"), [(8, "NDCG@10"), (11, "Recall@10")])
def test_a_file_that_is_worse_at_the_head_alone_is_below_the_gate(at, worse):
    """Everybody's relevant item falls from the first rank, within the first 10 or the first 50: of 50 none is
    lost."""
    n_users = 400
    users = evaluation(list(range(n_users)), [[]] * n_users, [[0]] * n_users)
    ranks = list(range(1, 50))
    before, after = lists([[0, *ranks]] * n_users), lists([[*ranks[:at], 0, *ranks[at:]]] * n_users)
    parity = compare(before, after, by(users), "test")
    assert parity.overlap["overlap@50"].mean == 1
    assert parity.change["recall@50"].delta.mean == 0
    assert parity.item_shift == 0
    failure = gate_failure(parity, load_gate("int8-dim"), "int8-dim")
    assert failure
    assert failure.startswith(f"{worse} loses")
    assert gate_failure(compare(before, before, by(users), "test"), load_gate("fp32"), "fp32") is None


@pytest.mark.parametrize("metric", ["recall@10", "ndcg@10", "recall@50", "ndcg@50"])
@pytest.mark.parametrize(("half", "met"), [(0.0060, True), (0.0057, False)])
def test_a_loss_is_refused_only_where_the_draw_of_the_users_does_not_explain_it(metric, half, met):
    """A standard error is the half of a 95 % interval over 1.96: .002 + .0059 / 1.96 is the loss of .005."""
    parity = parity_with(0.99, 0.0, 5000)
    wide = dataclasses.replace(
        parity.change[metric].delta, mean=-0.005, low=-0.005 - half, high=-0.005 + half
    )
    change = dataclasses.replace(parity.change[metric], delta=wide)
    judged = dataclasses.replace(parity, change={**parity.change, metric: change})
    assert (gate_failure(judged, GATE, "int8-dim") is None) == met


def test_most_files_that_lose_nothing_pass_and_one_that_loses_does_not():
    """Of 500 users one in twenty has its relevant item moved over rank 10, as often up as down."""
    n_users, ranks = 500, list(range(1, 50))
    users = evaluation(list(range(n_users)), [[]] * n_users, [[0]] * n_users)
    above, below = ([*ranks[:at], 0, *ranks[at:]] for at in (9, 10))
    rng = np.random.default_rng(0)

    def judged(before, after):
        sides = (lists([above if first else below for first in side]) for side in (before, after))
        parity = compare(*sides, by(users), "test")
        assert parity.change["recall@50"].delta.mean == 0
        failure = gate_failure(parity, GATE, "int8-dim")
        return -parity.change["recall@10"].delta.mean, failure

    found = []
    for _ in range(20):
        before = rng.random(n_users) < 0.5
        found.append(judged(before, before ^ (rng.random(n_users) < 0.05)))
    assert sum(loss > GATE.max_recall_loss for loss, _ in found) >= 5
    assert sum(failure is not None for _, failure in found) <= 3
    loss, failure = judged(before, before & (rng.random(n_users) < 0.9))
    assert 0.03 < loss < 0.07
    assert failure.startswith("Recall@10 loses")


@pytest.mark.parametrize("users", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("before", [0.2, 0.5, 1.0])
def test_on_few_users_all_hits_are_never_allowed_to_be_lost(users, before):
    """lost_users / n_users is 3, 1.5, 1, .6, .3: more than there is to lose."""
    assert gate_failure(parity_with(1, before, users, before=before), GATE, "int8-dim")
    assert gate_failure(parity_with(1, 0, users, ndcg=before, before=before), GATE, "int8-dim")
    assert GATE.allowed_loss("recall@50", 0.0, users) == 0


def test_what_is_recorded_of_a_gate():
    parity = parity_with(0.99, 0, 600)
    met = with_gate(parity, GATE, None, overruled=True)["gate"]  # there was nothing to overrule
    assert met == {
        "min_overlap": 0.97, "max_recall_loss": 0.002, "max_ndcg_loss": 0.002, "max_item_shift": 0.1,
        "lost_users": 3,
        "allowed_loss": dict.fromkeys(("recall@10", "ndcg@10", "recall@50", "ndcg@50"), 0.005),
        "met": True, "failure": None, "overruled": False,
    }  # fmt: skip
    below = with_gate(parity, GATE, "overlap@50 0.5", overruled=True)["gate"]
    assert (below["met"], below["failure"], below["overruled"]) == (False, "overlap@50 0.5", True)
    assert not with_gate(parity, GATE, "overlap@50 0.5", overruled=False)["gate"]["overruled"]
    assert "overruled" not in with_gate(parity, GATE, "overlap@50 0.5")["gate"]
    assert "fp32" not in str(gate_error("Recall@50", "fp32"))
    assert "--force" in str(gate_error("Recall@50", "int8-dim"))


def test_every_recipe_has_a_gate():
    assert load_gate("int8-dim").max_recall_loss == 0.002
    for recipe in RECIPES:
        assert 0.8 < load_gate(recipe).min_overlap <= 1


def test_a_misspelt_gate_key_is_refused(tmp_path):
    path = tmp_path / "export.toml"
    path.write_text("[gate.fp32]\nmin_overlap = 1\nmax_recal_at_50_loss = 0.1\n")
    with pytest.raises(ConfigError, match="max_recall_loss"):
        load_gate("fp32", path)

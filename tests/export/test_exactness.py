"""A wrong number in a file is found by what it answers and what it holds; rounding is not taken for one."""

import dataclasses

import numpy as np
import pytest
from exports import evaluation, random_tables

from recpress_edge.artifacts.quantize import QUANTIZERS
from recpress_edge.core.errors import GateError
from recpress_export.exactness import (
    check_close,
    check_nearest,
    check_rounding,
    check_sound,
    check_stored_floats,
    check_whole,
    spread_users,
    whole_questions,
)
from recpress_export.ranking import LIST_LENGTH, TopLists
from recpress_export.reference import table_reference

USERS = evaluation([4, 9], [[8], []], [[3], [7]])
N_ITEMS = 4


def lists(*rows):
    """rows: (item, score) pairs of each user."""
    items = np.full((len(rows), LIST_LENGTH), -1, np.int64)
    scores = np.zeros(items.shape, np.float32)
    for at, row in enumerate(rows):
        items[at, : len(row)], scores[at, : len(row)] = zip(*row, strict=True)
    return TopLists(items, scores)


RIGHT = lists([(1, 2.0), (3, 1.0)], [(0, 4.0), (2, 3.0), (1, 2.99999)])


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (RIGHT, None),
        (lists([(1, 2.00001), (3, 1.0)], [(0, 4.0), (2, 3.0), (1, 2.99999)]), None),
        (lists([(1, 2.0), (3, 1.0)], [(0, 4.0), (1, 3.0), (2, 2.99999)]), None),  # they tie within 4e-5
        (lists([(1, 2.0), (3, 1.1)], [(0, 4.0), (2, 3.0), (1, 2.99999)]), "user 4 rank 2 scores 1.1"),
        (lists([(3, 2.0), (1, 1.0)], [(0, 4.0), (2, 3.0), (1, 2.99999)]), "user 4 rank 1 is item 3"),
        (lists([(1, 2.0), (3, 1.0)], [(0, 4.0), (2, 3.0)]), "user 9 2 items, expected 3"),
        (lists([(1, 2.0), (3, np.nan)], [(0, 4.0), (2, 3.0), (1, 2.99999)]), "user 4 rank 2 scores nan"),
    ],
)
def test_close_answers(found, message):
    if message is None:
        check_close(found, RIGHT, USERS, 1e-5)
    else:
        with pytest.raises(GateError, match=message):
            check_close(found, RIGHT, USERS, 1e-5)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([(0, 3.0), (1, 2.0), (3, 1.0)], None),
        ([(0, 3.0), (2, 2.0), (3, 1.0)], "recommends item 2, which the user has seen"),
        ([(0, 3.0), (1, 2.0), (1, 1.0)], "names an item twice"),
        ([(0, 3.0), (1, 2.0)], "recommends 2 items of 3 unseen ones"),
        ([(0, 3.0), (1, 2.0), (3, 2.5)], "scores that do not fall"),
        ([(0, np.inf), (1, 2.0), (3, 1.0)], "scores that do not fall"),
        ([(0, 3.0), (1, np.nan), (3, 1.0)], "scores that do not fall"),
    ],
)
def test_a_list_holds_what_it_may(row, message):
    users = evaluation([4], [[2]], [[3]])
    if message is None:
        check_sound(lists(row), users, N_ITEMS)
    else:
        with pytest.raises(GateError, match=f"user 4 the file .*{message}"):
            check_sound(lists(row), users, N_ITEMS)


def test_the_whole_catalogue_is_compared_not_the_first_50():
    user_emb, item_emb = random_tables(20, 300, 4)
    right = table_reference({"user_emb": user_emb, "item_emb": item_emb})
    queries = whole_questions(right, spread_users(20))
    assert [user for user, _ in queries[:8]] == [0, 2, 5, 8, 10, 13, 16, 19]
    assert [len(seen) for _, seen in queries] == [0] * 8 + [5] * 8
    check_whole(table_reference({"user_emb": user_emb, "item_emb": item_emb}), right, queries, 300, 1e-5)
    last = int((item_emb @ user_emb[0]).argmin())  # in nobody's list of 50, as far as user 0 goes
    wrong = item_emb.copy()
    wrong[last] *= 1.001
    with pytest.raises(GateError, match="over the whole catalogue: at user"):
        check_whole(table_reference({"user_emb": user_emb, "item_emb": wrong}), right, queries, 300, 1e-5)


def test_what_is_left_may_be_tiny_where_its_terms_are_not():
    """The five best of eight items are seen; of the others one is a difference of large terms."""
    items = np.zeros((8, 2), np.float32)
    items[:5], items[5] = np.arange(2, 7)[:, None], (1, -1)
    users = np.array([[1, 1 - 1e-4]], np.float32)
    right = table_reference({"user_emb": users, "item_emb": items})
    near = items.copy()
    near[5, 0] += 1e-7  # an ulp of 1, and a thousandth of the score
    queries = whole_questions(right, [0])
    assert queries[1] == (0, [4, 3, 2, 1, 0])
    check_whole(table_reference({"user_emb": users, "item_emb": near}), right, queries, 8, 1e-5)
    near[5, 0] += 1e-3
    with pytest.raises(GateError, match="over the whole catalogue"):
        check_whole(table_reference({"user_emb": users, "item_emb": near}), right, queries, 8, 1e-5)


@pytest.mark.parametrize("recipe", QUANTIZERS)
@pytest.mark.parametrize(
    "kind", ["plain", "dead dimension", "one level", "zero rows", "outlier", "tiny", "large"]
)
def test_rounded_tables_stand_for_what_was_trained(recipe, kind):
    user_emb, item_emb = random_tables(40, 60, 5)
    if kind == "dead dimension":
        item_emb[:, 2] = 0
    if kind == "one level":  # what a user's bias is multiplied by
        item_emb[:, 2], user_emb[:, 2] = 1, user_emb[:, 2] * 50
    if kind == "zero rows":
        item_emb[3], user_emb[7] = 0, 0
    if kind == "outlier":
        item_emb[9, 1], user_emb[1, 4] = 900, -700
    scale = {"tiny": 1e-12, "large": 1e12}.get(kind, 1)
    check_rounding(QUANTIZERS[recipe](user_emb * scale, item_emb * scale), user_emb * scale, item_emb * scale)


@pytest.mark.parametrize("recipe", QUANTIZERS)
@pytest.mark.parametrize("table", ["user_q", "item_q"])
def test_one_number_that_was_rounded_elsewhere_is_found(recipe, table):
    user_emb, item_emb = random_tables(40, 60, 5)
    tables = QUANTIZERS[recipe](user_emb, item_emb)
    wrong = getattr(tables, table).copy()
    wrong[11, 3] += -1 if wrong[11, 3] > 0 else 1
    with pytest.raises(GateError, match=f"1 stored numbers .* first {table[:4]} 11, dimension 3"):
        check_rounding(dataclasses.replace(tables, **{table: wrong}), user_emb, item_emb)


def test_the_nearest_integer_by_hand():
    check_nearest("prior", np.array([[1, -2]], np.int8), np.array([[1.49, -2.5]]))
    with pytest.raises(GateError, match=r"first prior 0, dimension 1: -2 for -2\.600 steps"):
        check_nearest("prior", np.array([[1, -2]], np.int8), np.array([[1.49, -2.6]]))


def test_stored_floats_by_hand():
    trained = np.array([[1.0, 1.0003]], np.float32)
    check_stored_floats(trained, trained, "item")
    check_stored_floats(trained.astype(np.float16), trained, "item")
    for wrong in (trained + np.float32(1e-6), (trained + np.float32(0.002)).astype(np.float16)):
        with pytest.raises(GateError, match="first item 0, dimension 0"):
            check_stored_floats(wrong, trained, "item")


@pytest.mark.parametrize("recipe", QUANTIZERS)
@pytest.mark.parametrize("factor", [2, 6, 40, 400])
def test_rows_that_are_many_times_larger_than_the_rest_are_no_wrong_numbers(recipe, factor):
    user_emb, item_emb = random_tables(60, 1000, 8)
    item_emb[::200] *= factor
    tables = QUANTIZERS[recipe](user_emb, item_emb)
    check_rounding(tables, user_emb, item_emb)
    wrong = tables.item_q.copy()
    wrong[200, 3] -= np.sign(wrong[200, 3]) * 2
    with pytest.raises(GateError, match="1 stored numbers are not what they stand for, first item 200"):
        check_rounding(dataclasses.replace(tables, item_q=wrong), user_emb, item_emb)

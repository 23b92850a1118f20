"""What the single-user and history files must keep, for every recipe: profile × recipe × the cases below."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from exports import FILES, has_profile, levels, make_contract, random_tables, with_histories

from recpress_edge.artifacts.bundle import HISTORY, SINGLE_USER
from recpress_edge.artifacts.fold_in import FoldIn, float_history, history_contract, quantize_history
from recpress_edge.artifacts.formats import writer_of
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.quantize import quantize, stored_floats
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.runtime import Runtime, open_runtime
from recpress_export.graph import describe_stored, with_history
from recpress_export.reference import integer_tables, table_reference
from recpress_export.tflite.history import MAX_ITEMS


def write(folder, graph, *, runtime=None, two_level_items=None) -> Runtime:
    path = folder / f"{len(list(folder.iterdir()))}.{graph.contract.format}"  # a mapped file stays as it is
    options = {} if two_level_items is None else levels(graph.contract.format, two_level_items)
    path.write_bytes(writer_of(graph.contract.format)(graph, {}, **options))
    return open_runtime(path, graph.contract, runtime=runtime)


HISTORIES_OF = [file for file in FILES if has_profile(file[1], HISTORY)]


def describe_history(contract, recipe, student, tables, fold_in):
    """The graph of a history file; ``tables``: None where the recipe stores floats."""
    if tables is None:
        history_emb, prior = float_history(recipe, fold_in)
        floats = stored_floats(recipe, student.user_emb, student.item_emb)
        return with_history(describe_stored(contract, floats), {"history_emb": history_emb, "prior": prior})
    made = quantize_history(fold_in, tables)
    numbers = {"history_emb": made.history_q, "prior": made.prior_q, "step": np.asarray(made.step)}
    return with_history(describe_stored(contract, tables), numbers)


def history_graph(file_format, name, item_emb, history_emb, prior):
    recipe = RECIPES[name]
    student = Student(item_emb[:1], item_emb, "test", 0, "", {})
    contract = history_contract(make_contract(recipe, student.user_emb, item_emb, file_format))
    fold_in = FoldIn(history_emb, prior, "", {})
    tables = quantize(recipe, student.user_emb, item_emb, fold_in.rows)
    return describe_history(contract, recipe, student, tables, fold_in)


def single_graph(file_format, name, user_row, item_emb):
    recipe = RECIPES[name]
    contract = make_contract(recipe, user_row[None], item_emb, file_format)
    contract = dataclasses.replace(contract, profile=SINGLE_USER, user_input="")
    tables = quantize(recipe, user_row[None], item_emb)
    floats = stored_floats(recipe, user_row[None], item_emb)
    return describe_stored(contract, tables or floats)


@pytest.fixture(params=HISTORIES_OF, ids="-".join)
def history(request, tmp_path):
    """Item table, history table, prior -> the written file."""
    return lambda *tables, **options: write(tmp_path, history_graph(*request.param, *tables), **options)


@pytest.fixture(params=FILES, ids="-".join)
def single(request, tmp_path):
    """A user's row and the item table -> the written file."""
    return lambda *tables, **options: write(tmp_path, single_graph(*request.param, *tables), **options)


PARITY = np.arange(50) % 2
BOARD = np.stack([PARITY == 0, PARITY == 1], axis=1).astype(np.float32)  # (50, 2)


def own_parity_but(user: int) -> list[int]:
    return [i for i in range(50) if i % 2 == user % 2 and i != user]


def test_checkerboard_single_user(single):
    for user in (0, 7, 49):
        runtime = single(BOARD[user], BOARD)
        items, scores = runtime.recommend(None, own_parity_but(user), 1)
        assert items.tolist() == [user]
        np.testing.assert_allclose(scores, [1.0], rtol=1e-6)


def test_checkerboard_history(history):
    """Whoever has consumed one parity but for item u is recommended item u: nobody had to be known."""
    runtime = history(BOARD, BOARD, np.zeros(2, np.float32))
    for user in range(50):
        assert runtime.recommend(None, own_parity_but(user), 1)[0].tolist() == [user]


def test_one_consumed_item_is_enough(history):
    runtime = history(BOARD, BOARD, np.zeros(2, np.float32))
    assert runtime.recommend(None, [7], 3)[0].tolist() == [1, 3, 5]
    assert runtime.recommend(None, [8], 3)[0].tolist() == [0, 2, 4]


def test_an_empty_history_gets_the_prior(history):
    towards_odd = np.array([-1, 2], np.float32)
    runtime = history(BOARD, BOARD, towards_odd)
    assert runtime.recommend(None, [], 50)[0].tolist() == [*range(1, 50, 2), *range(0, 50, 2)]


def test_an_empty_history_without_a_prior_gets_the_order_of_the_catalogue(history):
    runtime = history(BOARD, BOARD, np.zeros(2, np.float32))
    items, scores = runtime.recommend(None, [], 50)
    assert items.tolist() == list(range(50))
    assert not scores.any()


def test_an_item_counts_once_however_often_it_is_given(history):
    item_emb, history_emb = random_tables(60, 60, 5)
    runtime = history(item_emb, history_emb, item_emb[0])
    once, again = (runtime.recommend(None, seen, 60) for seen in ([3, 8], [8, 3, 8, 8, 3]))
    assert once[0].tolist() == again[0].tolist()
    assert once[1].tobytes() == again[1].tobytes()


def test_seen_items_are_left_out_and_k_is_capped(history, single):
    item_emb, history_emb = random_tables(30, 30, 3)
    for runtime in (history(item_emb, history_emb, item_emb[0]), single(history_emb[0], item_emb)):
        assert sorted(runtime.recommend(None, [5, 6], 1000)[0].tolist()) == [
            i for i in range(30) if i not in (5, 6)
        ]
        for left in (0, 29):
            assert runtime.recommend(None, [i for i in range(30) if i != left], 9)[0].tolist() == [left]
        assert runtime.recommend(None, range(30), 9)[0].size == 0


def test_one_level_and_two_levels_agree(history, single):
    item_emb, history_emb = random_tables(200, 200, 4)
    for make, tables in (
        (history, (item_emb, history_emb, item_emb[0])),
        (single, (history_emb[0], item_emb)),
    ):
        one = make(*tables).recommend(None, [3, 150], 60)
        two = make(*tables, two_level_items=1).recommend(None, [3, 150], 60)
        assert one[0].tolist() == two[0].tolist()
        assert one[1].tobytes() == two[1].tobytes()


@pytest.mark.parametrize(("n_items", "dim"), [(1, 1), (2, 1), (7, 3), (333, 33)])
def test_shapes(history, single, n_items, dim):
    item_emb, history_emb = random_tables(n_items, n_items, dim)
    for runtime in (history(item_emb, history_emb, item_emb[0]), single(history_emb[0], item_emb)):
        assert sorted(runtime.recommend(None, [], n_items)[0].tolist()) == list(range(n_items))


def test_users_are_refused_where_there_are_none(history, single):
    with pytest.raises(ConfigError, match="holds no users"):
        history(BOARD, BOARD, BOARD[0]).recommend(0, [1], 3)
    runtime = single(BOARD[0], BOARD)
    assert runtime.recommend(0, [1], 3)[0].tolist() == runtime.recommend(None, [1], 3)[0].tolist()
    with pytest.raises(ConfigError, match=r"outside 0\.\.0"):
        runtime.recommend(1, [], 3)


@pytest.mark.parametrize("seen", [[-1], [50]])
def test_items_out_of_range_are_refused(history, seen):
    with pytest.raises(ConfigError):
        history(BOARD, BOARD, BOARD[0]).recommend(None, seen, 3)


HISTORIES = [
    np.array(h, np.int64) for h in ([], [0], [1, 2], list(range(10, 60)), list(range(299)), [7, 90, 200])
]


@pytest.mark.parametrize(("file_format", "recipe"), [s for s in HISTORIES_OF if RECIPES[s[1]].exact])
def test_integer_files_equal_the_numpy_reference(file_format, recipe, tmp_path):
    item_emb, history_emb = random_tables(300, 300, 9)
    student = Student(item_emb[:20], item_emb, "test", 0, "", {})
    fold_in = FoldIn(history_emb, item_emb[5] * 3, "", {})
    tables = quantize(RECIPES[recipe], student.user_emb, item_emb)
    assert tables is not None
    contract = history_contract(make_contract(RECIPES[recipe], student.user_emb, item_emb, file_format))
    graph = describe_history(contract, RECIPES[recipe], student, tables, fold_in)
    reference = table_reference(
        integer_tables(with_histories(tables, quantize_history(fold_in, tables), HISTORIES))
    )
    runtime = write(tmp_path, graph)
    for row, items in enumerate(HISTORIES):
        (got, got_scores), (want, want_scores) = (
            runtime.recommend(None, items, 50),
            reference.recommend(row, items, 50),
        )
        assert got.tolist() == want.tolist()
        assert got_scores.tobytes() == want_scores.tobytes()


@pytest.mark.parametrize("blocks", [{}, {"two_level_items": 1}], ids=["one level", "blocks"])
@pytest.mark.parametrize(("file_format", "recipe"), HISTORIES_OF)
def test_the_reference_of_a_file_equals_its_runtime(file_format, recipe, blocks, tmp_path):
    """--runtime reference, which reads the very file: every bit of an exact recipe, scores of the others."""
    item_emb, history_emb = random_tables(300, 300, 9)
    for graph in (
        history_graph(file_format, recipe, item_emb, history_emb, item_emb[5] * 3),
        single_graph(file_format, recipe, item_emb[7], item_emb),
    ):
        own, reference = (write(tmp_path, graph, runtime=name, **blocks) for name in (None, "reference"))
        for items in HISTORIES:
            (got, got_scores), (want, want_scores) = (r.recommend(None, items, 50) for r in (own, reference))
            if RECIPES[recipe].exact:
                assert got.tolist() == want.tolist()
                assert got_scores.tobytes() == want_scores.tobytes()
            else:
                np.testing.assert_allclose(got_scores, want_scores, rtol=1e-4, atol=1e-5)


def test_the_reference_agrees_with_a_second_definition():
    """Exact fractions, one number at a time: to the nearest of -127..127, halves away from zero."""
    item_emb, history_emb = random_tables(300, 300, 9)
    tables = quantize(RECIPES["int8-dim"], item_emb[:2], item_emb)
    history = quantize_history(FoldIn(history_emb, item_emb[5], "", {}), tables)
    rows = with_histories(tables, history, HISTORIES).user_q
    for row, items in zip(rows, HISTORIES, strict=True):
        sums = [
            int(history.prior_q[d]) + sum(int(history.history_q[i, d]) for i in items.tolist())
            for d in range(9)
        ]
        peak = max(map(abs, sums))
        for value, total in zip(row.tolist(), sums, strict=True):
            exact = abs(Fraction(127 * total, peak))
            assert abs(value) == int(exact + Fraction(1, 2))
            assert value * total >= 0


def test_long_histories_do_not_overflow(tmp_path):
    """70,000 rows of the largest value: 254 times the sum does not fit in 32 bits."""
    n_items = 70_002
    item_emb = np.ones((n_items, 2), np.float32)
    item_emb[0] = -1
    student = Student(item_emb[:1], item_emb, "test", 0, "", {})
    recipe = RECIPES["int8-dim"]
    tables = quantize(recipe, student.user_emb, item_emb)
    contract = history_contract(make_contract(recipe, student.user_emb, item_emb))
    fold_in = FoldIn(np.ones((n_items, 2), np.float32), np.zeros(2, np.float32), "", {})
    graph = describe_history(contract, recipe, student, tables, fold_in)
    runtime = write(tmp_path, graph)
    items, scores = runtime.recommend(None, range(1, n_items - 1), 2)
    assert items.tolist() == [n_items - 1, 0]
    np.testing.assert_allclose(scores, [140_000, -140_000], rtol=1e-5)
    fitting = dataclasses.replace(contract, model_file="model.tflite", format="tflite", seen_capacity=128)
    with pytest.raises(ConfigError, match=r"70,002 items are too many .* 66,310 at most"):
        write(tmp_path, dataclasses.replace(graph, contract=fitting))


def test_the_longest_history_that_tflite_divides(tmp_path):
    """All items but one, at the largest number of items that is allowed."""
    item_emb = np.ones((MAX_ITEMS, 1), np.float32)
    item_emb[5] = -1
    student = Student(item_emb[:1], item_emb, "test", 0, "", {})
    recipe = RECIPES["int8-dim"]
    contract = history_contract(make_contract(recipe, student.user_emb, item_emb, "tflite"))
    fold_in = FoldIn(np.full((MAX_ITEMS, 1), -1, np.float32), np.full(1, -1, np.float32), "", {})
    tables = quantize(recipe, student.user_emb, item_emb)
    runtime = write(tmp_path, describe_history(contract, recipe, student, tables, fold_in))
    items, scores = runtime.recommend(None, [i for i in range(MAX_ITEMS) if i != 5], 1)
    assert items.tolist() == [5]
    np.testing.assert_allclose(scores, [MAX_ITEMS], rtol=1e-5)

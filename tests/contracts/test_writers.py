"""What every writer must keep, for every recipe: format × recipe × the cases below."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from exports import make_graph, random_tables

from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.quantize import quantize, stored_floats
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.metrics import topk_unseen
from recpress_edge.device.litert import LiteRT
from recpress_edge.device.onnx_runtime import OnnxRuntime
from recpress_export.graph import Graph
from recpress_export.onnx.writer import to_onnx
from recpress_export.tflite.writer import to_tflite

Ask = Callable[[int, Sequence[int], int], tuple[np.ndarray, np.ndarray]]


def _onnx(folder: Path, graph: Graph) -> Ask:
    path = folder / "model.onnx"
    path.write_bytes(to_onnx(graph, {}))
    return OnnxRuntime(path, graph.contract).recommend


def _tflite(folder: Path, graph: Graph, two_level_items: int) -> Ask:
    path = folder / "model.tflite"
    path.write_bytes(to_tflite(graph, {}, two_level_items))
    return LiteRT(path, graph.contract).recommend


# name -> format, writer
WRITERS = {
    "onnx": ("onnx", _onnx),
    "tflite": ("tflite", partial(_tflite, two_level_items=10**9)),
    "tflite two levels": ("tflite", partial(_tflite, two_level_items=0)),
}


@pytest.fixture(params=[(w, r) for w in WRITERS for r in FORMATS[WRITERS[w][0]].recipes], ids="-".join)
def export(request, tmp_path):
    """Tables -> a function that asks the written file."""
    writer, recipe = request.param
    file_format, ask = WRITERS[writer]

    def write(user_emb: np.ndarray, item_emb: np.ndarray) -> Ask:
        return ask(tmp_path, make_graph(recipe, user_emb, item_emb, file_format))

    write.recipe = recipe
    return write


def test_checkerboard_gives_the_diagonal(export):
    """User u likes the items of its own parity and has seen all of them but item u."""
    parity = np.arange(50) % 2
    tables = np.stack([parity == 0, parity == 1], axis=1).astype(np.float32)  # (50, 2)
    ask = export(tables, tables)
    for user in range(50):
        seen = [i for i in range(50) if i % 2 == user % 2 and i != user]
        items, scores = ask(user, seen, 1)
        assert items.tolist() == [user]
        np.testing.assert_allclose(scores, [1.0], rtol=1e-6)


def test_equal_rows_come_in_the_order_of_their_index(export):
    ask = export(np.ones((2, 3), np.float32), np.ones((200, 3), np.float32))
    assert ask(0, [], 200)[0].tolist() == list(range(200))
    assert ask(1, [0, 3, 199], 5)[0].tolist() == [1, 2, 4, 5, 6]


def test_blocks_of_ties_come_best_first_then_by_index(export):
    item_emb = np.repeat(
        np.array([[1.0], [3.0], [2.0]], np.float32), 40, axis=0
    )  # 0-39: 1, 40-79: 3, 80-119: 2
    ask = export(np.ones((1, 1), np.float32), item_emb)
    expected = [*range(40, 80), *range(80, 120), *range(40)]
    assert ask(0, [], 120)[0].tolist() == expected
    assert ask(0, [], 100)[0].tolist() == expected[:100]


def test_all_items_but_one_seen(export):
    user_emb, item_emb = random_tables(4, 30, 3)
    ask = export(user_emb, item_emb)
    for left in (0, 17, 29):
        items, scores = ask(2, [i for i in range(30) if i != left], 10)
        assert items.tolist() == [left]
        assert np.isfinite(scores).all()


def test_k_is_a_run_time_input_and_may_exceed_the_catalogue(export):
    ask = export(*random_tables(4, 30, 3))
    whole = ask(1, [5], 1000)[0].tolist()
    assert sorted(whole) == [i for i in range(30) if i != 5]
    for k in (1, 7, 29):
        assert ask(1, [5], k)[0].tolist() == whole[:k]


def test_seen_may_be_empty_or_repeat_itself(export):
    ask = export(*random_tables(4, 30, 3))
    first = ask(3, [], 30)[0].tolist()
    again = ask(3, [first[0], first[0], first[0]], 29)
    assert again[0].tolist() == first[1:]


@pytest.mark.parametrize(
    ("n_users", "n_items", "dim"), [(1, 1, 1), (1, 7, 3), (5, 1, 2), (3, 64, 1), (6, 333, 33)]
)
def test_shapes(export, n_users, n_items, dim):
    ask = export(*random_tables(n_users, n_items, dim))
    for user in range(n_users):
        assert sorted(ask(user, [], n_items)[0].tolist()) == list(range(n_items))


def test_rows_of_zeros_and_constant_columns(export):
    user_emb, item_emb = random_tables(3, 20, 4)
    user_emb[0], item_emb[:, 1], item_emb[7] = 0, 5, 0
    ask = export(user_emb, item_emb)
    items, scores = ask(0, [2], 20)
    assert items.tolist() == [0, 1, *range(3, 20)]
    assert not scores.any()


def test_rankings_equal_the_second_definition(export):
    """Against core.metrics.topk_unseen on integer products, scaled or not, or float64 products."""
    user_emb, item_emb = random_tables(25, 400, 7)
    tables = quantize(RECIPES[export.recipe], user_emb, item_emb)
    if tables is None:
        users, items = stored_floats(RECIPES[export.recipe], user_emb, item_emb)
        scores = users.astype(np.float64) @ items.T.astype(np.float64)
    else:
        scores = tables.user_q.astype(np.int64) @ tables.item_q.T.astype(np.int64)
        if tables.item_row_scale is not None:
            scores = scores.astype(np.float32) * tables.item_row_scale.astype(np.float32)
    seen = np.random.default_rng(1).random((25, 400)) < 0.1
    expected = topk_unseen(scores, seen, 50)
    ask = export(user_emb, item_emb)
    for user in range(25):
        assert ask(user, np.flatnonzero(seen[user]), 50)[0].tolist() == expected[user].tolist()

"""Top-k in two levels: the very answers of one level, also where everything ties."""

import numpy as np
import onnx
import pytest
from exports import make_graph, random_tables

from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.rng import stream
from recpress_edge.device.onnx_runtime import OnnxRuntime
from recpress_export.onnx.topk import BLOCK_ITEMS, TWO_LEVEL_ITEMS, pad_count
from recpress_export.onnx.writer import to_onnx

SHAPES = [1, 2, BLOCK_ITEMS - 1, BLOCK_ITEMS, BLOCK_ITEMS + 1, 5 * BLOCK_ITEMS, 1000]


def _both(folder, recipe, user_emb, item_emb):
    """The same tables with one level, and with two."""
    graph = make_graph(recipe, user_emb, item_emb)
    answers = []
    for levels, threshold in ((1, len(item_emb) + 1), (2, 1)):
        path = folder / f"{levels}.onnx"
        path.write_bytes(to_onnx(graph, {}, threshold))
        answers.append(OnnxRuntime(path, graph.contract))
    return answers


def _same(one, two, user, seen, k):
    (items, scores), (items_2, scores_2) = (r.recommend(user, seen, k) for r in (one, two))
    assert items_2.tolist() == items.tolist()
    assert scores_2.tolist() == scores.tolist()
    return items


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("n_items", SHAPES)
def test_the_same_answers_at_every_k(tmp_path, recipe, n_items):
    one, two = _both(tmp_path, recipe, *random_tables(3, n_items, 5))
    for k in {1, 2, min(50, n_items), n_items, n_items + 7}:
        for seen in ([], [n_items - 1], [0, 0, n_items // 2], list(range(1, n_items))):
            if len(set(seen)) < n_items:
                _same(one, two, 1, seen, k)


@pytest.mark.parametrize("recipe", RECIPES)
def test_ties_give_the_lower_index_within_and_across_blocks(tmp_path, recipe):
    rng = stream(0, "ties")
    n_items = 40 * BLOCK_ITEMS + 3
    for levels in (1, 2, 3):  # so many different scores in the whole catalogue
        item_emb = rng.integers(0, levels, (n_items, 1)).astype(np.float32)
        one, two = _both(tmp_path, recipe, np.ones((1, 1), np.float32), item_emb)
        expected = np.lexsort((np.arange(n_items), -item_emb[:, 0]))
        for k in (1, 39, 50, BLOCK_ITEMS + 1, n_items):
            assert _same(one, two, 0, [], k).tolist() == expected[:k].tolist()
        seen = rng.permutation(n_items)[: n_items // 2]
        left = expected[~np.isin(expected, seen)]
        assert _same(one, two, 0, seen, 50).tolist() == left[:50].tolist()


def test_the_rows_that_fill_the_last_block_are_never_returned(tmp_path):
    # Every real item scores below zero, which is what a row of zeros would score.
    item_emb = -1 - stream(0, "negative").random((BLOCK_ITEMS + 5, 1), np.float32)
    for recipe in RECIPES:
        one, two = _both(tmp_path, recipe, np.ones((1, 1), np.float32), item_emb)
        everything = _same(one, two, 0, [], BLOCK_ITEMS + 5)
        assert sorted(everything.tolist()) == list(range(BLOCK_ITEMS + 5))


def test_only_long_lists_are_split():
    operators = {}
    for n_items in (TWO_LEVEL_ITEMS - 1, TWO_LEVEL_ITEMS):
        data = to_onnx(make_graph("int8-dim", *random_tables(2, n_items, 1)), {})
        operators[n_items] = [node.op_type for node in onnx.load_from_string(data).graph.node]
    assert operators[TWO_LEVEL_ITEMS - 1].count("TopK") == 1
    assert operators[TWO_LEVEL_ITEMS].count("TopK") == 3


def test_padding():
    assert [pad_count(n) for n in (1, 63, 64, 65, 128)] == [63, 1, 0, 63, 0]

"""TensorFlow as an independent judge: the same student, written down in its operators and converted by it.

Skipped where TensorFlow is not installed; `make test-tensorflow` makes an environment of its own for it.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from exports import make_graph, random_tables

from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.quantize import quantize, stored_floats
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.metrics import overlap_by_user
from recpress_edge.core.rng import stream
from recpress_edge.device.litert import LiteRT
from recpress_edge.device.reference import ReferenceRuntime
from recpress_export.ranking import TopLists
from recpress_export.tflite.topk import TWO_LEVEL_ITEMS
from recpress_export.tflite.writer import to_tflite

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed. Run: make test-tensorflow")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from tensorflow_judge import Request, agreement, converted, float_tables, itself  # noqa: E402

N_USERS, DIM, K = 120, 20, 50
SIZES = (900, TWO_LEVEL_ITEMS + 700)
"""Items: the best are chosen in one level, and in two."""


def ours(folder, recipe, tables):
    path = folder / "model.tflite"
    graph = make_graph(recipe, *tables, "tflite")
    path.write_bytes(to_tflite(graph, {}))
    return LiteRT(path, graph.contract).recommend


def reference(recipe, tables):
    stored = quantize(RECIPES[recipe], *tables)
    if stored is None:
        floats = stored_floats(RECIPES[recipe], *tables)
        return ReferenceRuntime.from_float(*(table.astype(np.float32) for table in floats)).recommend
    return ReferenceRuntime.from_int8(
        stored.user_q, stored.item_q, stored.user_scale, item_scale=stored.item_row_scale
    ).recommend


def queries(n_items):
    """Every user, with a history of its own; some long enough to make our seen input grow."""
    rng = stream(0, "queries of the judge")
    return [(user, rng.permutation(n_items)[: rng.integers(0, 160)], K) for user in range(N_USERS)]


@pytest.mark.parametrize("n_items", SIZES)
@pytest.mark.parametrize("recipe", FORMATS["tflite"].recipes)
def test_every_user_gets_the_same_from_tensorflow(recipe, n_items, tmp_path):
    tables = random_tables(N_USERS, n_items, DIM)
    module = Request(*float_tables(recipe, *tables))
    judges = {
        "tensorflow": itself(module),
        "its converter": converted(module),
        "numpy": reference(recipe, tables),
    }
    written = ours(tmp_path, recipe, tables)
    for query in queries(n_items):
        items, scores = written(*query)
        for name, judge in judges.items():
            wanted, best = judge(*query)
            if RECIPES[recipe].exact:
                assert items.tolist() == wanted.tolist(), (name, query[0])
                assert scores.tobytes() == best.tobytes(), (name, query[0])
            else:  # float32 sums in another order: equal up to rounding, and only near ties may change places
                np.testing.assert_allclose(scores, best, rtol=1e-5, atol=1e-6)
                moved = items != wanted
                np.testing.assert_allclose(scores[moved], best[moved], rtol=1e-5, atol=1e-6)


def test_agreement_counts_users_and_says_how_far_the_moved_items_are_apart():
    ours = TopLists(np.array([[4, 2], [1, 3], [5, 6]]), np.float32([[8, 4], [2, 1], [4, 1]]))
    theirs = TopLists(np.array([[4, 2], [3, 1], [5, 6]]), np.float32([[8, 4], [2, 1.5], [4, 1.25]]))
    assert agreement(ours, theirs) == {
        "same_lists": 2,
        "same_bits": 1,
        "score_difference": 0.25,
        "score_difference_of_moved": 0.25,
    }


def test_tensorflows_own_int8_is_as_near_to_ours_as_both_are_to_fp32(tmp_path):
    """It gives each item a scale and quantises the user's row on the fly: near the same lists, not equal."""
    tables = random_tables(N_USERS, SIZES[1], DIM)
    theirs = converted(Request(*float_tables("fp32", *tables)), [tf.lite.Optimize.DEFAULT])
    mine, plain = ours(tmp_path, "int8-dim", tables), reference("fp32", tables)
    lists = [np.stack([ask(*query)[0] for query in queries(SIZES[1])]) for ask in (plain, mine, theirs)]
    for left, right in ((0, 1), (0, 2), (1, 2)):
        assert overlap_by_user(lists[left], lists[right]).mean() > 0.97

"""TensorFlow as an independent judge: the same student, written down in its operators and converted by it.

Skipped where TensorFlow is not installed; `make test-tensorflow` makes an environment of its own for it.
"""

import numpy as np
import pytest
from exports import make_graph, random_tables

from device_bench.runtimes.litert import LiteRT
from device_bench.runtimes.reference import ReferenceRuntime
from recpress_edge.core.metrics import overlap_by_user
from recpress_edge.core.rng import stream
from recpress_export.formats import FORMATS
from recpress_export.quantize import RECIPES, quantize, stored_floats
from recpress_export.tflite_top import TWO_LEVEL_ITEMS
from recpress_export.tflite_writer import to_tflite

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed. Run: make test-tensorflow")

N_USERS, DIM, K = 120, 20, 50
SIZES = (900, TWO_LEVEL_ITEMS + 700)
"""Items: the best are chosen in one level, and in two."""


def float_tables(recipe, user_emb, item_emb):
    """What a recipe multiplies, in float32, where integers are exact: users, items, their scales."""
    stored = quantize(RECIPES[recipe], user_emb, item_emb)
    if stored is None:
        users, items = (
            table.astype(np.float32) for table in stored_floats(RECIPES[recipe], user_emb, item_emb)
        )
        return users, items, np.ones(len(items), np.float32), np.ones(len(users), np.float32)
    row_scale = stored.item_row_scale
    scale = np.ones(len(item_emb), np.float32) if row_scale is None else row_scale.astype(np.float32)
    return stored.user_q.astype(np.float32), stored.item_q.astype(np.float32), scale, stored.user_scale


class Request(tf.Module):
    """The request as TensorFlow's users would write it."""

    def __init__(self, users, items, item_scale, user_scale):
        super().__init__()
        self.users, self.items = tf.constant(users), tf.constant(items)
        self.item_scale, self.user_scale = tf.constant(item_scale), tf.constant(user_scale)

    @tf.function(
        input_signature=[
            tf.TensorSpec([1], tf.int32, "user"),
            tf.TensorSpec([None], tf.int32, "seen"),
            tf.TensorSpec([1], tf.int32, "k"),
        ]
    )
    def recommend(self, user, seen, k):
        row = tf.gather(self.users, user)  # (1, D)
        product = tf.matmul(row, self.items, transpose_b=True)[0]  # (I,)
        lowest = tf.fill(tf.shape(seen), np.float32(-np.inf))
        mask = tf.scatter_nd(seen[:, None], lowest, tf.shape(product))
        top = tf.math.top_k(product * self.item_scale + mask, k[0])
        return {"items": top.indices, "scores": top.values * tf.gather(self.user_scale, user)}


def converted(module, optimizations=()):
    """Through TensorFlow's converter, in TensorFlow's own interpreter."""
    function = module.recommend.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    converter.optimizations = list(optimizations)
    interpreter = tf.lite.Interpreter(
        model_content=converter.convert(),
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner = interpreter.get_signature_runner()

    def ask(user, seen, k):
        found = runner(user=np.int32([user]), seen=seen.astype(np.int32), k=np.int32([k]))
        return found["items"], found["scores"]

    return ask


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
@pytest.mark.parametrize("recipe", FORMATS["tflite"])
def test_every_user_gets_the_same_from_tensorflow(recipe, n_items, tmp_path):
    tables = random_tables(N_USERS, n_items, DIM)
    module = Request(*float_tables(recipe, *tables))
    judges = {
        "tensorflow": lambda *query: [
            t.numpy() for t in map(module.recommend(*map(tensor, query)).get, ("items", "scores"))
        ],
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


def tensor(value):
    return tf.constant(np.atleast_1d(value), tf.int32)


def test_tensorflows_own_int8_is_as_near_to_ours_as_both_are_to_fp32(tmp_path):
    """It gives each item a scale and quantises the user's row on the fly: near the same lists, not equal."""
    tables = random_tables(N_USERS, SIZES[1], DIM)
    theirs = converted(Request(*float_tables("fp32", *tables)), [tf.lite.Optimize.DEFAULT])
    mine, plain = ours(tmp_path, "int8-dim", tables), reference("fp32", tables)
    lists = [np.stack([ask(*query)[0] for query in queries(SIZES[1])]) for ask in (plain, mine, theirs)]
    for left, right in ((0, 1), (0, 2), (1, 2)):
        assert overlap_by_user(lists[left], lists[right]).mean() > 0.97

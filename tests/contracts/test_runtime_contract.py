"""One contract for every runtime and recipe: same answers as the numpy reference, same refusals."""

import numpy as np
import pytest
from bundles import Tables, make_contract, make_tables, write_model
from exports import make_graph

from recpress_edge.artifacts.formats import FORMATS, writer_of
from recpress_edge.artifacts.quantize import QUANTIZERS, QuantizedTables, quantize, stored_floats
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.device.litert import LiteRT
from recpress_edge.device.onnx_runtime import OnnxRuntime
from recpress_edge.device.reference import ReferenceRuntime
from recpress_edge.device.reference_file import FileReference
from recpress_export.graph import describe_int8
from recpress_export.onnx.writer import to_onnx

N = 50
BY_HAND = ("fp32", "int8-dim")
"""Recipes whose model these tests write themselves; the others come from the exporter."""


def exported(recipe, tables, folder, file_format):
    """The file that the exporter writes, and its contract."""
    graph = make_graph(recipe, tables.user_emb, tables.item_emb, file_format)
    if recipe == "int8-dim":  # the very tables of the reference
        stored = QuantizedTables(*tables.int8, np.ones(tables.item_emb.shape[1], np.float32))
        graph = describe_int8(graph.contract, stored)
    path = folder / graph.contract.model_file
    path.write_bytes(writer_of(file_format)(graph, {}))
    return path, graph.contract


def build(runtime, recipe, tables, folder):
    if runtime == "numpy":
        return tables.reference(recipe) if recipe in BY_HAND else reference(recipe, tables)
    if runtime == "litert":
        return LiteRT(*exported(recipe, tables, folder, "tflite"))
    if runtime.startswith("reference of "):
        return FileReference(*exported(recipe, tables, folder, runtime.removeprefix("reference of ")))
    path, contract = folder / "model.onnx", make_contract(tables, recipe)
    if recipe in BY_HAND:
        write_model(path, tables, recipe)
    else:
        path.write_bytes(to_onnx(make_graph(recipe, tables.user_emb, tables.item_emb), {}))
    return OnnxRuntime(path, contract)


def reference(recipe, tables):
    """From what the exporter stores."""
    stored = quantize(RECIPES[recipe], tables.user_emb, tables.item_emb)
    if stored is None:
        floats = stored_floats(RECIPES[recipe], tables.user_emb, tables.item_emb)
        return ReferenceRuntime.from_float(*(table.astype(np.float32) for table in floats))
    return ReferenceRuntime.from_int8(
        stored.user_q, stored.item_q, stored.user_scale, item_scale=stored.item_row_scale
    )


RUNTIMES = {
    "numpy": tuple(RECIPES),
    "onnxruntime": FORMATS["onnx"].recipes,
    "litert": FORMATS["tflite"].recipes,
    **{f"reference of {file_format}": row.recipes for file_format, row in FORMATS.items()},
}
SUBJECTS = [(runtime, recipe) for runtime, recipes in RUNTIMES.items() for recipe in recipes]


@pytest.fixture(params=SUBJECTS, ids="-".join)
def subject(request, tmp_path):
    runtime, recipe = request.param
    return lambda tables: build(runtime, recipe, tables, tmp_path)


def checkerboard():
    """User u scores 2 on item u, 1 on items of its own parity, 0 on the others."""
    parity = (np.add.outer(np.arange(N), np.arange(N)) % 2 == 0).astype(np.float32)
    return Tables(parity + np.eye(N, dtype=np.float32), np.eye(N, dtype=np.float32))


def test_checkerboard_top_one_is_the_diagonal(subject):
    runtime = subject(checkerboard())
    for user in range(N):
        assert runtime.recommend(user, [], 1)[0].tolist() == [user]


def test_ties_go_to_the_lower_index_after_masking(subject):
    runtime = subject(checkerboard())
    assert runtime.recommend(4, [4, 0], 4)[0].tolist() == [2, 6, 8, 10]
    assert runtime.recommend(5, np.arange(1, N, 2), 3)[0].tolist() == [0, 2, 4]  # only ties at zero are left


def test_types_and_order(subject):
    items, scores = subject(make_tables(7, 90, 5)).recommend(3, [1, 2], 20)
    assert (items.dtype, scores.dtype) == (np.int64, np.float32)
    assert items.shape == scores.shape == (20,)
    assert (np.diff(scores) <= 0).all()
    assert not np.isin([1, 2], items).any()


def test_k_is_capped_and_everything_seen_gives_nothing(subject):
    runtime = subject(make_tables(3, 10, 4))
    assert sorted(runtime.recommend(0, [3, 3], 99)[0].tolist()) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    items, scores = runtime.recommend(0, np.arange(10), 5)
    assert items.shape == scores.shape == (0,)


@pytest.mark.parametrize(("user", "seen"), [(-1, []), (3, []), (0, [-1]), (0, [10])])
def test_ids_out_of_range_are_refused(subject, user, seen):
    with pytest.raises(ConfigError):
        subject(make_tables(3, 10, 4)).recommend(user, seen, 2)


@pytest.mark.parametrize("dim", [10, 7])
@pytest.mark.parametrize(("runtime", "recipe"), [s for s in SUBJECTS if s[0] != "numpy"])
def test_runtimes_equal_the_reference(runtime, recipe, dim, tmp_path):
    tables = make_tables(60, 500, dim, seed=3)
    plain, runtime = (build(name, recipe, tables, tmp_path) for name in ("numpy", runtime))
    rng = stream(0, "queries")
    for user in range(60):
        seen = rng.permutation(500)[: rng.integers(0, 30)]
        (want, want_scores), (got, got_scores) = (
            plain.recommend(user, seen, 50),
            runtime.recommend(user, seen, 50),
        )
        if recipe in QUANTIZERS:
            assert got.tolist() == want.tolist()
            assert got_scores.tobytes() == want_scores.tobytes()
        else:
            np.testing.assert_allclose(got_scores, want_scores, rtol=1e-5, atol=1e-6)


def test_reference_agrees_with_a_second_definition():
    tables = make_tables(9, 80, 3, seed=1)
    runtime = ReferenceRuntime.from_float(tables.user_emb, tables.item_emb)
    for user in range(9):
        seen = {user, user + 9}
        scores = tables.item_emb @ tables.user_emb[user]
        slow = sorted((i for i in range(80) if i not in seen), key=lambda i: (-scores[i], i))
        assert runtime.recommend(user, sorted(seen), 80)[0].tolist() == slow

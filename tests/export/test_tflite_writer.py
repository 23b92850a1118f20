"""The TFLite file: its bytes, its interface, its operators; and that two levels never change an answer."""

import dataclasses

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from exports import make_contract, make_graph, random_tables
from fixtures.make_golden import METADATA, golden_bytes, golden_path

from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.quantize import QuantizedTables
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.device.litert import LiteRT
from recpress_edge.device.reference import ReferenceRuntime
from recpress_export.graph import ExcludeSeen, Graph, RunNetwork, SelectTop, describe_int8
from recpress_export.inspect import read_contents
from recpress_export.tflite.flatbuffer import ALIGNMENT, FlatModel
from recpress_export.tflite.topk import TWO_LEVEL_ITEMS, layout_of
from recpress_export.tflite.writer import to_tflite

RECIPE_NAMES = FORMATS["tflite"].recipes


@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_bytes_are_the_golden_ones(recipe):
    assert golden_bytes(recipe, "tflite") == golden_path(recipe, "tflite").read_bytes(), (
        "deliberate, or another release of TFLite's schema? see tests/fixtures/make_golden.py"
    )


def test_golden_answers_by_hand():
    # User 2 is (0.5, -0.25): the items score 0.5, -0.25, 0.25, -0.625.
    tables = np.zeros((3, 2), np.float32), np.zeros((4, 2), np.float32)
    contracts = {name: make_contract(RECIPES[name], *tables, "tflite") for name in RECIPE_NAMES}
    items, scores = LiteRT(golden_path("fp32", "tflite"), contracts["fp32"]).recommend(2, [], 4)
    assert items.tolist() == [0, 2, 1, 3]
    assert scores.tolist() == [0.5, 0.25, -0.25, -0.625]
    int8 = LiteRT(golden_path("int8-dim", "tflite"), contracts["int8-dim"])
    items, scores = int8.recommend(2, [0], 2)
    assert items.tolist() == [2, 1]
    np.testing.assert_allclose(scores, [0.25, -0.25], atol=0.005)
    assert int8.recommend(0, [], 4)[0].tolist() == [0, 2, 1, 3]  # items 0 and 2 tie: the lower index first


@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_interface_and_metadata(recipe):
    found = read_contents(golden_path(recipe, "tflite"))
    assert [(t.name, t.dtype, t.shape) for t in found.inputs] == [
        ("user", "int32", (1,)),
        ("seen", "int32", (128,)),
        ("k", "int32", (1,)),
    ]
    assert {(t.name, t.dtype) for t in found.outputs} == {("items", "int32"), ("scores", "float32")}
    assert found.metadata == METADATA
    assert "CUSTOM" not in dict(found.operators)


def test_int8_tables_are_truly_bytes():
    sizes = {t.name: (t.dtype, t.n_bytes) for t in read_contents(golden_path("int8-dim", "tflite")).tensors}
    assert sizes["user_emb"] == ("int8", 3 * 2)
    assert sizes["item_emb"] == ("int8", 8 * 2)  # four items, and four places that fill the last rows up
    assert sizes["user_scale"] == ("float32", 3 * 4)


def test_every_tensor_lies_at_a_multiple_of_the_alignment():
    data = to_tflite(make_graph("int8-dim", *random_tables(3, 41, 3), "tflite"), {"key": "odd"}, 0)
    model = schema.Model.GetRootAs(data, 0)
    at = [model.Buffers(n)._tab for n in range(model.BuffersLength())]
    starts = [tab.Vector(o) for tab in at if (o := tab.Offset(4))]
    assert len(starts) > 10
    assert not any(start % ALIGNMENT for start in starts)


def behind_the_flatbuffer(model, stored):
    """The model with a constant's bytes after it in the file, as ai-edge-quantizer writes large ones."""
    model.buffers[-1].data, model.buffers[-1].offset, model.buffers[-1].size = None, 2, len(stored)
    for _ in range(2):  # the offset has the same length whatever its value
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        model.buffers[-1].offset = len(builder.Output())
    return bytes(builder.Output()) + stored


@pytest.mark.parametrize("outside", [False, True])
def test_another_models_constants_come_with_it_wherever_they_lie(outside, tmp_path):
    network, values = FlatModel(), np.array([3.0, -1.0, 0.5, 2.0] + [99.0] * 4, np.float32)  # four items
    user, scores = network.tensor("u", [1], np.int32), network.tensor("s", [8], np.float32)
    wide = network.tensor("wide", [1], np.float32)
    network.operator("CAST", [user], [wide], inDataType=2, outDataType=0)  # from INT32 to FLOAT32
    network.operator("ADD", [wide, network.constant("values", values)], [scores])
    data = network.to_bytes({"u": user}, {"s": scores}, {})
    if outside:
        data = behind_the_flatbuffer(schema.ModelT.InitFromPackedBuf(data, 0), values.tobytes())
    contract = make_contract(RECIPES["fp32"], np.zeros((9, 1)), np.zeros((4, 1)), "tflite")
    graph = Graph(contract, (RunNetwork(data), ExcludeSeen(-np.inf), SelectTop()))
    (tmp_path / "model.tflite").write_bytes(to_tflite(graph, {}))
    items, found = LiteRT(tmp_path / "model.tflite", contract).recommend(5, [3], 4)
    assert items.tolist() == [0, 2, 1]
    assert found.tolist() == [8, 5.5, 4]


def test_dim_10_citeulike_size_and_ratio():
    tables = random_tables(5219, 25181, 10)
    metadata = {f"key{n}": "x" * 64 for n in range(12)}
    int8, fp32 = (len(to_tflite(make_graph(r, *tables, "tflite"), metadata)) for r in ("int8-dim", "fp32"))
    assert int8 <= 340_000
    assert int8 / fp32 <= 0.28


def test_layout_by_hand():
    # Seven items in blocks of three make three blocks, filled up to four: block 1 is items 3, 4, 5.
    layout = dataclasses.replace(layout_of(7, two_level=True), width=3, n_blocks=4)
    stored = layout.arrange(np.arange(1, 8)[:, None]).reshape(3, 4)
    assert stored.tolist() == [[1, 4, 7, 0], [2, 5, 0, 0], [3, 6, 0, 0]]
    assert layout_of(7, two_level=False).arrange(np.arange(7)[:, None])[:7, 0].tolist() == list(range(7))
    for n_items in (1, 2, 50, 10_000, 25_181):
        for two_level in (False, True):
            assert layout_of(n_items, two_level=two_level).size > n_items  # a place for unused seen entries


def levels(folder, graph):
    """The same graph with one level and with two."""
    for name, threshold in (("one", 10**9), ("two", 0)):
        path = folder / f"{name}.tflite"
        path.write_bytes(to_tflite(graph, {}, threshold))
        yield LiteRT(path, graph.contract)


def int8_graph(user_q, item_q, retired=()):
    tables = QuantizedTables(
        user_q.astype(np.int8),
        item_q.astype(np.int8),
        np.ones(len(user_q), np.float32),
        np.ones(item_q.shape[1], np.float32),
    )
    contract = make_contract(RECIPES["int8-dim"], user_q, item_q, "tflite")
    return describe_int8(dataclasses.replace(contract, retired=retired), tables)


@pytest.mark.parametrize("n_items", [1, 3, 4, 63, 64, 65, 500, 2311])
@pytest.mark.parametrize("values", [1, 2, 5, 127], ids="{} values".format)
def test_tables_made_of_ties(tmp_path, n_items, values):
    """Few distinct scores: equal blocks, equal items within them, and ties across the end of the list."""
    rng = stream(n_items, f"ties {values}")
    user_q, item_q = np.full((2, 1), 127), rng.integers(0, values, (n_items, 1))
    user_q[1] = -127
    reference = ReferenceRuntime.from_int8(
        user_q.astype(np.int8), item_q.astype(np.int8), np.ones(2, np.float32)
    )
    runtimes = list(levels(tmp_path, int8_graph(user_q, item_q)))
    for user in (0, 1):
        for k in {1, 2, 7, 50, n_items}:
            seen = rng.permutation(n_items)[: rng.integers(0, n_items)]
            want = reference.recommend(user, seen, k)
            for runtime in runtimes:
                got = runtime.recommend(user, seen, k)
                assert got[0].tolist() == want[0].tolist()
                assert got[1].tobytes() == want[1].tobytes()


def test_equal_blocks_are_entered_in_the_order_of_their_items(tmp_path):
    """Each block's only good item at another place: the list must not follow the order of the places."""
    graph = int8_graph(np.array([[127]]), np.zeros((400, 1)))
    width = layout_of(400, two_level=True).width
    item_q = np.zeros((400, 1))
    good = [block * width + (width - 1 - block % width) for block in range(400 // width)]
    item_q[good] = 1
    graph = int8_graph(np.array([[127]]), item_q)
    rest = [item for item in range(400) if item not in good]
    for runtime in levels(tmp_path, graph):
        assert runtime.recommend(0, [], 10)[0].tolist() == good[:10]
        assert runtime.recommend(0, [], 400)[0].tolist() == good + rest


def test_a_row_whose_largest_value_is_not_127_is_still_exact(tmp_path):
    user_q, item_q = np.array([[3, -100], [1, 1], [0, 0], [127, 5]]), np.array([[126, 1], [-127, 7], [4, 4]])
    reference = ReferenceRuntime.from_int8(
        user_q.astype(np.int8), item_q.astype(np.int8), np.ones(4, np.float32)
    )
    for runtime in levels(tmp_path, int8_graph(user_q, item_q)):
        for user in range(4):
            assert [a.tolist() for a in runtime.recommend(user, [], 3)] == [
                a.tolist() for a in reference.recommend(user, [], 3)
            ]


def test_the_largest_sums_are_exact_and_larger_ones_are_refused(tmp_path):
    exact, beyond = 1040, 1041  # times 127 · 127: 16,774,160 is below 2^24, 16,790,289 is not
    item_q = np.full((3, exact), 127)
    item_q[1, 0], item_q[2, 0] = 126, 125
    for runtime in levels(tmp_path, int8_graph(np.full((1, exact), 127), item_q)):
        items, scores = runtime.recommend(0, [], 3)
        assert items.tolist() == [0, 1, 2]
        assert scores.tolist() == [exact * 127**2, exact * 127**2 - 127, exact * 127**2 - 254]
    with pytest.raises(ConfigError, match=r"dim 1041 is too large.*--format onnx"):
        to_tflite(int8_graph(np.full((1, beyond), 127), np.full((3, beyond), 127)), {})


def test_retired_items_are_nobodys(tmp_path):
    for runtime in levels(tmp_path, int8_graph(np.array([[127]]), np.arange(9)[:, None], retired=(2, 7, 8))):
        assert runtime.recommend(0, [6], 99)[0].tolist() == [5, 4, 3, 1, 0]


def test_two_levels_are_used_where_they_are_faster():
    assert TWO_LEVEL_ITEMS > 8000
    small, large = (
        dict(schema_operators(to_tflite(make_graph("int8-dim", *random_tables(2, n, 1), "tflite"), {})))
        for n in (TWO_LEVEL_ITEMS - 1, TWO_LEVEL_ITEMS)
    )
    assert "MAX_POOL_2D" not in small
    assert small["TOPK_V2"] == 1
    assert large["TOPK_V2"] == 3


def schema_operators(data):
    model = schema.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    found = [
        names[model.OperatorCodes(graph.Operators(n).OpcodeIndex()).BuiltinCode()]
        for n in range(graph.OperatorsLength())
    ]
    return {name: found.count(name) for name in found}

"""The ONNX file: its bytes, its interface, its operators, its size."""

import numpy as np
import onnx
import onnxruntime
import pytest
from exports import make_contract, make_graph, random_tables
from fixtures.make_golden import golden_bytes, golden_path

from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.device.onnx_runtime import OnnxRuntime
from recpress_export.graph import with_history
from recpress_export.onnx.writer import same_onnx, to_onnx

RECIPE_NAMES = list(RECIPES)


@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_bytes_are_the_golden_ones(recipe):
    assert golden_bytes(recipe) == golden_path(recipe).read_bytes(), (
        "deliberate? see tests/fixtures/make_golden.py"
    )


@pytest.mark.parametrize("recipe", RECIPE_NAMES)
@pytest.mark.parametrize("history", [False, True])
def test_the_package_onnx_would_write_the_same_bytes(recipe, history):
    graph = make_graph(recipe, *random_tables(7, 200, 3))
    if history:
        kind = np.float32 if recipe in ("fp32", "fp16") else np.int8
        tables = {"history_emb": np.ones((200, 3), kind), "prior": np.ones(3, kind)}
        graph = with_history(graph, tables | ({} if kind == np.float32 else {"step": np.float32(0.5)}))
    data = to_onnx(graph, {"b": "ü", "a": ""}, two_level_items=100)
    assert onnx.load_from_string(data).SerializeToString(deterministic=True) == data
    assert not same_onnx(data, to_onnx(graph, {}))  # one level
    assert same_onnx(data, to_onnx(graph, {}, two_level_items=100))


def test_golden_answers_by_hand(tmp_path):
    # User 2 is (0.5, -0.25): the items score 0.5, -0.25, 0.25, -0.625.
    tables = np.zeros((3, 2), np.float32), np.zeros((4, 2), np.float32)
    fp32 = OnnxRuntime(golden_path("fp32"), make_contract(RECIPES["fp32"], *tables))
    items, scores = fp32.recommend(2, [], 4)
    assert items.tolist() == [0, 2, 1, 3]
    assert scores.tolist() == [0.5, 0.25, -0.25, -0.625]
    int8 = OnnxRuntime(golden_path("int8-dim"), make_contract(RECIPES["int8-dim"], *tables))
    items, scores = int8.recommend(2, [0], 2)
    assert items.tolist() == [2, 1]
    np.testing.assert_allclose(scores, [0.25, -0.25], atol=0.005)
    assert int8.recommend(0, [], 4)[0].tolist() == [0, 2, 1, 3]  # items 0 and 2 tie: the lower index first


@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_interface_and_version(recipe):
    model = onnx.load_from_string(golden_bytes(recipe))
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 13)]
    assert model.ir_version == 8
    shapes = {
        v.name: (
            v.type.tensor_type.elem_type,
            [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim],
        )
        for v in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "user": (onnx.TensorProto.INT64, [1]),
        "seen": (onnx.TensorProto.INT64, ["n_seen"]),
        "k": (onnx.TensorProto.INT64, [1]),
        "items": (onnx.TensorProto.INT64, ["n_returned"]),
        "scores": (onnx.TensorProto.FLOAT, ["n_returned"]),
    }
    assert [p.key for p in model.metadata_props] == sorted(p.key for p in model.metadata_props)


def test_int8_tables_are_truly_bytes_and_the_product_is_unsigned():
    model = onnx.load_from_string(golden_bytes("int8-dim"))
    tensors = {t.name: t for t in model.graph.initializer}
    assert tensors["user_emb"].data_type == tensors["item_emb"].data_type == onnx.TensorProto.UINT8
    assert len(tensors["item_emb"].raw_data) == 4 * 2
    product = next(n for n in model.graph.node if n.op_type == "MatMulInteger")
    assert list(product.input)[2:] == ["zero_point", "zero_point"]
    top = next(n for n in model.graph.node if n.op_type == "TopK")
    inferred = onnx.shape_inference.infer_shapes(model)
    types = {v.name: v.type.tensor_type.elem_type for v in inferred.graph.value_info}
    assert types[top.input[0]] == onnx.TensorProto.INT32  # no cast of the whole catalogue


def test_golden_item_scales_by_hand():
    tables = np.zeros((3, 2), np.float32), np.zeros((4, 2), np.float32)
    for recipe, error in (("int8-item", 0.005), ("int4-item", 0.05)):
        runtime = OnnxRuntime(golden_path(recipe), make_contract(RECIPES[recipe], *tables))
        items, scores = runtime.recommend(2, [], 4)
        assert items.tolist() == [0, 2, 1, 3]
        np.testing.assert_allclose(scores, [0.5, 0.25, -0.25, -0.625], atol=error)


def test_int4_table_is_packed_in_the_file():
    model = onnx.load_from_string(to_onnx(make_graph("int4-item", *random_tables(3, 40, 20)), {}))
    tensors = {t.name: t for t in model.graph.initializer}
    assert (tensors["item_emb"].data_type, list(tensors["item_emb"].dims)) == (
        onnx.TensorProto.UINT8, [10, 40],
    )  # fmt: skip
    assert (tensors["item_scale"].data_type, list(tensors["item_scale"].dims)) == (
        onnx.TensorProto.FLOAT16, [40],
    )  # fmt: skip
    assert len(tensors["item_emb"].raw_data) + len(tensors["item_scale"].raw_data) == 40 * 12


@pytest.mark.parametrize("recipe", RECIPE_NAMES)
@pytest.mark.parametrize("dim", [19, 20])
def test_a_row_costs_the_stated_bytes(recipe, dim):
    def tables_of(n_users, n_items):
        model = onnx.load_from_string(to_onnx(make_graph(recipe, *random_tables(n_users, n_items, dim)), {}))
        return sum(len(tensor.raw_data) for tensor in model.graph.initializer)

    small = tables_of(10, 20)
    assert tables_of(10, 120) - small == 100 * RECIPES[recipe].item_row_bytes(dim)
    assert tables_of(110, 20) - small == 100 * RECIPES[recipe].user_row_bytes(dim)


@pytest.mark.parametrize("recipe", RECIPE_NAMES)
def test_two_levels_give_the_same_answers(recipe, tmp_path):
    graph = make_graph(recipe, *random_tables(5, 200, 7))  # 200 items: the last block is padded
    runtimes = []
    for name, two_level_items in (("one", 1000), ("two", 1)):
        (tmp_path / name).write_bytes(to_onnx(graph, {}, two_level_items))
        runtimes.append(OnnxRuntime(tmp_path / name, graph.contract))
    for user in range(5):
        (items, scores), (other, others) = (r.recommend(user, [user, 7], 198) for r in runtimes)
        assert items.tolist() == other.tolist()
        assert scores.tobytes() == others.tobytes()


def test_metadata_is_read_back_by_the_runtime(tmp_path):
    data = to_onnx(make_graph("int8-dim", *random_tables(3, 4, 2)), {"b": "2", "a": "1"})
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == {"a": "1", "b": "2"}


def test_dim_10_citeulike_size_fits_330_kilobytes():
    graph = make_graph("int8-dim", *random_tables(5219, 25181, 10))
    metadata = {f"key{n}": "x" * 64 for n in range(12)}  # more than an export writes
    assert len(to_onnx(graph, metadata)) <= 330_000
    assert len(to_onnx(make_graph("fp32", *random_tables(5219, 25181, 10)), metadata)) > 1_200_000

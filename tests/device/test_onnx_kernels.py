"""A signed row with an unsigned table is told from what has a fast kernel; our own files never have one."""

import dataclasses

import numpy as np
import onnx
import pytest
from bundles import make_bundle
from exports import make_graph, random_tables
from onnx import TensorProto, helper, numpy_helper

from device_bench.record import file_warnings
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.device.onnx_kernels import slow_products
from recpress_export.inspect import read_contents
from recpress_export.onnx.writer import to_onnx

TYPES = {"int8": (np.int8, TensorProto.INT8), "uint8": (np.uint8, TensorProto.UINT8)}


def product(row, table, how):
    """user -> a row of one type, made as ``how`` says, × a table of another."""
    kind, number = TYPES[row]
    constants = [
        numpy_helper.from_array(np.ones((3, 4), kind), "users"),
        numpy_helper.from_array(np.ones((4, 9), TYPES[table][0]), "items"),
        numpy_helper.from_array(np.array(1.0, np.float32), "scale"),
        numpy_helper.from_array(np.array(0, kind), "zero"),
    ]
    made = {
        "looked up": [helper.make_node("Gather", ["users", "user"], ["row"])],
        "cast": [
            helper.make_node("Cast", ["given"], ["wide"], to=TensorProto.INT32),
            helper.make_node("Cast", ["wide"], ["row"], to=number),
        ],
        "quantised": [
            helper.make_node("Cast", ["given"], ["wide"], to=TensorProto.FLOAT),
            helper.make_node("QuantizeLinear", ["wide", "scale", "zero"], ["row"]),
        ],
        "given": [helper.make_node("Identity", ["given"], ["row"])],
    }[how]
    nodes = [*made, helper.make_node("MatMulInteger", ["row", "items"], ["product"])]
    inputs = [
        helper.make_tensor_value_info("user", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("given", number, [1, 4]),
    ]
    outputs = [helper.make_tensor_value_info("product", TensorProto.INT32, [1, 9])]
    return helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, constants)).SerializeToString()


@pytest.mark.parametrize("how", ["looked up", "cast", "quantised", "given"])
@pytest.mark.parametrize(("row", "table"), [(row, table) for row in TYPES for table in TYPES])
def test_only_a_signed_row_with_an_unsigned_table_is_slow(row, table, how):
    found = slow_products(memoryview(product(row, table, how)))
    assert len(found) == (row == "int8" and table == "uint8")
    assert all("MatMulInteger row × items: a signed row and an unsigned table" in one for one in found)


@pytest.mark.parametrize("recipe", RECIPES)
def test_our_own_files_have_none(recipe):
    graph = make_graph(recipe, *random_tables(7, 20, 3))
    assert slow_products(memoryview(to_onnx(graph, {}))) == []


def test_inspect_and_the_bench_say_it(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(product("int8", "uint8", "looked up"))
    assert len(read_contents(path).warnings) == 1
    bundle = make_bundle(tmp_path / "bundle")
    assert file_warnings(bundle) == []
    (tmp_path / "bundle" / bundle.contract.model_file).write_bytes(path.read_bytes())
    assert len(file_warnings(bundle)) == 1
    other = dataclasses.replace(bundle, contract=dataclasses.replace(bundle.contract, format="tflite"))
    assert file_warnings(other) == []


def test_a_subgraph_or_an_unknown_operator_is_no_error():
    model = onnx.load_model_from_string(product("int8", "uint8", "looked up"))
    model.graph.node[0].op_type = "Hardmax"
    assert slow_products(memoryview(model.SerializeToString())) == []

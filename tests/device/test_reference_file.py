"""The reference on a written file: its two small parsers beside the packages, and what it refuses."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from exports import levels, make_graph, random_tables
from network_models import neumf_arrays, read_neumf

from recpress_edge.artifacts.formats import FORMATS, MODEL_FORMATS, writer_of
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.device.onnx_file import onnx_tensors
from recpress_edge.device.runtime import open_runtime
from recpress_edge.device.tables import read_tables
from recpress_edge.device.tflite_file import tflite_tensors
from recpress_export.graph import write_model
from recpress_export.networks.recipes import NETWORK_RECIPES
from recpress_export.subjects.network import in_recipe, network_contract, network_graph, trace

SUBJECTS = [(file_format, recipe) for file_format in MODEL_FORMATS for recipe in FORMATS[file_format].recipes]


def written(recipe, file_format, **options):
    graph = make_graph(recipe, *random_tables(7, 300, 5), file_format)
    return graph, writer_of(file_format)(graph, {"a": "b"}, **options)


@pytest.mark.parametrize("recipe", FORMATS["onnx"].recipes)
def test_the_onnx_package_reads_the_same_tensors(recipe):
    data = written(recipe, "onnx")[1]
    known = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load_from_string(data).graph.initializer}
    found = onnx_tensors(data)
    assert found.keys() == known.keys()
    for name, array in known.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("recipe", FORMATS["tflite"].recipes)
def test_the_flatbuffers_package_reads_the_same_tensors(recipe):
    data = written(recipe, "tflite")[1]
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    found = tflite_tensors(data)
    assert list(found) == [tensor.name.decode() for tensor in model.subgraphs[0].tensors]
    for tensor in model.subgraphs[0].tensors:
        mine, stored = found[tensor.name.decode()], model.buffers[tensor.buffer].data
        assert mine.shape == tuple(() if tensor.shape is None else tensor.shape)
        assert (mine.values is None) == (stored is None or not len(stored))
        if (
            mine.values is not None and tensor.type != schema.TensorType.INT4
        ):  # that one: see the blocks below
            assert mine.values.tobytes() == bytes(stored)


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize(("file_format", "recipe"), SUBJECTS)
def test_tables_come_back_as_they_went_in(file_format, recipe, blocks, tmp_path):
    """Also from a file that lays its items out in blocks."""
    graph, data = written(recipe, file_format, **levels(file_format, 1 if blocks else 10**9))
    path = tmp_path / "model"
    path.write_bytes(data)
    tables = read_tables(path, graph.contract)
    plain, _ = written(recipe, "onnx", two_level_items=10**9)
    users, scored = plain.steps[0].table, plain.steps[1].table
    np.testing.assert_array_equal(tables["user_emb"], users)
    if recipe == "int4-item":  # two in a byte there; half of an odd dim is in the high half
        np.testing.assert_array_equal(tables["item_emb"][:, :3] + 8, scored & 15)
        np.testing.assert_array_equal(tables["item_emb"][:, 3:] + 8, scored[:, :2] >> 4)
    else:
        np.testing.assert_array_equal(tables["item_emb"], scored)


@pytest.mark.parametrize(("file_format", "recipe"), SUBJECTS)
def test_damaged_files_are_errors_and_no_crashes(file_format, recipe, tmp_path):
    """Cut short, and with bytes changed at random: read, or an ArtifactError, or a table is missing."""
    graph, data = written(recipe, file_format)
    path, rng = tmp_path / "model", stream(0, "damage")
    for number in range(40):
        damaged = bytearray(data[: int(rng.integers(8, len(data)))] if number % 2 else data)
        for at in rng.integers(0, min(len(damaged), 4000), 6):
            damaged[at] = int(rng.integers(256))
        path.write_bytes(bytes(damaged))
        try:
            read_tables(path, graph.contract)
        except (ArtifactError, KeyError):
            continue


def test_a_file_that_is_none_is_named(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"not a flatbuffer at all")
    graph = make_graph("fp32", *random_tables(3, 9, 2), "tflite")
    with pytest.raises(ArtifactError, match=r"model\.tflite is not a readable tflite file"):
        open_runtime(path, graph.contract, runtime="reference")


def test_a_network_is_refused(tmp_path):
    torch.set_num_threads(1)
    student = read_neumf(tmp_path / "neumf", **neumf_arrays())
    contract = network_contract(student, NETWORK_RECIPES["fp32"], "onnx")
    path = tmp_path / "model.onnx"
    path.write_bytes(write_model(network_graph(contract, in_recipe(trace(student, "onnx"), contract)), {}))
    with pytest.raises(ConfigError, match=r"multiplies tables.*item_emb is missing.*Leave --runtime out"):
        open_runtime(path, contract, runtime="reference")


def test_tables_of_another_size_are_refused(tmp_path):
    graph, data = written("fp32", "onnx")
    (tmp_path / "model.onnx").write_bytes(data)
    wider = dataclasses.replace(graph.contract, dim=6)
    with pytest.raises(ConfigError, match=r"user_emb \(7, 5\)"):
        open_runtime(tmp_path / "model.onnx", wider, runtime="reference")


def test_it_needs_no_runtime_and_no_package_of_a_format(tmp_path):
    for file_format in MODEL_FORMATS:
        graph, data = written("int8-dim", file_format)
        (tmp_path / f"model.{file_format}").write_bytes(data)
        code = (
            "import sys, pathlib; from recpress_edge.device.runtime import open_runtime; "
            "from recpress_edge.artifacts.contract import Contract; import json; "
            "runtime = open_runtime(pathlib.Path(sys.argv[1]), Contract(**json.loads(sys.argv[2])), "
            "runtime='reference'); assert runtime.recommend(0, [], 3)[0].size == 3; "
            "assert not {'onnxruntime', 'onnx', 'ai_edge_litert', 'flatbuffers', 'google'} & set(sys.modules)"
        )
        facts = json.dumps(dataclasses.asdict(graph.contract))
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / f"model.{file_format}", facts],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

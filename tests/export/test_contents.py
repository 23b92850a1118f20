"""Model files read without running them; damage is an error, never a crash."""

import contextlib
import sys

import numpy as np
import onnx
import pytest
from exports import make_graph, random_tables
from safetensors.numpy import save

from recpress_edge.core.errors import ArtifactError, MissingExtraError
from recpress_export import inspect as contents
from recpress_export.inspect import read_contents
from recpress_export.onnx.writer import to_onnx


def onnx_file(folder, recipe="int8-dim"):
    path = folder / "model.onnx"
    path.write_bytes(to_onnx(make_graph(recipe, *random_tables(7, 20, 3)), {"key": "value"}))
    return path


def tflite_file(folder):
    """x (1, 4) -> ADD a constant -> RELU; and a note."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")

    def tensor(name, shape, buffer):
        made = schema.TensorT()
        made.name, made.shape, made.buffer, made.type = name, shape, buffer, schema.TensorType.FLOAT32
        return made

    def operator(code, inputs, outputs):
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = code, inputs, outputs
        return made

    def code(builtin):
        made = schema.OperatorCodeT()
        made.builtinCode = made.deprecatedBuiltinCode = builtin
        return made

    def buffer(data):
        made = schema.BufferT()
        made.data = np.frombuffer(data, np.uint8) if data else None
        return made

    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("x", [1, 4], 0),
        tensor("c", [4], 1),
        tensor("s", [1, 4], 0),
        tensor("y", [1, 4], 0),
    ]
    graph.inputs, graph.outputs = [0], [3]
    graph.operators = [operator(0, [0, 1], [2]), operator(1, [2], [3])]
    note = schema.MetadataT()
    note.name, note.buffer = "recpress.student", 2
    model = schema.ModelT()
    model.version, model.subgraphs, model.metadata = 3, [graph], [note]
    model.operatorCodes = [code(schema.BuiltinOperator.ADD), code(schema.BuiltinOperator.RELU)]
    model.buffers = [buffer(b""), buffer(np.ones(4, np.float32).tobytes()), buffer(b"htd_dim10")]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path = folder / "model.tflite"
    path.write_bytes(bytes(builder.Output()))
    return path


def tensors(found):
    return {t.name: (t.dtype, t.shape, t.n_bytes) for t in found.tensors}


def test_onnx(tmp_path):
    found = read_contents(onnx_file(tmp_path))
    assert tensors(found) == {
        "user_emb": ("uint8", (7, 3), 21),
        "item_emb": ("uint8", (3, 20), 60),
        "zero_point": ("uint8", (1,), 1),
        "flat": ("int64", (1,), 8),
        "user_scale": ("float", (7,), 28),
    }
    assert dict(found.operators)["MatMulInteger"] == 1
    assert next(iter(found.operators)) == ("Gather", 2)  # most frequent first
    assert [t.name for t in found.inputs] == ["user", "seen", "k"]
    assert found.inputs[1].shape == ("n_seen",)
    assert [t.name for t in found.outputs] == ["items", "scores"]
    assert found.metadata == {"key": "value"}
    assert found.version == "IR 8, opset ai.onnx 13"
    assert found.file_bytes == (tmp_path / "model.onnx").stat().st_size


def test_onnx_values_that_are_not_raw_are_counted_too(tmp_path):
    constant = onnx.helper.make_tensor("c", onnx.TensorProto.FLOAT, [2, 3], [0.0] * 6)
    node = onnx.helper.make_node("Identity", ["c"], ["y"])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2, 3])
    graph = onnx.helper.make_graph([node], "g", [], [out], [constant])
    (tmp_path / "m.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    assert tensors(read_contents(tmp_path / "m.onnx")) == {"c": ("float", (2, 3), 24)}


def test_safetensors(tmp_path):
    path = tmp_path / "t.safetensors"
    path.write_bytes(save({"a": np.zeros((2, 3), np.float32), "b": np.zeros(5, np.int8)}, {"who": "me"}))
    found = read_contents(path)
    assert tensors(found) == {"a": ("F32", (2, 3), 24), "b": ("I8", (5,), 5)}
    assert found.metadata == {"who": "me"}


def test_tflite(tmp_path):
    found = read_contents(tflite_file(tmp_path))
    assert tensors(found) == {"c": ("float32", (4,), 16)}
    assert found.operators == (("ADD", 1), ("RELU", 1))
    assert [t.name for t in found.inputs] == ["x"]
    assert [t.name for t in found.outputs] == ["y"]
    assert found.metadata == {"recpress.student": "htd_dim10"}


def test_tflite_without_its_package(tmp_path, monkeypatch):
    (tmp_path / "m.tflite").write_bytes(b"\0\0\0\0TFL3")
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(MissingExtraError, match="pip install"):
        read_contents(tmp_path / "m.tflite")


def safetensors_file(folder):
    path = folder / "model.safetensors"
    path.write_bytes(save({"a": np.zeros((20, 3), np.float32)}))
    return path


@pytest.mark.parametrize("make", [onnx_file, safetensors_file, tflite_file])
def test_cut_off_files_are_errors(tmp_path, make):
    """Every prefix is refused, or (where the rest is padding or notes) read to the end."""
    path = make(tmp_path)
    whole = path.read_bytes()
    refused = 0
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        try:
            read_contents(path)
        except ArtifactError:
            refused += 1
    assert refused > 0.4 * len(range(0, len(whole), 7))


@pytest.mark.parametrize("make", [onnx_file, safetensors_file, tflite_file])
def test_flipped_bytes_never_crash(tmp_path, make):
    path = make(tmp_path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(600):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(0, 256)
        path.write_bytes(bytes(data))
        with contextlib.suppress(ArtifactError):
            read_contents(path)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("m.onnx", b"", "has no graph"),
        ("m.onnx", b"hello", "not a readable ONNX|has no graph"),
        ("m.tflite", b"", "lacks the mark TFL3"),
        ("m.safetensors", b"", "its header is cut off"),
        ("m.safetensors", b"\xff" * 30, "its header is cut off"),
        ("m.safetensors", (2).to_bytes(8, "little") + b"[]", "not a readable safetensors"),
        (
            "m.safetensors",
            (60).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}     ',
            "outside the file|cut off",
        ),
        ("m.pt", b"x", "not a file that can be inspected"),
    ],
)
def test_other_files(tmp_path, name, data, message):
    if name.endswith("tflite"):
        pytest.importorskip("ai_edge_litert")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ArtifactError, match=message):
        read_contents(tmp_path / name)


def test_files_that_are_too_large_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "MAX_FILE_BYTES", 10)
    with pytest.raises(ArtifactError, match="more than 10"):
        read_contents(onnx_file(tmp_path))
    with pytest.raises(ArtifactError, match="cannot read"):
        read_contents(tmp_path / "none.onnx")

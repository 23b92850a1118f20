"""An ONNX file from outside: whole, of ONNX's own operators, and never read beyond its folder."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from outside_networks import table, write_mean

from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_export.networks import source_file
from recpress_export.networks.source_file import self_contained, tried_apart
from recpress_export.networks.wiring import Wiring

WIRING = Wiring(inputs={"history": "item_seq"}, output="logits")


@pytest.fixture
def path(tmp_path):
    (tmp_path / "model").mkdir()
    return write_mean(tmp_path / "model/mean.onnx", table(40, dim=16))


def changed(path, change):
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())


def outside_data(path, location, **entries):
    """The table's values in another file."""

    def change(model):
        tensor = next(t for t in model.graph.initializer if t.name == "rows")
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **entries}.items():
            tensor.external_data.add(key=key, value=str(value))

    changed(path, change)


def test_tensors_in_a_file_next_to_it_are_taken_in(path):
    whole = self_contained(path)
    values = next(t for t in onnx.load(path).graph.initializer if t.name == "rows").raw_data
    (path.parent / "mean.onnx.data").write_bytes(b"before" + values)
    outside_data(path, "mean.onnx.data", offset=6, length=len(values))
    assert self_contained(path) == whole
    trial = tried_apart(path, WIRING, 1)
    assert (trial.shape, trial.wiring.history_length) == ((1, 41), 6)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "link", "", ".", "absent"])
def test_a_file_elsewhere_is_never_read(path, location, workers_here):
    (path.parent.parent / "secret").write_bytes(bytes(4 * 41 * 16))
    (path.parent / "link").symlink_to("../secret")
    outside_data(path, location)
    for read in (lambda: self_contained(path), lambda: tried_apart(path, WIRING, 1)):
        with pytest.raises(ArtifactError, match="no file in the model's own folder"):
            read()


@pytest.mark.parametrize("entries", [{"offset": -1}, {"length": 10**9}, {"offset": "x"}, {"offset": 10**12}])
def test_values_beyond_that_file_are_refused(path, entries):
    (path.parent / "data").write_bytes(bytes(4 * 41 * 16))
    outside_data(path, "data", **entries)
    with pytest.raises(ArtifactError, match="lie outside data"):
        self_contained(path)


def foreign(model):
    model.graph.node[1].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))


def function(model):
    node = helper.make_node("Identity", ["in"], ["out"])
    model.functions.append(
        helper.make_function("mine", "Same", ["in"], ["out"], [node], [helper.make_opsetid("", 18)])
    )
    model.opset_import.append(helper.make_opsetid("mine", 1))


def branch(model):
    body = helper.make_graph(
        [helper.make_node("Identity", ["logits"], ["inner"])],
        "body",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.append(helper.make_node("If", ["yes"], ["either"], then_branch=body, else_branch=body))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (foreign, "operators of 'com.example'"),
        (function, "functions of its own"),
        (branch, r"is control flow \(If\)"),
        (lambda model: setattr(model.opset_import[0], "version", 99), "opset 99; 13 to 22"),
        (lambda model: model.ClearField("graph"), "it has no graph"),
        (lambda model: setattr(model.graph.node[1], "op_type", "Gathered"), "is refused: .*Gathered"),
        (lambda model: model.graph.node[1].input.append("absent"), "is refused"),
    ],
)
def test_what_could_not_be_run_or_taken_over_is_refused(path, change, message):
    changed(path, change)
    with pytest.raises(ArtifactError, match=message):
        self_contained(path)


@pytest.mark.parametrize("data", [b"", b"not a model", bytes(range(256)) * 9])
def test_bytes_that_are_no_model(path, data):
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"no graph|not a readable ONNX file"):
        self_contained(path)


def test_a_file_that_is_too_large_is_not_read(path, monkeypatch):
    monkeypatch.setattr(source_file, "MAX_BYTES", 1000)
    with pytest.raises(ArtifactError, match="more than ONNX files may have"):
        self_contained(path)
    with pytest.raises(ConfigError, match="no such file"):
        self_contained(path.with_name("absent.onnx"))

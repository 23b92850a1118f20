"""Bundles that somebody made to do harm: each is well signed, and each must be refused."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import onnx
from damage import resign
from onnx import TensorProto, helper, numpy_helper

MODEL = "model.onnx"


def run(module, *words, cwd):
    """A command as a user starts it."""
    command = [sys.executable, "-m", module, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False)


def edit_model(folder, change):
    """Change the ONNX model and sign the bundle again."""
    path = folder / MODEL
    model = onnx.load_model_from_string(path.read_bytes())
    change(model)
    path.write_bytes(model.SerializeToString())
    resign(folder)


def point_outside(tensor, where="/etc/hostname"):
    """The tensor's values are those of another file."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", where


def _secret(name="secret"):
    tensor = TensorProto(name=name, data_type=TensorProto.UINT8, dims=[8])
    point_outside(tensor)
    return tensor


def _inner_graph(tensor):
    output = helper.make_tensor_value_info("out", TensorProto.UINT8, [8])
    return helper.make_graph(
        [helper.make_node("Identity", [tensor.name], ["out"])], "inner", [], [output], [tensor]
    )


def external_initializer(model):
    point_outside(model.graph.initializer[0])


def external_listed_nowhere(model):
    """Only the location, as some writers leave the place where the values are unsaid."""
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "weights.bin"


def external_place_only(model):
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def external_attribute(model):
    model.graph.node.append(helper.make_node("Constant", [], ["secret"], value=_secret()))


def external_in_a_list(model):
    node = helper.make_node("Identity", ["k"], ["k2"])
    node.attribute.append(helper.make_attribute("many", [_secret(), _secret("other")]))
    model.graph.node.append(node)


def external_in_a_subgraph(model):
    inner = _inner_graph(_secret())
    condition = numpy_helper.from_array(np.array(True), "always")
    model.graph.initializer.append(condition)
    model.graph.node.append(
        helper.make_node("If", ["always"], ["leak"], then_branch=inner, else_branch=inner)
    )


def external_deep_down(model):
    """In a graph in a graph in a graph."""
    inner = _inner_graph(_secret())
    for level in range(3):
        node = helper.make_node("If", ["always"], ["out"], then_branch=inner, else_branch=inner)
        output = helper.make_tensor_value_info("out", TensorProto.UINT8, [8])
        inner = helper.make_graph([node], f"level {level}", [], [output])
    model.graph.node.append(helper.make_node("If", ["always"], ["out"], then_branch=inner, else_branch=inner))


def external_sparse(model):
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(_secret())
    sparse.dims.append(8)


def external_in_a_function(model):
    node = helper.make_node("Constant", [], ["out"], value=_secret())
    opset = [helper.make_opsetid("", 13)]
    model.functions.append(helper.make_function("mine", "Leak", [], ["out"], [node], opset))


def external_in_training(model):
    model.training_info.add().initialization.CopyFrom(_inner_graph(_secret()))


def foreign_operator(model):
    model.graph.node.append(helper.make_node("Leak", ["k"], ["x"], domain="com.example"))
    model.opset_import.append(helper.make_opsetid("com.example", 1))


def cached_context(model):
    """onnxruntime's own node that names a file for an execution provider."""
    model.graph.node.append(
        helper.make_node("EPContext", ["k"], ["x"], domain="com.microsoft", ep_cache_context="/etc/hostname")
    )


EXTERNAL = (
    external_initializer,
    external_listed_nowhere,
    external_place_only,
    external_attribute,
    external_in_a_list,
    external_in_a_subgraph,
    external_deep_down,
    external_sparse,
)


def _last_output(model, suffix):
    """Rename what gives the scores, so that more can be put behind it."""
    (node,) = (node for node in model.graph.node if "scores" in node.output)
    index = list(node.output).index("scores")
    node.output[index] = f"scores{suffix}"
    return f"scores{suffix}"


def loops(model):
    """A loop of 2**62 turns behind the scores."""
    before = _last_output(model, "_before")
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["v"], ["v_on"])],
        "turn",
        [
            info("turn", TensorProto.INT64, []),
            info("go", TensorProto.BOOL, []),
            info("v", TensorProto.FLOAT, ["n"]),
        ],
        [info("go_on", TensorProto.BOOL, []), info("v_on", TensorProto.FLOAT, ["n"])],
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(2**62), "turns"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "go_first"))
    model.graph.node.append(helper.make_node("Loop", ["turns", "go_first", before], ["scores"], body=body))


def draws(model):
    """A random number behind the scores."""
    before = _last_output(model, "_before")
    model.graph.node.append(helper.make_node("RandomNormalLike", [before], ["chance"]))
    model.graph.node.append(helper.make_node("Add", [before, "chance"], ["scores"]))


def takes_for_ever(model, size=3000, products=2000):
    """Products of large tables behind the scores, seconds each. Shapes depend on k: nothing folds them."""
    before = _last_output(model, "_before")
    model.graph.initializer.append(numpy_helper.from_array(np.array([size, size]), "many"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "nothing"))
    nodes = [
        helper.make_node("Mul", ["k", "nothing"], ["k0"]),
        helper.make_node("Add", ["k0", "many"], ["wide"]),
        helper.make_node("ConstantOfShape", ["wide"], ["table0"]),
        *(
            helper.make_node("MatMul", [f"table{turn}", "table0"], [f"table{turn + 1}"])
            for turn in range(products)
        ),
        helper.make_node("ReduceMax", [f"table{products}"], ["zero"], keepdims=0),
        helper.make_node("Add", [before, "zero"], ["scores"]),
    ]
    model.graph.node.extend(nodes)


def takes_much_memory(model, count=4 * 10**9):
    """16 GB of numbers, of which one is added to the scores. The shape depends on k, so nothing folds it."""
    before = _last_output(model, "_before")
    model.graph.initializer.append(numpy_helper.from_array(np.array([count]), "many"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "nothing"))
    nodes = [
        helper.make_node("Mul", ["k", "nothing"], ["k0"]),
        helper.make_node("Add", ["k0", "many"], ["wide"]),
        helper.make_node("ConstantOfShape", ["wide"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=1),
        helper.make_node("Add", [before, "zero"], ["scores"]),
    ]
    model.graph.node.extend(nodes)


def names_items_outside(shift):
    """Every item index is moved by so much: beyond the catalogue, or below nothing."""

    def change(model):
        (node,) = (node for node in model.graph.node if "items" in node.output)
        node.output[list(node.output).index("items")] = "items_before"
        model.graph.initializer.append(numpy_helper.from_array(np.array([shift]), "shift"))
        model.graph.node.append(helper.make_node("Add", ["items_before", "shift"], ["items"]))

    return change


ARRAYS = ("users", "seen_indptr", "seen_indices", "relevant_indptr", "relevant_indices")


def zip_bomb(folder, numbers=10**7):
    """80 MB of zeros an array in some hundred kilobytes."""
    with zipfile.ZipFile(folder / "evaluation.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ARRAYS:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                header = {"descr": "<i8", "fortran_order": False, "shape": (numbers,)}
                np.lib.format.write_array_header_1_0(file, header)
                file.write(bytes(8 * numbers))
    resign(folder)


def pickled_arrays(folder):
    np.savez(folder / "evaluation.npz", **{name: np.array([{}], object) for name in ARRAYS})
    resign(folder)


def unlisted_weights(folder):
    (folder / "weights.bin").write_bytes(b"not in the digest")


def sub_folder(folder):
    (folder / "more").mkdir()
    (folder / "more" / "weights.bin").write_bytes(b"not in the digest")


def dangling_link(folder):
    (folder / "weights.bin").symlink_to("/etc/hostname")


def manifest_is_a_link(folder):
    (folder / "bundle.json").rename(folder.parent / "elsewhere.json")
    (folder / "bundle.json").symlink_to(folder.parent / "elsewhere.json")


def a_pipe(folder):
    (folder / "users.txt").unlink()
    os.mkfifo(folder / "users.txt")


def deep_manifest(folder):
    path = folder / "bundle.json"
    deep = "[" * 100_000 + "]" * 100_000
    path.write_text(path.read_text().replace('"provenance"', f'"later": {deep}, "provenance"', 1))


def deep_quality(folder):
    value = {}
    for _ in range(200):
        value = {"more": value}
    resign(folder, lambda manifest: manifest["quality"].update(later=value))


def huge_manifest(folder):
    path = folder / "bundle.json"
    path.write_bytes(path.read_bytes() + b" " * 2**23)


def long_text(folder):
    resign(folder, lambda manifest: manifest["provenance"].update(command="x" * 100_000))


FILES = {
    "zip bomb": (zip_bomb, "users is compressed; its arrays are stored as they are"),
    "pickle": (pickled_arrays, "is not a readable evaluation file"),
    "unlisted file": (unlisted_weights, "weights.bin is not listed in bundle.json"),
    "sub-folder": (sub_folder, "more is not listed in bundle.json"),
    "unlisted link": (dangling_link, "weights.bin is not listed in bundle.json"),
    "manifest elsewhere": (manifest_is_a_link, "is not a bundle"),
    "pipe": (a_pipe, "users.txt is missing or not a plain file"),
    "deep manifest": (deep_manifest, "bundle.json is not readable JSON"),
    "deep quality": (deep_quality, "nested more than 24 deep"),
    "huge manifest": (huge_manifest, "more than 4194304"),
    "long text": (long_text, "holds a text of 100,000 characters"),
}


HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\u2066\nPASSED everything\r\x9b31m\u200b"
"""Sets the terminal's title, clears it, turns the text round, adds a line of its own."""

"""A network through torch's exporter: the file answers as numpy does, whatever is asked of it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from exports import random_evaluation
from network_models import (
    LENGTH,
    N_ITEMS,
    N_USERS,
    neumf_arrays,
    read_neumf,
    read_sasrec,
    sasrec_arrays,
    write_network,
)
from test_ruined import WithoutMask

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.contract import Contract
from recpress_edge.core.errors import ConfigError, GateError, MissingExtraError
from recpress_edge.core.metrics import judging_cutoff
from recpress_edge.core.rng import stream
from recpress_edge.device.onnx_runtime import OnnxRuntime
from recpress_edge.device.query import Query
from recpress_edge.device.runtime import open_runtime
from recpress_export import build as building
from recpress_export import publish
from recpress_export.build import build
from recpress_export.gates import Gate, load_gate
from recpress_export.graph import write_model
from recpress_export.networks import recipes as network_recipes
from recpress_export.networks.modules import FoldedNeuMF, SASRecOfLength, SASRecPadded
from recpress_export.networks.neumf import neumf_reference
from recpress_export.networks.recipes import NETWORK_RECIPES, check_network, check_route, choose_recipe
from recpress_export.networks.student import NetworkStudent, read_network
from recpress_export.networks.table_bytes import in_bytes
from recpress_export.networks.transformer import sasrec_reference
from recpress_export.reference import Reference
from recpress_export.student import StudentData
from recpress_export.subjects.network import (
    Network,
    in_recipe,
    network_contract,
    network_graph,
    trace,
    traced_network,
)

GATE = Gate(min_overlap=0.5, max_recall_loss=1.0, max_ndcg_loss=1.0, max_item_shift=1.0, lost_users=100)
HISTORIES = [
    np.array(items, np.int64)
    for items in ([], [7], [7, 3], [3, 7], list(range(9)), list(range(8, -1, -1)), list(range(30)), [5, 5, 9])
]


def write_file(
    folder: Path, student: NetworkStudent, recipe: str, traced: bytes, **facts
) -> tuple[Path, Contract]:
    contract = network_contract(student, NETWORK_RECIPES[recipe], "onnx")
    contract = dataclasses.replace(contract, **facts)
    path = folder / f"{student.kind}-{recipe}.onnx"
    path.write_bytes(
        write_model(network_graph(contract, in_recipe(traced, contract)), {"recpress.recipe": recipe})
    )
    return path, contract


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def neumf(folder) -> tuple[NetworkStudent, bytes]:
    """Items 10 to 13 are one and the same to it: their scores tie."""
    arrays = neumf_arrays()
    for name in ("item_gmf", "item_mlp"):
        arrays[name][11:14] = arrays[name][10]
    student = read_neumf(folder / "neumf", **arrays)
    return student, trace(student, "onnx")


@pytest.fixture(scope="module")
def sasrec(folder) -> tuple[NetworkStudent, bytes]:
    arrays = sasrec_arrays()
    arrays["item_emb"][11:14] = arrays["item_emb"][10]
    student = read_sasrec(folder / "sasrec", **arrays)
    return student, trace(student, "onnx")


@pytest.mark.parametrize("kind", ["neumf", "sasrec"])
def test_a_model_read_again_gives_the_same_bytes(kind, tmp_path, request):
    """safetensors hands out the arrays of a file in another order each time."""
    student, traced = request.getfixturevalue(kind)
    again = read_network(write_network(tmp_path, kind, dict(student.arrays)))
    assert list(again.arrays) == sorted(student.arrays)
    assert trace(again, "onnx") == traced


def scores_of(reference: Reference, user: int | None, history: Sequence[int] = ()) -> np.ndarray:
    """(I,)"""
    return reference.scores_of(Query(user or 0, np.array(history, np.int64), 1))[0]


def expected(scores: np.ndarray, seen: np.ndarray, k: int) -> tuple[list[int], np.ndarray]:
    scores = scores.copy()
    scores[seen] = -np.inf
    k = min(k, N_ITEMS - np.unique(seen).size)
    best = np.argsort(-scores, kind="stable")[:k]
    return best.tolist(), scores[best]


def test_folding_changes_nothing(neumf, folder):
    student, reference = neumf[0], neumf_reference(neumf[0])
    module = FoldedNeuMF(student, N_ITEMS + 3)
    for user in range(N_USERS):
        scores = module(torch.tensor([user])).numpy()
        assert np.allclose(scores[:N_ITEMS], scores_of(reference, user), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("history", HISTORIES[:6], ids=lambda h: str(len(h)))
def test_the_last_layer_at_the_last_place_is_enough(sasrec, history):
    student = sasrec[0]
    scores = scores_of(sasrec_reference(student), None, history)
    tokens = np.array([[N_ITEMS, *history]])
    assert np.allclose(SASRecOfLength(student)(torch.from_numpy(tokens)).numpy(), scores, atol=1e-6)
    padded = np.full((1, LENGTH), N_ITEMS)
    padded[0, : tokens.size] = tokens
    wide = SASRecPadded(student, N_ITEMS + 4)(torch.from_numpy(padded)).numpy()
    assert np.allclose(wide[:N_ITEMS], scores, atol=1e-6)


def test_a_neumf_file_answers_as_numpy_does_for_every_user(neumf, folder):
    student, traced = neumf
    runtime, reference = OnnxRuntime(*write_file(folder, student, "fp32", traced)), neumf_reference(student)
    for user in range(N_USERS):
        for seen, k in (([], 20), ([10, 3, 3], 60), (list(range(50)), 60), ([12], 1)):
            items, scores = runtime.recommend(user, seen, k)
            wanted, values = expected(scores_of(reference, user), np.array(seen, int), k)
            assert np.allclose(scores, values, atol=1e-5)
            assert items.tolist() == wanted  # ties: 10, 11, 12, 13
    for user in (-1, N_USERS):
        with pytest.raises(ConfigError, match="user index"):
            runtime.recommend(user, [], 3)


def test_a_sasrec_file_reads_the_history_in_its_order(sasrec, folder):
    student, traced = sasrec
    runtime, reference = (
        OnnxRuntime(*write_file(folder, student, "fp32", traced)),
        sasrec_reference(student),
    )
    for history in HISTORIES:
        items, scores = runtime.recommend(None, history, 60)
        wanted, values = expected(scores_of(reference, None, history), history, 60)
        assert np.allclose(scores, values, atol=1e-5)
        assert items.tolist() == wanted
    assert runtime.recommend(None, range(N_ITEMS), 5)[0].size == 0
    for unknown in ([N_ITEMS], [-1]):
        with pytest.raises(ConfigError, match="seen item index outside"):
            runtime.recommend(None, unknown, 3)
    with pytest.raises(ConfigError, match="holds no users"):
        runtime.recommend(0, [], 3)


@pytest.mark.parametrize("kind", ["neumf", "sasrec"])
def test_retired_items_never_come(kind, folder, request):
    student, traced = request.getfixturevalue(kind)
    path, contract = write_file(folder, student, "fp32", traced, retired=(0, 10, 59))
    runtime = OnnxRuntime(path, contract)
    items, _ = runtime.recommend(0 if kind == "neumf" else None, [3], 60)
    assert sorted(items.tolist()) == sorted(set(range(N_ITEMS)) - {0, 3, 10, 59})


@pytest.mark.parametrize("kind", ["neumf", "sasrec"])
def test_int8_files_multiply_unsigned_and_stay_close(kind, folder, request):
    student, traced = request.getfixturevalue(kind)
    plain, contract = write_file(folder, student, "fp32", traced)
    path, _ = write_file(folder, student, "int8-dynamic", traced)
    model = onnx.load(path)
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    factors = [node.input[1] for node in model.graph.node if node.op_type == "MatMulInteger"]
    assert factors
    assert {types[name] for name in factors} == {onnx.TensorProto.UINT8}
    assert not any(node.op_type == "MatMul" and node.input[1] in types for node in model.graph.node)
    shared = []
    for row, history in enumerate(HISTORIES):
        asked = (row, []) if kind == "neumf" else (None, history)
        before, after = (OnnxRuntime(file, contract).recommend(*asked, 20)[0] for file in (plain, path))
        shared.append(len(set(before.tolist()) & set(after.tolist())) / 20)
    assert np.mean(shared) > 0.9


def test_the_item_table_of_a_transformer_is_stored_once(sasrec, folder):
    """Looked up and multiplied: one initializer in float32 and one in uint8."""
    student, traced = sasrec
    for recipe, kind in (("fp32", onnx.TensorProto.FLOAT), ("int8-dynamic", onnx.TensorProto.UINT8)):
        model = onnx.load(write_file(folder, student, recipe, traced)[0])
        tables = [t for t in model.graph.initializer if N_ITEMS + 1 in t.dims]
        assert [table.data_type for table in tables] == [kind]


def test_a_large_table_that_is_added_is_stored_in_bytes_too(folder):
    """The folded first layer, (600, 16): a quarter of the file, and the answers stay close."""
    student = read_neumf(folder / "larger", **neumf_arrays(n_items=600))
    traced = trace(student, "onnx")
    plain, path = (write_file(folder, student, recipe, traced)[0] for recipe in ("fp32", "int8-dynamic"))
    large = [t for t in onnx.load(path).graph.initializer if np.prod(t.dims) >= 600]
    assert {tensor.data_type for tensor in large} == {onnx.TensorProto.UINT8}
    assert path.stat().st_size < 0.35 * plain.stat().st_size
    contract = network_contract(student, NETWORK_RECIPES["int8-dynamic"], "onnx")
    before, after = OnnxRuntime(plain, contract), OnnxRuntime(path, contract)
    for user in range(N_USERS):
        left, right = (set(runtime.recommend(user, [], 50)[0].tolist()) for runtime in (before, after))
        assert len(left & right) >= 40


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
def test_bytes_are_within_half_a_step_and_zero_is_exact(scale):
    table = scale * stream(0, "bytes").standard_normal((200, 5)).astype(np.float32)
    table[:, 1], table[:, 2], table[:, 3] = 0, np.abs(table[:, 2]), -np.abs(table[:, 3])
    table[7] = 0
    levels, step, zero = in_bytes(table)
    restored = (levels.astype(np.float64) - zero) * step
    assert (np.abs(restored - table) <= 1.01 * step).all()
    assert np.abs(restored - table).mean() < 0.3 * step.mean()
    assert (restored[7] == 0).all()
    assert (restored[:, 1] == 0).all()


@pytest.mark.parametrize("kind", ["neumf", "sasrec"])
def test_a_file_tells_its_level_and_nothing_of_the_machine(kind, folder, request):
    student, traced = request.getfixturevalue(kind)
    data = write_file(folder, student, "fp32", traced)[0].read_bytes()
    model = onnx.load_from_string(data)
    assert (model.opset_import[0].version, model.ir_version) == (18, 10)
    assert {entry.domain for entry in model.opset_import} == {""}
    for trace_of in (b".py", b"site-packages", str(Path.home()).encode(), b"torch.nn"):
        assert trace_of not in data
    assert write_file(folder, student, "fp32", traced)[0].read_bytes() == data


def source_of(student: NetworkStudent) -> StudentData[NetworkStudent]:
    rows = random_evaluation(N_USERS, N_ITEMS, "valid"), random_evaluation(N_USERS, N_ITEMS, "test")
    return StudentData(
        model=student,
        user_ids=[f"user {n}" for n in range(N_USERS)],
        item_ids=[f"item-{n}" for n in range(N_ITEMS)],
        valid=rows[0],
        test=rows[1],
        licence="public domain",
        definition={"valid": "hits / |relevant|, valid", "test": "hits / |relevant|, test"},
        teacher_bytes=None,
        item_counts=np.arange(N_ITEMS)[::-1] // 3,
        cutoff=judging_cutoff(np.array([N_ITEMS - 3])),
        command="recpress-edge export --student neumf_dim8",
    )


@pytest.mark.parametrize(("kind", "recipe"), [("neumf", "fp32"), ("sasrec", "int8-dynamic")])
def test_a_bundle_tests_itself(kind, recipe, tmp_path, request):
    student, _ = request.getfixturevalue(kind)
    subject = traced_network(source_of(student))
    exported = build(subject, NETWORK_RECIPES[recipe], tmp_path / "out", gate=GATE)
    bundle = open_bundle(tmp_path / "out")
    contract = bundle.contract
    assert (contract.recipe, contract.exact, contract.n_items) == (recipe, False, N_ITEMS)
    assert contract.history_length == (LENGTH - 1 if kind == "sasrec" else 0)
    assert bundle.provenance["network"]["kind"] == kind
    assert bundle.provenance["network"]["opset"] == 18
    assert len(bundle.user_ids()) == (0 if kind == "sasrec" else N_USERS)
    assert exported.parity.overlap["overlap@10"].mean > 0.9
    assert f"network: {kind}, traced by torch" in (tmp_path / "out/CARD.md").read_text()
    runtime, test = open_runtime(bundle.model_path, contract), bundle.selftest()
    items, _ = runtime.recommend(test.users[-1], test.seen[-1], test.k)
    assert items.tolist() == list(test.items[-1])
    again = build(subject, NETWORK_RECIPES[recipe], tmp_path / "out", gate=GATE)
    assert again.unchanged


def test_below_the_gate_nothing_is_published(sasrec, tmp_path):
    high = dataclasses.replace(GATE, min_overlap=1.1)
    with pytest.raises(GateError, match="overlap@10"):
        build(Network(source_of(sasrec[0]), sasrec[1]), NETWORK_RECIPES["fp32"], tmp_path / "out", gate=high)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("int8-static", "half of the first ten differ. Choose fp32 or int8-dynamic"),
        ("int4-item", "stored twice"),
        ("int8-dim", "a product of two tables"),
        ("int8-dynamik", "Did you mean 'int8-dynamic'"),
    ],
)
def test_recipes_that_a_network_cannot_have(recipe, message):
    with pytest.raises(ConfigError, match=message):
        choose_recipe("neumf", recipe, "onnx", int8=False)


def test_int8_means_what_the_student_can_have():
    assert choose_recipe("sasrec", None, "tflite", int8=True).name == "int8-dynamic"
    assert choose_recipe(None, None, "onnx", int8=True).name == "int8-dim"
    with pytest.raises(
        ConfigError, match="int8-dynamic is for networks; a student that is two tables takes fp32"
    ):
        choose_recipe(None, "int8-dynamic", "onnx", int8=False)


def test_profiles_and_routes_that_a_network_cannot_have(monkeypatch):
    assert check_network("sasrec", "onnx", None, None) == "history"
    with pytest.raises(
        ConfigError, match="--profile history is not available for a neumf: its file is all-users"
    ):
        check_network("neumf", "onnx", "history", None)
    with pytest.raises(ConfigError, match="--user is not available for a sasrec"):
        check_network("sasrec", "onnx", None, "u")
    monkeypatch.setattr(network_recipes.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"needs litert_torch.*Or write ONNX: --format onnx"):
        check_route("sasrec", "tflite")
    with pytest.raises(MissingExtraError, match=r"'\.\[neural\]'"):
        check_route("sasrec", "onnx")


@pytest.mark.parametrize("kind", ["neumf", "sasrec"])
def test_a_ruined_network_is_never_published(kind, tmp_path, request, monkeypatch):
    """Traced with one wrong number among its parameters; with the items in other places; without its mask."""
    student, traced = request.getfixturevalue(kind)
    source = source_of(student)
    table = {"neumf": "item_gmf", "sasrec": "item_emb"}[kind]
    one, moved = student.arrays[table].copy(), np.roll(student.arrays[table], 1, axis=0)
    one[5, 0] = 40
    traces = [
        trace(dataclasses.replace(student, arrays={**student.arrays, table: wrong}), "onnx")
        for wrong in (one, moved)
    ]
    for name, recipe in NETWORK_RECIPES.items():
        for ruined in traces:
            with pytest.raises(GateError):
                build(Network(source, ruined), recipe, tmp_path / "out", gate=load_gate(name))
    for module in (building, publish):
        opened = module.open_runtime
        monkeypatch.setattr(module, "open_runtime", lambda *a, opened=opened: WithoutMask(opened(*a)))
    for name, recipe in NETWORK_RECIPES.items():
        with pytest.raises(GateError, match="which the user has seen"):
            build(Network(source, traced), recipe, tmp_path / "out", gate=load_gate(name))
    assert not (tmp_path / "out").exists()

"""LiteRT: what it checks when it opens a file, room for long seen lists, delegates, missing packages."""

import dataclasses
import importlib.machinery
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from exports import make_graph, random_tables

from recpress_edge.artifacts.bundle import SelfTest
from recpress_edge.artifacts.quantize import quantize_int8_dim
from recpress_edge.artifacts.wire import flatbuffer
from recpress_edge.core.errors import ArtifactError, ConfigError, MissingExtraError
from recpress_edge.device import litert
from recpress_edge.device.litert import LiteRT
from recpress_edge.device.reference import ReferenceRuntime
from recpress_edge.device.runtime import check_format, open_runtime
from recpress_edge.device.verify import REQUANTISED_SCORE, check_answers
from recpress_export.tflite.writer import to_tflite

N_ITEMS = 700
# Fields of the file: TensorFlow's schema.fbs.
SUBGRAPHS, TENSORS, OPERATORS, NAME, OPERATOR_OUTPUTS = 2, 0, 3, 3, 2


@pytest.fixture(scope="module")
def tables():
    return random_tables(20, N_ITEMS, 8)


@pytest.fixture(scope="module")
def reference(tables):
    stored = quantize_int8_dim(*tables)
    return ReferenceRuntime.from_int8(stored.user_q, stored.item_q, stored.user_scale)


@pytest.fixture
def written(tables, tmp_path):
    """(path, contract)."""
    graph = make_graph("int8-dim", *tables, "tflite")
    path = tmp_path / "model.tflite"
    path.write_bytes(to_tflite(graph, {}))
    return path, graph.contract


def ask(runtime, user, seen, k=50):
    return [a.tolist() for a in runtime.recommend(user, seen, k)]


def test_the_interpreter_has_the_threads_that_were_asked_for(written, monkeypatch):
    path, contract = written
    tflite, told = litert.import_litert(), []

    def interpreter(*args, num_threads, **others):
        told.append(num_threads)
        return tflite.Interpreter(*args, num_threads=num_threads, **others)

    module = SimpleNamespace(OpResolverType=tflite.OpResolverType, Interpreter=interpreter)
    monkeypatch.setattr(litert, "import_litert", lambda: module)
    LiteRT(path, contract, 3)
    assert told == [3]


@pytest.mark.parametrize("delegate", [None, "xnnpack"])
def test_seen_lists_of_any_length_in_any_order(written, reference, delegate):
    """The room follows the list; what a longer one held must not stay hidden for the next."""
    runtime = LiteRT(*written, delegate=delegate)
    for count in (0, 128, 129, 3, 600, 599, 0, 699, 1):
        seen = np.arange(N_ITEMS)[::-1][:count]
        items, scores = runtime.recommend(5, seen, 50)
        assert not np.isin(items, seen).any()
        assert items.size == min(50, N_ITEMS - count)
        if delegate is None:
            assert [items.tolist(), scores.tolist()] == ask(reference, 5, seen)


def test_duplicates_do_not_use_up_the_list(written, reference):
    runtime = LiteRT(*written)
    seen = [3] * 500 + [4]
    assert ask(runtime, 2, seen, 700) == ask(reference, 2, [3, 4], 700)


def test_k_differs_from_call_to_call(written, reference):
    runtime = LiteRT(*written)
    for k in (50, 1, 700, 2, 699, 10_000):
        assert ask(runtime, 1, [7], k) == ask(reference, 1, [7], k)


def test_answers_are_the_callers_own(written):
    runtime = LiteRT(*written)
    items, scores = runtime.recommend(0, [], 5)
    kept = items.copy(), scores.copy()
    runtime.recommend(1, [], 5)
    assert np.array_equal(items, kept[0])
    assert np.array_equal(scores, kept[1])


def test_a_file_that_is_no_model(written):
    path, contract = written
    path.write_bytes(b"\x08" * 99)
    with pytest.raises(ArtifactError, match="cannot load"):
        LiteRT(path, contract)


def test_an_input_that_an_operator_writes_has_no_data(written):
    """Found by mutated files: the interpreter loads such a one, and has no place for what is put in."""
    path, contract = written
    path.write_bytes(_written_over(path.read_bytes(), contract.seen_input))
    with pytest.raises(ArtifactError, match=r"cannot load .*Tensor data is null"):
        LiteRT(path, contract)


def _written_over(data, name):
    """The file whose first operator with two outputs puts the second one into this tensor."""
    graph = next(flatbuffer.root(data).tables(SUBGRAPHS))
    names = [tensor.text(NAME) for tensor in graph.tables(TENSORS)]
    outputs = (operator.vector(OPERATOR_OUTPUTS) for operator in graph.tables(OPERATORS))
    start = next(start for start, count in outputs if count == 2)
    return data[: start + 4] + struct.pack("<i", names.index(name)) + data[start + 8 :]


@pytest.mark.parametrize("change", [{"seen_capacity": 64}, {"k_input": "length"}, {"items_output": "ids"}])
def test_a_file_that_does_not_fit_its_contract(written, change):
    path, contract = written
    with pytest.raises(ArtifactError, match="does not fit its contract"):
        LiteRT(path, dataclasses.replace(contract, **change))


def test_xnnpack_is_not_exact_and_is_held_to_its_tolerance(written, reference):
    path, contract = written
    runtime = open_runtime(path, contract, delegate="xnnpack")
    assert (open_runtime(path, contract).exact, runtime.exact) == (True, False)
    users = tuple(range(20))
    answers = [reference.recommend(user, [], 50) for user in users]
    items = tuple(tuple(found.tolist()) for found, _ in answers)
    scores = tuple(tuple(found.tolist()) for _, found in answers)
    test = SelfTest(50, users, ((),) * 20, items, scores)
    assert check_answers(open_runtime(path, contract), test, contract) is None
    assert 0.95 < check_answers(runtime, test, contract) < 1
    off = tuple(tuple(s + 2 * REQUANTISED_SCORE * row[0] for s in row) for row in scores)
    with pytest.raises(ArtifactError, match=r"self-test failed at user 0 \(ai-edge-litert .* scores"):
        check_answers(runtime, dataclasses.replace(test, scores=off), contract)


def test_tolerance_of_a_plain_file_is_the_same_with_a_delegate(tables, tmp_path):
    graph = make_graph("fp32", *tables, "tflite")
    path = tmp_path / "model.tflite"
    path.write_bytes(to_tflite(graph, {}))
    truth = ReferenceRuntime.from_float(*tables).recommend(3, [1], 20)
    test = SelfTest(20, (3,), ((1,),), (tuple(truth[0].tolist()),), (tuple(truth[1].tolist()),))
    contract = dataclasses.replace(graph.contract, score_tolerance=1e-4)
    for delegate in (None, "xnnpack"):
        assert check_answers(open_runtime(path, contract, delegate=delegate), test, contract) is None


def test_delegates_and_formats_that_do_not_go_together(tmp_path):
    check_format("tflite", tmp_path, "xnnpack")
    with pytest.raises(ConfigError, match="--delegate xnnpack is for tflite bundles"):
        check_format("onnx", tmp_path, "xnnpack")
    with pytest.raises(ArtifactError, match="this device_bench runs 'onnx', 'tflite'"):
        check_format("coreml", tmp_path)


def only(*names):
    """A finder that knows these packages and no other."""
    return lambda name: importlib.machinery.ModuleSpec(name, None) if name in names else None


def test_what_is_missing_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(litert.importlib.util, "find_spec", only())
    with pytest.raises(MissingExtraError, match=r"pip install --constraint constraints\.txt '\.\[tflite\]'"):
        litert.litert_module()


def test_tflite_runtime_with_numpy_2_is_found_before_it_dies(monkeypatch):
    monkeypatch.setattr(litert.importlib.util, "find_spec", only("tflite_runtime"))
    monkeypatch.setattr(litert.np, "__version__", "2.4.6")
    with pytest.raises(MissingExtraError, match=r"built for numpy 1 and fails with numpy 2\.4\.6"):
        litert.litert_module()
    monkeypatch.setattr(litert.np, "__version__", "1.26.4")
    assert litert.litert_module() == "tflite_runtime"


def test_ai_edge_litert_is_preferred(monkeypatch):
    monkeypatch.setattr(litert.importlib.util, "find_spec", only("ai_edge_litert", "tflite_runtime"))
    assert litert.litert_module() == "ai_edge_litert"

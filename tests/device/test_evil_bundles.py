"""What a stranger's bundle may not do: each case is refused by name, in bounded time and memory."""

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import evil
import evil_tflite
import fuzz_bundles
import numpy as np
import onnx
import psutil
import pytest
from bundles import make_bundle
from damage import edit_selftest, resign
from exports import exported

from device_bench import record as bench_record
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.model_file import check_model_file
from recpress_edge.artifacts.wire import operators
from recpress_edge.core.errors import ArtifactError, DataError
from recpress_edge.core.files import read_json
from recpress_edge.device import tables
from recpress_edge.device.apart import self_test_apart
from recpress_edge.device.guard import Guard
from recpress_edge.device.onnx_runtime import OnnxRuntime
from recpress_edge.device.process import Program, WorkerError, WorkerMemoryError, WorkerTimeoutError, ask
from recpress_edge.device.recommender import Recommender
from recpress_edge.device.reference_file import FileReference
from recpress_edge.device.verify import verify_bundle
from recpress_export.update.changes import read_changes

SMALL = Guard(memory_bytes=2**30, time_s=10)
FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_the_bundle_without_any_harm_passes(folder):
    """The counter-proof to every refusal below: signed again, it is accepted."""
    resign(folder)
    assert self_test_apart(folder, SMALL)[1] == 8


@pytest.mark.parametrize("change", evil.EXTERNAL, ids=lambda change: change.__name__)
def test_values_in_other_files_are_refused_before_a_runtime_sees_them(folder, change, monkeypatch):
    monkeypatch.setattr(bench_record, "run_worker", lambda *_: pytest.fail("a runtime saw it"))
    evil.edit_model(folder, change)
    with pytest.raises(ArtifactError, match="a tensor's values are in another file") as refused:
        self_test_apart(folder, SMALL)
    assert refused.value.fault == "model"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (evil.external_in_a_function, "it has functions of its own"),
        (evil.external_in_training, "it has graphs for training"),
        (evil.foreign_operator, "an operator is of domain 'com.example'"),
        (evil.cached_context, "an operator is of domain 'com.microsoft'"),
    ],
)
def test_what_is_not_of_onnx_itself_is_refused(folder, change, says):
    evil.edit_model(folder, change)
    with pytest.raises(ArtifactError, match=re.escape(says)):
        open_bundle(folder)


def test_the_field_numbers_are_those_of_the_onnx_package():
    import onnx

    from recpress_edge.artifacts import model_file

    for kind, fields in model_file._INSIDE.items():
        known = getattr(onnx, kind).DESCRIPTOR.fields_by_number
        wanted = {n: f.message_type.name for n, f in known.items() if f.message_type is not None}
        assert {n: wanted[n] for n in fields} == fields
        assert set(wanted) - set(fields) <= {8, 10, 11, 12, 13, 14, 15, 16, 20, 25, 26} | _harmless(wanted)
    assert onnx.TensorProto.DESCRIPTOR.fields_by_name["external_data"].number == 13
    assert onnx.TensorProto.DESCRIPTOR.fields_by_name["data_location"].number == 14
    assert onnx.ModelProto.DESCRIPTOR.fields_by_name["training_info"].number == 20
    assert onnx.ModelProto.DESCRIPTOR.fields_by_name["functions"].number == 25
    assert onnx.NodeProto.DESCRIPTOR.fields_by_name["domain"].number == 7


def _harmless(fields):
    """Messages that hold neither tensors nor graphs: texts, types, shapes."""
    texts = {"StringStringEntryProto", "TypeProto", "ValueInfoProto", "OperatorSetIdProto"}
    return {number for number, name in fields.items() if name in texts} | {3}


def test_a_field_number_that_another_parser_cuts_to_32_bits_is_refused(tmp_path):
    """Field 13 of a tensor with 2**32 added to its key: some parsers see external data."""
    key = (13 << 3 | 2) + 2**32
    varint = bytearray()
    while key:
        varint.append(key & 127 | (128 if key > 127 else 0))
        key >>= 7
    tensor = bytes(varint) + b"\x00"
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x3a" + bytes([len(graph)]) + graph)
    with pytest.raises(ArtifactError, match="is not a readable onnx file: field number"):
        check_model_file(path, "onnx")


@pytest.mark.parametrize(
    ("change", "operator"), [(evil.loops, "Loop"), (evil.draws, "RandomNormalLike")], ids=["Loop", "Random"]
)
def test_operators_that_are_no_functions_of_tensors(folder, change, operator):
    evil.edit_model(folder, change)
    with pytest.raises(ArtifactError, match=f"it needs the operator '{operator}', and only") as refused:
        verify_bundle(folder)
    assert refused.value.fault == "model"


def test_the_lists_of_operators_are_right():
    """Names that the libraries know, all that our writers of TFLite use, and none that carries a graph."""
    from ai_edge_litert import schema_py_generated as schema

    from recpress_export.tflite.flatbuffer import _OPTIONS

    known = {entry.name: entry for entry in onnx.defs.get_all_schemas() if entry.domain == ""}
    assert operators.ONNX - {"SwiGLU"} <= {*known, "Scatter"}
    for name in operators.ONNX & set(known):
        kinds = {part.type for part in known[name].attributes.values()}
        assert not kinds & {onnx.defs.OpSchema.AttrType.GRAPH, onnx.defs.OpSchema.AttrType.GRAPHS}, name
    for code, name in operators.TFLITE.items():
        assert getattr(schema.BuiltinOperator, name) == code
    assert {*_OPTIONS} <= {*operators.TFLITE.values()}


@pytest.mark.parametrize("kind", evil.FILES)
def test_the_files_of_a_bundle(folder, kind):
    spoil, says = evil.FILES[kind]
    spoil(folder)
    start = time.perf_counter()
    with pytest.raises(ArtifactError, match=re.escape(says)):
        verify_bundle(folder)
    assert time.perf_counter() - start < 5


def test_an_endless_loop_ends_with_its_time(folder):
    evil.edit_model(folder, evil.takes_for_ever)
    before = set(psutil.Process().children())  # such as multiprocessing's own tracker
    with pytest.raises(WorkerTimeoutError, match=r"did not finish within 1 s .*--time-limit gives it longer"):
        self_test_apart(folder, Guard(time_s=1))
    left = set(psutil.Process().children()) - before
    assert not [p for p in left if p.status() != psutil.STATUS_ZOMBIE]


def test_more_memory_than_its_size_justifies_is_refused(folder):
    """The process dies at its limit, not the machine."""
    evil.edit_model(folder, evil.takes_much_memory)
    with pytest.raises(WorkerMemoryError, match=r"more memory than its limit of 1\.0 GiB.*--memory-limit"):
        self_test_apart(folder, SMALL)


def test_limits_follow_from_the_size_of_the_bundle():
    assert Guard().memory(0) == 2 * 2**30
    assert Guard().memory(2**30) == 34 * 2**30
    assert Guard().memory(0, samples=1000) == 2 * 2**30 + 256_000
    assert Guard(memory_bytes=5).memory(2**30) == 5
    assert Guard().time(2**20) == 121
    assert Guard(time_s=7).time(2**30) == 7


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("device_bench", ["self-test", "{}", "--time-limit", "1s"]),
        ("device_bench", ["run", "{}", "--time-limit", "1s"]),
        ("recpress_edge", ["bundle", "update", "{}", "--items", "items.npz", "--time-limit", "1s"]),
        ("recpress_edge", ["bundle", "rollback", "{}", "--time-limit", "1s"]),
        ("install", ["{}", "--assets", "assets", "--time-limit", "1s"]),
    ],
)
def test_every_command_ends_an_endless_loop(folder, module, words, tmp_path):
    evil.edit_model(folder, evil.takes_for_ever)
    shutil.copytree(folder, tmp_path / "tiny.previous")
    np.savez(tmp_path / "items.npz", retire_ids=np.array(["item-3"]))
    words = [word.format(folder) for word in words]
    if module == "install":
        tool = Path(__file__).parents[2] / "examples/android_stub/tools/install_bundle.py"
        done = subprocess.run(
            [sys.executable, tool, *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=60,
            check=False,
        )
    else:
        done = evil.run(module, *words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the selftest process did not finish within 1 s and was stopped.")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("shift", [300, -300, -1, 2**40])
def test_an_item_outside_the_catalogue_is_an_error_never_a_wrong_name(folder, shift):
    evil.edit_model(folder, evil.names_items_outside(shift))
    bundle = open_bundle(folder)
    runtime = OnnxRuntime(bundle.model_path, bundle.contract)
    recommend = Recommender(runtime, bundle.user_ids(), bundle.item_ids()).recommend
    with pytest.raises(ArtifactError, match=r"the model names an item outside 0\.\.299"):
        recommend("u0", [], 300)


@pytest.mark.parametrize(
    ("tolerance", "says"),
    [
        (float("nan"), "'score_tolerance' is nan"),
        (float("inf"), "'score_tolerance' is inf"),
        (-1e-9, "'score_tolerance' is -1e-09"),
        (1e6, "would test nothing"),
        (1.0, "would test nothing"),
        (10**400, "'score_tolerance' is 1000000"),
    ],
)
def test_a_tolerance_that_tests_nothing_is_refused(folder, tolerance, says):
    resign(folder, lambda manifest: manifest["contract"].update(score_tolerance=tolerance))
    with pytest.raises(ArtifactError, match=re.escape(says)) as refused:
        verify_bundle(folder)
    assert refused.value.fault == "range"


def test_an_exact_bundle_tolerates_nothing(tmp_path):
    folder = make_bundle(tmp_path / "exact").folder
    resign(folder, lambda manifest: manifest["contract"].update(score_tolerance=1e-9))
    with pytest.raises(ArtifactError, match="expected 0, since it is exact"):
        open_bundle(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.update(k="20"), "is not a self-test"),
        (lambda t: t.update(k=301), "k 301"),
        (lambda t: t["seen"].__setitem__(0, [1.5]), "1.5' where a whole number should be"),
        (lambda t: t["users"].__setitem__(0, True), "True' where a whole number should be"),
        (lambda t: t["scores"][0].__setitem__(0, "1"), "where a score should be"),
        (lambda t: t["scores"][0].__setitem__(0, float("inf")), "a score is inf"),
    ],
)
def test_a_self_test_of_other_types_is_refused(folder, change, says):
    edit_selftest(folder, change)
    with pytest.raises(ArtifactError, match=re.escape(says)):
        open_bundle(folder).selftest()


def test_ids_are_counted_before_they_are_split(folder, monkeypatch):
    """20 million lines of nothing: refused by their number, without a list of them, which takes 160 MB."""
    (folder / "items.txt").write_bytes(b"\n" * (2 * 10**7))
    resign(folder)
    before = psutil.Process().memory_info().rss
    with pytest.raises(ArtifactError, match="must hold 300 distinct lines, found 20000000"):
        open_bundle(folder).item_ids()
    assert psutil.Process().memory_info().rss - before < 10**8


@pytest.mark.parametrize("name", ["golden-int8-dim", "golden-fp32"])
@pytest.mark.parametrize("change", evil_tflite.CASES, ids=lambda change: change.__name__)
def test_a_tflite_file_is_whole_in_itself(change, name, tmp_path):
    path = tmp_path / "model.tflite"
    data = (FIXTURES / f"{name}.tflite").read_bytes()
    path.write_bytes(evil_tflite.edit(data, lambda _: None))
    check_model_file(path, "tflite")  # the counter-proof
    path.write_bytes(evil_tflite.edit(data, change))
    with pytest.raises(ArtifactError, match=re.escape(evil_tflite.CASES[change])) as refused:
        check_model_file(path, "tflite")
    assert refused.value.fault == "model"


def test_a_tensor_whose_name_is_no_text(tmp_path):
    folder = exported(tmp_path / "tiny", file_format="tflite").folder
    path = folder / "model.tflite"
    path.write_bytes(path.read_bytes().replace(b"seen", b"\xf5een"))
    resign(folder)
    with pytest.raises(ArtifactError, match=r"cannot load .*model\.tflite: 'utf-8' codec can't decode"):
        verify_bundle(folder)


def test_a_model_that_crashes_is_a_clear_error(tmp_path):
    """Whatever signal ends the worker, the caller names it and lives."""
    (tmp_path / "faulty.py").write_text(
        "import os, signal\ndef main():\n    os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    program = Program("selftest", {}, 20.0, 2**30, module="faulty", path=(str(tmp_path),))
    with pytest.raises(WorkerError, match=r"the selftest process crashed with SIGSEGV\. Nothing") as seen:
        ask(program)
    assert seen.value.exit_code == 1


def test_ctrl_c_ends_a_self_test(folder, tmp_path):
    evil.edit_model(folder, evil.takes_for_ever)
    command = [sys.executable, "-c", _WITH_INTERRUPTS, "self-test", str(folder)]
    started = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not (workers := psutil.Process(started.pid).children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=30)
    assert (started.returncode, err.count("Traceback")) == (130, 0)
    assert psutil.wait_procs(workers, timeout=5)[1] == []


_WITH_INTERRUPTS = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from device_bench.__main__ import main; sys.exit(main())"
)


@pytest.mark.parametrize(
    ("name", "shape"), [("user_scale", (40, 1)), ("user_scale", (39,)), ("item_scale", (300, 300))]
)
def test_a_scale_of_another_shape_is_refused(name, shape, tmp_path, monkeypatch):
    """With an axis too many, numpy would multiply every item by every scale: 150 GB of a small file."""
    bundle = make_bundle(tmp_path / "tiny")
    table = {"item_emb": np.zeros((6, 300), np.uint8), "user_emb": np.zeros((40, 6), np.uint8)}
    monkeypatch.setattr(tables, "onnx_tensors", lambda _: table | {name: np.zeros(shape, np.float32)})
    with pytest.raises(ArtifactError, match=f"{name} has shape"):
        FileReference(bundle.model_path, bundle.contract)


LAYER = {
    "roots": np.ones(4, np.int16),
    "tanh": np.ones(9, np.int16),
    "stride": np.array(5, np.int64),
    "dim_weights": np.ones(6, np.int16),
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": np.array(0)}, "stride is 0, expected 1 to"),
        ({"stride": np.array(-5)}, "stride is -5, expected 1 to"),
        ({"stride": np.array(2**62)}, "stride is 4611686018427387904, expected 1 to"),
        ({"stride": np.array(np.nan)}, "stride holds float64, expected whole numbers"),
        ({"stride": np.array([1, 2])}, "stride has shape"),
        ({"roots": np.array([0.5, np.nan])}, "roots holds float64, expected whole numbers"),
        ({"tanh": np.empty(0, np.int16)}, r"tanh has shape \(0,\)"),
        ({"tanh": np.ones((3, 3), np.int16)}, r"tanh has shape \(3, 3\)"),
        ({"dim_weights": np.ones(5, np.int16)}, r"dim_weights has shape \(5,\)"),
        ({"dim_weights": None}, "has roots, tanh, stride alone"),
        ({"roots": None}, "has tanh, stride, dim_weights alone"),
        (
            {"roots": np.array([1.0, np.inf]), "tanh": None, "stride": None, "dim_weights": None},
            "roots holds a number that is not finite",
        ),
    ],
)
def test_a_tanh_of_forged_tables_is_refused(changes, message, tmp_path, monkeypatch):
    bundle = make_bundle(tmp_path / "tiny")
    found = {"item_emb": np.zeros((6, 300), np.uint8), "user_emb": np.zeros((40, 6), np.uint8)}
    given = {name: table for name, table in (found | LAYER | changes).items() if table is not None}
    monkeypatch.setattr(tables, "onnx_tensors", lambda _: given)
    with pytest.raises(ArtifactError, match=message):
        FileReference(bundle.model_path, bundle.contract)
    monkeypatch.setattr(tables, "onnx_tensors", lambda _: found | LAYER)
    FileReference(bundle.model_path, bundle.contract)


def test_json_is_bounded_before_it_is_parsed(tmp_path):
    path = tmp_path / "run.json"
    path.write_bytes(b'{"a": [' + b"[]," * 1_000_000 + b"[]]}")
    with pytest.raises(ArtifactError, match="1,000,003 lists and objects"):
        read_json(path)
    with path.open("wb") as file:
        file.truncate(2**29 + 1)
    with pytest.raises(ArtifactError, match="536,870,913 bytes"):
        read_json(path)


def test_an_items_file_is_no_zip_bomb(tmp_path):
    np.savez_compressed(tmp_path / "items.npz", append_emb=np.zeros((10**6, 40), np.float32))
    with pytest.raises(DataError, match="claims 160000128 bytes, more than"):
        read_changes(tmp_path / "items.npz")


@pytest.mark.parametrize("first", range(0, 160, 40))
def test_mutated_bundles_and_records_find_nothing(first, tmp_path):
    """The seeded first cases of tests/fuzz_bundles.py, without their whole commands."""
    run = fuzz_bundles.Run(tmp_path, seed=7)
    for number in range(first + 1, first + 41):
        run.case(number)
    assert run.findings == []
    assert run.counts["in process"]["refused"] >= 20
    assert run.counts["in process"]["accepted"] >= 1


def test_a_number_that_no_float_holds_is_refused_by_name(folder):
    resign(folder, lambda manifest: manifest["quality"].update(cutoff=10**400))
    with pytest.raises(ArtifactError, match="holds a number of more than 64 bits"):
        verify_bundle(folder)

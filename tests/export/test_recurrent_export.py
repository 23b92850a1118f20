"""A history that forgets as a bundle: answers by hand, in every recipe and format, and what is refused."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from exports import NO_GATE, OPEN, random_evaluation
from network_models import DIM, N_ITEMS, lrh_arrays, read_lrh, write_network

from device_bench.quality import ranking_quality
from recpress_edge.artifacts.bundle import MANIFEST
from recpress_edge.artifacts.contract import HISTORY
from recpress_edge.artifacts.fold_in import FoldIn, age_weights, quantize_history
from recpress_edge.artifacts.integers import QMAX
from recpress_edge.artifacts.quantize import quantize
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ArtifactError, ConfigError, GateError
from recpress_edge.core.rng import stream
from recpress_edge.device.recommender import Recommender
from recpress_edge.device.reference_file import FileReference
from recpress_edge.device.runtime import open_runtime
from recpress_edge.device.tables import read_tables
from recpress_edge.device.verify import verify_bundle
from recpress_export.build import build
from recpress_export.graph import write_model
from recpress_export.networks.recipes import check_network, choose_recipe, recipes_of
from recpress_export.networks.student import NetworkStudent, read_network
from recpress_export.student import StudentData
from recpress_export.subjects.recurrent import RecurrentHistory

LENGTH = 4
FORMATS = ("onnx", "tflite", "c")
RECIPES_HELD = ("fp32", "fp16", "int8-dim", "int8-item", "int4-item")
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/bundle-1.schema.json").read_text())
HISTORIES = [[], [3], [5, 3], [9, 8, 7], [1, 2, 3, 4], [6, 1, 2, 3, 4], list(range(40)), [11, 10, 11]]
FILES = [(f, r) for f in FORMATS for r in RECIPES_HELD if (f, r) != ("c", "fp16")]


def source_of(student: NetworkStudent, file_format: str = "onnx") -> StudentData:
    return StudentData(
        model=student,
        user_ids=[f"user {n}" for n in range(20)],
        item_ids=[f"item-{n}" for n in range(N_ITEMS)],
        valid=random_evaluation(20, N_ITEMS, "valid"),
        test=random_evaluation(20, N_ITEMS, "test"),
        licence="public domain",
        definition={"valid": "hits / |relevant|, valid", "test": "hits / |relevant|, test"},
        teacher_bytes=None,
        item_counts=np.arange(N_ITEMS),
        cutoff=20,
        command="recpress-edge export --student lrh_dim8",
        file_format=file_format,
    )


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> NetworkStudent:
    """Items 10 to 13 are scored alike: their scores tie."""
    arrays = lrh_arrays()
    arrays["item_emb"][11:14] = arrays["item_emb"][10]
    return read_lrh(tmp_path_factory.mktemp("lrh"), **arrays)


@pytest.fixture(scope="module")
def written(student, tmp_path_factory):
    """recipe, format -> the runtime of its file, the numpy reference of that file, and its tables."""
    folder = tmp_path_factory.mktemp("files")
    made = {}

    def file_of(recipe, file_format):
        if (recipe, file_format) not in made:
            encoding = RecurrentHistory(source_of(student, file_format)).encode(RECIPES[recipe])
            contract = encoding.graph.contract
            path = folder / f"{recipe}.{file_format}"
            path.write_bytes(write_model(encoding.graph, {}))
            runtime, reference = open_runtime(path, contract), FileReference(path, contract)
            made[recipe, file_format] = runtime, reference, read_tables(path, contract), encoding
        return made[recipe, file_format]

    return file_of


def in_whole_numbers(tables, history):
    """Python integers alone: the sum, its rounding, and every item's score before it is scaled."""
    weights, rows = tables["age_weights"].tolist(), tables["history_emb"].tolist()
    total = [QMAX * value for value in tables["prior"].tolist()]
    for age, item in enumerate(reversed(history[-LENGTH:])):
        by_age = weights[LENGTH - 1 - age]
        total = [t + w * h for t, w, h in zip(total, by_age, rows[item], strict=True)]
    peak = max(1, *map(abs, total))
    sign = [(t > 0) - (t < 0) for t in total]
    row = [s * ((254 * abs(t) + peak) // (2 * peak)) for s, t in zip(sign, total, strict=True)]
    return [sum(r * i for r, i in zip(row, item, strict=True)) for item in tables["item_emb"].tolist()], peak


@pytest.mark.parametrize("history", HISTORIES, ids=lambda h: str(len(h)))
@pytest.mark.parametrize("file_format", FORMATS)
def test_an_int8_file_answers_as_whole_numbers_do(written, file_format, history):
    runtime, _, tables, _ = written("int8-dim", file_format)
    sums, peak = in_whole_numbers(tables, history)
    scale = np.float32(peak) * np.float32(tables["step"].reshape(()))
    left = [item for item in range(N_ITEMS) if item not in history]
    best = sorted(left, key=lambda item: (-sums[item], item))[:30]
    items, scores = runtime.recommend(None, history, 30)
    assert items.tolist() == best[: len(items)]
    assert scores.tolist() == [float(np.float32(sums[item]) * scale) for item in items.tolist()]


@pytest.mark.parametrize(("file_format", "recipe"), FILES)
def test_every_file_equals_its_reference(written, recipe, file_format):
    runtime, of_file, _, encoding = written(recipe, file_format)
    exact = RECIPES[recipe].exact
    rng = stream(0, "histories")
    drawn = [rng.choice(N_ITEMS, n, replace=False).tolist() for n in (1, 2, 3, 4, 5, 8, 30, 59)]
    for history in [*HISTORIES, *drawn]:
        found = runtime.recommend(None, history, 20)
        for reference in (of_file, encoding.reference):
            wanted = reference.recommend(None, history, 20)
            assert found[0].tolist() == wanted[0].tolist()
            if exact:
                assert found[1].tobytes() == wanted[1].tobytes()
            else:
                assert np.allclose(found[1], wanted[1], atol=2e-5 if recipe == "fp32" else 2e-2)


def test_an_fp32_file_is_the_recurrence(written, student):
    """h_t = λ ∘ h_(t−1) + H[i_t], by hand and in float64, over histories that are not cut."""
    runtime = written("fp32", "onnx")[0]
    a = {name: array.astype(np.float64) for name, array in student.arrays.items()}
    for history in HISTORIES[:5]:
        state = np.zeros(DIM)
        for item in history:
            state = a["decay"] * state + a["history_emb"][item]
        wanted = a["item_emb"] @ (a["prior"] + state)
        items, scores = runtime.recommend(None, history, N_ITEMS)
        assert np.allclose(scores, wanted[items], atol=1e-5)


@pytest.mark.parametrize(("file_format", "recipe"), FILES)
def test_only_the_last_items_are_read_in_their_order(written, recipe, file_format):
    runtime = written(recipe, file_format)[0]
    seen = [20, 21, 22, 23, 24, 25, 26]
    scores = {}
    for order in ([20, 21, 22, 23, 24, 25, 26], [22, 20, 21, 23, 24, 25, 26], [20, 21, 22, 26, 24, 25, 23]):
        items, found = runtime.recommend(None, order, 40)
        assert not set(seen) & set(items.tolist())  # what is not read is not recommended either
        scores[tuple(order)] = found.tobytes()
    first, same, other = scores.values()
    assert first == same
    assert first != other


@pytest.mark.parametrize(("file_format", "recipe"), FILES)
def test_a_bundle_verifies_itself_and_fits_the_schema(student, tmp_path, recipe, file_format):
    subject = RecurrentHistory(source_of(student, file_format))
    exported = build(subject, RECIPES[recipe], tmp_path / "out", gate=OPEN)
    verified = verify_bundle(tmp_path / "out")
    contract = verified.bundle.contract
    assert (contract.profile, contract.n_users, contract.history_length) == (HISTORY, 0, LENGTH)
    assert verified.bundle.name.startswith("lrh_dim8-")
    assert verified.bundle.name.endswith("-history")
    assert contract.exact == RECIPES[recipe].exact
    jsonschema.validate(json.loads((tmp_path / "out" / MANIFEST).read_text()), SCHEMA)
    if RECIPES[recipe].exact:
        assert exported.parity.exact_users == 20
    assert ranking_quality(verified)["users"] == 20
    assert verified.bundle.provenance["decay"]["items"] == LENGTH
    card = (tmp_path / "out" / "CARD.md").read_text()
    assert f"oldest first, of which the last {LENGTH} are read" in card
    names = Recommender.of(verified).recommend(None, ["item-4", "item-17"], 5).items
    assert names == [f"item-{i}" for i in verified.runtime.recommend(None, [4, 17], 5)[0]]


def test_the_same_bytes_again(student, tmp_path):
    def again():
        subject = RecurrentHistory(source_of(student))
        return build(subject, RECIPES["int8-dim"], tmp_path / "out", gate=OPEN)

    assert not again().unchanged
    assert again().unchanged


def test_weights_are_the_powers_of_each_decay():
    decay = np.array([0.0, 0.5, 1.0], np.float32)
    assert age_weights(decay, 3).tolist() == [[0, 0.25, 1], [0, 0.5, 1], [1, 1, 1], [1, 1, 1]]
    fold_in = FoldIn(np.ones((4, 3), np.float32), np.zeros(3, np.float32), decay=decay, length=3)
    item_emb = stream(0, "items").standard_normal((4, 3), np.float32)
    tables = quantize(RECIPES["int8-dim"], fold_in.rows, item_emb)
    weights = quantize_history(fold_in, tables).weights_q
    assert weights.tolist() == [[0, 32, 127], [0, 64, 127], [127, 127, 127], [127, 127, 127]]


def test_without_decays_it_is_the_history_profile(student):
    """λ = 1 over a history that is read whole: the same sums, 127 times, hence the same rows and lists."""
    ones = dataclasses.replace(student, arrays={**student.arrays, "decay": np.ones(DIM, np.float32)})
    encoding = RecurrentHistory(source_of(ones)).encode(RECIPES["int8-dim"])
    held = encoding.tables
    for history in HISTORIES[:5]:
        items = encoding.reference.recommend(None, history, 20)[0]
        total = held["prior"].astype(int) + held["history_emb"][history].astype(int).sum(axis=0)
        peak = max(1, int(np.abs(total).max()))
        row = np.sign(total) * ((254 * np.abs(total) + peak) // (2 * peak))
        sums = held["item_emb"].astype(int) @ row
        sums[history] = -(2**31)
        assert np.argsort(-sums, kind="stable")[:20].tolist() == items.tolist()


def test_a_ruined_file_is_never_published(student, tmp_path):
    """Its tables are read back: one weight that is off is found, whatever the gate allows."""

    class Ruined(RecurrentHistory):
        def encode(self, recipe):
            encoding = RecurrentHistory.encode(self, recipe)
            tables = dict(encoding.tables)
            tables["age_weights"] = tables["age_weights"].copy()
            tables["age_weights"][LENGTH - 2, 0] += 1
            return dataclasses.replace(encoding, tables=tables)

    with pytest.raises(GateError, match="does not hold the age_weights that was to be written"):
        build(Ruined(source_of(student)), RECIPES["int8-dim"], tmp_path / "out", gate=NO_GATE)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arrays", "facts", "message"),
    [
        ({"decay": np.full(DIM, 1.5, np.float32)}, {}, "decays from 1.5 to 1.5, expected 0 to 1"),
        ({}, {"architecture": {"kind": "lrh", "history_length": 0}}, "history_length 0, expected 1 or more"),
        ({}, {"architecture": {"kind": "lrh"}}, "history_length None, expected 1 or more"),
        ({"prior": np.zeros(DIM + 1, np.float32)}, {}, r"expected \('d',\) with d = 8"),
    ],
)
def test_a_folder_that_holds_no_such_model_is_refused(tmp_path, arrays, facts, message):
    folder = write_network(tmp_path, "lrh", lrh_arrays() | arrays, **facts)
    with pytest.raises(ArtifactError, match=message):
        read_network(folder)


def test_its_recipes_are_those_of_tables_and_its_profile_is_history():
    assert choose_recipe("lrh", None, "onnx", int8=True).name == "int8-dim"
    assert choose_recipe("lrh", "int4-item", "onnx", int8=False).name == "int4-item"
    with pytest.raises(ConfigError, match="int8-dynamic is for networks"):
        choose_recipe("lrh", "int8-dynamic", "onnx", int8=False)
    assert check_network("lrh", "onnx", None, None) == HISTORY
    with pytest.raises(ConfigError, match="--profile all-users is not available for a lrh"):
        check_network("lrh", "onnx", "all-users", None)
    with pytest.raises(ConfigError, match="score16 is not available for --profile history"):
        choose_recipe("lrh", "score16", "onnx", int8=False)
    assert tuple(recipes_of("lrh")) == RECIPES_HELD


def test_a_page_is_a_bundle_of_it_too(student, tmp_path):
    build(RecurrentHistory(source_of(student, "web")), RECIPES["int8-dim"], tmp_path / "page", gate=OPEN)
    assert verify_bundle(tmp_path / "page").bundle.contract.history_length == LENGTH


@pytest.mark.parametrize("recipe", ["fp32", "int8-dim", "int4-item"])
def test_plain_python_answers_as_the_engine_does(student, tmp_path, monkeypatch, recipe):
    graph = RecurrentHistory(source_of(student, "c")).encode(RECIPES[recipe]).graph
    path = tmp_path / "model.bin"
    path.write_bytes(write_model(graph, {}))
    compiled = open_runtime(path, graph.contract)
    monkeypatch.setenv("RECPRESS_ENGINE", "plain")
    plain = open_runtime(path, graph.contract)
    assert (compiled.name, plain.name) == ("recpress-c", "recpress-python")
    for history in HISTORIES:
        for left, right in zip(
            compiled.recommend(None, history, 20), plain.recommend(None, history, 20), strict=True
        ):
            assert np.allclose(left, right, rtol=0, atol=1e-5 if recipe == "fp32" else 0)

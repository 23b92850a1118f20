"""A history with a tanh as a bundle: answers in whole numbers, every recipe and format, what is refused."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from exports import OPEN, random_evaluation
from network_models import DIM, N_ITEMS, ae_arrays, read_ae

from device_bench.quality import ranking_quality
from recpress_edge.artifacts.bundle import MANIFEST, open_bundle
from recpress_edge.artifacts.contract import HISTORY
from recpress_edge.artifacts.quantize import quantize
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.artifacts.tanh_history import (
    LAST_PLACE,
    MOST_PRIOR,
    TANH_MAX,
    WEIGHT_MAX,
    HiddenLayer,
    float_roots,
    integer_roots,
    quantize_layer,
    stride_of,
    tanh_table,
    with_bias,
)
from recpress_edge.core.errors import ArtifactError, ConfigError, GateError
from recpress_edge.core.rng import stream
from recpress_edge.device.recommender import Recommender
from recpress_edge.device.reference_file import FileReference
from recpress_edge.device.runtime import open_runtime
from recpress_edge.device.tables import read_tables
from recpress_edge.device.verify import verify_bundle
from recpress_export.build import build
from recpress_export.graph import ExcludeSeen, write_model
from recpress_export.networks.recipes import check_network, choose_recipe, recipes_of
from recpress_export.networks.student import NetworkStudent
from recpress_export.student import StudentData
from recpress_export.subjects.autoencoder import TanhHistory
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import Changes

RECIPES_HELD = ("fp32", "fp16", "int8-dim", "int8-item", "int4-item")
INTEGERS = ("int8-dim", "int8-item", "int4-item")
FORMATS = ("onnx", "tflite")
FILES = [(f, r) for f in FORMATS for r in RECIPES_HELD]
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/bundle-1.schema.json").read_text())
HISTORIES = [[], [3], [5, 3], [9, 8, 7], list(range(40)), list(range(1, N_ITEMS)), list(range(N_ITEMS))]


def source_of(student: NetworkStudent, file_format: str = "onnx", core: str = "") -> StudentData:
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
        command="recpress-edge export --student ae_dim8",
        file_format=file_format,
        core=core,
    )


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> NetworkStudent:
    """Items 10 to 13 are scored alike: their scores tie."""
    arrays = ae_arrays()
    for name in ("item_emb", "item_bias"):
        arrays[name][11:14] = arrays[name][10]
    return read_ae(tmp_path_factory.mktemp("ae"), **arrays)


@pytest.fixture(scope="module")
def written(student, tmp_path_factory):
    """recipe, format -> the runtime of its file, the reference of that file, its tables, the encoding."""
    folder = tmp_path_factory.mktemp("files")
    made = {}

    def file_of(recipe, file_format):
        if (recipe, file_format) not in made:
            encoding = TanhHistory(source_of(student, file_format)).encode(RECIPES[recipe])
            contract = encoding.graph.contract
            path = folder / f"{recipe}.{file_format}"
            path.write_bytes(write_model(encoding.graph, {}))
            runtime, reference = open_runtime(path, contract), FileReference(path, contract)
            made[recipe, file_format] = runtime, reference, read_tables(path, contract), encoding
        return made[recipe, file_format]

    return file_of


def in_whole_numbers(tables, history):
    """Python integers alone, written from ADR 0032: every item's sum before it is scaled, and the peak."""
    rows, roots, tanh = (tables[name].tolist() for name in ("history_emb", "roots", "tanh"))
    stride, root = tables["stride"].item(), roots[min(len(history), len(roots) - 1)]
    levels = []
    for dim, (prior, weight) in enumerate(
        zip(tables["prior"].tolist(), tables["dim_weights"].tolist(), strict=True)
    ):
        total = max(-(2**19), min(2**19, sum(rows[item][dim] for item in history)))
        drive = total * root + prior
        place = min((2 * abs(drive) + stride) // (2 * stride), 1280)
        levels.append(((drive > 0) - (drive < 0)) * tanh[place] * weight)
    peak = max(1, *map(abs, levels))
    row = [((v > 0) - (v < 0)) * ((254 * abs(v) + peak) // (2 * peak)) for v in levels]
    return [sum(r * i for r, i in zip(row, item, strict=True)) for item in tables["item_emb"].tolist()], peak


@pytest.mark.parametrize("history", HISTORIES[:-1], ids=lambda h: str(len(h)))
@pytest.mark.parametrize("recipe", INTEGERS)
@pytest.mark.parametrize("file_format", FORMATS)
def test_an_integer_file_answers_as_whole_numbers_do(written, file_format, recipe, history):
    runtime, _, tables, _ = written(recipe, file_format)
    sums, peak = in_whole_numbers(tables, history)
    ranked = np.array(sums, np.float32)
    if "item_scale" in tables:
        ranked = ranked * tables["item_scale"].astype(np.float32)
    scale = np.float32(peak) * np.float32(tables["step"].reshape(()))
    left = [item for item in range(N_ITEMS) if item not in history]
    best = sorted(left, key=lambda item: (-ranked[item], item))[:30]
    items, scores = runtime.recommend(None, history, min(30, len(left)))
    assert items.tolist() == best
    assert scores.tolist() == [float(ranked[item] * scale) for item in best]


@pytest.mark.parametrize(("file_format", "recipe"), FILES)
def test_every_file_equals_its_reference(written, recipe, file_format):
    runtime, of_file, _, encoding = written(recipe, file_format)
    rng = stream(0, "histories")
    drawn = [rng.choice(N_ITEMS, n, replace=False).tolist() for n in (1, 2, 3, 4, 5, 8, 30, 55)]
    for history in [*HISTORIES[:-1], *drawn]:
        length = min(20, N_ITEMS - len(history))
        found = runtime.recommend(None, history, length)
        for reference in (of_file, encoding.reference):
            wanted = reference.recommend(None, history, length)
            assert found[0].tolist() == wanted[0].tolist()
            if RECIPES[recipe].exact:
                assert found[1].tobytes() == wanted[1].tobytes()
            else:
                assert np.allclose(found[1], wanted[1], atol=2e-5)


@pytest.mark.parametrize(("file_format", "recipe"), FILES)
def test_whoever_has_everything_gets_nothing(written, recipe, file_format):
    items, scores = written(recipe, file_format)[0].recommend(None, HISTORIES[-1], 5)
    assert items.size == scores.size == 0


def test_an_fp32_file_is_the_hidden_layer(written, student):
    """tanh(prior + Σ H / √n), by hand and in float64; scores are off by one shift of all biases alone."""
    runtime = written("fp32", "onnx")[0]
    a = {name: array.astype(np.float64) for name, array in student.arrays.items()}
    for history in HISTORIES[:-1]:
        total = a["history_emb"][history].sum(axis=0) / np.sqrt(max(len(history), 1))
        wanted = a["item_emb"] @ np.tanh(a["prior"] + total) + a["item_bias"]
        wanted -= (a["item_bias"].max() + a["item_bias"].min()) / 2
        items, scores = runtime.recommend(None, history, N_ITEMS - len(history))
        assert np.allclose(scores, wanted[items], atol=1e-5)


@pytest.mark.parametrize(("file_format", "recipe"), FILES)
def test_the_order_of_items_says_nothing(written, recipe, file_format):
    runtime = written(recipe, file_format)[0]
    items, scores = runtime.recommend(None, [4, 17, 33], 20)
    again, same = runtime.recommend(None, [33, 4, 17], 20)
    assert items.tolist() == again.tolist()
    assert np.allclose(scores, same, rtol=1e-6)


@pytest.mark.parametrize(("file_format", "recipe"), FILES)
def test_a_bundle_verifies_itself_and_fits_the_schema(student, tmp_path, recipe, file_format):
    exported = build(
        TanhHistory(source_of(student, file_format)), RECIPES[recipe], tmp_path / "out", gate=OPEN
    )
    verified = verify_bundle(tmp_path / "out")
    contract = verified.bundle.contract
    assert (contract.profile, contract.n_users, contract.dim) == (HISTORY, 0, DIM + 1)
    assert contract.history_length == 0
    assert contract.exact == RECIPES[recipe].exact
    jsonschema.validate(json.loads((tmp_path / "out" / MANIFEST).read_text()), SCHEMA)
    if RECIPES[recipe].exact:
        assert exported.parity.exact_users == 20
    assert ranking_quality(verified)["users"] == 20
    assert verified.bundle.provenance["hidden"]["activation"] == "tanh"
    assert "the distinct items consumed so far" in (tmp_path / "out" / "CARD.md").read_text()
    names = Recommender.of(verified).recommend(None, ["item-4", "item-17"], 5).items
    assert names == [f"item-{i}" for i in verified.runtime.recommend(None, [4, 17], 5)[0]]
    odd = Recommender.of(verified).recommend(None, ["item-4", "never heard of"], 5)
    assert odd.unknown == ("never heard of",)
    assert odd.items == [f"item-{i}" for i in verified.runtime.recommend(None, [4], 5)[0]]


def test_the_same_bytes_again(student, tmp_path):
    def again():
        return build(TanhHistory(source_of(student)), RECIPES["int8-dim"], tmp_path / "out", gate=OPEN)

    assert not again().unchanged
    assert again().unchanged


def test_a_ruined_file_is_never_published(student, tmp_path):
    """Its tables are read back: one place of tanh that is off is found, whatever the gate allows."""

    class Ruined(TanhHistory):
        def encode(self, recipe):
            encoding = super().encode(recipe)
            tables = {**encoding.tables, "tanh": encoding.tables["tanh"] + np.int16(1)}
            return dataclasses.replace(encoding, tables=tables)

    with pytest.raises(GateError, match="does not hold the tanh"):
        build(Ruined(source_of(student)), RECIPES["int8-dim"], tmp_path / "out", gate=OPEN)
    assert not (tmp_path / "out").exists()


def test_items_are_retired_and_new_ones_refused(student, tmp_path):
    build(TanhHistory(source_of(student)), RECIPES["int8-dim"], tmp_path / "out", gate=OPEN)
    changes = Changes(
        (), np.zeros((0, 9), np.float32), (), np.zeros((0, 9), np.float32), ("item-3",), "d" * 64
    )
    update_bundle(tmp_path / "out", changes, None, force=True)
    assert open_bundle(tmp_path / "out").contract.retired == (3,)
    row = np.ones((1, 9), np.float32)
    more = dataclasses.replace(
        changes, append_ids=("new",), append_emb=row, retire_ids=(), append_history=row
    )
    with pytest.raises(ArtifactError, match=r"is a history bundle with a tanh: .* Items can be retired"):
        update_bundle(tmp_path / "out", more, None, force=True)


@pytest.mark.parametrize("recipe", ["fp32", "int8-dim"])
@pytest.mark.parametrize("file_format", FORMATS)
def test_retired_items_are_read_and_never_recommended(written, tmp_path, file_format, recipe):
    graph = written(recipe, file_format)[3].graph
    contract = dataclasses.replace(graph.contract, retired=(4, 9))
    steps = [
        dataclasses.replace(step, retired=(4, 9)) if isinstance(step, ExcludeSeen) else step
        for step in graph.steps
    ]
    path = tmp_path / f"model.{file_format}"
    path.write_bytes(write_model(dataclasses.replace(graph, contract=contract, steps=tuple(steps)), {}))
    for history in ([], [4, 17]):
        items, scores = open_runtime(path, contract).recommend(None, history, 20)
        wanted = written(recipe, file_format)[0].recommend(None, history, 30)
        kept = [n for n, item in enumerate(wanted[0].tolist()) if item not in (4, 9)][:20]
        assert items.tolist() == wanted[0][kept].tolist()
        assert np.allclose(scores, wanted[1][kept], atol=1e-6)


def test_a_model_bin_of_it_is_refused(student):
    with pytest.raises(
        ConfigError, match=r"model\.bin holds no tanh of a history\. Write --format onnx or tflite"
    ):
        write_model(TanhHistory(source_of(student, "c")).encode(RECIPES["int8-dim"]).graph, {})


def test_tables_of_roots_and_tanh_are_what_they_say():
    assert integer_roots(5).tolist() == [16384, 16384, 11585, 9459, 8192, 7327]
    assert len(integer_roots(10_000)) == 4097
    assert float_roots(4).tolist() == [1, 1, np.float32(2**-0.5), np.float32(3**-0.5), 0.5]
    table = tanh_table()
    assert (table[0], table[-1], len(table)) == (0, 2047, 1281)
    assert np.abs(table / 2047 - np.tanh(np.arange(1281) / 256)).max() < 1 / 4000
    assert 255 * TANH_MAX * WEIGHT_MAX < 2**31  # TFLite's division


def layer_of(history, prior) -> HiddenLayer:
    drawn = stream(0, "layer").standard_normal((6, 3), np.float32)
    return with_bias(drawn * np.float32(history), np.full(3, prior, np.float32), drawn, drawn[:, 0])


@pytest.mark.parametrize(
    ("history", "prior"), [(1, 0), (1e-6, 0), (0, 0), (300, 1), (0.01, 9), (1, 1000), (1e4, 0)]
)
def test_integers_are_near_the_layer_whatever_its_size(history, prior):
    """And nothing leaves its range: rows of any size, priors of any size."""
    layer = layer_of(history, prior)
    items = quantize(RECIPES["int8-dim"], np.ones((1, 4), np.float32), layer.item_emb)
    tables = quantize_layer(layer, items)
    assert np.abs(tables["prior"].astype(np.int64)).max() <= MOST_PRIOR
    assert np.abs(tables["history_emb"].astype(np.int64)).max() <= 127
    assert 1 <= stride_of(layer) <= 2**20
    assert tables["dim_weights"].max() == WEIGHT_MAX
    place = np.minimum(np.abs(tables["prior"]) / stride_of(layer), LAST_PLACE)
    wanted = np.minimum(np.abs(layer.prior) * 256, LAST_PLACE)
    assert np.allclose(place, wanted, atol=1)


def test_the_bias_is_a_dimension_whose_tanh_is_one(student):
    layer = TanhHistory(source_of(student)).layer
    assert layer.history_emb[:, -1].tolist() == [0] * N_ITEMS
    assert np.tanh(layer.prior[-1]) == 1
    bias = layer.item_emb[:, -1]
    assert bias.max() == pytest.approx(-bias.min())
    shift = student.arrays["item_bias"] - bias
    assert np.allclose(shift, shift[0])


def test_recipes_formats_and_profiles_are_those_of_tables():
    assert choose_recipe("ae", None, "onnx", int8=True).name == "int8-dim"
    with pytest.raises(ConfigError, match="recipe int8-dynamic is for networks"):
        choose_recipe("ae", "int8-dynamic", "onnx", int8=False)
    with pytest.raises(ConfigError, match=r"--format c is not available for a ae: model\.bin"):
        choose_recipe("ae", "int8-dim", "c", int8=False)
    assert check_network("ae", "tflite", None, None) == HISTORY
    with pytest.raises(ConfigError, match="--profile all-users is not available for a ae"):
        check_network("ae", "onnx", "all-users", None)
    assert tuple(recipes_of("ae")) == RECIPES_HELD


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("recipe", INTEGERS)
def test_a_file_arranged_for_a_core_gives_the_same(written, student, tmp_path, file_format, recipe):
    encoding = TanhHistory(source_of(student, file_format)).encode(RECIPES[recipe])
    graph = dataclasses.replace(encoding.graph, core="armv8.0")
    path = tmp_path / f"model.{file_format}"
    path.write_bytes(write_model(graph, {}))
    packed = file_format == "tflite" and recipe == "int4-item"  # which TFLite does not pad
    assert packed == (path.read_bytes() == write_model(encoding.graph, {}))
    contract = graph.contract
    for runtime in (open_runtime(path, contract), FileReference(path, contract)):
        for history in HISTORIES[:-1]:
            wanted = written(recipe, file_format)[0].recommend(None, history, 20)
            found = runtime.recommend(None, history, 20)
            assert found[0].tolist() == wanted[0].tolist()
            assert found[1].tobytes() == wanted[1].tobytes()

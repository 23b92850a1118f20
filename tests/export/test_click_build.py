"""A click model as a bundle: the file equals numpy, the self-test asks for everything, the gate holds."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from made_click_bundles import FIELDS, N_ITEMS, SHAPES, click_bundle, source_of

from recpress_edge.artifacts.clicks.contract import FORMAT_RECIPES
from recpress_edge.artifacts.clicks.evaluation import EvaluationRows
from recpress_edge.artifacts.clicks.fields import MISSING, UNKNOWN
from recpress_edge.artifacts.clicks.selftest import untouched
from recpress_edge.artifacts.clicks.weights import logits
from recpress_edge.core.errors import ArtifactError, ConfigError, GateError
from recpress_edge.device.clicks.ranker import ClickRanker
from recpress_edge.device.clicks.runtimes import numpy_clicks, open_clicks
from recpress_export.clicks import build
from recpress_export.clicks.questions import TEXTS, questions

ASKED = tuple(field for field in FIELDS if field.side != "item")


FILES = [(form, recipe) for form, recipes in FORMAT_RECIPES.items() for recipe in recipes]
FURTHEST = {"fp32": 1e-4, "int4-fields": 1.5}
"""Of a logit, by recipe; drawn weights are harder to store than trained ones."""


@pytest.mark.parametrize(
    ("shape", "file_format", "recipe"),
    [*((shape, *file) for shape in SHAPES for file in FILES), ("odd", "onnx", "int4-fields")],
)
def test_the_file_ranks_as_numpy_and_as_the_definition(shape, file_format, recipe, tmp_path):
    source = source_of(**SHAPES.get(shape, {"dim": 5}))
    made = build.build_clicks(source, tmp_path / "b", recipe, force=True, file_format=file_format)
    bundle = made.bundle
    assert bundle.model_path.name == f"model.{file_format}"
    file = open_clicks(bundle.model_path, bundle.contract).model
    stored = numpy_clicks(bundle.model_path, bundle.contract)
    whole = np.arange(N_ITEMS)
    for row, item in zip(source.asked[:50], source.items[:50].tolist(), strict=True):
        items, scores = file.rank(row, whole, N_ITEMS)
        again, theirs = stored.rank(row, whole, N_ITEMS)
        assert items.tolist() == again.tolist()
        assert scores == pytest.approx(theirs, abs=1e-4)
        assert file.rank(row, np.array([item]), 1)[0].tolist() == [item]
    exact = logits(source.weights, source.rows)
    found = stored.logits(source.asked, source.items)
    assert np.abs(found - exact).max() < FURTHEST.get(recipe, 0.2)


def test_tflite_says_the_same_as_onnx_for_every_candidate_count(tmp_path):
    rankers = [
        ClickRanker.load(
            build.build_clicks(
                source_of(), tmp_path / name, "int8", force=True, file_format=name
            ).bundle.folder
        )
        for name in FORMAT_RECIPES
    ]
    for count in (1, 14, 3, 7):
        candidates = [f"i{item}" for item in range(count)]
        found = [one.rank({"user": "bob", "liked": ["x", "z"]}, candidates, 5) for one in rankers]
        assert found[0].items == found[1].items
        assert found[0].logits == pytest.approx(found[1].logits, abs=1e-5)


def test_a_bundle_carries_test_rows_where_they_are_given(tmp_path):
    source = source_of()
    rows = EvaluationRows(source.asked, source.items, source.labels, source.users)
    bundle = build.build_clicks(
        dataclasses.replace(source, test=rows), tmp_path / "b", "fp32", force=True
    ).bundle
    again = bundle.evaluation()
    for name in ("rows", "items", "labels", "users"):
        assert getattr(again, name).tolist() == getattr(rows, name).tolist()
    stored = numpy_clicks(bundle.model_path, bundle.contract)
    assert again.logits(stored.rank) == pytest.approx(stored.logits(rows.rows, rows.items), abs=1e-5)
    assert "`evaluation.npz` holds 400 test rows" in (bundle.folder / "CARD.md").read_text()
    assert click_bundle(tmp_path / "without").bundle.evaluation() is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"items": N_ITEMS}, "item index outside"),
        ({"labels": 2}, "labels are not 0 and 1"),
        ({"rows": 99}, "outside its field's table"),
    ],
)
def test_test_rows_that_contradict_the_contract_are_refused(changed, said, tmp_path):
    source = source_of()
    arrays = {"rows": source.asked, "items": source.items, "labels": source.labels, "users": source.users}
    for name, value in changed.items():
        arrays[name] = arrays[name].copy()
        arrays[name].flat[0] = value
    spoilt = dataclasses.replace(source, test=EvaluationRows(**arrays))
    bundle = build.build_clicks(spoilt, tmp_path / "b", "fp32", force=True).bundle
    with pytest.raises(ArtifactError, match=said):
        bundle.evaluation()


def test_equal_items_come_in_the_order_of_their_indices(tmp_path):
    source = source_of()
    source.catalogue[12:] = source.catalogue[11]
    bundle = build.build_clicks(source, tmp_path / "b", "fp32", force=True).bundle
    for runtime in ("onnxruntime", "numpy"):
        found = ClickRanker.load(bundle.folder, runtime).rank({}, ["i13", "i12", "i11"], 3)
        assert found.items == ("i11", "i12", "i13")
        assert len(set(found.logits.tolist())) == 1


def test_the_self_test_touches_everything_of_every_field():
    asked = questions(ASKED, N_ITEMS)
    assert list(untouched(ASKED, asked)) == []
    assert list(untouched(ASKED, ())) != []
    rows = np.array([question.row for question in asked])
    starts = np.cumsum([0, *(field.width for field in ASKED)])[:-1]
    for field, start in zip(ASKED, starts, strict=True):
        assert MISSING in rows[:, start], field.name
        if field.kind not in ("numeric", "hashed"):
            assert UNKNOWN in rows[:, start], field.name
    assert {question.values.get("battery") for question in asked} >= {0.25, 0.5, 1e30, -1e30}
    assert {question.values.get("city") for question in asked} >= set(TEXTS)
    without = tuple(question for question in asked if question.values.get("battery") != 0.5)
    assert list(untouched(ASKED, without)) == ["the edge 0.5 of field 'battery'"]
    known = tuple(question for question in asked if question.row[0] != UNKNOWN)
    assert "an unknown value of field 'user'" in list(untouched(ASKED, known))


def test_what_the_manifest_and_the_card_say(tmp_path):
    bundle = click_bundle(tmp_path / "b", "int8").bundle
    clicks = bundle.quality["clicks"]
    assert bundle.name == "deepfm_dim4-int8"
    assert clicks["rows"] == 400
    assert clicks["before"]["auc"] == pytest.approx(clicks["after"]["auc"], abs=0.02)
    assert [stage["stage"] for stage in bundle.quality["chain"]] == ["teacher", "student", "int8"]
    assert bundle.contract.folded == ("item", "tags")
    assert [field.entry() for field in bundle.contract.fields] == [field.entry() for field in ASKED]
    assert [field.values for field in bundle.contract.fields] == [field.values for field in ASKED]
    card = (bundle.folder / "CARD.md").read_text()
    assert "| `hour` | context | integer | 0 to 23 |" in card
    assert "vocabularies of user, liked name users" in card


def test_the_manifest_follows_its_schema(tmp_path):
    schema = json.loads((Path(__file__).parents[2] / "schemas/bundle-2.schema.json").read_text())
    for file_format, recipes in FORMAT_RECIPES.items():
        made = build.build_clicks(
            source_of(), tmp_path / file_format, recipes[-1], force=True, file_format=file_format
        )
        manifest = json.loads((made.bundle.folder / "bundle.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(manifest)
    manifest["contract"]["features"][0]["side"] = "item"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(manifest)


def test_the_gate_refuses_what_int8_costs_and_force_says_so(tmp_path, monkeypatch):
    source = source_of()
    monkeypatch.setattr(build, "MAX_LOGLOSS_GAIN", -1.0)
    with pytest.raises(GateError, match=r"valid logloss 0\.\d+ became .* more than -1 worse\. --force"):
        build.build_clicks(source, tmp_path / "b", "int8", force=False)
    assert not (tmp_path / "b").exists()
    made = build.build_clicks(source, tmp_path / "b", "int8", force=True)
    gate = made.bundle.quality["clicks"]["gate"]
    assert (gate["met"], gate["overruled"]) == (False, True)


def test_a_file_that_does_not_compute_its_tables_is_refused(tmp_path, monkeypatch):
    real = build.numpy_clicks

    def shifted(path, contract):
        model = real(path, contract)
        return dataclasses.replace(model, request=dataclasses.replace(model.request, bias=9.0))

    monkeypatch.setattr(build, "numpy_clicks", shifted)
    with pytest.raises(GateError, match="does not compute its tables"):
        build.build_clicks(source_of(), tmp_path / "b", "fp32", force=True)


def test_an_equal_bundle_is_left_alone_and_another_is_not_replaced(tmp_path):
    first = click_bundle(tmp_path / "b")
    again = build.build_clicks(source_of(), tmp_path / "b", "fp32", force=False)
    assert again.unchanged
    assert again.bundle.digest == first.bundle.digest
    with pytest.raises(ConfigError, match="is not what would be written"):
        build.build_clicks(source_of(seed=3), tmp_path / "b", "fp32", force=False)


def test_the_same_source_makes_the_same_bytes(tmp_path):
    files = [
        {
            path.name: path.read_bytes()
            for path in click_bundle(tmp_path / name, "int8").bundle.folder.iterdir()
        }
        for name in ("one", "two")
    ]
    assert files[0] == files[1]

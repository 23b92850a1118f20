"""A budget of bytes for a click model: the first recipe that keeps it and its gate, or every figure."""

import dataclasses

import pytest
from made_click_bundles import of_many_items, source_of

from recpress_edge.artifacts.clicks.weights import logits
from recpress_edge.core.errors import GateError
from recpress_export.clicks import build
from recpress_export.clicks.draft import draft_model
from recpress_export.clicks.fit import FitBudget, fit_clicks


def certain():
    """A source of 700 items, whose labels its own weights explain without doubt."""
    source = source_of(dim=8, layers=(32, 16))
    labels = (logits(source.weights, source.rows) > 0).astype("uint8")
    return of_many_items(dataclasses.replace(source, labels=labels))


@pytest.fixture
def lenient(monkeypatch):
    monkeypatch.setattr(build, "MAX_AUC_LOSS", 1.0)
    monkeypatch.setattr(build, "MAX_LOGLOSS_GAIN", 9.0)


def size_of(recipe, file_format="onnx"):
    return len(draft_model(certain(), recipe, file_format).to_bytes())


def test_the_first_recipe_that_fits_is_taken(tmp_path, lenient):
    found = fit_clicks(certain(), FitBudget(size_of("int8")), None, tmp_path, force=False)
    bundle = found.exported.bundle
    assert (bundle.name, bundle.model_bytes, found.tried) == ("deepfm_dim4-int8", size_of("int8"), ())
    assert "--recipe int8" in bundle.provenance["command"]


def test_one_byte_less_takes_the_next_that_is_small_enough(tmp_path, lenient):
    sizes = {recipe: size_of(recipe) for recipe in ("int8", "int8-fields", "int4-fields")}
    assert sizes["int8"] > sizes["int8-fields"] > sizes["int4-fields"]
    found = fit_clicks(certain(), FitBudget(sizes["int8-fields"] - 1), tmp_path / "b", tmp_path, force=False)
    assert found.exported.bundle.contract.recipe == "int4-fields"
    assert [one.recipe for one in found.tried] == ["int8", "int8-fields"]
    assert found.tried[1].n_bytes == sizes["int8-fields"]


def test_the_bundle_is_the_one_that_its_recipe_makes(tmp_path, lenient):
    by_budget = fit_clicks(certain(), FitBudget(10**6), None, tmp_path, force=False).exported.bundle
    by_name = build.build_clicks(certain(), tmp_path / "b", "int8", force=True).bundle
    assert by_budget.digest == by_name.digest


def test_nothing_fits_and_every_figure_is_told(tmp_path):
    with pytest.raises(GateError, match=r"--fit 100 .*int8 has tables of .*int4-fields has tables of"):
        fit_clicks(certain(), FitBudget(100), None, tmp_path, force=True)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_below_its_gate_is_not_taken_even_with_force(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "MAX_LOGLOSS_GAIN", -1.0)
    with pytest.raises(GateError, match=r"int8 takes .* and valid logloss .* more than -1 worse"):
        fit_clicks(certain(), FitBudget(10**6), None, tmp_path, force=True)
    assert list(tmp_path.iterdir()) == []


def test_tflite_walks_what_it_can_store(tmp_path, lenient):
    found = fit_clicks(certain(), FitBudget(10**6, "tflite"), None, tmp_path, force=False)
    assert found.exported.bundle.name == "deepfm_dim4-int8-tflite"
    with pytest.raises(GateError) as told:
        fit_clicks(certain(), FitBudget(100, "tflite"), None, tmp_path, force=False)
    assert "int8-fields takes" not in str(told.value)
    assert "int8-fields has" not in str(told.value)
    assert "int8-fields and int4-fields may be smaller, and need --format onnx" in str(told.value)

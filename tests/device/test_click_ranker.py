"""Asking a click bundle, and what a damaged or foreign one is told."""

import json
import shutil

import numpy as np
import pytest
from made_click_bundles import click_bundle

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.clicks.bundle import open_click_bundle
from recpress_edge.artifacts.clicks.contract import click_contract_facts
from recpress_edge.artifacts.manifest import CLICK_SCHEMA, is_click_bundle, write_facts
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.device.clicks.ranker import ClickRanker


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return click_bundle(tmp_path_factory.mktemp("clicks") / "b", "int8").bundle


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made.folder, tmp_path / "copy")


def rewritten(folder, contract=(), **changed):
    """The bundle with other facts, and the digests that belong to them."""
    manifest = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").unlink()
    facts = {name: manifest[name] for name in ("name", "contract", "provenance", "quality")} | changed
    facts["contract"] = facts["contract"] | dict(contract)
    write_facts(folder, CLICK_SCHEMA, facts)
    return folder


@pytest.mark.parametrize("runtime", ["onnxruntime", "numpy"])
def test_a_bundle_ranks_its_catalogue_or_the_candidates(made, runtime):
    ranker = ClickRanker.load(made.folder, runtime)
    assert ranker.fields == ("user", "hour", "battery", "liked", "city")
    values = {"user": "ann", "hour": 13, "battery": 0.3, "liked": ["x", "z"], "city": "Zürich"}
    whole = ranker.rank(values, k=14)
    assert len(whole.items) == 14
    assert (np.diff(whole.logits) <= 0).all()
    assert ((whole.chances > 0) & (whole.chances < 1)).all()
    some = ranker.rank(values, ["i3", "i1", "i3", "nope"], 5)
    assert some.items == tuple(item for item in whole.items if item in ("i1", "i3"))
    assert some.unknown == ("nope",)
    assert ranker.rank({}).items != ranker.rank(values).items
    assert ranker.rank({"user": "nobody"}, k=14).items == ranker.rank({"user": "else"}, k=14).items


def test_both_runtimes_give_equal_items(made):
    onnx, reference = (ClickRanker.load(made.folder, runtime) for runtime in ("onnxruntime", "numpy"))
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = {"user": str(rng.choice(["ann", "bob", "?"])), "hour": int(rng.integers(-2, 26))}
        values |= {"battery": float(rng.normal()), "liked": ["x", "?"][: rng.integers(0, 3)]}
        assert onnx.rank(values, k=14).items == reference.rank(values, k=14).items


@pytest.mark.parametrize(
    ("place", "wrong"),
    [(1, {"least": -(2**54)}), (4, {"seed": -1}), (4, {"seed": 2**32}), (4, {"buckets": 2**31})],
)
def test_fields_beyond_what_every_language_holds_are_refused(copy, made, place, wrong):
    features = click_contract_facts(made.contract)["features"]
    features[place] |= wrong
    sizes = {"buckets": lambda one: one["buckets"] + 2, "least": lambda one: one["most"] - one["least"] + 3}
    for name in wrong.keys() & sizes.keys():
        features[place]["size"] = sizes[name](features[place])
    with pytest.raises(ArtifactError, match="out of range") as told:
        open_click_bundle(rewritten(copy, {"features": features}))
    assert told.value.fault == "range"


def test_wrong_questions_are_refused_by_name(made):
    ranker = ClickRanker.load(made.folder, "numpy")
    with pytest.raises(ConfigError, match=r"unknown field 'hours'.*hour"):
        ranker.rank({"hours": 3})
    with pytest.raises(ConfigError, match="k must be at least 1"):
        ranker.rank({}, k=0)
    with pytest.raises(ConfigError, match="none of the candidates"):
        ranker.rank({}, ["nope"])
    for values, said in (
        ({"user": {}}, "'user' takes a text or a number, got {}"),
        ({"user": ["ann"]}, "'user' takes one value"),
        ({"liked": "xyz"}, "'liked' takes a list of texts, got 'xyz'"),
        ({"hour": "noon"}, "field 'hour': 'noon' is not a number"),
        ({"hour": True}, "'hour' takes a text or a number, got True"),
        ({"user": 1.5}, "field 'user': a text or a whole number is expected, got 1.5"),
        ({"liked": [["x"]]}, "field 'liked': a text or a whole number is expected"),
    ):
        with pytest.raises(ConfigError, match=said):
            ranker.rank(values)
    with pytest.raises(ConfigError, match="runtime"):
        ClickRanker.load(made.folder, "tflite")


def test_it_is_no_bundle_of_tables_and_says_so(made):
    assert is_click_bundle(made.folder)
    with pytest.raises(
        ArtifactError, match=r"bundle of a click model.*recpress-edge recommend asks it"
    ) as found:
        open_bundle(made.folder)
    assert found.value.fault == "schema"


@pytest.mark.parametrize(
    ("contract", "said"),
    [
        ({"recipe": "int4"}, "contract field 'recipe' is 'int4'"),
        ({"n_items": 0}, "contract field 'n_items' is 0"),
        ({"n_items": 13}, "must hold 13 distinct lines|of another size"),
        ({"pairs": 1}, "contract field 'pairs' is 1"),
        ({"features": []}, "contract field 'features'"),
        ({"folded": ["user"]}, "features of one name"),
        ({"tie_rule": "higher"}, "'tie_rule' is 'higher'.*Install the recpress-edge"),
        ({"score_tolerance": float(10)}, "the contract allows 10"),
        ({"score_tolerance": -1}, "contract field 'score_tolerance' is -1"),
    ],
)
def test_a_contract_that_cannot_be_is_refused(copy, contract, said):
    rewritten(copy, contract)
    with pytest.raises(ArtifactError, match=said):
        ClickRanker.load(copy, "numpy")


@pytest.mark.parametrize(
    ("place", "changed"),
    [
        (0, {"vocabulary": "../secret"}),
        (0, {"size": 2**31}),
        (0, {"side": "item"}),
        (1, {"least": "0"}),
        (2, {"edges": [0.5, 0.25], "size": 5}),
        (2, {"edges": ["a", "b"]}),
        (3, {"capacity": 10**9}),
        (4, {"hash": "md5"}),
        (4, {"buckets": 16.0}),
    ],
)
def test_a_field_that_cannot_be_is_refused(made, copy, place, changed):
    features = click_contract_facts(made.contract)["features"]
    features[place] = features[place] | changed
    rewritten(copy, {"features": features})
    with pytest.raises(ArtifactError):
        open_click_bundle(copy)


def test_another_vocabulary_contradicts_the_self_test(made, copy):
    values = (copy / "field-0.txt").read_text().splitlines()
    (copy / "field-0.txt").write_text("\n".join(["eve", *values[1:]]) + "\n")
    with pytest.raises(ArtifactError, match="was changed"):
        open_click_bundle(copy)
    rewritten(copy)
    with pytest.raises(ArtifactError, match="a question contradicts its fields"):
        ClickRanker.load(copy, "numpy")


def test_a_self_test_that_leaves_out_an_edge_is_refused(copy):
    where = copy / "selftest.json"
    facts = json.loads(where.read_text())
    facts["questions"] = [one for one in facts["questions"] if one["values"].get("battery") != 0.5]
    where.write_text(json.dumps(facts))
    rewritten(copy)
    with pytest.raises(ArtifactError, match=r"does not ask with the edge 0\.5 of field 'battery'"):
        ClickRanker.load(copy, "numpy")


def test_other_answers_are_refused(copy):
    where = copy / "selftest.json"
    facts = json.loads(where.read_text())
    facts["questions"][3]["scores"][0] += 0.5
    where.write_text(json.dumps(facts))
    rewritten(copy)
    for runtime in ("numpy", "onnxruntime"):
        with pytest.raises(ArtifactError, match="question 3 of the self-test is answered otherwise"):
            ClickRanker.load(copy, runtime)

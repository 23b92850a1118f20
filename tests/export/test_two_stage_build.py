"""Two stages as one bundle: the file equals numpy to the bit, begins as its first stage, and is gated."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from made_two_stages import FOUND, N_ITEMS, N_USERS, SEEN, requests_of, second_of, source_of

from recpress_edge.artifacts.manifest import MANIFEST, STAGES_SCHEMA, write_facts
from recpress_edge.artifacts.two_stages.bundle import open_two_stage_bundle
from recpress_edge.artifacts.two_stages.second import SecondStage, most_active, second_tensors
from recpress_edge.core.errors import ArtifactError, ConfigError, GateError
from recpress_edge.device.two_stages.recommender import TwoStageRecommender
from recpress_edge.device.two_stages.runtimes import NumpyTwoStages, OnnxTwoStages, StagedRequest
from recpress_export.two_stages.build import build_two_stages


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return build_two_stages(source_of(), tmp_path_factory.mktemp("two") / "both", force=False).bundle


def test_the_file_gives_numpys_ids_and_scores_to_the_bit(bundle):
    file, reference = (of(bundle.model_path, bundle.contract) for of in (OnnxTwoStages, NumpyTwoStages))
    _, rows, users = requests_of(300, 7)
    for user, row in zip(users.tolist(), rows, strict=True):
        asked = StagedRequest(user, np.arange(user % 9), row, FOUND, FOUND)
        for found, wanted in zip(file.rank(asked), reference.rank(asked), strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_whole_numbers_stay_near_the_trained_ones():
    weights = second_of()
    of_users, rows, users = requests_of(200, 2)
    every = np.hstack([of_users[users], rows])
    stage = SecondStage(weights.fields, second_tensors(weights, every))
    stage.check(N_ITEMS)
    items, scores = np.arange(N_ITEMS), np.linspace(1, -1, N_ITEMS, dtype=np.float32)
    for row in every:
        exact = weights.z(row[None], items[None], scores[None])[0]
        assert np.corrcoef(stage.z(row, items, scores), exact)[0, 1] > 0.995


def test_sums_stay_whole_in_float32():
    assert most_active(64) * 64 * 127 < 2**24
    with pytest.raises(ConfigError, match="too wide"):
        most_active(2000)


def test_a_second_stage_of_nothing_is_the_first(tmp_path):
    source = source_of(second_of(0.0))
    with pytest.raises(GateError, match="not above 0"):
        build_two_stages(source, tmp_path / "nothing", force=False)
    assert not (tmp_path / "nothing").exists()
    forced = build_two_stages(source, tmp_path / "nothing", force=True).bundle
    gate = forced.quality["stages"]["gate"]
    assert gate["overruled"]
    assert not gate["met"]
    file = OnnxTwoStages(forced.model_path, forced.contract)
    _, rows, users = requests_of(50, 5)
    for user, row in zip(users.tolist(), rows, strict=True):
        asked = StagedRequest(user, np.empty(0, np.int64), row, FOUND, FOUND)
        np.testing.assert_array_equal(file.lists(asked).items, file.lists(asked).first_items)


def test_a_second_stage_that_loses_is_refused_with_its_figures(tmp_path):
    taken = np.random.default_rng(0).integers(0, N_ITEMS, 120)
    with pytest.raises(GateError, match=r"valid NDCG@10 \d\.\d{4} of the first stage alone became"):
        build_two_stages(source_of(taken=taken), tmp_path / "bad", force=False)


def test_the_same_bundle_again_is_unchanged_and_another_is_not_overwritten(bundle):
    assert build_two_stages(source_of(), bundle.folder, force=False).unchanged
    with pytest.raises(ConfigError, match="not what would be written"):
        build_two_stages(dataclasses.replace(source_of(), licence="other"), bundle.folder, force=False)


def test_seen_items_never_come_and_their_last_ones_change_the_answer(bundle):
    asked = TwoStageRecommender.load(bundle.folder)
    seen = [f"i{item}" for item in range(30)]
    found = asked.recommend("u3", seen, {"hour": 20, "moods": ["glad"]}, k=FOUND)
    assert len(found.items) == FOUND
    assert not {*found.items} & {*seen}
    assert {*found.items} == {*found.first}
    other = asked.recommend("u3", seen[::-1], {"hour": 20, "moods": ["glad"]}, k=FOUND)
    assert {*other.first} == {*found.first}
    assert not np.array_equal(found.scores, other.scores)


def test_python_gives_the_same_by_both_runtimes(bundle):
    answers = [
        TwoStageRecommender.load(bundle.folder, runtime).recommend("u5", ["i9", "nobody's"], {"gap": 1e9}, 5)
        for runtime in ("onnxruntime", "numpy")
    ]
    assert answers[0].items == answers[1].items
    assert answers[0].unknown == ("nobody's",)
    np.testing.assert_array_equal(answers[0].scores, answers[1].scores)


def test_who_has_few_items_left_gets_those(bundle):
    asked = TwoStageRecommender.load(bundle.folder)
    everything = [f"i{item}" for item in range(N_ITEMS)]
    assert {*asked.recommend("u0", everything[:-3], k=10).items} == {*everything[-3:]}
    assert asked.recommend("u0", everything, k=10).items == ()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"user": "ann"}, "none of the bundle's 40 users"),
        ({"values": {"day": 1}}, "unknown field 'day'"),
        ({"values": {"hour": "nine"}}, "is not a number"),
        ({"values": {"moods": "glad"}}, "a list of texts"),
        ({"k": 0}, "from 1 to 20"),
        ({"k": 21}, "from 1 to 20"),
    ],
)
def test_a_wrong_question_is_refused_by_name(bundle, asked, message):
    with pytest.raises(ConfigError, match=message):
        TwoStageRecommender.load(bundle.folder).recommend(**{"user": "u1", **asked})


def test_a_missing_history_and_an_unknown_value_have_rows(bundle):
    contract = bundle.contract
    assert [field.name for field in contract.fields[-2:]] == [field.name for field in SEEN]
    questions = bundle.selftest()
    assert any(not question.seen and question.row[-1] == 0 for question in questions)
    assert any(question.seen[-1:] == (question.row[-2] - 2,) for question in questions if question.seen)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda facts: facts.update(questions=facts["questions"][:3]), "does not ask with"),
        (lambda facts: facts["questions"][0].update(user=N_USERS), "user index outside"),
        (lambda facts: facts["questions"][0]["row"].reverse(), "contradicts its fields"),
        (lambda facts: facts["questions"][3].update(seen=[0, 0, 99]), "item index outside"),
        (lambda facts: facts["questions"][0].pop("items"), "is not a self-test"),
    ],
)
def test_a_changed_self_test_is_refused(bundle, tmp_path, change, message):
    folder = _changed(bundle.folder, tmp_path, "selftest.json", change)
    with pytest.raises(ArtifactError, match=message):
        TwoStageRecommender.load(folder)


def test_another_answer_is_refused(bundle, tmp_path):
    def other(facts):
        facts["questions"][0]["scores"][0] += 1e-3

    folder = _changed(bundle.folder, tmp_path, "selftest.json", other)
    with pytest.raises(ArtifactError, match="answered otherwise"):
        TwoStageRecommender.load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda contract: contract.update(candidates=0), "'candidates' is 0"),
        (lambda contract: contract.update(profile="three"), "this version knows 'two-stages'"),
        (lambda contract: contract["first"].update(recipe="fp32", exact=False), "the first stage is"),
        (lambda contract: contract["features"].reverse(), "out of order|feature"),
        (lambda contract: contract["features"][-1].update(size=9), "9|rows"),
        (lambda contract: contract["of_users"][0].update(rows=1), "a field of users"),
        (lambda contract: contract.update(folded="item"), "'folded'"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused(bundle, tmp_path, change, message):
    folder = _changed(bundle.folder, tmp_path, None, change)
    with pytest.raises(ArtifactError, match=message):
        open_two_stage_bundle(folder)


def _changed(bundle, tmp_path, name, change):
    """A copy with a change in one file, or in the contract, and digests that fit."""
    folder = tmp_path / "changed"
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    if name:
        facts = json.loads((folder / name).read_text())
        change(facts)
        (folder / name).write_text(json.dumps(facts))
    else:
        change(manifest["contract"])
    kept = {key: manifest[key] for key in ("name", "contract", "provenance", "quality")}
    write_facts(folder, STAGES_SCHEMA, kept)
    return folder

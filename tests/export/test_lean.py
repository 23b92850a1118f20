"""Lean bundles answer as their full ones, state their digest, and hold nothing that no application reads."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from exports import ANY_HISTORY, FILES, NO_GATE, exported, items_file, make_source, with_fold_in
from made_click_bundles import click_bundle
from made_two_stages import source_of
from records import make_record

from device_bench.show import record_lines
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.contract import ORDER_ONLY, contract_facts, read_contract
from recpress_edge.artifacts.manifest import LEAN, MANIFEST, full_of, write_facts
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.artifacts.selftest import SelfTest
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import read_json
from recpress_edge.device.clicks.ranker import ClickRanker
from recpress_edge.device.opening import open_any
from recpress_edge.device.recommender import Recommender
from recpress_edge.device.runtime import REFERENCE, open_runtime
from recpress_edge.device.two_stages.recommender import TwoStageRecommender
from recpress_edge.records.budget import Budget
from recpress_edge.report.front import sections
from recpress_edge.report.runs import to_run
from recpress_edge.report.verdict import what_to_do
from recpress_export.build import build
from recpress_export.lean.questions import QUERIES, K, shortened
from recpress_export.lean.strip import lean_path, strip_bundle
from recpress_export.subjects.history import History
from recpress_export.two_stages.build import build_two_stages
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import read_changes

pytestmark = pytest.mark.usefixtures("workers_here")
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/bundle-1.schema.json").read_text())
SCALED = [
    (name, recipe)
    for name, recipe in FILES
    if RECIPES[recipe].user_extra_bytes and (name == "onnx" or recipe in ("int8-dim", "int4-item"))
]
"""A recipe with a scale of each item, and one without, in every format; in one format all of them."""


def stripped(full, **options):
    return strip_bundle(full.folder, lean_path(full.folder), **options).lean


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("lean") / "full")


def test_it_holds_what_an_application_reads_and_nothing_else(full):
    before = {path.name: path.read_bytes() for path in full.folder.iterdir()}
    lean = stripped(full)
    assert {*lean.files} == {"model.onnx", "users.txt", "items.txt", "popular.txt", "selftest.json"}
    for name in ("model.onnx", "users.txt", "items.txt", "popular.txt"):
        assert (lean.folder / name).read_bytes() == before[name]
    assert lean.total_bytes < full.total_bytes / 2
    assert {path.name: path.read_bytes() for path in full.folder.iterdir()} == before
    assert lean.full == full_of(lean.provenance)
    assert (lean.full.name, lean.full.digest) == (full.name, full.digest)
    assert lean.full.left_out == ("CARD.md", "evaluation.npz", "scales.json")
    assert lean.contract == full.contract
    jsonschema.validate(read_json(lean.folder / MANIFEST), SCHEMA)
    for user in ("user 0", "user 69"):
        answers = [Recommender.load(one.folder).recommend(user, ["item-3"], 20) for one in (full, lean)]
        assert list(answers[0]) == list(answers[1])


@pytest.mark.parametrize(("file_format", "recipe"), SCALED)
def test_order_only_gives_every_user_the_same_items(file_format, recipe, tmp_path):
    full = exported(tmp_path / "full", recipe, file_format)
    lean = stripped(full, order_only=True)
    assert lean.contract.scores == ORDER_ONLY
    assert full.model_bytes - lean.model_bytes >= 4 * 70 - 100  # a float32 for each user
    files = [open_runtime(one.model_path, one.contract) for one in (full, lean)]
    reference = open_runtime(lean.model_path, lean.contract, runtime=REFERENCE)
    for user in range(70):
        seen = [user, 3]
        (before, scores), (after, units) = (file.recommend(user, seen, 118) for file in files)
        assert before.tolist() == after.tolist()
        wanted = reference.recommend(user, seen, 118)
        np.testing.assert_array_equal(units, wanted[1])
        assert units.dtype == np.float32
        factors = scores[units != 0] / units[units != 0]
        np.testing.assert_allclose(factors, factors[0], rtol=1e-5)


def test_the_c_engine_and_plain_python_agree_on_order_only(tmp_path):
    lean = stripped(exported(tmp_path / "full", "int8-dim", "c"), order_only=True)
    assert {*lean.files} == {"model.bin", "users.txt", "items.txt", "popular.txt", "selftest.json"}
    light = Recommender.load(lean.folder).recommend("user 5", ["item-1"], 9)
    built = open_runtime(lean.model_path, lean.contract).recommend(5, [1], 9)
    assert light.items == [f"item-{item}" for item in built[0]]
    assert light.scores.tolist() == built[1].tolist()


@pytest.mark.parametrize("recipe", ["fp32", "fp16"])
def test_order_only_is_refused_where_there_is_no_scale_of_each_user(recipe, tmp_path):
    full = exported(tmp_path / "full", recipe)
    with pytest.raises(ConfigError, match="which holds no scale of each user"):
        stripped(full, order_only=True)
    assert not lean_path(full.folder).exists()
    assert stripped(full).contract.exact is False


def test_order_only_is_refused_for_one_user_and_for_a_history(tmp_path):
    full = exported(tmp_path / "one", user="user 3")
    with pytest.raises(ConfigError, match="single-user file of recipe int8-dim, which holds no scale"):
        stripped(full, order_only=True)
    assert stripped(full).contract.n_users == 1


def test_a_history_bundle_is_stripped_of_rows_and_card(tmp_path):
    source = make_source(tmp_path / "model")
    subject = History(source, with_fold_in(tmp_path / "model", source), ANY_HISTORY)
    full = build(subject, RECIPES["int8-dim"], tmp_path / "history", gate=NO_GATE).bundle
    lean = stripped(full)
    assert "evaluation.npz" not in lean.files
    answers = [Recommender.load(one.folder).recommend(None, ["item-3", "item-9"], 20) for one in (full, lean)]
    assert list(answers[0]) == list(answers[1])
    with pytest.raises(ConfigError, match="history file of recipe int8-dim, which holds no scale"):
        stripped(full, order_only=True, force=True)


def test_a_click_bundle_keeps_every_kind_of_question(tmp_path):
    full = click_bundle(tmp_path / "clicks", "int8").bundle
    lean = stripped(full)
    assert {*full.files} - {*lean.files} == {"CARD.md"}
    assert len(lean.selftest()) <= len(full.selftest())
    assert (lean.folder / "selftest.json").stat().st_size < (full.folder / "selftest.json").stat().st_size
    values = {"user": "bob", "hour": 3}
    answers = [ClickRanker.load(one.folder).rank(values) for one in (full, lean)]
    assert answers[0].items == answers[1].items
    assert answers[0].logits.tolist() == answers[1].logits.tolist()
    with pytest.raises(ConfigError, match="the bundle of a click model, whose scores have no scale"):
        stripped(full, order_only=True, force=True)


def test_a_bundle_of_two_stages_too(tmp_path):
    full = build_two_stages(source_of(), tmp_path / "both", force=False).bundle
    lean = stripped(full)
    assert {*full.files} - {*lean.files} == {"CARD.md"}
    assert len(lean.selftest()) < len(full.selftest())
    answers = [TwoStageRecommender.load(one.folder).recommend("u3", ["i1"], {}, 5) for one in (full, lean)]
    assert answers[0].items == answers[1].items


def test_twice_is_refused_and_names_the_full_bundle(full):
    lean = stripped(full)
    with pytest.raises(ConfigError, match=f"lean bundle: nothing is left to strip.*{full.name}.*sha256"):
        stripped(lean)


def test_an_equal_one_is_left_alone_and_another_needs_force(full, tmp_path):
    target = tmp_path / "out"
    assert not strip_bundle(full.folder, target).unchanged
    stamp = (target / MANIFEST).stat().st_mtime_ns
    assert strip_bundle(full.folder, target).unchanged
    assert (target / MANIFEST).stat().st_mtime_ns == stamp
    with pytest.raises(ConfigError, match="differs from what would be written"):
        strip_bundle(full.folder, target, order_only=True)
    assert open_any(target).contract.scores == ""
    assert strip_bundle(full.folder, target, order_only=True, force=True).lean.contract.scores == ORDER_ONLY
    with pytest.raises(ConfigError, match="is the bundle itself"):
        strip_bundle(full.folder, full.folder, force=True)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"without bundle\.json"):
        strip_bundle(full.folder, mine, force=True)


def test_what_only_a_full_bundle_can_do_names_it(full, tmp_path):
    lean = stripped(full)
    with pytest.raises(ConfigError, match=f"carries no evaluation rows. Take the full one.*{full.name}"):
        lean.rows()
    changes = read_changes(items_file(tmp_path / "new.npz", append_ids=["new"]))
    with pytest.raises(ConfigError, match=f"an update is checked by.*{full.name}"):
        update_bundle(lean.folder, changes, force=False)


def test_a_record_and_a_report_say_where_its_quality_is(full, tmp_path):
    lean = strip_bundle(full.folder, tmp_path / "lean").lean
    record = make_record()
    record["artifact"]["provenance"][LEAN] = dict(lean.provenance[LEAN])
    record["quality"] = {"cutoff": 50, "definition": "d", "split": None, "users": 0, "ids_sha256": "0" * 64}
    lines = "\n".join(record_lines(record))
    assert f"not in this file: it is a lean bundle; measure the full one that it is of, {full.name}" in lines
    assert "queries of the full bundle's 64" in lines
    (section,) = sections([to_run(Path("lean.json"), record)], Budget())
    assert what_to_do(section).startswith(f"Measure the full bundle, {lean.full.told}")


def test_a_lean_bundle_is_still_verified(full, tmp_path):
    lean = strip_bundle(full.folder, tmp_path / "lean").lean
    data = bytearray(lean.model_path.read_bytes())
    data[len(data) // 2] ^= 1
    lean.model_path.write_bytes(data)
    with pytest.raises(ArtifactError, match="was changed"):
        open_bundle(lean.folder)


def test_a_wrong_answer_is_found_by_the_few_questions(full, tmp_path):
    lean = strip_bundle(full.folder, tmp_path / "lean").lean
    (lean.folder / "selftest.json").write_bytes(
        dataclasses.replace(lean.selftest(), items=lean.selftest().items[::-1]).to_bytes()
    )
    facts = {**read_json(lean.folder / MANIFEST)}
    kept = {name: facts[name] for name in ("name", "contract", "provenance", "quality")}
    write_facts(lean.folder, facts["schema"], kept)
    with pytest.raises(ArtifactError, match="self-test failed"):
        Recommender.load(lean.folder)


def test_the_questions_are_spread_and_hold_the_largest_score():
    scores = [(1.0, 0.5)] * 40
    scores[17] = (9.0, 0.5)
    test = SelfTest(2, tuple(range(40)), ((),) * 40, ((1, 2),) * 40, tuple(scores))
    short = shortened(test)
    assert len(short.users) <= QUERIES
    assert {0, 17, 39} <= {*short.users}
    long = SelfTest(50, (0,), ((),), (tuple(range(50)),), (tuple(range(50, 0, -1)),))
    assert shortened(long) == SelfTest(K, (0,), ((),), (tuple(range(K)),), (tuple(range(50, 50 - K, -1)),))


def test_a_gate_that_was_overruled_is_told_by_the_lean_one_too(full, tmp_path):
    folder = tmp_path / "below"
    folder.mkdir()
    for path in full.folder.iterdir():
        if path.name != MANIFEST:
            (folder / path.name).write_bytes(path.read_bytes())
    facts = read_json(full.folder / MANIFEST)
    facts["quality"]["parity"]["gate"] |= {"met": False, "overruled": True, "failure": "overlap"}
    kept = {name: facts[name] for name in ("name", "contract", "provenance", "quality")}
    write_facts(folder, facts["schema"], kept)
    lean = strip_bundle(folder, tmp_path / "lean").lean
    assert lean.quality["parity"]["gate"]["failure"] == "overlap"
    assert "chain" not in lean.quality


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("sha256", "abc", "is no digest"),
        ("left_out", None, "lean.left_out"),
        ("of", 3, "lean.of"),
        ("queries", ..., "not whole"),
    ],
)
def test_what_it_was_stripped_from_is_checked(full, tmp_path, field, value, words):
    lean = strip_bundle(full.folder, tmp_path / "lean").lean
    facts = read_json(lean.folder / MANIFEST)
    if value is ...:
        del facts["provenance"][LEAN][field]
    else:
        facts["provenance"][LEAN][field] = value
    kept = {name: facts[name] for name in ("name", "contract", "provenance", "quality")}
    write_facts(lean.folder, facts["schema"], kept)
    with pytest.raises(ArtifactError, match=words):
        open_bundle(lean.folder)


def test_the_contract_says_order_only_or_nothing(full):
    facts = contract_facts(full.contract)
    assert "scores" not in facts
    assert read_contract(Path("x"), {**facts, "scores": ORDER_ONLY}).scores == ORDER_ONLY
    for wrong in ("absolute", 3, None, ["order-only"]):
        with pytest.raises(ArtifactError, match="contract field 'scores'"):
            read_contract(Path("x"), {**facts, "scores": wrong})

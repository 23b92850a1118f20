"""A model that goes on from an earlier one, on a log that grew: rows by id, new ones folded in."""

import dataclasses

import numpy as np
import pytest
from warm_logs import AFTER, BEFORE, SHORT, first, made, save_dataset_of

from recpress_edge.artifacts.model_folder import MODEL_FACTS
from recpress_edge.cli import main
from recpress_edge.core.errors import GateError
from recpress_edge.core.files import read_json
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.students import parse_name
from recpress_edge.models.outputs import Tables
from recpress_edge.training.ensure import plan_steps
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.store import load_model
from recpress_edge.training.warm.earlier import earlier_in
from recpress_edge.training.warm.gate import OVERLAP, check_overlap
from recpress_edge.training.warm.moved import moved
from recpress_edge.training.warm.start import started


def test_rows_are_matched_by_id_and_new_ones_folded_in(tmp_path):
    before = first("bpr_dim4", tmp_path)
    start = started(earlier_in(str(before.folder), parse_name("bpr_dim4"), AFTER), AFTER)
    known = [AFTER.user_ids.index("7"), AFTER.item_ids.index("9")]
    assert np.array_equal(start.tables.user_emb[known[0]], before.user_emb[7])
    assert np.array_equal(start.tables.item_emb[known[1]], before.item_emb[9])
    assert start.facts() == {
        "users": {"known": 60, "folded_in": 5, "drawn": 1},
        "items": {"known": 80, "folded_in": 3, "drawn": 1},
    }
    assert start.drawn_users[AFTER.user_ids.index("65")]
    assert start.drawn_items[AFTER.item_ids.index("83")]
    for name, half in (("60", slice(40)), ("61", slice(40, 80))):
        scores = before.item_emb @ start.tables.user_emb[AFTER.user_ids.index(name)]
        assert scores[half].mean() > scores.mean()
    scores = before.user_emb @ start.tables.item_emb[AFTER.item_ids.index("80")]
    assert scores[::2].mean() > scores[1::2].mean()


def test_an_item_of_new_users_alone_follows_them(tmp_path):
    before = first("bpr_dim4", tmp_path)
    start = started(earlier_in(str(before.folder), parse_name("bpr_dim4"), AFTER), AFTER)
    row = start.tables.item_emb[AFTER.item_ids.index("82")]  # only user 60, who is new, was with it
    assert row @ start.tables.user_emb[AFTER.user_ids.index("60")] > 0


def test_rows_that_are_computed_again_are_told_and_not_copied(tmp_path):
    before = first("als_dim4", tmp_path)
    start = started(earlier_in(str(before.folder), parse_name("als_dim4"), AFTER), AFTER, anew=True)
    assert start.tables is None
    assert start.facts() == {"users": {"known": 60, "new": 6}, "items": {"known": 80, "new": 4}}


@pytest.mark.parametrize(
    ("name", "teacher"),
    [("bpr_dim4", None), ("soft_dim4", "none"), ("rrd_dim4", "als_dim8")],
)
def test_it_is_never_below_its_start_and_says_what_it_goes_on_from(tmp_path, name, teacher):
    before = first(name, tmp_path, teacher)
    after = made(name, AFTER, tmp_path, before.folder)
    known = after.metadata
    assert known["history"][0]["epoch"] == 0
    values = [entry["valid"]["recall@10"] * entry["valid"]["ndcg@10"] for entry in known["history"]]
    chosen = [entry["epoch"] for entry in known["history"]].index(known["chosen_epoch"])
    assert values[chosen] >= values[0]
    assert known["from"]["sha256"] == before.digest
    assert known["from"]["users"] == {"known": 60, "folded_in": 5, "drawn": 1}
    assert 0 < known["from"][OVERLAP]["mean"] <= 1
    assert known["from"][OVERLAP]["users"] == 60
    assert after.user_emb.shape == (66, 4)
    assert np.isfinite(after.item_emb).all()
    assert "trials" not in known  # what validation chose is taken over
    again = made(name, AFTER, tmp_path, before.folder)
    assert again.digest == after.digest


def test_als_is_computed_again_and_its_lists_are_compared(tmp_path):
    given = {"l2": 0.01}
    before = made("als_dim4", BEFORE, tmp_path, method=given)
    after = made("als_dim4", AFTER, tmp_path, before.folder)
    chosen = after.metadata["chosen_settings"]
    fresh = made("als_dim4", AFTER, tmp_path, method={**given, "unobserved": chosen["unobserved"]})
    np.testing.assert_array_equal(after.item_emb, fresh.item_emb)
    assert set(chosen) == {"unobserved", "iterations"}  # as on the first day
    begun = after.metadata["history"][0]["settings"]  # but it begins where the last search ended
    assert begun["unobserved"] == pytest.approx(before.metadata["chosen_settings"]["unobserved"], rel=0.3)
    assert after.metadata["from"]["users"] == {"known": 60, "new": 6}
    assert 0 < after.metadata["from"][OVERLAP]["mean"] <= 1


def test_ease_is_computed_again_with_a_search(tmp_path):
    before = made("soft_dim4", BEFORE, tmp_path, teacher="ease", training=SHORT)
    made("soft_dim4", AFTER, tmp_path, before.folder)
    facts = [read_json(where) for where in tmp_path.glob(f"models/ease-*/{MODEL_FACTS}")]
    (taken,) = (one for one in facts if one["dataset"]["digest"] == AFTER.digest())
    assert taken["config"]["l2"] is None
    assert len(taken["history"]) > 1
    assert "from" not in taken


def test_the_teacher_goes_on_too_and_an_ensemble_by_its_members(tmp_path):
    teacher = "ensemble:als_dim6+ease+bpr_dim6"
    before = made("soft_dim4", BEFORE, tmp_path, teacher=teacher, training=SHORT)
    after = made("soft_dim4", AFTER, tmp_path, before.folder)
    assert after.metadata["teacher"]["name"] == teacher
    assert after.metadata["teacher"]["sha256"] != before.metadata["teacher"]["sha256"]
    facts = [read_json(where) for where in tmp_path.glob(f"models/*/{MODEL_FACTS}")]
    of_after = {one["name"]: one.get("from") for one in facts if one["dataset"]["digest"] == AFTER.digest()}
    assert {name: bool(begun) for name, begun in of_after.items()} == {
        "als_dim6": True, "bpr_dim6": True, "ease": False, teacher: False, "soft_dim4": True,
    }  # fmt: skip


def test_a_teacher_whose_folder_is_gone_is_trained_from_the_start(tmp_path):
    before = made("soft_dim4", BEFORE, tmp_path, teacher="als_dim6", training=SHORT)
    for where in tmp_path.glob("models/als_dim6-*/*"):
        where.unlink()
    made("soft_dim4", AFTER, tmp_path, before.folder)
    (where,) = tmp_path.glob(f"models/als_dim6-*/{MODEL_FACTS}")
    assert "from" not in read_json(where)


def test_the_key_holds_what_it_goes_on_from(tmp_path):
    before, other = first("bpr_dim4", tmp_path), made("bpr_dim4", BEFORE, tmp_path, training={"epochs": 2})
    options = [TrainOptions(earlier=where and str(where)) for where in (None, before.folder, other.folder)]
    requests = [ModelRequest(name="bpr_dim4", options=one) for one in options]
    assert len({plan_steps(one, AFTER, tmp_path)[-1].folder for one in requests}) == 3


def test_fine_tuning_starts_from_the_warm_model(tmp_path):
    before = first("bpr_dim4", tmp_path)
    after = made("bpr_dim4_qat-int8-dim", AFTER, tmp_path, before.folder, training={"epochs": 1})
    assert "from" not in after.metadata
    plain = [read_json(one) for one in tmp_path.glob(f"models/bpr_dim4-*/{MODEL_FACTS}")]
    (warm,) = [one for one in plain if "from" in one]
    assert after.metadata["quantised"]["start"]["sha256"] == warm["sha256"]


def test_overlap_is_of_what_both_know_without_what_was_consumed():
    user_emb, item_emb = np.ones((2, 1), np.float32), np.arange(15, 0, -1, dtype=np.float32)[:, None]
    train = Interactions.from_pairs(np.array([0]), np.array([0]), 2, 15)
    everyone, everything = np.arange(2), np.arange(15)
    before = Tables(user_emb, item_emb)
    same = moved(before, before, train, everyone, everything)
    assert same.overlaps.tolist() == [1, 1]
    other = item_emb.copy()
    other[14] = 99  # the last comes first: one of ten leaves
    assert moved(before, Tables(user_emb, other), train, everyone, everything).overlaps.tolist() == [0.9, 0.9]
    new = everything.copy()
    new[14] = -1  # as an item that the earlier version does not know, it counts for nothing
    assert moved(before, Tables(user_emb, other), train, everyone, new).overlaps.tolist() == [1, 1]
    assert moved(before, before, train, np.array([1, -1]), everything).facts() == {
        "mean": 1.0, "lowest_decile": 1.0, "users": 1, "items": 15,
    }  # fmt: skip


def test_a_gate_on_the_overlap(tmp_path):
    before = first("bpr_dim4", tmp_path)
    after = made("bpr_dim4", AFTER, tmp_path, before.folder)
    check_overlap(after, 0.0)
    moved_far = dataclasses.replace(
        after, metadata={**after.metadata, "from": {**after.metadata["from"], OVERLAP: {
            "mean": 0.41, "lowest_decile": 0.2, "users": 60, "items": 80}}},
    )  # fmt: skip
    with pytest.raises(GateError, match=r"is 0\.4100 on average \(at most 0\.20 for a tenth of 60 users\)"):
        check_overlap(moved_far, 0.5)


def test_what_is_computed_again_is_not_told_to_take_fewer_epochs(tmp_path):
    before = first("als_dim4", tmp_path)
    after = made("als_dim4", AFTER, tmp_path, before.folder)
    with pytest.raises(GateError, match=r"export it by its folder all the same\. The next"):
        check_overlap(after, 1.01)


def test_the_command_says_it_and_ends_with_3_below_the_bound(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_dataset_of(BEFORE, tmp_path)
    assert main(["distill", "--student", "bpr_dim4", "--data", "mine", "--epochs", "6"]) == 0
    save_dataset_of(AFTER, tmp_path)
    words = ["distill", "--student", "bpr_dim4", "--data", "mine", "--from", "newest"]
    assert main([*words, "--dry-run"]) == 0
    assert main(words) == 0
    told = capsys.readouterr().out
    rows = "60 known, 5 folded in, 1 drawn users; 80 known, 3 folded in, 1 drawn items"
    assert rows in " ".join(told.split())
    assert "moved      overlap@10" in told
    assert main([*words, "--min-overlap", "1"]) in (0, 3)
    (warm,) = [one for one in tmp_path.glob("models/*") if "from" in load_model(one).metadata]
    mean = load_model(warm).metadata["from"][OVERLAP]["mean"]
    assert main([*words, "--min-overlap", "1"]) == (0 if mean == 1 else 3)
    assert main(["models"]) == 0
    assert "from bpr_dim4-s0" in capsys.readouterr().out
    assert main(["inspect", str(warm)]) == 0
    assert "from       users: 60 known, 5 folded in, 1 drawn\n" in capsys.readouterr().out
    assert main(["distill", "--student", "bpr_dim4", "--data", "mine", "--min-overlap", "0.5"]) == 2
    assert main(["train", "--teacher", "bpr_dim4", "--data", "mine", "--from", "newest", "--refit"]) == 2

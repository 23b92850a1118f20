"""A model that goes on from an earlier one, on a log that grew: rows by id, new ones folded in."""

import dataclasses

import numpy as np
import pytest
from small_data import dataset, two_tastes

from recpress_edge.artifacts.model_folder import MODEL_FACTS
from recpress_edge.cli import main
from recpress_edge.core.errors import ArtifactError, ConfigError, GateError
from recpress_edge.core.files import read_json, write_json
from recpress_edge.data.interactions import Interactions
from recpress_edge.data.prepare import Prepared
from recpress_edge.data.store import save_dataset
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import parse_name
from recpress_edge.models.outputs import Tables
from recpress_edge.training.ensure import ensure_model, plan_steps
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.store import load_model
from recpress_edge.training.trajectory import trajectory_digest
from recpress_edge.training.warm.earlier import earlier_in, newest
from recpress_edge.training.warm.gate import OVERLAP, check_overlap
from recpress_edge.training.warm.moved import moved
from recpress_edge.training.warm.seen import PAIRS_FILE, SAMPLE
from recpress_edge.training.warm.start import started

BEFORE = two_tastes(60, 80)
NEW_USERS, NEW_ITEMS = 6, 4
SHORT = {"epochs": 4, "evaluate_every": 2}


def grown():
    """Users and items in another order, six users more and four items more: the last of each with nobody."""
    users = [*reversed(range(60)), *range(60, 66)]
    items = [*range(80, 84), *range(80)]
    place_u, place_i = (np.argsort(order) for order in (users, items))

    def part(old: Interactions, more: list[tuple[int, int]]) -> Interactions:
        pairs = np.array([*zip(old.users(), old.indices, strict=True), *more])
        return Interactions.from_pairs(place_u[pairs[:, 0]], place_i[pairs[:, 1]], 66, 84)

    # User 60 + n is of taste n % 2; item 80 + n likewise, but for 83, whom nobody was with.
    more = [(60 + n, (n % 2) * 40 + at) for n in range(5) for at in range(5)]
    more += [(user, 80 + user % 2) for user in range(40)] + [(60, 82)]
    data = dataset(part(BEFORE.train, more), part(BEFORE.valid, []), part(BEFORE.test, []), "two-tastes")
    names = tuple(f"{user}" for user in users), tuple(f"{item}" for item in items)
    return dataclasses.replace(data, user_ids=names[0], item_ids=names[1])


AFTER = grown()


def made(name, data, work, earlier=None, **more):
    options = TrainOptions(earlier=earlier and str(earlier), **more)
    return ensure_model(ModelRequest(name=name, role="student", options=options), data, work, lambda _: None)


def first(name, work, teacher=None):
    training = {} if METHODS[parse_name(name).method].closed_form else {"epochs": 12}
    return made(name, BEFORE, work, training=training, teacher=teacher)


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


def test_its_settings_are_the_earlier_ones_unless_they_are_given(tmp_path):
    before = made("soft_dim4", BEFORE, tmp_path, teacher="none", method={"temperature": 0.2}, training=SHORT)
    chosen = before.metadata["chosen_settings"]
    after = made("soft_dim4", AFTER, tmp_path, before.folder, method={"batch_users": 40})
    assert after.config["temperature"] == 0.2
    assert after.config["batch_users"] == 40
    assert chosen.items() <= dict(after.config).items()
    assert after.metadata["training"]["epochs"] == 16
    assert after.metadata["teacher"] is None  # as the earlier model had none


def test_what_its_teacher_is_worth_is_chosen_again_from_the_last_weight_on(tmp_path):
    before = made("soft_dim4", BEFORE, tmp_path, teacher="ease", training=SHORT)
    after = made("soft_dim4", AFTER, tmp_path, before.folder)
    last = dict(before.metadata["chosen_settings"])
    assert after.metadata["trials"][0]["settings"] == {"teacher_weight": last.pop("teacher_weight")}
    assert after.metadata["chosen_settings"].keys() == {"teacher_weight"}
    assert last.items() <= dict(after.config).items()
    given = made("soft_dim4", AFTER, tmp_path, before.folder, method={"teacher_weight": 0.4})
    assert "trials" not in given.metadata


def test_rows_that_are_worse_than_what_is_near_the_teacher_are_not_gone_on_from(tmp_path):
    ruined = made(
        "soft_dim4",
        BEFORE,
        tmp_path,
        teacher="ease",
        method={"learning_rate": 30.0},
        training={"epochs": 2, "keep": "last"},
    )
    after = made("soft_dim4", AFTER, tmp_path, ruined.folder)
    assert after.metadata["from"]["users"] == {"known": 60, "new": 6}
    start, then = after.metadata["history"][0], ruined.metadata["metrics"]
    assert start["valid"]["recall@10"] > then["valid"]["recall@10"]
    assert 0 <= after.metadata["from"][OVERLAP]["mean"] < 1


class Killed(Exception):
    """A run that ends here."""


@pytest.mark.parametrize(
    ("given", "keep", "side"),
    [({"score": "cosine"}, "best", "folded_in"), ({"learning_rate": 30.0}, "last", "new")],
)
def test_a_killed_night_ends_as_one_that_was_not(tmp_path, given, keep, side):
    """It begins with the earlier rows or, where those are ruined, near the teacher: as it did before."""
    more = {"teacher": "ease", "method": given, "training": {**SHORT, "keep": keep}}
    before = made("soft_dim4", BEFORE, tmp_path, **more)
    tonight = {"learning_rate": 0.03, "score": "inner"}
    options = TrainOptions(earlier=str(before.folder), checkpoint_every_s=0, method=tonight, trajectory=True)
    request = ModelRequest(name="soft_dim4", options=options)
    told = []

    def kill(event):
        told.append(event.kind)
        if event.kind == "epoch" and (event.name, event.epochs, event.epoch) == ("soft_dim4", 16, 5):
            raise Killed

    whole = ensure_model(request, AFTER, tmp_path / "whole", lambda _: None)
    with pytest.raises(Killed):
        ensure_model(request, AFTER, tmp_path, kill)
    resumed = ensure_model(request, AFTER, tmp_path, lambda event: told.append(event.kind))
    assert "resume" in told
    assert resumed.digest == whole.digest
    same = ("from", "trials", "history", "chosen_settings", "chosen_epoch")
    assert [resumed.metadata[key] for key in same] == [whole.metadata[key] for key in same]
    assert side in resumed.metadata["from"]["users"]
    assert trajectory_digest(resumed.folder) == trajectory_digest(whole.folder)


def test_a_need_is_told_once_a_model(tmp_path):
    before, told = made("soft_dim4", BEFORE, tmp_path, teacher="ease", training=SHORT), []
    request = ModelRequest(name="soft_dim4", options=TrainOptions(earlier=str(before.folder)))
    ensure_model(request, AFTER, tmp_path, lambda event: told.append((event.name, event.kind)))
    assert told.count(("soft_dim4", "needs")) == 1


def test_where_nothing_is_tried_the_last_weight_of_its_teacher_stays(tmp_path):
    before = made("soft_dim4", BEFORE, tmp_path, teacher="ease", training=SHORT)
    facts = read_json(before.folder / MODEL_FACTS)
    facts["chosen_settings"]["teacher_weight"] = 0.9  # not the middle one, which a model without trials has
    write_json(before.folder / MODEL_FACTS, facts)
    sampled = made("soft_dim4", AFTER, tmp_path, before.folder, method={"softmax": "sampled"})
    unjudged = dataclasses.replace(AFTER, valid=AFTER.valid.none())
    last = made("soft_dim4", unjudged, tmp_path, before.folder, training={"keep": "last"})
    for after in (sampled, last):
        assert "trials" not in after.metadata
        assert after.metadata["chosen_settings"] == {"teacher_weight": 0.9}
    given = made("soft_dim4", AFTER, tmp_path, before.folder, method={
        "softmax": "sampled", "teacher_weight": 0.9})  # fmt: skip
    np.testing.assert_array_equal(sampled.item_emb, given.item_emb)


def test_cosines_that_become_logits_get_their_scale_though_somebody_is_unknown(tmp_path):
    before = made("soft_dim4", BEFORE, tmp_path, teacher="ease", method={"score": "cosine"}, training=SHORT)
    after = made(
        "soft_dim4", AFTER, tmp_path, before.folder,
        method={"score": "inner", "learning_rate": 1e-6}, training={"epochs": 1},
    )  # fmt: skip
    assert after.metadata["from"]["users"]["drawn"] == 1
    known = [name != "65" for name in AFTER.user_ids]
    lengths = np.linalg.norm(after.user_emb[known], axis=1)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-3)
    assert abs(lengths[0] - 1) > 0.2


def test_a_wide_teacher_that_goes_on_has_epochs_to_lose_its_noise(tmp_path):
    before = made("soft_dim4", BEFORE, tmp_path, teacher="soft_dim6", training=SHORT)
    made("soft_dim4", AFTER, tmp_path, before.folder)
    facts = [read_json(where) for where in tmp_path.glob(f"models/soft_dim6-*/{MODEL_FACTS}")]
    (after,) = (one for one in facts if one["dataset"]["digest"] == AFTER.digest())
    assert after["config"]["start"] == "noise"
    assert after["training"]["epochs"] == 14
    assert after["from"]["users"]["known"] == 60


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


def test_a_fine_tuned_model_is_refused_for_the_one_that_it_began_with(tmp_path):
    tuned = made("soft_dim4_qat-int8-dim", BEFORE, tmp_path, teacher="ease", training={"epochs": 1})
    (plain,) = tmp_path.glob("models/soft_dim4-*")
    for name in ("soft_dim4", tuned.name):
        with pytest.raises(ConfigError, match=rf"settings of its own.*began with: {plain}\."):
            made(name, AFTER, tmp_path, tuned.folder)


def test_other_models_are_refused_by_name(tmp_path):
    before = first("bpr_dim4", tmp_path)
    with pytest.raises(ConfigError, match=r"holds bpr_dim4, and bpr_dim5 is asked for"):
        made("bpr_dim5", AFTER, tmp_path, before.folder)
    with pytest.raises(ConfigError, match=r"holds bpr_dim4, and als_dim4 is asked for"):
        made("als_dim4", AFTER, tmp_path, before.folder)
    for name in ("puresvd_dim4", "lightgcn_dim4", "neumf_dim4"):
        with pytest.raises(ConfigError, match=r"cannot go on from .* \(--from\).*bpr_dim4, .*soft_dim4"):
            made(name, AFTER, tmp_path, before.folder)
    with pytest.raises(ConfigError, match="no trained model is there"):
        made("bpr_dim4", AFTER, tmp_path, tmp_path / "nothing")


def test_a_split_that_is_drawn_again_is_refused(tmp_path):
    before = first("bpr_dim4", tmp_path)
    drawn = dataclasses.replace(AFTER, protocol="leave-one-out at random, seed 0")
    with pytest.raises(ConfigError, match=r"drawn at random.*too good.*--split loo-time"):
        made("bpr_dim4", drawn, tmp_path, before.folder)


CUT = "one cut in time for all users: validation from {} 00:00:00 UTC, test from 2030-01-01 00:00:00 UTC"


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("leave-one-out at random, seed 0", "leave-one-out by time"),
        ("leave-one-out by time; trained on everything: no test figure is possible", "leave-one-out by time"),
        ("leave-one-out by time", CUT.format("2024-05-01")),
        (f"{CUT.format('2024-05-01')}; trained on everything: no test figure", CUT.format("2024-05-01")),
        (CUT.format("2024-05-02"), CUT.format("2024-05-01")),
    ],
)
def test_a_model_that_may_have_learned_what_is_held_out_is_refused(tmp_path, was, now):
    before = made("als_dim4", dataclasses.replace(BEFORE, protocol=was), tmp_path)
    with pytest.raises(ConfigError, match=r"learned from another split \(.*too good.*same split"):
        made("als_dim4", dataclasses.replace(AFTER, protocol=now), tmp_path, before.folder)


def test_a_cut_in_time_may_move_on(tmp_path):
    was, now = CUT.format("2024-05-01"), CUT.format("2024-05-02")
    before = made("als_dim4", dataclasses.replace(BEFORE, protocol=was), tmp_path)
    after = made("als_dim4", dataclasses.replace(AFTER, protocol=now), tmp_path, before.folder)
    assert after.metadata["from"]["sha256"] == before.digest


def rolled_on(data):
    """The same log a while later: what was held out of every second user is train, with new ones behind."""
    rng, ids = np.random.default_rng(0), np.arange(data.n_users)
    odd = ids % 2 == 1
    held = [(part.users(), part.indices.astype(np.int64)) for part in (data.valid, data.test)]
    more = [(users[odd[users]], items[odd[users]]) for users, items in held]
    train = data.train.users(), data.train.indices
    parts = (data.train, data.valid, data.test)
    known = [np.concatenate([part.pairs_of(np.array([user]))[1] for part in parts]) for user in ids]
    free = [np.setdiff1d(np.arange(data.n_items), items) for items in known]
    drawn = np.array([rng.permutation(one)[:4] for one in free])
    made_of = [Interactions.from_pairs(*map(np.concatenate, zip(train, *more, strict=True)), 60, 80)]
    for at, (users, items) in enumerate(held):
        now = np.where(odd[users], drawn[users, at], items)
        made_of.append(Interactions.from_pairs(users, now, 60, 80))
    return dataclasses.replace(data, train=made_of[0], valid=made_of[1], test=made_of[2])


@pytest.mark.parametrize("sample", [SAMPLE, 200])
def test_a_model_of_a_later_state_is_refused_by_what_it_was_trained_on(tmp_path, monkeypatch, sample):
    monkeypatch.setattr("recpress_edge.training.warm.seen.SAMPLE", sample)
    later = made("bpr_dim4", rolled_on(BEFORE), tmp_path, training={"epochs": 2})
    with pytest.raises(ConfigError, match=r"was trained on (4|5)\d\.\d% of what is held out of 'two-tastes'"):
        made("bpr_dim4", BEFORE, tmp_path, later.folder)
    with pytest.raises(ConfigError, match=r"--from newest: each bpr_dim4 of seed 0 .* earlier state"):
        newest(parse_name("bpr_dim4"), 0, BEFORE, tmp_path)
    first("bpr_dim4", tmp_path)  # the newest now, and of an earlier state
    before = newest(parse_name("bpr_dim4"), 0, rolled_on(BEFORE), tmp_path)
    after = made("bpr_dim4", rolled_on(BEFORE), tmp_path, before, training={"epochs": 2})
    assert "held_out_seen" not in after.metadata["from"]


def test_a_few_held_out_pairs_that_were_train_are_told(tmp_path, monkeypatch):
    """Somebody deleted the last interactions, so that older ones are held out."""
    monkeypatch.setattr("recpress_edge.training.warm.earlier.MOST_SEEN", 0.02)
    before = first("bpr_dim4", tmp_path)
    users, items = BEFORE.test.users(), BEFORE.test.indices.astype(np.int64)
    items[5] = BEFORE.train.pairs_of(np.array([5]))[1][0]
    one = (BEFORE.train.users() == 5) & (BEFORE.train.indices == items[5])
    rest = Interactions.from_pairs(BEFORE.train.users()[~one], BEFORE.train.indices[~one], 60, 80)
    data = dataclasses.replace(BEFORE, train=rest, test=Interactions.from_pairs(users, items, 60, 80))
    after = made("bpr_dim4", data, tmp_path, before.folder, training={"epochs": 2})
    assert after.metadata["from"]["held_out_seen"] == pytest.approx(1 / 120, abs=1e-6)


def test_pairs_that_were_changed_are_damage(tmp_path):
    before = first("bpr_dim4", tmp_path)
    (before.folder / PAIRS_FILE).write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"train_pairs\.bin is not what model\.json states"):
        earlier_in(str(before.folder), parse_name("bpr_dim4"), AFTER)


def test_ids_without_anything_in_common_are_refused(tmp_path):
    before = first("bpr_dim4", tmp_path)
    renamed = dataclasses.replace(AFTER, item_ids=tuple(f"x{item}" for item in AFTER.item_ids))
    with pytest.raises(ConfigError, match="knows no item of data set 'two-tastes'"):
        made("bpr_dim4", renamed, tmp_path, before.folder)


def test_ids_that_were_changed_are_damage_and_missing_ones_come_from_the_data_set(tmp_path):
    before = first("bpr_dim4", tmp_path)
    lines = (before.folder / "items.txt").read_text().splitlines()
    (before.folder / "items.txt").write_text("\n".join(reversed(lines)) + "\n")
    with pytest.raises(ArtifactError, match=r"items\.txt is not the list of ids"):
        earlier_in(str(before.folder), parse_name("bpr_dim4"), AFTER)
    write_json(before.folder / MODEL_FACTS, {**before.metadata, "ids": None})
    with pytest.raises(ArtifactError, match="does not say whose rows its tables are"):
        earlier_in(str(before.folder), parse_name("bpr_dim4"), AFTER)


def test_newest_is_of_an_earlier_state_of_the_same_data_set(tmp_path):
    with pytest.raises(ConfigError, match="no bpr_dim4 of seed 0 was trained on an earlier state"):
        newest(parse_name("bpr_dim4"), 0, AFTER, tmp_path)
    before = first("bpr_dim4", tmp_path)
    after = made("bpr_dim4", AFTER, tmp_path, before.folder)
    assert newest(parse_name("bpr_dim4"), 0, AFTER, tmp_path) == str(before.folder)
    assert newest(parse_name("bpr_dim4"), 0, BEFORE, tmp_path) == str(after.folder)


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


def save_dataset_of(data, work):
    """Stored under one name, whatever was there."""
    save_dataset(Prepared(dataclasses.replace(data, name="mine"), {}), work, force=True)

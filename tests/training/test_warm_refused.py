"""What a warm start refuses: other models, splits that were drawn again, what has seen what is held out."""

import dataclasses

import numpy as np
import pytest
from warm_logs import AFTER, BEFORE, first, made

from recpress_edge.artifacts.model_folder import MODEL_FACTS
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import write_json
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.students import parse_name
from recpress_edge.training.warm.earlier import earlier_in, newest
from recpress_edge.training.warm.seen import PAIRS_FILE, SAMPLE


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

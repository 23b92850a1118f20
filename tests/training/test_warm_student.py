"""A softmax student that goes on: its settings, where it begins, and a night that was killed."""

import dataclasses

import numpy as np
import pytest
from warm_logs import AFTER, BEFORE, SHORT, made

from recpress_edge.artifacts.model_folder import MODEL_FACTS
from recpress_edge.core.files import read_json, write_json
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.trajectory import trajectory_digest
from recpress_edge.training.warm.gate import OVERLAP


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

"""What is shipped: the chosen recipe trained again on everything, and marked so."""

import dataclasses

import numpy as np
import pytest

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import read_json
from recpress_edge.data.everything import NO_TEST, everything, store_everything, unjudged
from recpress_edge.data.prepare import Prepared
from recpress_edge.data.store import save_dataset
from recpress_edge.data.synthetic import synthetic
from recpress_edge.device.recommender import Recommender
from recpress_edge.jobs.export import ExportRequest
from recpress_edge.jobs.tune.final import Again
from recpress_edge.jobs.tune.request import TuneRequest
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions


@pytest.fixture(scope="module")
def data():
    return dataclasses.replace(synthetic(n_users=60, n_items=90), name="mine")


@pytest.fixture
def work(data, tmp_path):
    save_dataset(Prepared(data, {}), tmp_path)
    return tmp_path


def test_everything_is_all_interactions_and_nothing_held_out(data):
    whole = everything(data)
    assert len(whole.train) == len(data.train) + len(data.valid) + len(data.test)
    assert len(whole.valid) == len(whole.test) == 0
    assert whole.name == "mine-everything"
    assert whole.protocol.endswith(NO_TEST)
    rows = unjudged(whole)
    assert rows.users.tolist() == list(range(60))
    assert all(np.array_equal(rows.seen(user), whole.train.of(user)) for user in range(60))
    assert not rows.relevant_indices.size


def test_a_set_of_that_name_that_was_imported_is_not_replaced(data, work):
    save_dataset(Prepared(dataclasses.replace(data, name="mine-everything"), {}), work)
    with pytest.raises(ConfigError, match="'mine-everything' was imported"):
        TuneRequest(data="mine", max_bytes=6000, final=True, work=work).run()
    assert not (work / "models").exists()


@pytest.fixture
def chosen(data, work):
    """A student of an ensemble, which was best in an epoch before its last."""
    options = TrainOptions(
        teacher="ensemble:ease+soft_dim6", training={"epochs": 10}, method={"top_items": 7}
    )
    return ensure_model(ModelRequest(name="soft_dim5", options=options), data, work, print)


def test_it_and_all_it_was_made_from_learn_again_for_as_many_epochs(data, work, chosen):
    whole = store_everything(data, work)
    again = Again(whole=whole, work=work, device="cpu", threads=1, on_event=print).model(chosen.folder)
    known = again.metadata
    assert known["dataset"]["digest"] == whole.digest()
    assert known["metrics"] == {}
    assert known["config"] == chosen.metadata["config"] | chosen.metadata["chosen_settings"]
    assert (known["training"]["epochs"], known["training"]["keep"]) == (
        chosen.metadata["chosen_epoch"],
        "last",
    )
    assert known["teacher"]["name"] == "ensemble:ease+soft_dim6"
    facts = [read_json(path) for path in (work / "models").glob("*/model.json")]
    of_whole = [fact["name"] for fact in facts if fact["dataset"]["digest"] == whole.digest()]
    assert sorted(of_whole) == ["ease", "ensemble:ease+soft_dim6", "soft_dim5", "soft_dim6"]


def test_a_student_that_no_epoch_made_better_is_as_wide_as_its_teacher(data, work):
    options = TrainOptions(teacher="als_dim3", training={"epochs": 2}, method={"learning_rate": 9.0})
    student = ensure_model(ModelRequest(name="soft_dim6", options=options), data, work, print)
    assert student.metadata["chosen_epoch"] == 0
    whole = store_everything(data, work)
    again = Again(whole=whole, work=work, device="cpu", threads=1, on_event=print).model(student.folder)
    assert (again.name, again.metadata["teacher"]["name"]) == ("svd_dim3", "als_dim3")


@pytest.mark.parametrize("profile", ["all-users", "history"])
def test_its_bundle_keeps_every_list_and_says_that_no_figure_is_possible(data, work, chosen, profile, capsys):
    whole = store_everything(data, work)
    again = Again(whole=whole, work=work, device="cpu", threads=1, on_event=print).model(chosen.folder)
    words = ["--profile", profile, "--recipe", "fp32", "--work", str(work)]
    assert main(["export", "--student", str(again.folder), *words]) == 0
    name = "soft_dim5-fp32" + ("" if profile == "all-users" else f"-{profile}")
    bundle = open_bundle(work / "dist" / name)
    parity = bundle.quality["parity"]
    assert (parity["users"], parity["change"], parity["certain"]) == (60, {}, False)
    assert parity["overlap"][f"overlap@{parity['cutoff']}"]["mean"] == 1
    assert parity["gate"]["met"]
    assert bundle.evaluation() is None
    assert bundle.quality["definition"] == {"valid": NO_TEST, "test": NO_TEST}
    card = (bundle.folder / "CARD.md").read_text()
    assert f"{NO_TEST} (test)" in card
    assert "60 users with nothing held out" in card
    capsys.readouterr()
    assert main(["inspect", str(bundle.folder)]) == 0
    assert f"test       {NO_TEST}" in capsys.readouterr().out
    user = 0 if profile == "history" else data.user_ids[3]
    seen = [data.item_ids[item] for item in whole.train.of(3)]
    model = Recommender.load(bundle.folder)
    found = model.recommend(seen=seen, k=5) if profile == "history" else model.recommend(user, seen, k=5)
    assert not {item for item, _ in found} & set(seen)


def test_a_file_that_lost_its_ranking_is_still_refused(data, work, chosen):
    """The gate judges lists: without it a broken file of everything would ship unseen."""
    whole = store_everything(data, work)
    again = Again(whole=whole, work=work, device="cpu", threads=1, on_event=print).model(chosen.folder)
    made = ExportRequest(student=str(again.folder), recipe="int4-item", work=work, force=True).run()
    gate = made.exported.bundle.quality["parity"]["gate"]
    assert gate["met"] == (made.exported.parity.overlap["overlap@10"].mean >= gate["min_overlap"])


def test_tune_final_ends_with_both_bundles_in_their_bytes(work, capsys, monkeypatch):
    pytest.importorskip("optuna", reason="the extra tune is not installed")
    monkeypatch.setattr("recpress_edge.jobs.tune.run.PLAIN_BASELINES", ("puresvd",))
    words = ["--data", "mine", "--max-bytes", "6KB", "--trials", "2", "--teachers", "ease", "--final"]
    assert main(["tune", *words, "--work", str(work)]) == 0
    (final,) = (work / "dist").glob("*-final")
    bundle = open_bundle(final)
    assert bundle.provenance["dataset"]["name"] == "mine-everything"
    assert bundle.model_bytes <= 6000
    out = capsys.readouterr().out
    assert "final" in out
    assert NO_TEST in " ".join(out.split())
    assert f"device_bench run {final}" in out.replace("\\\n           ", "")

"""An ensemble below its best member is said, with both figures and what to do."""

from small_data import two_tastes

from recpress_edge.core.files import read_json, write_json
from recpress_edge.core.progress import TrainingEvent
from recpress_edge.jobs.train import warning_of_ensembles
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.fusion import below_member, below_member_words
from recpress_edge.training.plan import ModelRequest, TrainOptions


def _valid(recall, ndcg=0.1):
    return {"valid": {"recall@50": recall, "ndcg@10": ndcg, "ndcg@50": ndcg}}


def _member(name, *figures):
    return {"name": name, "seed": 0, "metrics": _valid(*figures)}


def test_the_best_member_is_named_with_both_figures():
    members = [_member("ease", 0.30), _member("bpr_dim200", 0.25)]
    below = below_member(_valid(0.28)["valid"], members, 50, "recall")
    assert below == {
        "metric": "recall@50", "value": 0.28, "member": "ease", "seed": 0, "member_value": 0.30,
    }  # fmt: skip
    assert below_member_words("ensemble:ease+bpr_dim200", below) == (
        "ensemble:ease+bpr_dim200 ranks worse than its member ease: valid recall@50 0.2800 against 0.3000. "
        "Distil from ease, or leave out the weakest member."
    )
    assert below_member(_valid(0.30)["valid"], members, 50, "recall") is None
    assert below_member(None, members, 50, "recall") is None


def test_where_every_recall_is_1_ndcg_tells():
    for certain in (1.0, None):
        members = [_member("ease", certain, 0.4), _member("pop", certain, 0.2)]
        below = below_member(_valid(certain, 0.3)["valid"], members, 50, "recall")
        assert (below["metric"], below["member_value"]) == ("ndcg@50", 0.4)


def test_model_json_and_an_event_say_it(tmp_path):
    model = ensure_model(
        ModelRequest(name="ensemble:pop+ease", role="teacher", seed=0, options=TrainOptions()),
        two_tastes(),
        tmp_path,
        lambda _: None,
    )
    assert model.metadata["below_member"]["member"] == "ease"  # popularity knows nobody's taste
    told = []
    found = TrainingEvent(kind="cached", name=model.name, seed=0, folder=model.folder)
    warning_of_ensembles(told.append)(found)
    assert told[0] is found
    assert told[1].text.startswith("warning    ensemble:pop+ease ranks worse than its member ease: valid ")
    known = read_json(model.folder / "model.json")
    known["below_member"] = None
    write_json(model.folder / "model.json", known)
    told.clear()
    warning_of_ensembles(told.append)(found)
    assert told == [found]

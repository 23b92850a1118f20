"""The studies of transformers: their settings, what their claims decide, and networks among sampled items."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.progress import silent
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.data import load_data
from recpress_edge.studies import sequences
from recpress_edge.studies.models import StudiedModel
from recpress_edge.studies.outcome import Outcome
from recpress_edge.studies.sampled import evaluate_sampled, sample_candidates
from recpress_edge.studies.sequences import BEAUTY, BERT4REC, ML_1M, NDCG, RECALL, SASREC, BeautyRequest
from recpress_edge.training.plan import TrainOptions, settings_of
from recpress_edge.training.store import load_model

SHORT = {"epochs": 2, "evaluate_every": 1}


class SmallRequest(BeautyRequest):
    """The study on 80 sequences, in seconds."""

    models: ClassVar = {
        "pop": StudiedModel("popularity"),
        "sasrec_dim64": StudiedModel("SASRec", {"layers": 1, "history_length": 8}, SHORT),
        "sasrec_dim64 bce": StudiedModel("SASRec", {"layers": 1, "loss": "bce"}, SHORT),
        "bert4rec_dim64": StudiedModel("BERT4Rec", {"layers": 1}, SHORT),
    }
    study: ClassVar = replace(
        sequences.BEAUTY_STUDY, columns=sequences.columns(models, sequences.BEAUTY_PUBLISHED)
    )
    data_sets: ClassVar = {"lines": ""}


@pytest.fixture
def work(tmp_path, capsys):
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 120, size=80)
    lines = [" ".join(f"i{(start + step) % 120}" for step in range(9)) for start in starts]
    text = "\n".join(f"u{user} {line}" for user, line in enumerate(lines))
    (tmp_path / "lines.txt").write_text(text)
    importing = ["data", "import", str(tmp_path / "lines.txt"), "--name", "lines", "--format", "adjacency"]
    assert main([*importing, "--split", "loo-order", "--work", str(tmp_path)]) == 0
    capsys.readouterr()
    return tmp_path


def test_a_network_found_again_answers_as_it_did_when_it_was_trained(work):
    asked = SmallRequest(work=work)
    result = asked.run()
    by_name = {outcome.name: outcome for outcome in result.outcomes}
    assert list(by_name) == list(SmallRequest.models)
    assert "uniform hit@10" not in by_name["pop"].test
    for name in ("sasrec_dim64", "sasrec_dim64 bce", "bert4rec_dim64"):
        found = by_name[name]
        assert found.settings["layers"] == 1
        # The whole catalogue has 111 candidates, the sample 101 of them: nobody's rank is worse in it.
        assert found.test["uniform hit@10"] >= found.test[RECALL] > 0
        assert found.test["popularity hit@20"] >= found.test["popularity hit@10"]
    assert len(result.remarks) == 2 * 3
    assert result.remarks[0].startswith("among 100 uniform items: sasrec_dim64 hit@10 0.")
    rows = asked.study.table_rows(result.outcomes)
    assert [row[0] for row in rows] == [f"{SmallRequest.models[name].label} (`{name}`)" for name in by_name]
    again = asked.run()
    assert again.outcomes == result.outcomes


def test_what_is_ranked_among_all_items_is_what_training_measured(work):
    asked = SmallRequest(work=work, teachers=("bert4rec_dim64",))
    (known,) = asked.run().outcomes
    data = load_data("lines", work, silent)
    ((_, tree),) = asked.trees(data)
    model = load_model(work / "models" / known.folder)
    rows = sequences.rows_of_network(tree, model, data)
    everything = sample_candidates(data, "test", 0, data.n_items)
    assert evaluate_sampled(rows, everything)["hit@10"] == pytest.approx(known.test[RECALL])
    assert evaluate_sampled(rows, everything)["ndcg@10"] == pytest.approx(known.test[NDCG])


def outcomes(figures):
    return [
        Outcome(name=name, seed=0, seconds=1.0, test={RECALL: recall, NDCG: ndcg, "recall@50": 0.5, **more})
        for name, (recall, ndcg, more) in figures.items()
    ]


SAMPLES = {"uniform hit@10": 0.8, "popularity hit@10": 0.7}


def test_published_figures_uphold_the_claims_and_worse_ones_do_not():
    figures = {name: (*pair, SAMPLES) for name, pair in sequences.ML_1M_PUBLISHED.items()}
    figures |= {"pop": (0.02, 0.01, {}), "itemknn": (0.1, 0.05, {})}
    good = sequences.ML_1M_STUDY.verdicts(outcomes(figures))
    assert len(good) == len(sequences.ML_1M_STUDY.claims)
    assert all(verdict.holds for verdict in good)
    worse = {BERT4REC: (0.2, 0.1, {name: 0.5 for name in SAMPLES}), SASREC: (0.1, 0.05, {})}
    worse |= {f"{SASREC} gbce": (0.1, 0.01, {}), "pop": (0.2, 0.1, {}), "itemknn": (0.2, 0.1, {})}
    assert not any(verdict.holds for verdict in sequences.ML_1M_STUDY.verdicts(outcomes(worse)))
    assert sequences.BEAUTY_STUDY.verdicts([]) == []


def test_models_are_chosen_by_name():
    chosen = BeautyRequest(teachers=(BERT4REC, f"{SASREC} bce")).chosen()
    assert chosen == [f"{SASREC} bce", BERT4REC]
    with pytest.raises(ConfigError, match="sasrec_dim64"):
        BeautyRequest(teachers=("sasrec_dim65",)).plan()


@pytest.mark.parametrize("models", [ML_1M, BEAUTY], ids=["ml-1m", "beauty"])
def test_the_settings_of_every_model_are_settings_of_its_method(models):
    for name, model in models.items():
        options = TrainOptions(method=model.method, training=model.training)
        config, _ = settings_of(parse_name(name.partition(" ")[0], "teacher"), "teacher", options)
        assert getattr(config, "loss", "ce") == (name.partition(" ")[2] or "ce")

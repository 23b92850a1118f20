"""Click models from plan to folder: what they learn, keep, record, and that a resumed run is the same."""

import dataclasses
import json

import numpy as np
import pytest
from click_data import click_data, click_log
from small_data import two_tastes

from recpress_edge.artifacts.clicks.fields import read_field
from recpress_edge.artifacts.clicks.metrics import CLICK_METRICS, click_metrics
from recpress_edge.artifacts.model_folder import FIELD_PREFIX, NETWORK_PREFIX, read_model
from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError
from recpress_edge.data.features.fit import encode_rows, fit_fields
from recpress_edge.distill.students import parse_name
from recpress_edge.training.checkpoint import CheckpointStore
from recpress_edge.training.ensure import ensure_model, forecast_steps
from recpress_edge.training.loop import RunState
from recpress_edge.training.plan import ModelRequest, TrainOptions, want
from recpress_edge.training.store import load_model

DATA = click_data()
QUICK = {"learning_rate": 0.02, "batch_size": 128, "l2": 1e-4, "linear_l2": 1e-5}


def request(name, method=None, **training):
    method = dict(QUICK) if method is None else method
    if name == "lr":
        method.pop("l2", None)
    options = TrainOptions(method=method, training=training, checkpoint_every_s=0.0)
    return ModelRequest(name=name, role="teacher", options=options)


@pytest.fixture(scope="module")
def deepfm(tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    asked = request("deepfm_dim8", {**QUICK, "layers": [16], "dropout": 0.1}, epochs=6)
    events = []
    model = ensure_model(asked, DATA, work, events.append)
    return model, events, work, asked


def test_pairs_of_fields_are_learned_by_products_and_not_by_weights(deepfm, tmp_path):
    model, *_ = deepfm
    linear = ensure_model(request("lr", epochs=3), DATA, tmp_path, lambda event: None)
    auc = {name: one.metadata["metrics"]["test"]["auc"] for name, one in (("lr", linear), ("deepfm", model))}
    assert auc["lr"] < 0.6 < 0.7 < auc["deepfm"]
    assert linear.metadata["architecture"]["layers"] == []


def test_the_record_says_how_it_was_judged_and_from_what(deepfm):
    model, events, *_ = deepfm
    facts = model.metadata
    assert set(facts["metrics"]) == {"valid", "test"}
    assert set(facts["metrics"]["test"]) == set(CLICK_METRICS)
    assert sum(one["rows"] for one in facts["calibration"]["test"]) == 200
    assert "ties averaged" in facts["definitions"]["test"]
    assert facts["dataset"]["labels_digest"] == DATA.labels_digest()
    assert facts["dataset"]["features_digest"] == DATA.features_digest()
    assert facts["history"][-1]["valid"].keys() == set(CLICK_METRICS)
    losses = [entry["valid"]["logloss"] for entry in facts["history"]]
    assert facts["chosen_epoch"] == 1 + int(np.argmin(losses))
    assert facts["metrics"]["valid"]["logloss"] == pytest.approx(min(losses), rel=1e-6)  # the best is kept
    kinds = [event.kind for event in events]
    assert (kinds[0], kinds[-1]) == ("train", "done")
    assert "needs" in kinds


def test_the_folder_holds_all_that_a_score_needs(deepfm):
    """Fields from the record, and FM's part by hand from the stored numbers, agree with the metrics."""
    model, *_ = deepfm
    facts, arrays = read_model(model.folder)
    fields = tuple(
        read_field(entry, arrays[f"{FIELD_PREFIX}{entry['name']}"].tobytes().decode().splitlines())
        for entry in facts["architecture"]["fields"]
    )
    fitted = fit_fields(DATA, facts["config"]["min_count"])
    assert [(field.entry(), field.values) for field in fields] == [(f.entry(), f.values) for f in fitted]
    known = {name.removeprefix(NETWORK_PREFIX): array.astype(float) for name, array in arrays.items()}
    rows = encode_rows(fields, DATA, "test")
    widths = [field.width for field in fields]
    starts = np.repeat(np.cumsum([0, *(field.size for field in fields)])[:-1], widths)
    used = (rows >= 0)[..., None]
    each = known["tables.embedding"][np.maximum(rows, 0) + starts] * used
    linear = known["tables.weight"][np.maximum(rows, 0) + starts] * used[..., 0]
    ends = np.cumsum(widths)[:-1]
    counts = [part.sum(1) for part in np.split(used, ends, 1)]
    of_fields = zip(np.split(each, ends, 1), counts, strict=True)
    e = np.stack([part.sum(1) / count for part, count in of_fields], 1)
    weights = zip(np.split(linear, ends, 1), counts, strict=True)
    w = sum(part.sum(1) / count[:, 0] for part, count in weights)
    h = e.reshape(len(e), -1) @ known["deep.hidden.0.weight"].T + known["deep.hidden.0.bias"]
    h = (h - known["deep.norms.0.mean"]) / np.sqrt(known["deep.norms.0.variance"] + 1e-5)
    h = np.maximum(h * known["deep.norms.0.gain"] + known["deep.norms.0.shift"], 0)
    z = known["tables.bias"] + w + 0.5 * (e.sum(1) ** 2 - (e**2).sum(1)).sum(1)
    z = z + h @ known["deep.output.weight"][0] + known["deep.output.bias"]
    at = DATA.labelled.part("test")
    found = click_metrics(DATA.labelled.users[at], DATA.labelled.labels[at], z)
    assert found == pytest.approx(facts["metrics"]["test"], abs=1e-4)


def test_a_trained_model_is_found_and_other_labels_are_another_model(deepfm):
    model, _, work, asked = deepfm
    events = []
    again = ensure_model(asked, DATA, work, events.append)
    assert [event.kind for event in events] == ["cached"]
    assert again.digest == model.digest == load_model(model.folder).digest
    rows = dataclasses.replace(DATA.labelled, labels=1 - DATA.labelled.labels)
    (step,) = forecast_steps(asked, dataclasses.replace(DATA, labelled=rows), work)
    assert step.action == "train"
    assert step.folder != model.folder
    assert 0 < step.seconds < 60
    assert step.memory_bytes > 10_000


def test_an_interrupted_run_ends_with_the_same_numbers(deepfm, tmp_path, monkeypatch):
    model, _, _, asked = deepfm
    save = CheckpointStore.save

    def stop(self, epoch, checkpoint):
        save(self, epoch, checkpoint)
        if epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(CheckpointStore, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        ensure_model(asked, DATA, tmp_path, lambda event: None)
    monkeypatch.undo()
    events = []
    resumed = ensure_model(asked, DATA, tmp_path, events.append)
    assert events[0].kind == "resume"
    assert resumed.digest == model.digest


@pytest.mark.parametrize(
    ("losses", "stalls"), [([], 0), ([3], 0), ([3, 2, 1], 0), ([3, 4, 2, 2, 5], 3), ([1, 1], 1)]
)
def test_stalls_are_evaluations_without_a_new_best(losses, stalls):
    history = [{"epoch": at, "valid": {"auc": 0.5, "logloss": loss}} for at, loss in enumerate(losses, 1)]
    assert RunState(history=history, choose_by="logloss").stalls == stalls


def test_the_step_falls_while_it_trains(tmp_path):
    """With a step that is far too large, validation stalls, the step falls, and the second stall ends it."""
    asked = request("fm_dim4", {**QUICK, "learning_rate": 0.5})
    model = ensure_model(asked, DATA, tmp_path, lambda event: None)
    chosen, epochs = model.metadata["chosen_epoch"], model.metadata["history"][-1]["epoch"]
    assert epochs == chosen + 2 < 100


@pytest.mark.parametrize(
    ("name", "training", "said"),
    [
        (
            "deepfm_dim4",
            {"choose_by": "recall"},
            "recall is no metric of deepfm_dim4: take one of auc",
        ),
        ("bpr_dim4", {"choose_by": "auc"}, "auc is no metric of bpr_dim4"),
    ],
)
def test_epochs_are_chosen_by_a_metric_that_there_is(name, training, said):
    with pytest.raises(ConfigError, match=said):
        want(request(name, {}, **training), DATA)


def test_a_data_set_without_labels_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"'two-tastes' has no labels.*--label-from R"):
        want(request("lr", {}), two_tastes())


@pytest.mark.parametrize(
    ("name", "role", "said"),
    [
        ("ensemble:lr+bpr_dim4", "teacher", "lr ranks rows with features and no catalogue"),
        ("ensemble:lr+fm_dim4", "student", "can only be a teacher"),
    ],
)
def test_an_ensemble_is_of_click_models_alone_and_no_student(name, role, said):
    with pytest.raises(ConfigError, match=said):
        parse_name(name, role)


def test_no_student_learns_from_a_click_model():
    options = TrainOptions(teacher="deepfm_dim4")
    for student in ("soft_dim4", "de_dim4", "hetcomp_dim4"):
        with pytest.raises(ConfigError, match="is a click model"):
            want(ModelRequest(name=student, options=options), DATA)


def test_the_commands_train_show_and_list_it(tmp_path, capsys):
    log = click_log(400)
    lines = [",".join(row) for row in zip(*log.values(), strict=True)]
    (tmp_path / "log.csv").write_text("\n".join([",".join(log), *lines]))
    work = ["--work", str(tmp_path)]
    importing = ["data", "import", str(tmp_path / "log.csv"), "--name", "clicks", "--label", "label"]
    assert main([*importing, "--context", "night", *work]) == 0
    train = ["train", "--teacher", "fm_dim4", "--data", "clicks", "--epochs", "2", *work]
    assert main([*train, "--dry-run"]) == 0
    assert "would train" in capsys.readouterr().out
    assert main(train) == 0
    out = capsys.readouterr().out
    assert "log loss" in out
    assert "Recall" not in out
    assert main([*train, "--refit"]) == 2
    assert "steps of fm_dim4 fall by validation" in capsys.readouterr().err
    assert main(["models", *work]) == 0
    assert "click model" in capsys.readouterr().out
    assert main(["models", "--json", *work]) == 0
    (row,) = json.loads(capsys.readouterr().out)["models"]
    assert 0 < row["test_auc"] < 1
    assert row["test_recall@10"] is None

"""Many models at once, here and on another machine that has only what it is sent."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from elsewhere import Elsewhere
from small_data import two_tastes

from recpress_edge.core.errors import ArtifactError, RecPressError
from recpress_edge.core.progress import TrainingEvent
from recpress_edge.data import resolve
from recpress_edge.jobs import forest
from recpress_edge.jobs.executor.parcels import Parcel, SentFile, receive
from recpress_edge.jobs.forest import grow, make_models
from recpress_edge.training import settings as config
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions, want
from recpress_edge.training.refit import joined, want_again

DATA = two_tastes()
SHORT = TrainOptions(training={"epochs": 1, "evaluate_every": 1})


@pytest.fixture(autouse=True)
def data(monkeypatch):
    monkeypatch.setattr(resolve, "load_dataset", lambda *_: DATA)
    short = config.Settings({}, {"epochs": 1, "evaluate_every": 1})
    monkeypatch.setitem(config._USUAL, "bpr", short)
    forest._loaded.cache_clear()


def wanted(*names, seed=0, **options):
    return [
        want(ModelRequest(name=name, seed=seed, options=replace(SHORT, **options)), DATA) for name in names
    ]


def teacher_in(work):
    return str(
        ensure_model(ModelRequest(name="bpr_dim8", role="teacher", options=SHORT), DATA, work, print).folder
    )


def test_what_students_share_is_trained_once_and_all_is_as_here_to_the_bit(tmp_path):
    ensemble = "ensemble:bpr_dim4+bpr_dim5"
    options = TrainOptions(training={"epochs": 1})
    roots = [
        *(
            want(ModelRequest(name="soft_dim3", seed=seed, options=replace(options, teacher=ensemble)), DATA)
            for seed in (0, 1)
        ),
        *wanted("bpr_dim3_qat-int8-dim"),
    ]
    machines = Elsewhere(tmp_path / "machine")
    events = []
    there = make_models(roots, DATA, tmp_path / "asks", events.append, machines)
    assert Counter(machines.ran) == {
        "bpr_dim4 seed 0": 1,
        "bpr_dim5 seed 0": 1,
        f"{ensemble} seed 0": 1,
        "soft_dim3 seed 0": 1,
        "soft_dim3 seed 1": 1,
        "bpr_dim3 seed 0": 1,
        "bpr_dim3_qat-int8-dim seed 0": 1,
    }
    here = make_models(roots, DATA, tmp_path / "here")
    assert [model.digest for model in there] == [model.digest for model in here]
    assert [model.folder.name for model in there] == [model.folder.name for model in here]
    assert not machines.fetched  # the machine had trained every part itself
    again = Elsewhere(tmp_path / "machine")
    assert [m.digest for m in make_models(roots, DATA, tmp_path / "asks", print, again)] == [
        m.digest for m in here
    ]
    assert again.ran == []


def test_a_teacher_that_the_machine_lacks_is_fetched_once_by_its_digest(tmp_path):
    teacher = teacher_in(tmp_path / "asks")
    machines = Elsewhere(tmp_path / "machine")
    roots = wanted("rrd_dim3", "htd_dim3", teacher=teacher)
    there = make_models(roots, DATA, tmp_path / "asks", print, machines)
    assert machines.fetched == {Path(teacher).name: 5}  # model.json, model.safetensors, what its rows are of
    assert {model.metadata["teacher"]["name"] for model in there} == {"bpr_dim8"}


def test_a_model_folder_of_the_users_is_sent_whatever_it_is_called(tmp_path):
    mine = Path(teacher_in(tmp_path / "other"))
    mine = mine.rename(tmp_path / "my model")
    machines = Elsewhere(tmp_path / "machine")
    (model,) = make_models(wanted("rrd_dim3", teacher=str(mine)), DATA, tmp_path / "asks", print, machines)
    assert model.metadata["teacher"]["name"] == "bpr_dim8"
    assert list((tmp_path / "machine" / "built" / "given").glob("*/my model/model.json"))


def test_a_model_that_fails_takes_along_its_students_alone(tmp_path):
    machines = Elsewhere(tmp_path / "machine", fails="bpr_dim8")
    usual = TrainOptions(training={"epochs": 1})
    students = [
        want(ModelRequest(name="rrd_dim3", seed=seed, options=replace(usual, teacher="bpr_dim8")), DATA)
        for seed in (0, 1)
    ]
    roots = [*students, *wanted("bpr_dim3")]
    grown = {one.wanted: one for one in grow(roots, DATA, tmp_path, print, machines)}
    assert [str(grown[root].error or "") for root in roots] == ["the machine burns", "the machine burns", ""]
    assert machines.ran.count("bpr_dim8 seed 0") == 1
    with pytest.raises(RecPressError, match="burns"):
        make_models(roots, DATA, tmp_path, print, Elsewhere(tmp_path / "machine", fails="bpr_dim8"))


def test_what_is_asked_next_may_depend_on_what_was_given(tmp_path):
    given = []

    def asked():
        for seed in range(4):
            assert len(given) >= seed - 1  # two at a time
            yield from wanted("bpr_dim3", seed=seed)

    for one in grow(asked(), DATA, tmp_path, print, Elsewhere(tmp_path / "machine")):
        given += [one.model.metadata["seed"]]
    assert sorted(given) == [0, 1, 2, 3]


def test_trained_again_on_train_and_validation(tmp_path):
    (chosen,) = make_models(wanted("bpr_dim3"), DATA, tmp_path / "asks")
    both = joined(DATA)
    again = want_again(chosen, both, SHORT)
    (there,) = make_models([again], both, tmp_path / "asks", print, Elsewhere(tmp_path / "machine"))
    (here,) = make_models([again], both, tmp_path / "here")
    assert there.digest == here.digest != chosen.digest
    assert there.metadata["refit_of"]["sha256"] == chosen.digest


def test_another_data_set_of_the_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(resolve, "load_dataset", lambda *_: two_tastes(n_users=40))
    with pytest.raises(ArtifactError, match="is not the one that was asked for"):
        make_models(wanted("bpr_dim3"), DATA, tmp_path, print, Elsewhere(tmp_path / "machine"))


def test_a_checkpoint_of_a_run_here_does_not_outlive_the_model_from_elsewhere(tmp_path):
    (root,) = wanted("bpr_dim3")
    folder = make_models([root], DATA, tmp_path / "here")[0].folder
    left = tmp_path / "asks" / "models" / folder.name
    left.mkdir(parents=True)
    (left / "checkpoint-000001.safetensors").touch()
    events = []
    make_models([root], DATA, tmp_path / "asks", events.append, Elsewhere(tmp_path / "machine"))
    assert sorted(path.name for path in left.iterdir()) == [
        ".lock", "items.txt", "model.json", "model.safetensors", "train_pairs.bin", "users.txt"
    ]  # fmt: skip
    assert isinstance(events[-1], TrainingEvent)


def test_a_file_that_changed_on_its_way_is_refused_and_nothing_is_written(tmp_path):
    parcel = Parcel(("models", "m"), "0" * 64, {"model.json": SentFile("0" * 64, b"{}")})
    with pytest.raises(ArtifactError, match=r"model.json arrived with SHA-256 44136f"):
        receive(parcel, tmp_path / "m", bytes)
    assert not (tmp_path / "m" / "model.json").exists()


@pytest.mark.parametrize("name", ["../model.json", "/etc/passwd", ".lock", "..", ""])
def test_a_name_that_leads_elsewhere_is_refused(name, tmp_path):
    parcel = Parcel(("models", "m"), "0" * 64, {name: SentFile("0" * 64, b"")})
    with pytest.raises(ArtifactError, match="names are plain"):
        receive(parcel, tmp_path / "m", bytes)

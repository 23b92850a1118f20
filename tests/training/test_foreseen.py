"""What a dry run says of memory and time, and that it refuses what does not fit."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from small_data import two_tastes

from recpress_edge.core import memory
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.settings import SoftConfig
from recpress_edge.distill.soft import Soft
from recpress_edge.distill.students import create_method
from recpress_edge.models.forecast import COSTS, DIMS, epoch_seconds
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import Tables
from recpress_edge.models.sequences import forecast
from recpress_edge.models.sequences.forecast import Work, sequence_epoch_seconds, work_of
from recpress_edge.models.sequences.settings import AdaRecConfig, BERT4RecConfig, LRHConfig, SASRecConfig
from recpress_edge.models.settings import ALSConfig, BPRConfig, EASEConfig
from recpress_edge.models.teacher import Teacher
from recpress_edge.training.closed import SEARCH_PASSES, TRIAL_EPOCHS, trial_epochs
from recpress_edge.training.ensure import ensure_model, forecast_steps
from recpress_edge.training.plan import ModelRequest, TrainOptions

DATA = two_tastes()
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
MEASURED = [RESULTS / f"{name}.json" for name in ("epoch-costs", "epoch-costs-autoencoders")]
SEQUENCES = RESULTS / "sequence-costs.json"


def _steps(name, work, teacher=None, **training):
    options = TrainOptions(teacher=teacher, training=training)
    return forecast_steps(ModelRequest(name=name, options=options), DATA, work)


@pytest.mark.parametrize("name", ["bpr_dim4", "als_dim4", "ease", "iae_dim4"])
def test_a_dry_run_says_the_need_that_the_run_states(name, tmp_path):
    role = "teacher" if name == "ease" else "student"
    stated = []
    request = ModelRequest(name=name, role=role, options=TrainOptions(training={"epochs": 1}))
    if METHODS[name.partition("_")[0]].closed_form:
        request = dataclasses.replace(request, options=TrainOptions())
    (step,) = forecast_steps(request, DATA, tmp_path)
    ensure_model(request, DATA, tmp_path, lambda e: stated.append(getattr(e, "memory_bytes", None)))
    assert step.memory_bytes == next(n_bytes for n_bytes in stated if n_bytes)
    assert forecast_steps(request, DATA, tmp_path)[0].memory_bytes is None  # it is there


def test_a_student_whose_teacher_is_missing_is_foreseen_too(tmp_path):
    teacher, student = _steps("soft_dim4", tmp_path, "bpr_dim6", epochs=3)
    assert teacher.memory_bytes is not None
    assert student.memory_bytes is not None
    assert student.seconds is not None
    lists = 40 * 60 * 80  # bytes a place; lists as long as the catalogue
    assert student.memory_bytes > lists
    assert _steps("svd_dim4", tmp_path, "bpr_dim6")[1].memory_bytes is None


def test_what_does_not_fit_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    with pytest.raises(DataError, match=r"bpr of 60 users, 80 items .* needs .* 1000 B is available"):
        _steps("bpr_dim4", tmp_path)


@pytest.mark.parametrize("config", [SASRecConfig, BERT4RecConfig, AdaRecConfig])
def test_positions_that_do_not_fit_are_refused_before_they_are_drawn(config, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**9)
    given, method = TrainingInput(DATA.train, 4, 0, 1), config.__name__.removesuffix("Config").lower()
    with pytest.raises(DataError, match=r"needs .* is available"):
        create_method(method, given, config(history_length=10**8))
    create_method(method, given, config())


def test_time_follows_the_epochs_and_what_they_go_over(tmp_path):
    one, three = (_steps("bpr_dim16", tmp_path, epochs=epochs)[0].seconds for epochs in (1, 3))
    driver, low, high = COSTS["bpr"]
    assert driver == "interactions"
    assert one == pytest.approx(1e-9 * low * len(DATA.train))
    assert three == pytest.approx(3 * one)
    wide = epoch_seconds("bpr", BPRConfig(), DATA.train, DIMS[1])
    assert wide == pytest.approx(1e-9 * high * len(DATA.train))
    assert epoch_seconds("mine", BPRConfig(), DATA.train, 16) is None
    full, sampled = (
        epoch_seconds("soft", SoftConfig(softmax=softmax), DATA.train, 16) for softmax in ("full", "sampled")
    )
    assert full == pytest.approx(1e-9 * COSTS["soft"][1] * 60 * 80)
    assert sampled == pytest.approx(1e-9 * COSTS["soft sampled"][1] * 60)


@pytest.mark.parametrize("config", [SoftConfig(), SoftConfig(score="inner"), SoftConfig(learning_rate=0.1)])
@pytest.mark.parametrize("taught", [False, True])
def test_trials_are_those_of_the_axes_that_the_method_leaves_open(config, taught):
    rows = Tables(*(DATA.train.item_counts()[:1].repeat(n * 4).reshape(n, 4) * 1.0 for n in (60, 80)))
    rows = Tables(rows.user_emb.astype("f4"), rows.item_emb.astype("f4"))
    given = TrainingInput(DATA.train, 4, 0, 1, Teacher("t", rows) if taught else None)
    axes = len(Soft(given, config).candidates())
    assert trial_epochs(config, taught=taught) == TRIAL_EPOCHS * (2 * axes + 1)
    assert trial_epochs(BPRConfig(), taught=taught) == 0


def test_a_search_for_a_cell_is_foreseen_and_a_given_cell_needs_none():
    assert trial_epochs(AdaRecConfig(search_epochs=7), taught=True) == 14
    assert trial_epochs(AdaRecConfig(cell="conv3+skip+skip"), taught=True) == 0


def test_the_constants_are_those_measured_and_all_methods_that_take_time_have_them():
    found = {}
    for measured in (json.loads(path.read_text()) for path in MEASURED):
        assert measured["dims"] == list(DIMS)
        found |= {name: (cost["driver"], *cost["ns"]) for name, cost in measured["costs"].items()}
    rounded = {
        name: (driver, float(f"{low:.2g}"), float(f"{high:.2g}"))
        for name, (driver, low, high) in found.items()
    }
    assert rounded == dict(COSTS)
    ranking = {name for name, row in METHODS.items() if row.gives != "clicks"}  # others: models/clicks
    known = {name.partition(" ")[0] for name in COSTS} | set(forecast.COSTS)
    assert ranking - known == {"pop", "svd", "ensemble", "rerank"}  # rerank: training/two_stages


def test_the_constants_of_sequences_are_those_measured():
    measured = json.loads(SEQUENCES.read_text())
    assert measured["dims"] == list(forecast.DIMS)
    rounded = {
        name: tuple(tuple(float(f"{ns:.2g}") for ns in line) for line in lines)
        for name, lines in measured["costs"].items()
    }
    assert rounded == dict(forecast.COSTS)


COUNTS = np.array([3, 0, 7])


@pytest.mark.parametrize(
    ("method", "config", "work"),
    [
        ("sasrec", SASRecConfig(history_length=5), Work(8, 8 * 90, 9 + 25)),
        ("sasrec", SASRecConfig(history_length=9, loss="bce"), Work(10, 10, 9 + 49)),
        ("sasrec", SASRecConfig(loss="gbce"), Work(10, 10 * 256, 9 + 49)),
        ("sasrec", SASRecConfig(loss="sampled-ce", sampled_items=7), Work(10, 10 * 7, 9 + 49)),
        ("bert4rec", BERT4RecConfig(history_length=4, mask_share=0.5), Work(10, 5 * 90, 9 + 16 + 9)),
        ("lrh", LRHConfig(window=3), Work(10, 10 * 90, 9 + 2 * 9 + 1)),
        ("adarec", AdaRecConfig(window=3), Work(10, 10 * 90, 9 + 2 * 9 + 1)),
    ],
)
def test_an_epoch_over_sequences_goes_over_places_items_and_pairs(method, config, work):
    assert work_of(method, config, COUNTS, 90) == work


def test_the_time_of_an_epoch_follows_the_catalogue_and_the_length():
    small, large = (
        sequence_epoch_seconds("sasrec", SASRecConfig(), dataclasses.replace(DATA.train, n_items=n), 64)
        for n in (80, 8080)
    )
    assert large - small == pytest.approx(1e-9 * forecast.COSTS["sasrec"][1][1] * len(DATA.train) * 8000)
    assert sequence_epoch_seconds("bpr", BPRConfig(), DATA.train, 64) is None
    wide = work_of("lrh", LRHConfig(), COUNTS, 50_001)
    assert wide.compared == 10 * (1000 + 1024)


def test_a_closed_form_is_foreseen_with_the_passes_that_choose_its_settings(tmp_path):
    options = {"unobserved": 0.2, "l2": 0.004}
    plain, searched = (
        forecast_steps(ModelRequest(name="als_dim16", options=TrainOptions(method=method)), DATA, tmp_path)[0]
        for method in (options, {})
    )
    pass_s = 1e-9 * COSTS["als"][1] * len(DATA.train)
    assert plain.seconds == pytest.approx(ALSConfig().iterations * pass_s)
    assert searched.seconds == pytest.approx((ALSConfig().iterations + 5 * SEARCH_PASSES) * pass_s)
    half = epoch_seconds("ease", EASEConfig(), DATA.train, 0, DATA.n_users // 2)
    assert half == pytest.approx(epoch_seconds("ease", EASEConfig(), DATA.train, 0) / 8)


@pytest.mark.parametrize("name", ["svd_dim61", "puresvd_dim61"])
def test_more_dimensions_than_the_data_have_are_refused_by_a_dry_run_too(name, tmp_path):
    with pytest.raises(ConfigError, match="60 × 80 has at most 60 dimensions, and 61 were asked for"):
        _steps(name, tmp_path)


def test_a_taught_transformer_goes_over_whole_sequences_and_asks_its_teacher(tmp_path):
    long = Interactions.from_pairs(
        np.repeat(np.arange(20), 150), np.tile(np.arange(150), 20), 20, 1500, np.tile(np.arange(150), 20)
    )
    config = SASRecConfig()
    alone, narrow, wide = (
        sequence_epoch_seconds("sasrec", config, long, 16, teacher) for teacher in (0, 16, 64)
    )
    whole = sequence_epoch_seconds("sasrec", dataclasses.replace(config, history_length=150), long, 16)
    assert 3 * alone < whole < 1.5 * narrow  # windows have fewer pairs
    assert narrow < wide < 2 * narrow
    own, taught = (
        [step for step in _steps("sasrec_dim8", tmp_path, teacher, epochs=1) if step.name == "sasrec_dim8"]
        for teacher in ("none", "sasrec_dim16")
    )
    assert taught[0].seconds > 1.3 * own[0].seconds

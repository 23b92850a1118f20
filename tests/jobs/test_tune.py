"""A search within a budget: sizes are exact, nothing is lost, and whatever runs it finds the same."""

import dataclasses
import json
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from exports import random_tables

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import read_json
from recpress_edge.core.progress import TrainingEvent
from recpress_edge.data import resolve
from recpress_edge.data.synthetic import synthetic
from recpress_edge.device.c.footprint import CODE_BYTES
from recpress_edge.distill.soft import LEARNING_RATES, SCORES, TEACHER_WEIGHTS
from recpress_edge.jobs.executor import Local
from recpress_edge.jobs.export import ExportRequest
from recpress_edge.jobs.tune import run
from recpress_edge.jobs.tune.budget import FileKind, TableShape, widest_shapes
from recpress_edge.jobs.tune.diary import TuneEvent
from recpress_edge.jobs.tune.request import TuneRequest
from recpress_edge.jobs.tune.search import Search, prune_below
from recpress_edge.jobs.tune.space import SPACE, OneOf, usual_point
from recpress_edge.jobs.tune.trial import TRIALS, TrialRequest, TuneTrial
from recpress_edge.jobs.tune.verdict import OnTest, verdict_of
from recpress_edge.models.outputs import Tables
from recpress_edge.training.store import save_model

pytest.importorskip("optuna", reason="the extra tune is not installed")
RECIPES = ("int8-dim", "int4-item")


@pytest.fixture(scope="module")
def data():
    return synthetic(n_users=60, n_items=90)


def make_small(patch, data):
    """Few users, and baselines that are computed at once."""
    patch.setattr(resolve, "load_dataset", lambda name, work, say: data)
    patch.setattr(run, "PLAIN_BASELINES", ("puresvd",))


@pytest.fixture(autouse=True)
def _small(data, monkeypatch):
    make_small(monkeypatch, data)


def request(work, **more):
    words = {"max_bytes": 6000, "trials": 6, "teachers": ("ease",), "work": work}
    return TuneRequest(**{**words, **more})


def alike(trials):
    """What does not depend on the clock."""
    return [dataclasses.replace(trial, seconds=0.0, cpu_seconds=0.0) for trial in trials]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data):
    """A search that nothing interrupted."""
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch, data)
        return request(tmp_path_factory.mktemp("whole")).run()


@pytest.mark.parametrize("profile", ["all-users", "history", "single-user"])
@pytest.mark.parametrize("file_format", ["onnx", "tflite"])
def test_computed_bytes_are_those_of_the_exported_file(data, tmp_path, profile, file_format):
    pytest.importorskip({"onnx": "onnx", "tflite": "ai_edge_litert"}[file_format], reason="no writer")
    user = data.user_ids[3] if profile == "single-user" else None
    kind = FileKind(data, file_format, profile, user)
    name, dim = "soft_dim5", 5
    facts = {"name": name, "method": "soft", "dim": dim, "seed": 0, "metrics": {}, "teacher": None}
    folder = tmp_path / "models" / "drawn"
    save_model(
        folder, facts | {"dataset": data.facts()}, Tables(*random_tables(data.n_users, data.n_items, dim))
    )
    for recipe in (*RECIPES, "fp32"):
        made = ExportRequest(
            student=str(folder), recipe=recipe, format=file_format, profile=profile, user=user, force=True,
            out=tmp_path / recipe, work=tmp_path,
        ).run()  # fmt: skip
        assert kind.bytes_of(TableShape(recipe, dim), "soft", 0) == made.exported.bundle.model_bytes


@pytest.mark.parametrize("profile", ["all-users", "history"])
def test_the_widest_that_fits_and_no_wider(data, profile):
    kind = FileKind(data, "onnx", profile, None)
    for shape in widest_shapes(kind, RECIPES, ("soft", "puresvd"), 6000, 0):
        wider = dataclasses.replace(shape, dim=shape.dim + 1)
        assert kind.bytes_of(shape, "puresvd", 0) <= 6000 < kind.bytes_of(wider, "puresvd", 0)


def test_flash_and_ram_of_a_microcontroller_are_computed(data, tmp_path):
    words = {"format": "c", "profile": "history", "max_bytes": 10**6, "max_flash": 16_384, "max_ram": 8_192}
    plan = request(tmp_path, **words).plan()
    for (shape, size), needs in zip(plan.shapes, plan.needs, strict=True):
        assert needs.flash_bytes == CODE_BYTES + size <= 16_384, shape
        assert needs.ram_bytes <= 8_192
    assert [one["flash_bytes"] for one in plan.facts()["shapes"]] == [one.flash_bytes for one in plan.needs]
    with pytest.raises(ConfigError, match=r"do not fit 1,000 bytes of RAM.*Ask for --max-ram (\d+) or more"):
        request(tmp_path, **words | {"max_ram": 1_000}).plan()
    with pytest.raises(ConfigError, match="hold no model"):
        request(tmp_path, **words | {"max_flash": CODE_BYTES}).plan()
    with pytest.raises(ConfigError, match="Add --format c"):
        request(tmp_path, max_flash=20_000).plan()
    with pytest.raises(ConfigError, match="--max-ram must be at least 1"):
        request(tmp_path, **words | {"max_ram": 0}).plan()


def test_a_budget_without_end_ends_below_the_rank_of_the_data(data):
    (shape,) = widest_shapes(FileKind(data, "onnx", "all-users", None), ("int8-dim",), ("soft",), 10**9, 0)
    assert shape.dim == 59


def test_a_budget_that_nothing_fits_into_names_the_smallest_that_does(data, tmp_path):
    with pytest.raises(ConfigError, match=r"Ask for --max-bytes (\d+) or more") as caught:
        request(tmp_path, max_bytes=900).plan()
    least = int(str(caught.value).rpartition("--max-bytes ")[2].split()[0])
    assert [shape.dim for shape, _ in request(tmp_path, max_bytes=least).plan().shapes] == [2]
    with pytest.raises(ConfigError, match="Ask for"):
        request(tmp_path, max_bytes=least - 1).plan()
    assert not any(tmp_path.iterdir())


def test_the_best_on_validation_is_exported_in_its_bytes(whole):
    fit = [trial for trial in whole.trials if trial.recipe and trial.state == "done"]
    assert whole.chosen.worth == max(trial.worth for trial in fit)
    bundle = open_bundle(whole.bundle)
    assert bundle.model_bytes == whole.chosen.file_bytes <= 6000
    k = whole.cutoff
    found = bundle.quality["parity"]["metrics_after"]
    for metric in (f"recall@{k}", f"ndcg@{k}"):  # judged as stored: what the file itself reaches
        assert whole.chosen.valid[metric] == pytest.approx(found[metric], abs=1e-12)


def test_the_file_says_everything(whole):
    known = read_json(whole.tune_file)
    assert [TuneTrial.of(facts) for facts in known["trials"]] == list(whole.trials)
    assert known["chosen"]["folder"] == whole.chosen.folder
    assert set(known["verdict"]["gains"]) == {"recall@10", "ndcg@10"}
    kinds = [trial.kind for trial in whole.trials]
    assert kinds.count("student") == 6
    usual = [trial for trial in whole.trials if trial.kind == "student"][:2]
    assert [trial.recipe for trial in usual] == list(RECIPES)
    assert all(set(trial.settings) == {"score", "learning_rate", "teacher_weight"} for trial in usual)
    later = [trial for trial in whole.trials if trial.kind == "student"][2:]
    assert all(set(trial.settings) == set(SPACE) for trial in later)
    assert json.dumps(whole.facts())


class Stops:
    """A listener that presses Ctrl-C within the training of a student."""

    def __init__(self, epochs):
        self.left = epochs

    def __call__(self, event):
        if isinstance(event, TrainingEvent) and event.kind == "epoch" and event.name.startswith("soft_"):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt


def test_stopped_and_gone_on_with_is_as_if_never_stopped(whole, tmp_path):
    for epochs in (20, 130):
        with pytest.raises(KeyboardInterrupt):
            request(tmp_path).run(Stops(epochs))
    kept = list((tmp_path / TRIALS).iterdir())
    assert len(kept) > 2
    seen = []
    result = request(tmp_path).run(seen.append)
    assert alike(result.trials) == alike(whole.trials)
    assert open_bundle(result.bundle).digest == open_bundle(whole.bundle).digest
    events = [event for event in seen if isinstance(event, TuneEvent)]
    assert events[-1].best == result.chosen
    assert events[-1].number == events[-1].limit == 6


class Backwards(Local):
    """Runs a round from its end, each request as a copy that was sent somewhere."""

    def run(self, requests, on_event):
        sent = [ForkingPickler.loads(ForkingPickler.dumps(asked)) for asked in requests]
        return reversed([asked.run(on_event) for asked in reversed(sent)])


def test_whatever_runs_the_tries_finds_the_same(whole, tmp_path):
    result = request(tmp_path).run(executor=Backwards())
    assert alike(result.trials) == alike(whole.trials)


def test_a_longer_search_goes_on_from_a_shorter_one(whole, tmp_path):
    request(tmp_path, trials=4).run()
    assert alike(request(tmp_path).run().trials) == alike(whole.trials)


def trial_of(data, work, **more):
    words = {"kind": "student", "name": "soft_dim4", "teacher": "none", "recipe": "int8-dim"}
    known = {"data": data.name, "digest": data.digest(), "choose_by": "balanced"}
    return TrialRequest(work=work, **{**known, **words, **more})


def test_a_student_that_is_behind_is_pruned(data, tmp_path):
    settings = {"score": "inner", "learning_rate": 0.03, "teacher_weight": 0.5}
    pruned = trial_of(data, tmp_path, method=settings, stop_below=((8, 1.0),)).run()
    assert (pruned.state, pruned.reason) == ("pruned", "behind after 8 epochs")
    assert [epoch for epoch, _ in pruned.curve] == [4, 8]
    (folder,) = (tmp_path / "models").iterdir()
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_a_failure_is_a_result(data, tmp_path):
    found = trial_of(data, tmp_path, method={"temperature": 0.001}).run()
    assert (found.state, found.worth) == ("failed", None)
    assert "temperature must be at least 0.02" in found.reason
    again = trial_of(data, tmp_path, digest="0" * 64).run()
    assert again.reason == "data set 'synthetic' was imported again meanwhile"


def test_who_is_behind_the_median_of_the_finished_after_two_looks():
    def done(*values):
        curve = tuple((5 * place, value) for place, value in enumerate(values, 1))
        return TuneTrial(kind="student", name="soft_dim4", settings={}, state="done", curve=curve)

    four = [done(0.1, 0.2, 0.3), done(0.1, 0.1, 0.1), done(0.5, 0.1, 0.2), done(0.0, 0.0, 0.4, 0.9)]
    assert prune_below(four) == ((15, pytest.approx(0.25)),)  # .3, .1, .2, .4; one alone is at 20
    started = [dataclasses.replace(trial, curve=((0, 9.0), *trial.curve)) for trial in four]
    assert prune_below(started) == prune_below(four)
    assert prune_below(four[:3]) == ()
    teacher = dataclasses.replace(four[0], kind="teacher")
    assert prune_below([*four[:3], teacher]) == ()


def test_the_space_is_of_settings_and_holds_the_usual_ones():
    chosen = {"score": SCORES, "learning_rate": LEARNING_RATES, "teacher_weight": TEACHER_WEIGHTS}
    assert {name for name, value in usual_point().items() if value is None} == set(chosen)
    points = [usual_point() | {name: values[end] for name, values in chosen.items()} for end in (0, -1)]
    for name, value in [entry for point in points for entry in point.items()]:
        row = SPACE[name]
        assert value in row.values if isinstance(row, OneOf) else row.low <= value <= row.high


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"max_p95_ns": 0}, "--max-p95 must be above 0"),
        ({"trials": 0}, "--trials must be at least 1"),
        ({"hours": 0.0}, "--hours must be above 0"),
        ({"choose_by": "recal"}, "Did you mean 'recall'"),
        ({"teachers": ("eas",)}, "Did you mean 'ease'"),
        ({"recipes": ("int9",)}, "unknown recipe"),
        ({"on": "armvm:cortex-a53", "max_p95_ns": 1}, "--max-p95 is a time"),
        ({"profile": "single-user"}, "--user"),
        ({"set": ("top_itms=50",)}, "Did you mean 'top_items'"),
        ({"set": ("temperature=0.001",)}, "temperature must be at least 0.02"),
        ({"set": ("choose_by=recall",)}, "Give --choose-by alone"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_trained(words, says, tmp_path):
    with pytest.raises(ConfigError, match=says):
        request(tmp_path, **words).run()
    assert not any(tmp_path.iterdir())


def test_what_is_set_is_not_searched(tmp_path):
    words = ("top_items=50", "method.head_share=0.25", "training.epochs=8", "training.evaluate_every=4")
    result = request(tmp_path, set=words, hours=1e-6, trials=4).run()
    found = [trial for trial in result.trials if trial.kind == "student"]
    assert {(trial.settings["top_items"], trial.settings["head_share"]) for trial in found} == {(50, 0.25)}
    assert {trial.curve[-1][0] for trial in found} == {8}
    search = Search([TableShape("int8-dim", 4)], ["ease"], 0, {"top_items": 50})
    for proposal in (*search.usual(), *search.ask(3)):
        assert proposal.method["top_items"] == 50
    assert set(proposal.method) == set(SPACE)


def test_time_that_is_spent_ends_the_search_after_the_usual_settings(tmp_path):
    result = request(tmp_path, hours=1e-6).run()
    assert sum(trial.kind == "student" for trial in result.trials) == 2


def test_ahead_level_behind_and_mixed():
    def of(**by_user):
        trial = TuneTrial(kind="student", name="soft_dim4", settings={}, state="done", recipe="int8-dim")
        values = {metric.replace("_", "@"): np.array(of) for metric, of in by_user.items()}
        return OnTest(trial, {metric: float(of.mean()) for metric, of in values.items()}, values)

    none, some, mixed = [0.0] * 40, [0.5] * 40, [0.0, 0.5] * 20
    low = of(recall_10=none, ndcg_10=none)
    assert verdict_of(of(recall_10=some, ndcg_10=none), low, 10).stand == "ahead"
    assert verdict_of(low, of(recall_10=some, ndcg_10=none), 10).stand == "behind"
    assert verdict_of(low, low, 10).stand == "level"
    swapped = verdict_of(of(recall_10=some, ndcg_10=none), of(recall_10=none, ndcg_10=mixed), 10)
    assert swapped.stand == "mixed"
    assert swapped.gains["recall@10"].words() == ".5000 against .0000 (+.5000 to +.5000), ahead"
    start = dataclasses.replace(low.trial, chosen_epoch=0)
    untrained = verdict_of(dataclasses.replace(of(recall_10=some, ndcg_10=some), trial=start), low, 10)
    assert untrained.stand == "untrained"  # a baseline that is ahead of another is no student that is
    assert "training ADDED NOTHING" in untrained.sentences()[0]
    assert "is BEHIND" in verdict_of(low, of(recall_10=some, ndcg_10=none), 10).sentences()[0]

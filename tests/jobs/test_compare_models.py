"""models and compare: figures of what is trained, per user, and what is not comparable."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from recpress_edge.cli import main
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.jobs.compare import CompareRequest
from recpress_edge.jobs.data_import import ImportRequest
from recpress_edge.jobs.export import ExportRequest
from recpress_edge.jobs.models import ModelsRequest, models_table
from recpress_edge.jobs.train import DistillRequest, TrainRequest


def _log(seed: int) -> dict[str, np.ndarray]:
    """60 users of two tastes with ten items each, in the order of time."""
    rng = stream(seed, "log")
    items = np.stack([rng.permutation(60)[:10] + 60 * (user % 2) for user in range(60)])
    users = np.repeat(np.arange(60), 10)
    return {"user": users, "item": items.ravel(), "timestamp": np.tile(np.arange(10), 60)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A work folder: two seeds of two students, a teacher without tables, another data set."""
    work = tmp_path_factory.mktemp("work")
    for name, seed in (("mine", 0), ("other", 1)):
        ImportRequest(frame=_log(seed), name=name, split="loo-time", work=work).run()
    TrainRequest(teacher="ease", data="mine", work=work).run()
    for student in ("bpr_dim4", "bpr_dim8"):
        DistillRequest(student=student, data="mine", epochs=5, seeds=2, work=work).run()
    TrainRequest(teacher="pop", data="other", work=work).run()
    return work


def _folders(work: Path, name: str) -> list[str]:
    return sorted(map(str, (work / "models").glob(f"{name}-s*")))


def test_models_are_listed_best_first(trained, capsys):
    table = models_table(trained, data="mine")
    assert set(table.columns["name"]) == {"ease", "bpr_dim4", "bpr_dim8"}
    assert len(table) == 5
    assert set(table.columns["cutoff"]) == {20}  # of 120 items
    worth = [row["valid_recall@20"] * row["valid_ndcg@10"] for row in table.rows()]
    assert worth == sorted(worth, reverse=True)
    by_recall = ModelsRequest(work=trained, data="mine", sort="recall@10").run().table.columns
    assert by_recall["valid_recall@10"] == sorted(by_recall["valid_recall@10"], reverse=True)
    (ease,) = [row for row in table.rows() if row["name"] == "ease"]
    facts = json.loads((Path(ease["folder"]) / "model.json").read_text())
    assert ease["test_recall@10"] == facts["metrics"]["test"]["recall@10"]
    assert ease["file_bytes"] == (Path(ease["folder"]) / "model.safetensors").stat().st_size
    assert main(["models", "--work", str(trained), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["models"]) == 6
    assert main(["models", "--work", str(trained), "--data", "none"]) == 0
    assert "no model of data set none is trained" in capsys.readouterr().out


def test_models_fit_a_terminal_and_become_files(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    words = ["models", "--work", str(trained), "--data", "mine"]
    assert main([*words, "--csv", f"{tmp_path}/m.csv", "--latex", f"{tmp_path}/m.tex"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines()[:-3])) <= 80
    with (tmp_path / "m.csv").open(encoding="utf-8") as file:
        assert [row["name"] for row in csv.DictReader(file)] == models_table(trained, "mine").columns["name"]
    (line,) = [line for line in (tmp_path / "m.tex").read_text().splitlines() if r"bpr\_dim4" in line]
    assert line.count(r"$\pm$") == 3
    assert "& 2 &" in line  # seeds
    assert main([*words, "--csv", f"{tmp_path}/m.txt"]) == 2
    assert not (tmp_path / "m.txt").exists()


def test_damaged_models_are_named(trained, tmp_path, capsys):
    work = tmp_path / "w"
    shutil.copytree(trained, work)
    first, second = (Path(folder) for folder in _folders(work, "bpr_dim4"))
    data = bytearray((first / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (first / "model.safetensors").write_bytes(data)
    facts = json.loads((second / "model.json").read_text())
    facts["metrics"]["test"]["recall@10"] = "much"
    (second / "model.json").write_text(json.dumps(facts))
    (work / "models/bpr_dim9-s0-00000000").mkdir()
    (work / "models/bpr_dim9-s0-00000000/checkpoint.json").write_text("{}")
    assert main(["models", "--work", str(work)]) == 1
    out = capsys.readouterr().out
    assert f"damaged    {first.name}: " in out
    assert f"damaged    {second.name}: its record is not what training writes: 'much'" in out
    assert "unfinished bpr_dim9-s0-00000000" in out


def test_the_figures_of_each_user_are_those_of_the_record(trained):
    """Of tables they are computed again, of rankings they were kept."""
    request = CompareRequest(
        models=("ease", "bpr_dim4"), work=trained, metric=("recall@5", "ndcg@10"), samples=50
    )
    result = request.run()
    assert result.first.values.shape == (1, 60, 2)
    assert result.second.values.shape == (2, 60, 2)
    for contender in (result.first, result.second):
        for run, values in zip(contender.runs, contender.values, strict=True):
            facts = json.loads((run.folder / "model.json").read_text())
            assert values[:, 1].mean() == pytest.approx(facts["metrics"]["test"]["ndcg@10"])
    assert result.over_seeds  # EASE is the same in any seed
    assert len(result.per_user) == 3 * 60
    assert result.per_user.columns["user"][:2] == result.user_ids[:2]
    (ease,) = map(Path, _folders(trained, "ease"))
    assert (ease / "ranks.safetensors").exists()
    assert not (Path(_folders(trained, "bpr_dim4")[0]) / "ranks.safetensors").exists()


def test_two_names_are_compared_over_seeds(trained, tmp_path, capsys):
    words = ["compare", "bpr_dim4", "bpr_dim8", "--work", str(trained), "--samples", "200"]
    files = ["--csv", f"{tmp_path}/c.csv", "--latex", f"{tmp_path}/c.tex", "--per-user", f"{tmp_path}/u.csv"]
    assert main([*words, *files]) == 0
    out = capsys.readouterr().out
    assert "first      bpr_dim4  seeds 0, 1" in out
    assert "paired bootstrap over users and seeds, 200 resamples, seed 0" in out
    assert len((tmp_path / "u.csv").read_text().splitlines()) == 1 + 4 * 60
    assert r"bpr\_dim8" in (tmp_path / "c.tex").read_text()
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == told  # the same draws
    mean = {row["metric"]: row["difference"] for row in told["metrics"]}
    swapped = CompareRequest(models=("bpr_dim8", "bpr_dim4"), work=trained, samples=50).run()
    assert {row["metric"]: -row["difference"] for row in swapped.table.rows()} == pytest.approx(mean)
    assert main([*words, "--csv", f"{tmp_path}/same.csv", "--per-user", f"{tmp_path}/same.csv"]) == 2


def test_a_bundle_answers_by_its_own_file(trained):
    folder = _folders(trained, "bpr_dim4")[0]
    made = ExportRequest(student=folder, work=trained, recipe="fp32").run().exported.bundle.folder
    result = CompareRequest(models=(str(made), folder), work=trained, samples=50).run()
    assert np.array_equal(result.first.values, result.second.values)
    assert [found.p for found in result.differences] == [1.0] * len(result.metrics)
    assert not result.over_seeds
    with pytest.raises(ConfigError, match="a bundle, which has test users alone"):
        CompareRequest(models=(str(made), folder), work=trained, split="valid").run()
    with pytest.raises(ConfigError, match="asked for 50 items at most"):
        CompareRequest(models=(str(made), folder), work=trained, metric=("recall@60",)).run()


def test_what_was_told_more_than_the_other_is_said(trained, capsys):
    folder = _folders(trained, "bpr_dim4")[0]
    asked = {"student": folder, "work": trained, "recipe": "fp32", "force": True}
    users = ExportRequest(**asked).run().exported.bundle.folder
    made = ExportRequest(**asked, profile="history", with_evaluation=True).run().exported.bundle
    words = ["compare", str(users), str(made.folder), "--work", str(trained), "--samples", "50"]
    assert main(words) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"{made.name} is asked with the train and validation items of a test user" in told
    assert "Compare bundles of one profile." in told
    assert CompareRequest(models=("bpr_dim4", "bpr_dim8"), work=trained, samples=50).run().knows == ""


def test_two_models_of_one_name_are_warned_of_once(trained, capsys):
    words = ["compare", *_folders(trained, "bpr_dim4"), "--work", str(trained), "--samples", "50"]
    assert main(words) == 0
    assert capsys.readouterr().out.count("careful    one seed of bpr_dim4: ") == 1


@pytest.mark.parametrize(
    ("models", "said", "says"),
    [
        (("bpr_dim4", "pop"), {}, "cannot be compared: the data set differs, mine and other"),
        (("bpr_dim4", "pop"), {"data": "mine"}, "no model 'pop' is trained on data set 'mine'"),
        (("bpr_dim4", "bpr_dim4"), {}, "give two models"),
        (("bpr_dim4", "nobody"), {}, "recpress-edge models --work"),
        (("bpr_dim4", "bpr_dim8"), {"metric": ("hits@10",)}, "must be recall@K or ndcg@K"),
        (("bpr_dim4", "bpr_dim8"), {"metric": ("recall@200",)}, "is 1 in whatever order"),
        (("bpr_dim4", "bpr_dim8"), {"split": "train"}, "unknown split"),
        (("bpr_dim4", "bpr_dim8"), {"samples": 39}, "--samples must be at least 40, got 39"),
        (("bpr_dim4",), {}, "two models are compared, got 1"),
    ],
)
def test_what_is_not_comparable_is_refused(trained, models, said, says):
    with pytest.raises(ConfigError) as told:
        CompareRequest(models=models, work=trained, **said).run()
    assert says in str(told.value)


def test_a_name_of_several_models_is_asked_back(trained, tmp_path):
    work = tmp_path / "w"
    shutil.copytree(trained, work)
    DistillRequest(student="bpr_dim4", data="mine", epochs=1, work=work).run()
    with pytest.raises(ConfigError, match=r"'bpr_dim4' is several models, by their settings.*bpr_dim4-s1-"):
        CompareRequest(models=("bpr_dim4", "bpr_dim8"), work=work).run()
    folders = [folder.replace(str(trained), str(work)) for folder in _folders(trained, "bpr_dim4")]
    result = CompareRequest(models=(",".join(folders), "bpr_dim8"), work=work, samples=50).run()
    assert [run.seed for run in result.first.runs] == [0, 1]
    with pytest.raises(ConfigError, match="names one seed twice"):
        CompareRequest(models=(f"{folders[0]},{folders[0]}", "bpr_dim8"), work=work).run()


def test_a_record_that_is_not_its_models_is_refused(trained, tmp_path):
    """Then the users of two models would be compared of which one is not what it says."""
    folder = tmp_path / "model"
    shutil.copytree(_folders(trained, "bpr_dim4")[0], folder)
    facts = json.loads((folder / "model.json").read_text())
    facts["metrics"]["test"]["ndcg@10"] += 0.1
    (folder / "model.json").write_text(json.dumps(facts))
    with pytest.raises(ArtifactError, match=r"states ndcg@10 .* and its users have"):
        CompareRequest(models=(str(folder), "bpr_dim8"), work=trained).run()
    (ease,) = _folders(trained, "ease")
    copied = tmp_path / "ease"
    shutil.copytree(ease, copied)
    data = bytearray((copied / "ranks.safetensors").read_bytes())
    data[-1] ^= 1
    (copied / "ranks.safetensors").write_bytes(data)
    with pytest.raises(ArtifactError, match="its digest differs"):
        CompareRequest(models=(str(copied), "bpr_dim8"), work=trained).run()


def test_the_guide_runs(trained, monkeypatch, capsys):
    """With a student that is trained here, and as few draws as a test needs."""
    page = Path(__file__).parents[2] / "docs/guide/results-as-data.md"
    blocks = dict(
        re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )
    work = trained / "guide"
    work.mkdir()
    for name in ("models", "data"):
        (work / name).symlink_to(trained / name)
    monkeypatch.chdir(work)
    for line in blocks[""].splitlines()[-2:]:
        assert main(line.replace("soft_dim4", "bpr_dim8").split()[1:]) == 0
    assert {path.name for path in work.glob("*.*")} == {
        "models.csv",
        "models.tex",
        "difference.csv",
        "difference.tex",
        "users.csv",
    }
    capsys.readouterr()
    exec(compile(blocks["python"].replace("soft_dim4", "bpr_dim8"), str(page), "exec"), {})
    assert "240 rows of users" in capsys.readouterr().out

"""Two stages by the commands: distilled, exported, shown, asked, and refused where they do not fit."""

import json

import pytest
from bundles import make_bundle
from made_two_stages import following_log

from recpress_edge.cli import main
from recpress_edge.jobs.rankers.two_stages import TwoStageExportRequest

pytestmark = pytest.mark.usefixtures("workers_here")
SETTINGS = (
    "method.positives=5",
    "method.candidates=25",
    "method.negatives=12",
    "method.learning_rate=0.02",
    "method.batch_lists=64",
    "method.init_std=0.3",
    "epochs=3",
)
SET = [word for setting in SETTINGS for word in ("--set", setting)]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    log = following_log()
    lines = [",".join(map(str, row)) for row in zip(*log.values(), strict=True)]
    (folder / "log.csv").write_text("\n".join([",".join(log), *lines]))
    importing = ["data", "import", str(folder / "log.csv"), "--name", "films", "--split", "loo-time"]
    more = ["--context", "mood", "--time-features", "hour,gap", "--work", str(folder)]
    assert main([*importing, *more]) == 0
    return folder


def distilled(work, *more):
    asked = ["distill", "--student", "rerank_dim4", "--first", "puresvd_dim4", "--data", "films", *SET]
    return [*asked, "--teacher", "none", "--work", str(work), *more]


@pytest.fixture(scope="module")
def bundle(work):
    assert main(distilled(work)) == 0
    folder = next((work / "models").glob("rerank_dim4-s0-*"))
    assert main(["export", "--student", str(folder), "--int8", "--work", str(work)]) == 0
    return work / "dist" / "rerank_dim4-int8"


def test_a_dry_run_lists_both_first_stages(work, capsys):
    assert main(distilled(work, "--dry-run", "--seed", "7")) == 0
    said = capsys.readouterr().out
    assert said.count("puresvd_dim4 seed 0") == 2
    assert said.count("puresvd_dim4 seed 0, without the last 5 train items of each user") == 1
    assert "train   rerank_dim4 seed 7" in said


def test_the_export_tells_what_the_second_stage_adds(work, bundle, capsys):
    asked = ["export", "--student", "rerank_dim4", "--first", "puresvd_dim4", "--teacher", "none", *SET]
    assert main([*asked, "--data", "films", "--int8", "--work", str(work), "--out", str(work / "again")]) == 0
    said = capsys.readouterr().out
    assert "puresvd_dim4 finds 25, rerank_dim4 ranks them" in said
    assert "asked by   user, seen, mood, hour, gap" in said
    assert "seen[-1], seen[-2]" in said
    assert "lists equal numpy's to the bit" in said
    assert json.loads((work / "again" / "bundle.json").read_text())["quality"]["stages"]["gate"]["met"]


def test_models_marks_the_first_stage_that_has_not_seen_all(work, bundle, capsys):
    assert main(["models", "--work", str(work)]) == 0
    lines = capsys.readouterr().out.splitlines()
    marked = [line for line in lines if line.lstrip().startswith("puresvd_dim4")]
    assert sorted(" * " in line for line in marked) == [False, True]
    assert any(line.startswith("*          trained, without the last 5 train items") for line in lines)
    assert main(["models", "--work", str(work), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["models"]
    assert sorted(str(row["without_last"]) for row in found) == ["5", "None", "None"]


def test_the_bench_measures_what_export_made(work, bundle, tmp_path, capsys):
    folder = next((work / "models").glob("rerank_dim4-s0-*"))
    asked = ["export", "--student", str(folder), "--int8", "--with-evaluation", "--work", str(work)]
    assert main([*asked, "--format", "tflite", "--out", str(tmp_path / "judged")]) == 0
    capsys.readouterr()
    quick = ["--processes", "1", "--seconds", "0", "--queries", "20", "--pause", "0", "--k", "10"]
    assert main(["bench", str(tmp_path / "judged"), *quick, "--work", str(tmp_path)]) in (0, 4)
    said = capsys.readouterr().out
    for part in ("ai-edge-litert", "both stages, top 10", "first stage alone: Recall@"):
        assert part in said


def test_recommend_answers_for_a_user_at_a_moment(bundle, capsys):
    asked = ["recommend", str(bundle), "--user", "u3", "--value", "hour=20", "--value", "mood=glad"]
    assert main([*asked, "-k", "25", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["items"]
    worst = int(found[-1]["item"][1:])
    assert main([*asked, "--seen", f"i{(worst - 1) % 40}", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["items"]
    assert again[0]["item"] == f"i{worst}"  # users go on to the next item
    assert again[0]["first_rank"] > 1
    assert main([*asked, "--seen", "i1,i7,i2,none"]) == 0
    said = capsys.readouterr().out
    assert "rank of first stage" in said
    assert "missing    gap: not stated" in said
    assert "unknown    none: left out" in said


def test_inspect_shows_fields_and_what_was_gained(bundle, capsys):
    assert main(["inspect", str(bundle)]) == 0
    said = capsys.readouterr().out
    assert "two-stages · 250 users × 40 items × 4 · 25 candidates · exact" in said
    assert "the user" in said
    assert "gate       met" in said
    assert main(["inspect", str(bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["two_stages"]["features"][-1]["from"] == "seen[-2]"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--seen", "i1"], "say which one with --user"),
        (["--user", "nobody"], "none of the bundle's 250 users"),
        (["--user", "u1", "--candidates", "i1"], "--candidates is for click bundles"),
        (["--user", "u1", "--value", "day=1"], "unknown field 'day'"),
        (["--user", "u1", "--value", "hour=nine"], "hour is a number"),
        (["--user", "u1", "-k", "26"], "from 1 to 25"),
        (["--user", "u1", "--seen", "no", "--strict"], "unknown item 'no'"),
    ],
)
def test_a_wrong_question_is_one_line(bundle, capsys, flags, message):
    assert main(["recommend", str(bundle), *flags]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--format", "c"], "exported as onnx or tflite"),
        (["--profile", "history"], "--profile is not for"),
        (["--recipe", "int8-item"], "is int8"),
    ],
)
def test_what_a_bundle_of_two_stages_lacks_is_named(work, capsys, flags, message):
    assert main(["export", "--student", "rerank_dim4", "--data", "films", "--work", str(work), *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_first_stage_is_of_two_stages_alone(work, capsys):
    asked = ["distill", "--student", "bpr_dim4", "--first", "soft_dim4", "--data", "films"]
    assert main([*asked, "--work", str(work)]) == 2
    assert "--first is for students of two stages" in capsys.readouterr().err


def test_a_second_stage_without_gain_is_an_exit_code_and_figures(work, bundle, capsys):
    still = [word.replace("rate=0.02", "rate=0.0000001") for word in SET]
    asked = ["export", "--student", "rerank_dim4", "--first", "puresvd_dim4", "--teacher", "none", *still]
    out = work / "still"
    assert main([*asked, "--data", "films", "--work", str(work), "--out", str(out)]) != 0
    said = capsys.readouterr().err
    assert "below its gate: valid NDCG@10" in said
    assert "recpress-edge export --student puresvd_dim4 --int8" in said
    assert not out.exists()


def test_other_readers_name_it(bundle, tmp_path, capsys):
    make_bundle(tmp_path / "plain")
    assert main(["recommend", str(tmp_path / "plain"), "--user", "u0", "--value", "hour=1"]) == 2
    assert "click bundles and those of two stages" in capsys.readouterr().err


def test_python_asks_likewise(work, bundle):
    command = json.loads((bundle / "bundle.json").read_text())["provenance"]["command"]
    folder = command.split("models/")[1].split()[0]
    asked = TwoStageExportRequest(student=str(work / "models" / folder), work=work, out=bundle)
    result = asked.run()
    assert result.facts()["unchanged"]
    assert result.facts()["stages"]["gate"]["met"]


@pytest.fixture(scope="module")
def of_histories(work):
    """A bundle whose first stage reads a history, by both formats."""
    first = ["distill", "--student", "lrh_dim4", "--teacher", "none", "--data", "films", "--epochs", "3"]
    assert main([*first, "--work", str(work)]) == 0
    folder = next(path for path in sorted((work / "models").glob("lrh_dim4-s0-*")))
    asked = [str(folder) if word == "puresvd_dim4" else word for word in distilled(work)]
    assert main(asked) == 0
    newest = max((work / "models").glob("rerank_dim4-s0-*"), key=lambda path: path.stat().st_mtime)
    for name in ("onnx", "tflite"):
        export = ["export", "--student", str(newest), "--int8", "--with-evaluation", "--format", name]
        out = ["--out", str(work / f"nobody-{name}"), "--work", str(work), "--force"]
        assert main([*export, *out]) == 0
    return work


def test_a_bundle_of_histories_knows_nobody_and_answers_anybody(of_histories, capsys):
    answers = []
    for name in ("onnx", "tflite"):
        bundle = of_histories / f"nobody-{name}"
        assert not (bundle / "users.txt").exists()
        assert main(["recommend", str(bundle), "--seen", "i1,i7,i2", "--value", "hour=20", "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out)["items"])
        assert main(["recommend", str(bundle), "--user", "u1", "--seen", "i1"]) == 2
        assert "knows no users: leave --user out" in capsys.readouterr().err
    assert answers[0] == answers[1]
    other = ["recommend", str(of_histories / "nobody-onnx"), "--seen", "i2,i7,i1", "--json"]
    assert main(other) == 0  # another order, another person
    assert json.loads(capsys.readouterr().out)["items"] != answers[0]
    assert "the file holds nothing of any user" in (of_histories / "nobody-onnx" / "CARD.md").read_text()


def test_a_bundle_of_histories_is_inspected_and_measured(of_histories, capsys):
    assert main(["inspect", str(of_histories / "nobody-onnx")]) == 0
    assert "any history × 40 items × 4" in capsys.readouterr().out
    quick = ["--processes", "1", "--seconds", "0", "--queries", "20", "--pause", "0", "--k", "10"]
    for name in ("onnx", "tflite"):
        asked = ["bench", str(of_histories / f"nobody-{name}"), *quick, "--work", str(of_histories)]
        assert main(asked) in (0, 4)
        said = capsys.readouterr().out
        for part in ("any history × 40 items", "both stages, top 10", "first stage alone"):
            assert part in said

"""export --all: every combination gets a status, and no failure ends the others."""

import dataclasses
import json

import pytest
from elsewhere import Elsewhere
from exports import random_tables

from recpress_edge.artifacts import formats
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.formats import FORMATS, MODEL_FORMATS
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.cli import build_parser
from recpress_edge.core.errors import ConfigError, MissingExtraError
from recpress_edge.data import resolve
from recpress_edge.data.synthetic import synthetic
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.export import ExportPlan
from recpress_edge.models.outputs import Tables
from recpress_edge.training.plan import ModelRequest, plan_model, want
from recpress_edge.training.store import save_model
from recpress_export import gates as gates_of_export


@pytest.fixture(scope="module")
def data():
    return synthetic(n_users=60, n_items=90)


def add_model(work, data, name, folder=None, seed=0, **facts):
    """A trained model where training with the usual settings would put it; its tables are drawn."""
    plan = plan_model(
        dataclasses.replace(want(ModelRequest(name=name, seed=seed), data), teacher=None), {}, data, work
    )
    dim = parse_name(name).dim
    known = {
        "name": name,
        "key": plan.key,
        "method": "bpr",
        "dim": dim,
        "seed": seed,
        "metrics": {},
        "seconds": 1.0,
        "teacher": None,
        "dataset": {"name": data.name, "digest": data.digest(), "protocol": data.protocol},
    }
    target = plan.folder if folder is None else work / "models" / folder
    tables = random_tables(data.n_users, data.n_items, dim)
    return save_model(target, known | facts, Tables(*tables))


@pytest.fixture
def work(tmp_path, data, monkeypatch):
    monkeypatch.setattr(resolve, "load_dataset", lambda name, work, say: data)
    add_model(tmp_path, data, "bpr_dim10")
    add_model(tmp_path, data, "bpr_dim4")
    return tmp_path


@pytest.fixture
def run(work):
    def command(*words: str) -> int:
        args = build_parser().parse_args(["export", "--work", str(work), "--threads", "1", "--all", *words])
        return int(args.func(args))

    return command


@pytest.fixture
def rows(run, capsys):
    """Exit code and the rows of --json."""

    def command(*words: str):
        code = run("--json", *words)
        return code, json.loads(capsys.readouterr().out)["rows"]

    return command


STUDENTS = ["bpr_dim4", "bpr_dim10", "puresvd_dim4", "puresvd_dim10"]
"""Those that are trained, and what a report holds them against at equal bytes."""


def named(row):
    return (row["student"], row["format"], row["recipe"], row["status"])


def test_every_trained_student_in_every_recipe_of_the_tables(rows, work):
    code, found = rows("--force")  # random tables are below some gates
    assert code == 0
    wanted = [
        (student, file_format, recipe)
        for student in STUDENTS
        for file_format in MODEL_FORMATS
        for recipe in RECIPES
    ]
    assert [named(row)[:3] for row in found] == wanted
    supported = [row for row in found if row["recipe"] in FORMATS[row["format"]].recipes]
    assert {row["status"] for row in supported} == {"done"}
    for row in supported:
        bundle = open_bundle(work / "dist" / row["bundle"].rpartition("/")[2])
        assert (row["sha256"], row["file_bytes"]) == (bundle.digest, bundle.model_bytes)


def test_again_is_unchanged_and_the_same_as_a_single_export(rows, work):
    assert rows("--recipes", "fp32", "--formats", "onnx")[0] == 0
    code, found = rows("--recipes", "fp32", "--formats", "onnx")
    assert code == 0
    assert {row["status"] for row in found} == {"unchanged"}
    bundle = open_bundle(work / "dist" / "bpr_dim4-fp32")
    assert bundle.provenance["command"] == (
        "recpress-edge export --student bpr_dim4 --data synthetic --seed 0 --recipe fp32"
    )


def test_a_model_that_is_there_is_said_once(run, capsys):
    assert run("--recipes", "fp32,fp16", "--formats", "onnx") == 0
    said = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("found ")]
    assert said == STUDENTS  # the baselines too, once they are computed


def test_other_models_are_left_out_and_named(run, work, data, capsys):
    dataset = {"name": "other", "digest": "0" * 64, "protocol": "x"}
    add_model(work, data, "bpr_dim7", "bpr_dim7-s0-other-data", dataset=dataset)
    add_model(work, data, "bpr_dim4", "bpr_dim4-s0-more-epochs")
    teacher = add_model(work, data, "bpr_dim9")
    link = {"name": "bpr_dim9", "seed": 0, "sha256": teacher.digest}
    add_model(work, data, "htd_dim4", "htd_dim4-s0-elsewhere", teacher=link)
    (work / "models" / "bpr_dim8-s0-unfinished").mkdir()
    (work / "models" / "bpr_dim3-s0-damaged").mkdir()
    (work / "models" / "bpr_dim3-s0-damaged" / "model.json").write_text("{")
    assert run("--recipes", "fp32", "--formats", "onnx", "--dry-run", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["student"] for row in answer["rows"]] == STUDENTS
    text = "\n".join(answer["left_out"])
    assert "bpr_dim9" in text
    assert "a teacher" in text
    assert f"export --student {work / 'models' / 'bpr_dim4-s0-more-epochs'}" in text
    assert "htd_dim4-s0-elsewhere" in text
    assert "bpr_dim3-s0-damaged: " in text
    assert "other-data" not in text
    assert "unfinished" not in text
    assert not (work / "dist").exists()


def test_below_the_gate_is_three_and_the_rest_is_done(rows, work, tmp_path, monkeypatch):
    gates = tmp_path / "gates.toml"
    limits = "max_recall_loss = 1.0\nmax_ndcg_loss = 1.0\nmax_item_shift = 1\nlost_users = 0\n"
    strict, loose = f"min_overlap = 1.1\n{limits}", f"min_overlap = 0.0\n{limits}"
    gates.write_text(f"[gate.fp32]\n{loose}[gate.int8-dim]\n{strict}")
    monkeypatch.setattr(gates_of_export, "GATES", gates)
    code, found = rows("--recipes", "int8,fp32", "--formats", "onnx", "--students", "bpr_dim4")
    assert code == 3
    assert [named(row) for row in found] == [
        ("bpr_dim4", "onnx", "int8-dim", "below gate"),
        ("bpr_dim4", "onnx", "fp32", "done"),
    ]
    assert "parity gate failed" in found[0]["reason"]
    assert not (work / "dist" / "bpr_dim4-int8").exists()


def test_what_a_format_cannot_honour_is_said_and_is_no_failure(rows, monkeypatch):
    monkeypatch.setitem(FORMATS, "onnx", dataclasses.replace(FORMATS["onnx"], recipes=("fp32",)))
    code, found = rows("--recipes", "int8-dim,fp32", "--formats", "onnx", "--students", "bpr_dim4")
    assert code == 0
    assert [row["status"] for row in found] == ["not supported", "done"]
    assert "cannot honour recipe int8-dim" in found[0]["reason"]


def test_a_format_whose_packages_are_missing_is_not_supported_here(rows, monkeypatch):
    def lacks(name):
        raise MissingExtraError("tflite needs what is not installed")

    real = formats.writer_of
    monkeypatch.setattr(formats, "writer_of", lambda name: lacks(name) if name == "tflite" else real(name))
    code, found = rows("--recipes", "fp32", "--students", "bpr_dim4")
    assert code == 0
    assert [named(row)[1::2] for row in found] == [
        ("onnx", "done"),
        ("tflite", "not supported"),
        ("c", "done"),
    ]
    assert "not installed" in found[1]["reason"]
    assert (
        rows("--recipes", "fp32", "--students", "bpr_dim4", "--formats", "tflite")[0] == 1
    )  # nothing at all


def test_a_failure_does_not_end_the_sweep(rows, work, monkeypatch):
    (work / "dist" / "bpr_dim4-fp32").mkdir(parents=True)
    code, found = rows("--recipes", "fp32", "--formats", "onnx")
    assert code == 1
    assert [row["status"] for row in found] == ["failed", "done", "done", "done"]
    assert "add --force" in found[0]["reason"]


def test_even_a_mistake_of_ours_does_not_end_it(run, monkeypatch, capsys):
    real = ExportPlan.run

    def breaks(plan, on_event):
        if plan.student.name == "bpr_dim4":
            raise TypeError("surprise")
        return real(plan, on_event)

    monkeypatch.setattr(ExportPlan, "run", breaks)
    assert run("--recipes", "fp32", "--formats", "onnx", "--json") == 1
    output = capsys.readouterr()
    found = json.loads(output.out)["rows"]
    assert [row["status"] for row in found] == ["failed", "done", "done", "done"]
    assert found[0]["reason"] == "internal error: TypeError: surprise"
    assert "Traceback" in output.err


def test_a_model_that_cannot_be_trained_costs_its_own_rows_alone(rows, work, monkeypatch, tmp_path):
    machines = Elsewhere(tmp_path / "machine", fails="bpr_dim5")
    monkeypatch.setattr("recpress_edge.jobs.executor.executor_for", lambda *_: machines)
    students = ["--students", "bpr_dim4,bpr_dim5", "--recipes", "fp32,fp16", "--formats", "onnx"]
    code, found = rows(*students, "--ray", "auto")
    assert code == 1
    assert machines.ran == ["bpr_dim5 seed 0"]  # the other is trained
    assert [row["status"] for row in found] == ["done", "done", "failed", "failed"]
    assert {row["reason"] for row in found[2:]} == {"the machine burns"}


def test_an_interrupt_does_end_it(run, monkeypatch):
    def stop(plan, on_event):
        raise KeyboardInterrupt

    monkeypatch.setattr(ExportPlan, "run", stop)
    with pytest.raises(KeyboardInterrupt):
        run("--recipes", "fp32", "--formats", "onnx")


def test_students_by_name_and_by_folder(rows, work, data):
    folder = add_model(work, data, "bpr_dim6", "bpr_dim6-s0-mine").folder
    students = f"bpr_dim4,{folder}"
    code, found = rows("--recipes", "fp32", "--formats", "onnx", "--students", students)
    assert code == 0
    assert [row["student"] for row in found] == ["bpr_dim4", "bpr_dim6"]


def test_a_dry_run_says_what_would_be_trained(run, work, capsys):
    words = ["--recipes", "fp32", "--formats", "onnx", "--students", "htd_dim4,bpr_dim4", "--dry-run"]
    assert run(*words) == 0
    out = capsys.readouterr().out
    assert "trains soft_dim200, htd_dim4 first" in out
    assert "2 would write" in out
    assert not (work / "dist").exists()


def test_the_table_has_a_line_for_each(run, capsys):
    assert run("--recipes", "fp32", "--formats", "onnx") == 0
    out = capsys.readouterr().out
    assert "NDCG@10  overlap@10  status" in out
    assert "rows       4 done" in out
    assert "next       device_bench run " in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--student", "bpr_dim4"], "--student is for one student"),
        (["--int8"], "--int8 is for one student"),
        (["--recipe", "fp32"], "--recipe is for one student"),
        (["--out", "x"], "--out is for one student"),
        (["--teacher", "none"], "--teacher is for one student"),
        (["--format", "onnx"], "--format is for one student"),
        (["--formats", "onx"], "Did you mean 'onnx'"),
        (["--recipes", "fp33"], "Did you mean 'fp32'"),
        (["--recipes", "fp32,"], "has an empty name"),
        (["--students", "bprr_dim4"], "Did you mean 'bpr_dim4'"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_written(run, work, words, message):
    with pytest.raises(ConfigError, match=message):
        run(*words)
    assert not (work / "dist").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recipes", "fp32"], "--recipes only goes with --all"),
        (["--students", "bpr_dim4", "--student", "bpr_dim4"], "--students only goes with --all"),
        ([], "give --student NAME, or --all"),
    ],
)
def test_without_all(work, words, message):
    args = build_parser().parse_args(["export", "--work", str(work), *words])
    with pytest.raises(ConfigError, match=message):
        args.func(args)


def test_nothing_trained(run, work):
    import shutil

    shutil.rmtree(work / "models")
    with pytest.raises(ConfigError, match="no student of data set 'synthetic' is trained"):
        run()


def test_students_with_other_settings_are_not_called_untrained(run, work, data):
    import shutil

    shutil.rmtree(work / "models")
    add_model(work, data, "bpr_dim4", "bpr_dim4-s0-more-epochs")
    add_model(work, data, "soft_dim4", "soft_dim4-s0-cooler")
    folders = [str(work / "models" / name) for name in ("bpr_dim4-s0-more-epochs", "soft_dim4-s0-cooler")]
    with pytest.raises(
        ConfigError, match=r"trained with the usual settings in .*, but 2 with others"
    ) as caught:
        run()
    assert f"--students {','.join(folders)}" in str(caught.value)
    assert run("--students", ",".join(folders), "--recipes", "fp32", "--formats", "onnx", "--dry-run") == 0


def test_seed_0_is_a_seed(rows, work, data):
    add_model(work, data, "bpr_dim4", seed=1)
    words = ("--recipes", "fp32", "--formats", "onnx", "--dry-run")
    assert [(row["student"], row["seed"]) for row in rows(*words)[1]] == [
        ("bpr_dim4", 0),
        ("bpr_dim4", 1),
        ("bpr_dim10", 0),
        ("puresvd_dim4", 0),
        ("puresvd_dim10", 0),
    ]
    assert {row["seed"] for row in rows(*words, "--seed", "0")[1]} == {0}
    assert [row["student"] for row in rows(*words, "--seed", "1")[1]] == ["bpr_dim4", "puresvd_dim4"]

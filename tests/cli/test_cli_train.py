"""train and distill as a user meets them: exit codes, words, interrupts."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recpress_edge.cli import build_parser
from recpress_edge.core.errors import ConfigError
from recpress_edge.training.store import load_model


@pytest.fixture
def run(tmp_path, capsys):
    def run(*argv):
        parser = build_parser()
        args = parser.parse_args([*map(str, argv), "--work", str(tmp_path / "work"), "--threads", "1"])
        code = args.func(args)
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


def test_train_then_distill_from_it(run, tmp_path):
    code, out, _ = run("train", "--teacher", "bpr_dim8", "--epochs", 2)
    assert code == 0
    assert "training   bpr_dim8 seed 0  (2 epochs)" in out
    assert "Recall@10  NDCG@10  Recall@50" in out
    following = out[out.index("next") :].split()
    assert following[1:5] == ["recpress-edge", "distill", "--student", "soft_dim32"]
    folder = following[following.index("--teacher") + 1]

    code, out, _ = run("distill", "--student", "ftd_dim4", "--teacher", folder, "--epochs", 1, "--seeds", 2)
    assert code == 0
    assert out.count("trained    ftd_dim4") == 2
    assert "teacher    bpr_dim8 seed 0: test Recall@10" in out
    following = out[out.index("next") :].split()
    assert following[2:4] == ["export", "--student"]
    assert load_model(Path(following[4])).metadata["teacher"]["name"] == "bpr_dim8"  # the name means another

    code, out, _ = run("distill", "--student", "ftd_dim4", "--teacher", folder, "--epochs", 1)
    assert "found      ftd_dim4 seed 0" in out


def test_a_network_can_be_exported_as_it_is(run, tmp_path):
    _, out, _ = run("train", "--teacher", "neumf_dim4", "--epochs", 1)
    (folder,) = (tmp_path / "work" / "models").glob("neumf_dim4-*")
    assert f"recpress-edge export --student {folder} --int8" in out


def test_quantise_fine_tunes_the_trained_student(run, tmp_path):
    argv = ("distill", "--student", "bpr_dim4", "--quantise", "int4-item", "--epochs", 2)
    code, out, _ = run(*argv, "--dry-run")
    assert code == 0
    assert [line.split()[:4] for line in out.splitlines() if line.startswith("would")] == [
        ["would", "train", "bpr_dim4", "seed"],
        ["would", "train", "bpr_dim4_qat-int4-item", "seed"],
    ]
    assert "under a second at most on one thread" in out
    code, out, _ = run(*argv)
    assert "trained    bpr_dim4 seed 0" in out
    assert "training   bpr_dim4_qat-int4-item seed 0  (2 epochs)" in out
    assert "as int4-item" in out
    (tuned,) = (tmp_path / "work" / "models").glob("bpr_dim4_qat-int4-item-*")
    assert f"recpress-edge export --student {tuned} --recipe int4-item" in out

    code, out, _ = run("distill", "--student", "bpr_dim4_qat-int4-item", "--epochs", 2, "--json")
    (model,) = json.loads(out)["models"]
    quantised = model["quantised"]
    assert quantised["start"]["name"] == "bpr_dim4"
    assert set(quantised["metrics"]) == set(quantised["start_metrics"]) == {"valid", "test"}
    # The tables it starts from count as epoch 0, so that on validation it cannot get worse.
    after, before = quantised["metrics"]["valid"], quantised["start_metrics"]["valid"]
    assert after["recall@50"] >= before["recall@50"]

    code, out, _ = run(*argv, "--dry-run")
    assert [line.split()[0] for line in out.splitlines()] == ["found", "found"]
    assert len(list((tmp_path / "work/models").glob("bpr_dim4_qat-int4-item-s0-*"))) == 1


def test_json_is_one_object_and_talk_goes_to_stderr(run):
    code, out, err = run("train", "--teacher", "bpr_dim4", "--epochs", 1, "--json")
    assert code == 0
    (model,) = json.loads(out)["models"]
    assert model["name"] == "bpr_dim4"
    assert 0 <= model["metrics"]["test"]["recall@50"] <= 1
    assert "training   bpr_dim4" in err


def test_dry_run_trains_nothing(run, tmp_path):
    code, out, _ = run("distill", "--student", "htd_dim10", "--seeds", 2, "--dry-run", "--json")
    assert code == 0
    steps = [(step["name"], step["seed"], step["action"]) for step in json.loads(out)["steps"]]
    assert steps == [("soft_dim200", 0, "train"), ("htd_dim10", 0, "train"), ("htd_dim10", 1, "train")]
    assert not (tmp_path / "work").exists()


def test_a_configuration_file_sets_both_tables(run, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text("[method]\nlearning_rate = 0.01\n[training]\nepochs = 9\nevaluate_every = 1\n")
    run("train", "--teacher", "bpr_dim4", "--config", config, "--epochs", 2, "--json")
    (written,) = (tmp_path / "work/models").glob("*/model.json")
    metadata = json.loads(written.read_text())
    assert metadata["config"]["learning_rate"] == 0.01
    assert metadata["training"]["epochs"] == 2  # a flag wins over the file
    assert metadata["training"]["evaluate_every"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[methods]\na = 1\n", "unknown table in .*Did you mean '\\[method\\]'"),
        ("method = 3\n", "unknown table in"),
        ("[training]\nepochs = 1.5\n", "training.epochs must be int"),
        ("[training\n", "not valid TOML"),
    ],
)
def test_a_wrong_configuration_file_is_refused(run, tmp_path, text, message):
    config = tmp_path / "c.toml"
    config.write_text(text)
    with pytest.raises(ConfigError, match=message):
        run("train", "--teacher", "bpr_dim4", "--config", config)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["distill", "--student", "htd10"], "Did you mean 'htd_dim10'"),
        (["distill", "--student", "bpr_dim10", "--teacher", "bpr_dim200"], "learns without a teacher"),
        (["distill", "--student", "htd_dim10", "--teacher", "none"], "cannot learn without a teacher"),
        (["train", "--teacher", "ftd_dim10"], "unknown teacher"),
        (["distill", "--student", "soft_dim4", "--quantise", "int4"], "Did you mean 'int4-item'"),
        (["train", "--teacher", "bpr_dim4", "--device", "tpu"], "--device must be cpu or cuda"),
    ],
)
def test_wrong_usage_is_refused(run, argv, message):
    with pytest.raises(ConfigError, match=message):
        run(*argv)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_names_the_command_that_goes_on(tmp_path):
    argv = [
        "train",
        "--teacher",
        "bpr_dim64",
        "--epochs",
        "100000",
        "--threads",
        "1",
        "--work",
        str(tmp_path),
    ]
    code = "import sys; from recpress_edge.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *argv],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout.readline().startswith("training")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"recpress-edge {' '.join(argv)}" in out
    assert "Traceback" not in err


@pytest.mark.parametrize("seed", ["-1", "x"])
def test_a_seed_is_a_number_of_at_least_0(run, seed, capsys):
    with pytest.raises(SystemExit) as error:
        run("train", "--teacher", "bpr_dim8", "--seed", seed)
    assert error.value.code == 2
    assert "--seed" in capsys.readouterr().err

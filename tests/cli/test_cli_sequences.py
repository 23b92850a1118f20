"""From a log with times to a bundle that forgets: teacher, student, files, answers and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from device_bench.quality import ranking_quality
from recpress_edge.cli import main
from recpress_edge.core.rng import stream
from recpress_edge.device.verify import verify_bundle
from recpress_export.networks.student import read_parameters

QUICK = ["--set", "method.history_length=8", "--set", "method.layers=1", "--epochs", "3"]
FEW = ["--set", "method.history_length=4", "--epochs", "3", "--set", "evaluate_every=3"]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Everybody goes on to the next of 30 items, and skips one now and then."""
    folder, rng = tmp_path_factory.mktemp("sequences"), stream(0, "log")
    lines = ["user,item,time"]
    for user in range(60):
        item = int(rng.integers(30))
        for time in range(12):
            lines.append(f"u{user},i{item},{1_600_000_000 + time}")
            item = (item + 1 + int(rng.random() < 0.2)) % 30
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    log = ["data", "import", str(folder / "log.csv"), "--name", "steps", "--split", "loo-time"]
    assert main([*log, "--work", str(folder)]) == 0
    teacher = ["train", "--teacher", "sasrec_dim8", "--data", "steps", "--work", str(folder), *QUICK]
    assert main(teacher) == 0
    return folder


def asked(capsys, *words: str) -> dict:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def student(work):
    (teacher,) = work.glob("models/sasrec_dim8-*")
    words = ["distill", "--student", "lrh_dim8", "--teacher", str(teacher), "--data", "steps", *FEW]
    assert main([*words, "--work", str(work)]) == 0
    (folder,) = work.glob("models/lrh_dim8-*")
    return folder


def test_the_record_names_its_teacher_and_both_splits(student):
    facts = json.loads((student / "model.json").read_text())
    assert facts["teacher"]["name"] == "sasrec_dim8"
    assert facts["architecture"] == {"kind": "lrh", "history_length": 4}
    assert facts["metrics"].keys() == {"valid", "test"}


@pytest.mark.parametrize("file_format", ["onnx", "tflite"])
def test_a_student_becomes_a_bundle_that_answers(work, student, file_format, capsys, monkeypatch):
    monkeypatch.chdir(work)
    out = f"out-{file_format}"
    words = ["export", "--student", str(student), "--recipe", "int8-dim", "--format", file_format]
    words += ["--data", "steps", "--out", out, "--force", "--with-evaluation"]
    facts = asked(capsys, *words)
    assert facts["profile"] == "history"
    assert facts["parity"]["exact_users"] == 60
    verified = verify_bundle(work / out)
    assert verified.bundle.contract.history_length == 4
    ids = verified.bundle.item_ids()
    found = asked(capsys, "recommend", out, "--seen", "i3,i4,i5", "-k", "2")
    items = verified.runtime.recommend(None, [ids.index(name) for name in ("i3", "i4", "i5")], 2)[0]
    assert [row["item"] for row in found["items"]] == [ids[item] for item in items]
    assert ranking_quality(verified)["users"] == 60


def test_what_the_file_cannot_hold_is_refused_before_anything_is_made(work, student, capsys):
    words = ["export", "--student", str(student), "--data", "steps", "--work", str(work)]
    for more, message in (
        (["--format", "c", "--recipe", "fp16"], "format c cannot honour recipe fp16"),
        (["--recipe", "score16"], "score16 is not available for --profile history"),
        (["--profile", "all-users"], "--profile all-users is not available for a lrh"),
    ):
        assert main([*words, *more]) != 0
        assert message in " ".join(capsys.readouterr().err.split())


def test_a_student_alone_and_one_without_decays_are_other_models(work, student):
    words = ["distill", "--student", "lrh_dim8", "--data", "steps", "--work", str(work), *FEW]
    assert main([*words, "--teacher", "none"]) == 0
    (teacher,) = work.glob("models/sasrec_dim8-*")
    assert main([*words, "--teacher", str(teacher), "--set", "method.decays=none"]) == 0
    decays = [read_parameters(folder).arrays["decay"] for folder in work.glob("models/lrh_dim8-*")]
    assert sorted(bool(np.all(decay == 1)) for decay in decays) == [False, False, True]


SMALL = ["--set", "batch_places=200", "--set", "method.history_length=8", "--epochs", "4"]
SEARCH = ["--set", "search_epochs=2", "--set", "evaluate_every=4"]


@pytest.fixture(scope="module")
def celled(work):
    (teacher,) = work.glob("models/sasrec_dim8-*")
    words = ["distill", "--student", "adarec_dim8", "--teacher", str(teacher), "--data", "steps"]
    assert main([*words, *SMALL, *SEARCH, "--work", str(work)]) == 0
    (folder,) = work.glob("models/adarec_dim8-*")
    return folder


def test_a_search_leaves_its_cell_beside_the_model_and_in_the_record(celled):
    facts, cell = (json.loads((celled / name).read_text()) for name in ("model.json", "cell.json"))
    assert facts["chosen_settings"]["cell"] == "+".join(cell["operations"])
    assert facts["architecture"]["operations"] == cell["operations"]
    assert facts["search"]["epochs"] == 2
    assert cell["search"] == facts["search"]
    assert cell["search"]["cost_weight"] == 0.1
    assert len(cell["search"]["margins"]) == 3


def test_its_cell_is_trained_again_without_a_search_to_the_same_numbers(work, celled, capsys):
    (teacher,) = work.glob("models/sasrec_dim8-*")
    words = ["distill", "--student", "adarec_dim8", "--teacher", str(teacher), "--data", "steps"]
    given = ["--cell", str(celled / "cell.json"), "--set", "evaluate_every=4", "--work", str(work)]
    (again,) = asked(capsys, *words, *SMALL, *given)["models"]
    facts = json.loads((celled / "model.json").read_text())
    assert again["folder"] != str(celled)
    assert again["metrics"] == facts["metrics"]
    assert again["sha256"] == facts["sha256"]
    document = json.loads((celled / "cell.json").read_text())
    by_word = ["--set", f"method.cell={'+'.join(document['operations'])}", "--set", "evaluate_every=4"]
    shape = ["--set", "method.cells=2", "--set", "method.nodes=2", "--work", str(work)]
    (third,) = asked(capsys, *words, *SMALL, *by_word, *shape)["models"]
    assert third["folder"] == again["folder"]  # the cell is in the key, not the file


def test_a_network_of_cells_becomes_a_bundle_that_answers(work, celled, capsys, monkeypatch):
    monkeypatch.chdir(work)
    words = ["export", "--student", str(celled), "--data", "steps", "--out", "cells", "--force"]
    facts = asked(capsys, *words, "--with-evaluation")
    assert facts["profile"] == "history"
    verified = verify_bundle(work / "cells")
    architecture = json.loads((celled / "model.json").read_text())["architecture"]
    assert verified.bundle.contract.history_length == architecture["history_length"] - 1
    found = asked(capsys, "recommend", "cells", "--seen", "i3,i4,i5", "-k", "2")
    assert len(found["items"]) == 2
    assert asked(capsys, "inspect", "cells")["contract"]["profile"] == "history"
    assert ranking_quality(verified)["users"] == 60


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--student", "lrh_dim8", "--cell", "CELL"], "is of an adarec, and lrh_dim8 has no cells"),
        (["--student", "adarec_dim8", "--cell", "CELL", "--set", "method.cells=3"], "say the same"),
        (["--student", "adarec_dim8", "--cell", "nowhere.json"], "no such file"),
        (
            ["--student", "adarec_dim8", "--set", "cell=conv4+skip+skip"],
            "unknown operation of a cell 'conv4'",
        ),
        (["--student", "adarec_dim8", "--teacher", "bpr_dim8"], "after every place of a sequence"),
        (["--student", "sasrec_dim8", "--teacher", "bpr_dim8"], "after every place of a sequence"),
    ],
)
def test_a_cell_that_cannot_apply_is_refused_by_its_flag(work, celled, capsys, words, message):
    given = [str(celled / "cell.json") if word == "CELL" else word for word in words]
    assert main(["distill", *given, "--data", "steps", "--work", str(work)]) != 0
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_narrow_transformer_is_taught_or_alone(work, capsys):
    (teacher,) = work.glob("models/sasrec_dim8-*")
    words = ["distill", "--student", "sasrec_dim4", "--data", "steps", "--work", str(work), *QUICK]
    (taught,) = asked(capsys, *words, "--teacher", str(teacher))["models"]
    (alone,) = asked(capsys, *words)["models"]
    assert taught["teacher"]["name"] == "sasrec_dim8"
    assert alone["teacher"] is None
    assert taught["sha256"] != alone["sha256"]
    assert read_parameters(Path(taught["folder"])).kind == "sasrec"

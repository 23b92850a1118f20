"""From a log to a history bundle with a tanh: teacher, student, files, answers, resuming, what is refused."""

import json

import numpy as np
import pytest

from device_bench.quality import ranking_quality
from recpress_edge.cli import main
from recpress_edge.core.rng import stream
from recpress_edge.data.resolve import load_dataset
from recpress_edge.device.reference_file import FileReference
from recpress_edge.device.verify import verify_bundle
from recpress_edge.training.store import load_model

pytestmark = pytest.mark.usefixtures("workers_here")
FEW = ["--epochs", "4", "--set", "evaluate_every=2", "--set", "method.batch_users=20"]


def asked(capsys, *words: str) -> dict:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *words: str) -> str:
    capsys.readouterr()
    assert main([*words]) == 2
    return capsys.readouterr().err


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Everybody likes ten neighbours among 30 items."""
    folder, rng = tmp_path_factory.mktemp("sets"), stream(0, "log")
    lines = ["user,item"]
    for user in range(50):
        first = int(rng.integers(30))
        lines += [f"u{user},i{(first + step) % 30}" for step in rng.permutation(12)[:10]]
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    log = ["data", "import", str(folder / "log.csv"), "--name", "sets", "--work", str(folder)]
    assert main(log) == 0
    assert main(["train", "--teacher", "ecae_dim8", "--data", "sets", "--work", str(folder), *FEW]) == 0
    return folder


@pytest.fixture(scope="module")
def teacher(work):
    (folder,) = work.glob("models/ecae_dim8-*")
    return folder


@pytest.fixture(scope="module")
def student(work, teacher):
    words = ["distill", "--student", "ae_dim4", "--teacher", str(teacher), "--data", "sets", *FEW]
    assert main([*words, "--work", str(work)]) == 0
    (folder,) = work.glob("models/ae_dim4-*")
    return folder


def test_records_name_seed_settings_and_teacher(teacher, student):
    known = json.loads((teacher / "model.json").read_text())
    assert known["seed"] == 0
    assert known["config"]["through"] is False
    assert known["architecture"]["kind"] == "ecae"
    facts = json.loads((student / "model.json").read_text())
    assert facts["teacher"]["name"] == "ecae_dim8"
    assert facts["architecture"] == {"kind": "ae"}
    assert facts["metrics"].keys() == {"valid", "test"}


def test_a_dry_run_says_memory_and_time(work, capsys):
    words = [
        "train",
        "--teacher",
        "ecae_dim8",
        "--data",
        "sets",
        "--work",
        str(work),
        "--dry-run",
        "--seed",
        "3",
    ]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "would train" in said
    assert "memory" in said
    assert not list(work.glob("models/ecae_dim8-s3-*"))


def test_another_setting_is_another_model(work, teacher):
    words = ["train", "--teacher", "ecae_dim8", "--data", "sets", "--work", str(work), *FEW]
    assert main([*words, "--set", "method.through=true"]) == 0
    folders = list(work.glob("models/ecae_dim8-s0-*"))
    assert len(folders) == 2
    one, other = (load_model(folder).network["generator.first"] for folder in folders)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("method", ["soft_dim4", "htd_dim4", "svd_dim4"])
def test_it_teaches_rankings_and_embeddings(work, teacher, method):
    words = ["distill", "--student", method, "--teacher", str(teacher), "--data", "sets", "--work", str(work)]
    assert main([*words, *([] if method == "svd_dim4" else ["--epochs", "2"])]) == 0
    (folder,) = work.glob(f"models/{method}-*")
    assert json.loads((folder / "model.json").read_text())["teacher"]["name"] == "ecae_dim8"


def test_it_is_a_member_of_an_ensemble(work, teacher):
    words = ["train", "--teacher", "ensemble:ecae_dim8+pop", "--member", str(teacher), "--data", "sets"]
    assert main([*words, "--work", str(work)]) == 0
    assert list(work.glob("models/ensemble-ecae_dim8-pop-*"))


def test_two_tables_teach_the_student_and_it_learns_alone(work):
    words = ["distill", "--student", "ae_dim3", "--data", "sets", "--work", str(work), *FEW]
    assert main([*words, "--teacher", "ease"]) == 2
    assert main([*words, "--teacher", "puresvd_dim4"]) == 0
    assert main([*words, "--teacher", "none"]) == 0
    taught = [json.loads((f / "model.json").read_text())["teacher"] for f in work.glob("models/ae_dim3-*")]
    assert sorted(t["name"] if t else "none" for t in taught) == ["none", "puresvd_dim4"]


@pytest.mark.parametrize("file_format", ["onnx", "tflite"])
def test_a_student_becomes_a_bundle_that_answers(work, student, file_format, capsys, monkeypatch):
    monkeypatch.chdir(work)
    out = f"out-{file_format}"
    words = ["export", "--student", str(student), "--int8", "--format", file_format, "--data", "sets"]
    facts = asked(capsys, *words, "--out", out, "--force", "--with-evaluation")
    assert facts["profile"] == "history"
    assert facts["parity"]["exact_users"] == 50
    verified = verify_bundle(work / out)
    ids = verified.bundle.item_ids()
    found = asked(capsys, "recommend", out, "--seen", "i3,i4,i5", "-k", "2")
    items = verified.runtime.recommend(None, [ids.index(name) for name in ("i3", "i4", "i5")], 2)[0]
    assert [row["item"] for row in found["items"]] == [ids[item] for item in items]
    assert ranking_quality(verified)["users"] == 50
    shown = asked(capsys, "inspect", out)
    assert "tanh" in json.dumps(shown)
    assert main(["bundle", "update", out, "--items", "nothing.npz"]) != 0


def test_what_a_file_cannot_hold_is_refused_before_anything_is_made(work, student, teacher, capsys):
    words = ["export", "--student", str(student), "--data", "sets", "--work", str(work)]
    for more, message in (
        (["--format", "c"], "--format c is not available for a ae"),
        (["--format", "web"], "--format web is not available for a ae"),
        (["--recipe", "score16"], "score16 is not available for --profile history"),
        (["--profile", "all-users"], "--profile all-users is not available for a ae"),
    ):
        assert message in refused(capsys, *words, *more)
    of_teacher = refused(capsys, "export", "--student", str(teacher), "--data", "sets", "--work", str(work))
    assert "ecae_dim8 can only be a teacher" in of_teacher


def test_a_set_that_cannot_apply_is_refused_by_its_name(work, capsys):
    words = ["train", "--teacher", "ecae_dim8", "--data", "sets", "--work", str(work), "--set"]
    assert "method.soft_share must be between 0 and 1, got 2" in refused(
        capsys, *words, "method.soft_share=2.0"
    )


def test_a_real_catalogue_is_answered_exactly_for_every_user(real_data, tmp_path, capsys, monkeypatch):
    """MovieLens 100K: ONNX, TFLite and numpy say the same of all users who are asked about."""
    monkeypatch.setenv("RECPRESS_DATA_DIR", str(real_data))
    work = ["--data", "ml-100k", "--work", str(tmp_path)]
    words = ["distill", "--student", "ae_dim16", "--teacher", "none", "--epochs", "2", *work]
    assert main([*words, "--set", "method.learning_rate=0.02"]) == 0
    (folder,) = tmp_path.glob("models/ae_dim16-*")
    data = load_dataset("ml-100k", tmp_path)
    users = np.flatnonzero(data.test.counts()).tolist()
    answers = {}
    for file_format in ("onnx", "tflite"):
        out = str(tmp_path / file_format)
        asking = [
            "--int8",
            "--format",
            file_format,
            "--out",
            out,
            "--with-evaluation",
            "--work",
            str(tmp_path),
        ]
        facts = asked(capsys, "export", "--student", str(folder), *asking)
        assert facts["parity"]["exact_users"] == len(users)
        verified = verify_bundle(tmp_path / file_format)
        reference = FileReference(verified.bundle.model_path, verified.bundle.contract)
        found = []
        for user in users:
            seen = data.train.of(user).tolist()
            items, scores = verified.runtime.recommend(None, seen, 20)
            wanted, right = reference.recommend(None, seen, 20)
            assert items.tolist() == wanted.tolist()
            assert scores.tobytes() == right.tobytes()
            found.append((items.tolist(), scores.tobytes()))
        answers[file_format] = found
    assert answers["onnx"] == answers["tflite"]

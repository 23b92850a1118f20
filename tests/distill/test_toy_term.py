"""CONTRIBUTING's "Add a method", walked with a toy term outside the package: nothing else is touched."""

import dataclasses
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_data import two_tastes

from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError
from recpress_edge.distill.methods import METHODS
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions, plan_model, want
from recpress_edge.training.settings import _USUAL, Settings, settings
from recpress_edge.training.source import source_digest

ROOT = Path(__file__).parents[2]
LOSS = '''
"""The loss, a pure function."""
import torch.nn.functional as F

def toy_loss(scores):
    """-Σ log σ(s) over the teacher's best items. scores (B, K) -> ()."""
    return -F.logsigmoid(scores).sum()
'''
TERM = '''
"""The term."""
import torch
from recpress_edge.distill.lists import teacher_lists
from recpress_edge.distill.terms import Term
from .loss import toy_loss

class ToyTerm(Term):
    def __init__(self, given, config):
        self.weight = config.weight
        self.top = torch.from_numpy(teacher_lists(given, config.top_items).astype("int64"))

    def loss(self, student, batch):
        users = torch.unique(batch.users)
        return toy_loss(student.user_lists(users, self.top.index_select(0, users)))
'''
ROW = '''
"""The settings and the rows: the same term beside two base models."""
from dataclasses import dataclass
from recpress_edge.distill.methods import METHODS, distilled

@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    learning_rate: float = 0.02
    weight_decay: float = 0.01
    batch_size: int = 128
    init_std: float = 0.1
    top_items: int = 2
    weight: float = 0.5

TERMS = {"toy": "toykd.term:ToyTerm"}
METHODS["toy"] = distilled("bpr", TERMS, ToyConfig, needs="rankings", usual_teacher="pop")
METHODS["toy-neumf"] = distilled("neumf", TERMS, ToyConfig, needs="rankings", usual_teacher="pop")
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The folder of a package with the toy term, whose rows stand in the table of methods."""
    folder = tmp_path / "path" / "toykd"
    folder.mkdir(parents=True)
    for name, text in {"__init__": "", "loss": LOSS, "term": TERM, "row": ROW}.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(folder.parent)
    for module in [name for name in sys.modules if name.partition(".")[0] == "toykd"]:
        del sys.modules[module]
    for name in ("toy", "toy-neumf"):
        monkeypatch.setitem(METHODS, name, METHODS["rd"])  # taken away again
    importlib.import_module("toykd.row")
    return folder


def _kinds(work: Path, name: str = "toy_dim4") -> list[str]:
    told = []
    ensure_model(
        ModelRequest(name=name, role="student", seed=0, options=TrainOptions(training={"epochs": 1})),
        two_tastes(),
        work,
        told.append,
    )
    return [event.kind for event in told if event.name == name and event.kind != "epoch"]


def test_a_model_of_edited_code_is_not_found(toy, tmp_path):
    assert _kinds(tmp_path) == ["train", "needs", "done"]
    assert _kinds(tmp_path) == ["cached"]
    (toy / "loss.py").write_text(LOSS + "\n# the term's module is the same, what it imports is not\n")
    assert _kinds(tmp_path) == ["train", "needs", "done"]
    (toy / "loss.py").write_text(LOSS)
    assert _kinds(tmp_path) == ["cached"]
    (toy / "term.py").write_text(TERM.replace("users = ", "users =  "))
    assert _kinds(tmp_path) == ["train", "needs", "done"]


def test_a_term_stands_beside_every_base(toy, tmp_path):
    assert _kinds(tmp_path, "toy-neumf_dim4") == ["train", "needs", "done"]
    assert METHODS["toy-neumf"].network == "neumf"
    assert METHODS["toy-neumf"].config().negatives == 4  # the base's
    assert METHODS["toy-neumf"].config().top_items == 2  # the term's


def test_of_a_released_method_the_key_holds_no_source(tmp_path, monkeypatch):
    assert all(row.released for row in METHODS.values())

    def key() -> str:
        wanted = want(ModelRequest(name="bpr_dim4"), two_tastes())
        return plan_model(wanted, {}, two_tastes(), tmp_path).key

    before = key()
    monkeypatch.setitem(METHODS, "bpr", dataclasses.replace(METHODS["bpr"], released=False))
    assert key() != before


def test_a_method_without_source_is_refused(toy):
    with pytest.raises(ConfigError, match=r"source of nowhere\.at_all cannot be found"):
        source_digest("nowhere.at_all:Toy")
    assert source_digest("toykd.term:ToyTerm") != source_digest("toykd.loss:toy_loss")


def test_the_steps_of_contributing_lead_to_a_bundle(toy, tmp_path, capsys, monkeypatch):
    """Its row of usual settings is here: a hundred epochs would take half a minute."""
    monkeypatch.setitem(_USUAL, "toy", Settings({}, {"epochs": 5}))
    plugin = f"import sys; sys.path.insert(0, {str(toy.parent)!r}); import toykd.row\n"
    (toy.parent / "toy_plugin.py").write_text(plugin)
    contract = re.search(r"`(tests/contracts/\S+\.py)` picks it up", (ROOT / "CONTRIBUTING.md").read_text())
    options = ["-q", "-k", "toy and not neumf", "-p", "toy_plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", contract[1], *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{toy.parent}:{ROOT}:{ROOT / 'export'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("......."), done.stdout  # seven contracts of a student
    code = main(["export", "--student", "toy_dim10", "--recipe", "fp16", "--work", str(tmp_path), "--json"])
    err = capsys.readouterr().err
    assert (code, err.count("Traceback")) == (0, 0), err
    folder = tmp_path / "dist/toy_dim10-fp16"
    bundle = json.loads((folder / "bundle.json").read_text())
    assert bundle["contract"]["dim"] == 10
    assert bundle["provenance"]["teacher"]["name"] == "pop"
    assert main(["inspect", str(folder)]) == 0
    assert "toy_dim10" in capsys.readouterr().out


def test_a_method_that_no_table_names_has_usual_settings():
    assert settings("toy", "student").training == {"epochs": 100}
    assert settings("toy", "quantised").training == {"epochs": 10, "evaluate_every": 1}
    assert settings("toy", "teacher", closed_form=True).training["keep"] == "last"

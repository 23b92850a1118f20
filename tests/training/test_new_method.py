"""CONTRIBUTING's "Add a student", walked with a toy method that lies outside the package."""

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
from recpress_edge.distill.students import METHODS
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import BUILT_IN, ModelRequest, TrainOptions, plan_model, want
from recpress_edge.training.settings import settings
from recpress_edge.training.source import source_digest

ROOT = Path(__file__).parents[2]
LOSS = '''
"""Step 1: the loss, a pure function."""
import torch.nn.functional as F

def toy_loss(scores):
    """-Σ log σ(s) over the teacher's best items. scores (B, K) -> ()."""
    return -F.logsigmoid(scores).sum()
'''
METHOD = '''
"""Step 2: the method and its settings."""
from dataclasses import dataclass
import torch
from recpress_edge.distill.sources import teacher_lists
from recpress_edge.distill.terms import DistilledBPR, Term
from .config import ToyConfig
from .loss import toy_loss

class ToyTerm(Term):
    def __init__(self, job, config):
        self.weight = config.weight
        self.top = torch.from_numpy(teacher_lists(job, config.top_items).astype("int64"))

    def start(self, epoch, tables):
        pass

    def loss(self, student, batch):
        users = torch.unique(batch.users)
        return toy_loss(student.user_lists(users, self.top.index_select(0, users)))

class Toy(DistilledBPR):
    def __init__(self, job, config):
        super().__init__(job, config, {"toy": ToyTerm(job, config)})
'''
CONFIG = """
from dataclasses import dataclass
from recpress_edge.models.config import BPRConfig

@dataclass(frozen=True, slots=True, kw_only=True)
class ToyConfig(BPRConfig):
    learning_rate: float = 0.02
    weight_decay: float = 0.01
    batch_size: int = 128
    init_std: float = 0.1
    top_items: int = 2
    weight: float = 0.5
"""
ROW = """
from recpress_edge.distill.students import METHODS, Entry
from toykd.config import ToyConfig
METHODS["toy"] = Entry(
    where="toykd.method:Toy", config=ToyConfig, roles=("student",), needs="rankings", alone=False,
    usual_teacher="pop",
)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The folder of a package with the toy method, which stands in the registry."""
    folder = tmp_path / "path" / "toykd"
    folder.mkdir(parents=True)
    for name, text in {"__init__": "", "loss": LOSS, "method": METHOD, "config": CONFIG, "row": ROW}.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(folder.parent)
    for module in [name for name in sys.modules if name.partition(".")[0] == "toykd"]:
        del sys.modules[module]
    monkeypatch.setitem(METHODS, "toy", METHODS["rd"])  # taken away again
    importlib.import_module("toykd.row")
    return folder


def _kinds(work: Path) -> list[str]:
    told = []
    ensure_model(
        ModelRequest(name="toy_dim4", role="student", seed=0, options=TrainOptions(training={"epochs": 1})),
        two_tastes(),
        work,
        told.append,
    )
    return [event.kind for event in told if event.name == "toy_dim4" and event.kind != "epoch"]


def test_a_model_of_edited_code_is_not_found(toy, tmp_path):
    assert _kinds(tmp_path) == ["train", "needs", "done"]
    assert _kinds(tmp_path) == ["cached"]
    (toy / "loss.py").write_text(LOSS + "\n# the method's module is the same, what it imports is not\n")
    assert _kinds(tmp_path) == ["train", "needs", "done"]
    (toy / "loss.py").write_text(LOSS)
    assert _kinds(tmp_path) == ["cached"]
    (toy / "method.py").write_text(METHOD.replace(".sum()", ".mean()") + "#")
    assert _kinds(tmp_path) == ["train", "needs", "done"]


def test_what_a_released_methods_key_holds_is_its_revision_and_no_source(tmp_path, monkeypatch):
    assert set(METHODS) == BUILT_IN
    wanted = want(ModelRequest(name="bpr_dim4"), two_tastes())
    before = plan_model(wanted, {}, two_tastes(), tmp_path).key
    monkeypatch.setattr("recpress_edge.training.plan.BUILT_IN", BUILT_IN - {"bpr"})
    assert plan_model(wanted, {}, two_tastes(), tmp_path).key != before


def test_a_method_without_source_is_refused(toy):
    with pytest.raises(ConfigError, match=r"source of nowhere\.at_all cannot be found"):
        source_digest("nowhere.at_all:Toy")
    assert source_digest("toykd.method:Toy") != source_digest("toykd.loss:toy_loss")


def test_the_steps_of_contributing_lead_to_a_bundle(toy, tmp_path, capsys):
    plugin = f"import sys; sys.path.insert(0, {str(toy.parent)!r}); import toykd.row\n"
    (toy.parent / "toy_plugin.py").write_text(plugin)
    contract = re.search(r"`(tests/contracts/\S+\.py)` picks it up", (ROOT / "CONTRIBUTING.md").read_text())
    options = ["-q", "-k", "toy", "-p", "toy_plugin", "-p", "no:cacheprovider"]
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
    code = main(["export", "--student", "toy_dim10", "--int8", "--work", str(tmp_path), "--json"])
    assert (code, capsys.readouterr().err.count("Traceback")) == (0, 0)
    bundle = json.loads((tmp_path / "dist/toy_dim10-int8/bundle.json").read_text())
    assert bundle["contract"]["dim"] == 10


def test_a_method_that_no_table_names_has_usual_settings():
    assert settings("toy", "student").training == {"epochs": 100}
    assert settings("toy", "quantised").training == {"epochs": 10, "evaluate_every": 1}
    assert settings("toy", "teacher", closed_form=True).training["keep"] == "last"


@pytest.mark.parametrize("text", ["CONTRIBUTING.md", "README.md", "docs", "recpress_edge", "device_bench"])
def test_every_test_file_that_is_named_exists(text):
    where = ROOT / text
    files = [where] if where.is_file() else [*where.rglob("*.md"), *where.rglob("*.py")]
    named = {name for file in files for name in re.findall(r"\btests/[\w/]+\.py\b", file.read_text())}
    assert not [name for name in sorted(named) if not (ROOT / name).exists() and not _of_example(name)]


def _of_example(name: str) -> bool:
    return (ROOT / "examples/android_stub" / name).exists()


def test_every_folder_and_file_that_contributing_names_exists():
    named = re.findall(r"`((?:\w+/)+[\w.]*)`", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(named) >= 8
    roots = (ROOT, ROOT / "recpress_edge", ROOT / "export")
    assert not [name for name in named if not any((root / name).exists() for root in roots)]

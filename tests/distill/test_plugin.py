"""A method of one's own: the guide's file, as a user runs and edits it."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError
from recpress_edge.distill.methods import METHODS, distilled
from recpress_edge.distill.plugin import OwnMethod, load_plugins
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.sweep import SweepRequest
from recpress_edge.jobs.train import DistillRequest
from recpress_edge.training.settings import settings

PAGE = (Path(__file__).parents[2] / "docs/guide/your-own-method.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
SOURCE, COMMANDS = BLOCKS["python"], BLOCKS[""]


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """The guide's file, forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    Path("my_method.py").write_text(SOURCE)
    before = dict(METHODS)
    yield Path("my_method.py")
    METHODS.clear()
    METHODS.update(before)
    for name in [name for name in sys.modules if name.startswith("recpress_plugin_")]:
        del sys.modules[name]


def test_the_page_runs(plugin, capsys):
    show, distil, export = COMMANDS.replace("bpr_dim20", "pop").splitlines()
    quick = " --set training.epochs=1"
    assert main(show.split()[1:]) == 0
    out = capsys.readouterr().out
    assert "# Weight of the term, a sum over the pairs of a batch.\npull_weight = 0.01\n" in out
    assert "epochs = 40\n" in out
    assert main((distil + quick).split()[1:]) == 0
    (folder,) = Path("models").glob("pull_dim10-*")
    facts = json.loads((folder / "model.json").read_text())
    assert facts["plugin"]["file"] == "my_method.py"
    assert facts["config"]["pull_weight"] == 0.05
    capsys.readouterr()
    assert main((export + quick + " --set pull_weight=0.05").split()[1:]) == 0
    assert "found      pull_dim10" in capsys.readouterr().out
    made = json.loads(Path("dist/pull_dim10-int8/bundle.json").read_text())["provenance"]["command"]
    assert "--set method.pull_weight=0.05 --set training.epochs=1 --plugin my_method.py" in made

    del METHODS["pull"]  # the next call has no --plugin
    assert main(["distill", "--student", "pull_dim10", "--teacher", "pop"]) == 2
    assert "'pull' was brought by my_method.py, which is not loaded. Give --plugin" in capsys.readouterr().err
    with pytest.raises(
        ConfigError, match=r"pull_dim10-\S+: its method is brought by --plugin my_method\.py\."
    ):
        SweepRequest(data="synthetic").plan()


def test_a_search_takes_it_as_a_teacher(plugin, capsys):
    words = ["tune", "--max-bytes", "100KB", "--teachers", "pull_dim8", "--dry-run"]
    assert main(words) == 2
    capsys.readouterr()
    both = 'OwnMethod("pull", dataclasses.replace(METHOD.row, roles=("teacher", "student")))'
    plugin.write_text(f"import dataclasses\n{SOURCE}\nMETHOD = {both}\n")
    assert main([*words, "--plugin", "my_method.py"]) == 0
    assert "teachers   pull_dim8" in capsys.readouterr().out


def test_edited_code_is_another_model(plugin):
    def folder() -> str:
        request = DistillRequest(student="pull_dim4", teacher="pop", plugin=("my_method.py",))
        return str(request.plan().steps[-1].folder)

    request = DistillRequest(student="pull_dim4", plugin=("my_method.py",))
    assert len(request.plan().steps) == 2
    plugin.write_text(SOURCE.replace('needs="product"', 'needs="rankings"').replace("bpr_dim200", "pop"))
    assert [step.name for step in request.plan().steps] == ["pop", "pull_dim4"]
    # The source decides, whether a setting changes with it or not.
    key = _key()
    plugin.write_text(plugin.read_text() + "# edited\n")
    assert _key() != key
    plugin.write_text(plugin.read_text().removesuffix("# edited\n"))
    assert _key() == key


def _key() -> str:
    from small_data import two_tastes

    from recpress_edge.training.plan import ModelRequest, TrainOptions, plan_model, want

    options = TrainOptions(plugin=("my_method.py",))
    wanted = want(ModelRequest(name="pull_dim4", options=options), two_tastes())
    return plan_model(wanted, {wanted.teacher: None}, two_tastes(), Path()).key


def test_another_process_loads_it_from_the_request(plugin):
    code = (
        "from recpress_edge.jobs.train import DistillRequest\n"
        "plan = DistillRequest(student='pull_dim4', plugin=('my_method.py',)).plan()\n"
        "print(plan.steps[-1].name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "pull_dim4\n"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('    "pull",', '    "soft",'), "a method 'soft' is built in already"),
        (('    "pull",', '    "Pull 2",'), "small letters, not 'Pull 2'"),
        (("METHOD = OwnMethod(", "_ = print if True else ("), "holds no OwnMethod"),
        (("import torch\n", "import torch\nimport helper\n"), "imports helper from beside it"),
        (("import torch\n", "import torch\n1 / 0\n"), "cannot be loaded: ZeroDivisionError"),
        (("import torch\n", "import torch\nimport (\n"), "line 4: "),
        (("pull_weight: NotNegativeFloat = 0.01", "pull_weight: NotNegativeFloat"), "with defaults"),
    ],
)
def test_what_is_no_method_is_refused(plugin, change, says):
    Path("helper.py").write_text("")
    plugin.write_text(SOURCE.replace(*change))
    with pytest.raises(ConfigError, match=re.escape(says)):
        load_plugins(["my_method.py"])
    assert "pull" not in METHODS


def test_two_files_with_one_name_are_refused(plugin):
    Path("other.py").write_text(SOURCE)
    with pytest.raises(ConfigError, match=r"'pull' is of \S+my_method.py already"):
        load_plugins(["my_method.py", "other.py"])


def test_a_folder_is_a_method_with_all_its_modules(plugin):
    Path("packed").mkdir()
    Path("packed/__init__.py").write_text("from .inner import METHOD\n")
    Path("packed/inner.py").write_text(SOURCE)
    load_plugins(["packed"])
    assert METHODS["pull"].terms["pull"] == "recpress_plugin_packed.inner:PullTerm"
    assert settings("pull", "student").training == {"epochs": 40, "patience": 3}
    assert settings("pull", "quantised").training["epochs"] == 10


def test_an_installed_package_needs_no_flag(plugin, monkeypatch):
    row = distilled(
        "bpr", {"top": "recpress_edge.distill.rd:TopListTerm"}, METHODS["rd"].config, needs="rankings"
    )

    class Point:
        value = "packed:METHOD"

        def load(self):
            return OwnMethod("packed", row)

    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda *, group, name: [Point()] if (group, name) == ("recpress_edge.methods", "packed") else [],
    )
    assert parse_name("packed_dim4").entry.plugin == "packed:METHOD"

"""A small board's install: recpress-edge without its dependencies answers from a bundle of format c."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from exports import exported

from recpress_edge import Recommender
from recpress_edge.artifacts.item_features import write_item_features
from recpress_edge.artifacts.manifest import write_manifest
from recpress_edge.artifacts.titles import write_titles

ROOT = Path(__file__).parents[2]
_ASK = """
import json, sys
from recpress_edge import Recommender
found = Recommender.load(sys.argv[1]).recommend("user 3", ["item-5", "nobody's"], 6)
told = {"items": found.items, "scores": list(found.scores), "unknown": found.unknown}
told |= {"titles": found.titles, "features": found.features}
heavy = [name for name in ("numpy", "onnxruntime", "psutil") if name in sys.modules]
print(json.dumps(told | {"heavy": heavy}))
"""


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A virtual environment with the wheel of this checkout, and nothing else."""
    home = tmp_path_factory.mktemp("board")
    source = home / "source"
    for name in ("recpress_edge", "device_bench", "export"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    venv.create(home / "venv", with_pip=False)
    python = home / "venv/bin/python"
    pip, quiet = [sys.executable, "-m", "pip"], ["--quiet", "--no-deps", "--disable-pip-version-check"]
    here = ["--no-build-isolation", "--no-index"] if importlib.util.find_spec("setuptools") else []
    subprocess.run([*pip, "wheel", *quiet, *here, "--wheel-dir", home, source], check=True)
    (wheel,) = home.glob("*.whl")
    subprocess.run([*pip, "--python", python, "install", *quiet, "--no-index", wheel], check=True)
    return python


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    made = exported(tmp_path_factory.mktemp("c") / "bundle", "int8-dim", "c")
    n_items = made.contract.n_items
    write_titles(made.folder, [f"Title {n}" for n in range(n_items)])
    write_item_features(made.folder, {"year": list(map(str, range(n_items)))})
    write_manifest(made.folder, made.name, made.contract, made.provenance, made.quality)
    return made


def run(python, *arguments, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [python, *arguments], env=clean | environment, cwd="/", check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("engine", ["", "plain"])
def test_a_bundle_answers_without_any_package(board, bundle, engine):
    there = json.loads(run(board, "-c", _ASK, str(bundle.folder), RECPRESS_ENGINE=engine))
    here = Recommender.load(bundle.folder, runtime="reference").recommend("user 3", ["item-5"], 6)
    assert there["heavy"] == []
    assert there["items"] == here.items
    assert there["scores"] == here.scores.tolist()
    assert there["titles"] == here.titles == [f"Title {item.removeprefix('item-')}" for item in here.items]
    assert there["features"] == here.features
    assert there["unknown"] == ["nobody's"]


def test_the_command_answers_too(board, bundle):
    program = str(board.parent / "recpress-edge")
    told = run(board, program, "recommend", str(bundle.folder), "--user", "user 3", "-k", "3")
    best = Recommender.load(bundle.folder).recommend("user 3", k=3)
    assert all(item in told for item in best.items)


@pytest.mark.parametrize("words", [("device_bench", "self-test"), ("recpress-edge", "inspect")])
def test_other_commands_say_what_they_need(board, bundle, words):
    with pytest.raises(subprocess.CalledProcessError) as error:
        run(board, str(board.parent / words[0]), words[1], str(bundle.folder), COLUMNS="300")
    assert error.value.returncode == 1
    assert error.value.stderr.startswith("error: this command needs numpy, which an install without depend")
    assert error.value.stderr.count("\n") == 1


def test_a_changed_file_is_refused_there(board, bundle, tmp_path):
    copy = shutil.copytree(bundle.folder, tmp_path / "copy")
    data = bytearray((copy / "model.bin").read_bytes())
    data[-1] ^= 1
    (copy / "model.bin").write_bytes(data)
    with pytest.raises(subprocess.CalledProcessError) as error:
        run(board, "-c", _ASK, str(copy))
    assert "model.bin was changed: SHA-256" in error.value.stderr

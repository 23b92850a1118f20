"""A format of somebody else's: one row and three functions, in an installed package of its own.

It is exported, compared, tested, benchmarked, listed and asked like those built in, by fresh processes too.
"""

import dataclasses
import importlib
import json
import os
import subprocess
import sys

import pytest
from exports import make_source

from device_bench.__main__ import main as bench
from recpress_edge import Recommender
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.formats import ENTRY_POINTS, FORMATS, format_named
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.cli import main as edge
from recpress_edge.core.errors import ConfigError
from recpress_export.build import build
from recpress_export.gates import load_gate
from recpress_export.subjects.all_users import AllUsers

PACKAGE = """
import io, json
import numpy as np
from recpress_edge.artifacts.formats import Format
from recpress_edge.device.reference_file import FileReference
from recpress_export.graph import LookUp, ScoreAll
from recpress_export.inspect import Contents, TensorFacts


def write(graph, metadata):
    kinds = {LookUp: "user_emb", ScoreAll: "item_emb"}
    tables = {kinds[type(step)]: step.table for step in graph.steps if type(step) in kinds}
    out = io.BytesIO()
    np.savez(out, facts=np.frombuffer(json.dumps(dict(metadata)).encode(), np.uint8), **tables)
    return out.getvalue()


def tables(data, contract):
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in ("user_emb", "item_emb")}


def listing(path, data):
    found = tables(data, None)
    stored = tuple(TensorFacts(name, str(a.dtype), a.shape, a.nbytes) for name, a in found.items())
    return Contents("toy", "1", len(data), stored)


def check(data):
    if bytes(data[:2]) != b"PK":
        raise ValueError("no zip archive")


class Runtime(FileReference):
    name = "toy-runtime"


def load_library():
    return np


def same(left, right):
    return left == right


ROW = Format(
    name="toy", label="Toy", suffix="-toy", recipes=("fp32",), index_type="int64", extra="",
    device_packages=(), device_modules=("numpy",), made_by=("numpy",), **{
        column: f"toy_format:{name}" for column, name in (
            ("writer", "write"), ("check", "check"), ("runtime", "Runtime"), ("load_library", "load_library"),
            ("tables", "tables"), ("listing", "listing"), ("same", "same"))
    },
)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A package with the entry point, as pip installs one, for this process and its children."""
    site = tmp_path_factory.mktemp("site")
    (site / "toy_format.py").write_text(PACKAGE)
    facts = site / "toy_format-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-format\nVersion: 1\n")
    (facts / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\ntoy = toy_format:ROW\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
        importlib.invalidate_caches()
        yield
        FORMATS.pop("toy", None)
        sys.modules.pop("toy_format", None)


@pytest.fixture(scope="module")
def exported(installed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    source = make_source(folder / "model")
    made = {}
    for file_format in ("onnx", "toy"):
        data = dataclasses.replace(source, file_format=file_format)
        made[file_format] = build(
            AllUsers(data), RECIPES["fp32"], folder / file_format, gate=load_gate("fp32")
        )
    return made


def test_it_is_exported_compared_and_tested_as_any_other(exported):
    bundle = open_bundle(exported["toy"].bundle.folder)
    assert bundle.name == "htd_dim6-fp32-toy"
    assert bundle.contract.format == "toy"
    assert all(change.delta.mean == 0 for change in exported["toy"].parity.change.values())
    assert bundle.selftest().items == exported["onnx"].bundle.selftest().items


def test_it_answers_as_onnx_does(exported):
    answers = [
        Recommender.load(exported[name].bundle.folder).recommend("user 3", ["item-5"], 4).items
        for name in ("onnx", "toy")
    ]
    assert answers[0] == answers[1]


def test_it_is_benchmarked_in_fresh_processes(exported, tmp_path, capsys):
    folder = str(exported["toy"].bundle.folder)
    quick = ["--queries", "50", "--seconds", "0.01", "--processes", "2"]
    assert bench(["run", folder, "--runs", str(tmp_path), *quick]) in (0, 4)  # 4: the machine was not calm
    (path,) = tmp_path.rglob("*.json")
    assert "toy-runtime" in path.read_text()


def test_it_is_listed_and_asked_on_the_command_line(exported, capsys):
    folder = exported["toy"].bundle.folder
    assert edge(["inspect", str(folder / "model.toy"), "--json"]) == 0
    assert {one["name"] for one in json.loads(capsys.readouterr().out)["model"]["tensors"]} == {
        "user_emb",
        "item_emb",
    }
    asked = [sys.executable, "-m", "device_bench", "ask", str(folder), "--user", "user 3", "--json"]
    said = json.loads(subprocess.run(asked, capture_output=True, check=True, text=True).stdout)
    assert len(said["items"]) == 10


def test_a_format_that_nobody_brings_is_unknown():
    assert "tio" not in FORMATS
    with pytest.raises(KeyError):
        FORMATS["tio"]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise RuntimeError('boom')", r"cannot be loaded: RuntimeError: boom"),
        ("import not_installed", r"cannot be loaded: ModuleNotFoundError: No module named 'not_installed'"),
        ("", r"cannot be loaded: AttributeError"),
        ("ROW = 42", r"is 'int', not a Format"),
        (
            "from recpress_edge.artifacts.formats import FORMATS\nROW = FORMATS['onnx']",
            r"is a format of the name 'onnx'",
        ),
    ],
)
def test_a_package_whose_format_cannot_be_had_is_named(code, says, tmp_path, monkeypatch):
    (tmp_path / "bad_format.py").write_text(code)
    facts = tmp_path / "bad_format-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-format\nVersion: 1\n")
    (facts / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\nbad = bad_format:ROW\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    with pytest.raises(ConfigError, match=f"format 'bad' of an installed package, bad_format:ROW, {says}"):
        format_named("bad")
    assert "bad" not in dict(FORMATS)
    with pytest.raises(ConfigError, match="Known: bad, c, onnx, tflite"):
        format_named("tio")
    sys.modules.pop("bad_format", None)

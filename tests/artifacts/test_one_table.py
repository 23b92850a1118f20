"""Formats and extras are facts of one table each."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.core.install import BASE, EXTRAS, extra_of

ROOT = Path(__file__).parents[2]
MOST_MODULES = 6
"""Modules that may name a format; the table is one of them, and that of cores is another."""
COMMANDS = "recpress_edge/cli/__init__.py"
"""Their table has a command of the name of a format."""
PRODUCTION = ("recpress_edge", "export/recpress_export", "device_bench")


def _naming(path: Path) -> list[int]:
    """Lines on which a string is exactly a format's name; a single letter may be anything."""
    names = [name for name in FORMATS if len(name) > 1]
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in names
    ]


def test_few_modules_name_a_format():
    found = {
        f"{path.relative_to(ROOT)}": lines
        for folder in PRODUCTION
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (lines := _naming(path)) and path != ROOT / COMMANDS
    }
    assert "recpress_edge/artifacts/formats.py" in found
    assert len(found) <= MOST_MODULES, found


def test_the_extras_are_those_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {BASE: project["dependencies"], **project["optional-dependencies"]}
    for extra, packages in EXTRAS.items():
        names = [re.split(r"[<>=;\[ ]", line)[0].lower() for line in declared[extra] if "[" not in line]
        assert names == list(packages), extra


@pytest.mark.parametrize(
    ("module", "extra"),
    [("torch", "train"), ("onnx", "export"), ("ai_edge_litert", "tflite"), ("safetensors", "all"),
     ("numpy", None), ("no_such_module", None)],
)  # fmt: skip
def test_the_extra_of_a_module(module, extra):
    assert extra_of(module) == extra

"""Layers point one way, and the device path stays light."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "onnx", "scipy", "pooch", "matplotlib", "jinja2", "rich", "safetensors", "pandas"}


@pytest.mark.parametrize(
    "module",
    [
        "recpress_edge",
        "recpress_edge.artifacts.bundle",
        "recpress_edge.cli",
        "device_bench",
        "device_bench.__main__",
    ],
)
def test_device_path_stays_light(module: str) -> None:
    check = f"bad = {HEAVY!r} & set(sys.modules); assert not bad, f'{{sorted(bad)}} imported'"
    code = f"import sys, {module}; {check}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_format_c_imports_what_an_answer_needs() -> None:
    """A Pi Zero pays for every import: what only writes files, or names a mistake, is not among them."""
    unused = {"numpy", "tempfile", "shutil", "random", "difflib", "subprocess", "logging"}
    check = f"bad = {unused!r} & set(sys.modules); assert not bad, f'{{sorted(bad)}} imported'"
    code = f"import sys, recpress_edge.device.c.light, recpress_edge.device.recommender; {check}"
    subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, check=True)


def test_help_imports_no_command_dependency() -> None:
    code = (
        "import sys; from recpress_edge.cli import build_parser; build_parser().format_help(); "
        f"bad = {HEAVY | {'onnxruntime'}!r} & set(sys.modules); assert not bad, f'{{sorted(bad)}} imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_export_never_loads_torch_but_for_networks() -> None:
    """Its one subpackage may: what traces a network is imported when one is exported (docs/adr/0019)."""
    package = ROOT / "export/recpress_export"
    modules = [
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(package.rglob("*.py"))
        if path.stem not in ("modules", "cell_modules", "to_onnx", "to_litert", "outside_module")
    ]
    code = f"import sys, {', '.join(modules)}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_base_install_is_what_a_device_can_carry() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {requirement.partition(">")[0] for requirement in project["dependencies"]}
    assert names == {"numpy", "onnxruntime", "psutil"}


def test_telemetry_is_off_before_onnxruntime_loads() -> None:
    for module in ("recpress_edge", "device_bench", "recpress_export"):
        code = f"import os, {module}; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
        subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": "/usr/bin"})

"""Locks: every package of an installation by version and digests, as `pyproject.toml` asks for them."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "configs" / "locks"
LEFT_OUT = {"torch", "recpress-edge"}
EXTRAS = ("data", "train", "export", "tflite", "report", "neural", "tune", "c", "signed")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def locked(name: str) -> dict[str, list[str]]:
    """Versions of each package; every one has a digest."""
    found: dict[str, list[str]] = {}
    for entry in re.split(r"\n(?=\S)", (LOCKS / f"{name}.txt").read_text()):
        package, version = re.match(r"([\w.-]+)==([\w.]+)", entry).groups()
        assert "--hash=sha256:" in entry, package
        found.setdefault(canonicalize_name(package), []).append(version)
    return found


@pytest.mark.parametrize(
    ("name", "extras"), [("device", ()), ("workstation", EXTRAS)], ids=["device", "workstation"]
)
def test_a_lock_has_what_the_project_asks_for(name, extras):
    found = locked(name)
    asked = PROJECT["dependencies"] + [
        text for extra in extras for text in PROJECT["optional-dependencies"][extra]
    ]
    for requirement in map(Requirement, asked):
        if requirement.name in LEFT_OUT:
            continue
        versions = found[canonicalize_name(requirement.name)]
        assert all(version in requirement.specifier for version in versions), requirement


def test_a_device_gets_little():
    assert set(locked("device")) == {"flatbuffers", "numpy", "onnxruntime", "packaging", "protobuf", "psutil"}


def test_locks_agree_with_the_constraints():
    text = (ROOT / "constraints.txt").read_text()
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)$", text, re.MULTILINE))
    for name in ("device", "workstation"):
        for package, versions in locked(name).items():
            assert pinned.get(package, versions[0]) == versions[0], package
    assert (LOCKS / "left-out.txt").read_text().split() == ["torch"]

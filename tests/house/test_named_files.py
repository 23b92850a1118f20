"""Files and folders that the texts name exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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

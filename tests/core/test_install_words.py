"""How torch and the rest are installed: with and without PyTorch's index, and what messages say of it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from recpress_edge.core.errors import MissingExtraError, missing_extra
from recpress_edge.core.install import TORCH_CPU_INDEX, install_command

ROOT = Path(__file__).parents[2]
# Stands for python3: makes a "virtual environment" of itself, and notes what pip is asked for.
STUB = """#!/bin/sh
case "$*" in
  "-c "*) exit 0 ;;
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
  *) echo "$*" >> "$NOTES"
     case "$*" in *--index-url*) exit "$INDEX_FAILS" ;; esac ;;
esac
"""


def _make(tmp_path: Path, index_fails: int, *flags: str) -> tuple[list[str], str]:
    stub = tmp_path / "python3"
    stub.write_text(STUB)
    stub.chmod(0o755)
    notes = tmp_path / "notes"
    done = subprocess.run(
        ["make", f"PYTHON={stub}", f"VENV={tmp_path}/venv", f"{tmp_path}/venv/.installed", *flags],
        cwd=ROOT,
        env=os.environ | {"NOTES": str(notes), "INDEX_FAILS": str(index_fails)},
        capture_output=True,
        text=True,
        check=True,
    )
    return notes.read_text().splitlines(), done.stdout


def test_torch_comes_from_pytorchs_cpu_index_where_that_can_be_reached(tmp_path):
    asked, said = _make(tmp_path, 0)
    torch, rest = asked
    assert torch.endswith(f"--constraint constraints.txt --index-url {TORCH_CPU_INDEX} torch")
    assert "--editable .[dev]" in rest
    assert "--index-url" not in rest
    assert f"torch: from {TORCH_CPU_INDEX}" in said


def test_else_from_pips_own_saying_so(tmp_path):
    asked, said = _make(tmp_path, 1, "TORCH_INDEX=https://nowhere.invalid/cpu")
    assert [("--index-url" in line, line.split()[-1]) for line in asked] == [
        (True, "torch"), (False, "torch"), (False, ".[dev]"),
    ]  # fmt: skip
    assert "torch: https://nowhere.invalid/cpu cannot be used here, taking pip's usual index" in said


def test_no_message_names_a_registry_that_does_not_have_us():
    for extra in ("train", "export", "tflite", "report", "all"):
        with pytest.raises(
            MissingExtraError, match=r"Run in the checkout: pip install --constraint"
        ) as caught:
            missing_extra("x", extra)
        assert (TORCH_CPU_INDEX in str(caught.value)) == (extra in ("train", "all"))
    assert install_command() == "pip install --constraint constraints.txt ."
    texts = [
        ROOT / "README.md",
        ROOT / "Makefile",
        *(p for d in ("recpress_edge", "export", "device_bench") for p in (ROOT / d).rglob("*.py")),
    ]
    assert not [p for p in texts if re.search(r"pip install '?recpress-edge", p.read_text())]


def test_readme_says_the_very_commands():
    readme = (ROOT / "README.md").read_text()
    for command in install_command("all").split(" && "):
        assert command in readme

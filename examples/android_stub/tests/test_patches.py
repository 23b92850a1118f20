"""Java ends what a killed process began, killed for real between two steps of the exchange."""

import json
import shutil
from pathlib import Path

import pytest

from recpress_edge.artifacts.bundle import open_bundle
from recpress_export.update.versions import roll_back

MAIN = "org.example.recpress.PatchMain"


@pytest.fixture(scope="module")
def case(fixtures):
    cases = json.loads((fixtures / "patches/cases.json").read_text())["cases"]
    return next(case for case in cases if case["what"] == "retired to retired")


@pytest.mark.parametrize("step", ["a file half written", "the folder is missing"])
def test_killed_the_next_start_finds_a_whole_bundle(jvm, fixtures, case, tmp_path, step):
    base, patch = Path(case["base"]), fixtures / "patches" / case["patch"]
    device = shutil.copytree(base, tmp_path / "device")
    made = fixtures / "patches" / case["made"]
    files = len(list(made.iterdir()))
    # makes a folder, the files, .steps by a draft; the third rename after those puts the draft in place
    after = {"a file half written": 3, "the folder is missing": 1 + files + 2 + 2}[step]
    killed = jvm.java(MAIN, "apply", str(device), str(patch), str(after))
    assert killed.returncode == 137, killed.stdout + killed.stderr
    assert device.exists() == (step == "a file half written")
    done = jvm.java(MAIN, "settle", str(device))
    assert done.stdout.strip() in (open_bundle(base).digest, open_bundle(made).digest)
    done = jvm.java(MAIN, "apply", str(device), str(patch), "1000")
    assert done.stdout.strip() == open_bundle(made).digest, done.stderr
    assert {path.name: path.read_bytes() for path in device.iterdir()} == {
        path.name: path.read_bytes() for path in made.iterdir()
    }
    roll_back(device)  # Python knows the version before and its steps
    assert open_bundle(device).digest == open_bundle(base).digest

"""tflite-runtime, where it is what a board has: the same files, the same answers.

Its last release is of 2023: Python 3.11 at most and numpy 1. So it needs a Python of its own, made once with
``python3.11 -m venv tfl && tfl/bin/pip install 'numpy<2' psutil tflite-runtime==2.14.0`` and named in
RECPRESS_TFLITE_PYTHON.
"""

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest
from exports import make_source
from published import validator

from device_bench.quality import ranking_quality
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.device.verify import verify_bundle
from recpress_edge.records.bench import read_record
from recpress_export.build import build
from recpress_export.gates import Gate
from recpress_export.subjects.all_users import AllUsers

ROOT = Path(__file__).parents[2]
QUICK = ["--seconds", "0.05", "--queries", "100", "--processes", "1", "--pause", "0"]


@pytest.fixture(scope="module")
def old_python():
    found = os.environ.get("RECPRESS_TFLITE_PYTHON")
    if not found:
        pytest.skip(
            "RECPRESS_TFLITE_PYTHON names no Python with tflite-runtime (see this file's first lines)"
        )
    return found


@pytest.mark.parametrize("recipe", ["fp32", "int8-dim"])
def test_it_gives_the_answers_that_the_reference_gave(old_python, recipe, tmp_path):
    source = dataclasses.replace(make_source(tmp_path / "model"), file_format="tflite")
    gate = Gate(min_overlap=0.0, max_recall_loss=1.0, max_ndcg_loss=1.0, max_item_shift=1.0, lost_users=0)
    folder = build(AllUsers(source), RECIPES[recipe], tmp_path / "tiny", gate=gate).bundle.folder
    done = subprocess.run(
        [old_python, "-m", "device_bench", "run", str(folder), *QUICK, "--out", str(tmp_path / "r.json")],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 4), done.stderr  # 4: this machine is busy, which is for it to say
    record = read_record(tmp_path / "r.json")
    validator("bench-1").validate(record)
    assert record["software"]["runtime"] == "tflite-runtime"
    assert record["software"]["numpy"].startswith("1.")
    # every answer of the self-test is the numpy reference's, made on export: exact for int8
    assert record["selftest"] == {"queries": 64, "exact": recipe != "fp32"}
    here = verify_bundle(folder)
    assert here.runtime.name == "ai-edge-litert"
    assert record["quality"] == ranking_quality(here)

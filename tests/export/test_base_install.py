"""A catalogue changes on a board without the packages that exports need, to the very bytes that they make."""

import shutil
import subprocess
import sys

import onnx
import pytest
from exports import exported, items_file

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.cli import main

ABSENT = {
    "onnx": "onnx google ml_dtypes flatbuffers ai_edge_litert",
    "tflite": "onnx google ml_dtypes tensorflow onnxruntime",
}
HEAVY = "torch scipy safetensors duckdb zstandard pooch rich cryptography matplotlib jinja2"
_RUN = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

absent = set(sys.argv[1].split())
sys.meta_path.insert(0, Absent())
from recpress_edge.cli import main
for words in sys.argv[2].splitlines():
    if code := main(words.split("|")):
        sys.exit(code)
print("there:", *(name for name in absent if name in sys.modules))
"""


@pytest.mark.parametrize("file_format", ABSENT)
def test_a_board_makes_the_bundle_that_a_workstation_makes(tmp_path, file_format):
    pytest.importorskip({"onnx": "onnxruntime", "tflite": "ai_edge_litert"}[file_format])
    there = exported(tmp_path / "there", file_format=file_format).folder
    here = shutil.copytree(there, tmp_path / "here")
    items = items_file(tmp_path / "new.npz", append_ids=["new 1", "new 2"], replace_ids=["item-7"])
    calls = (
        "retire|{}|item-3|item-5",
        f"update|{{}}|--items|{items}",
        "fold-in|{}|--like|like 9=item-9,item-8",
    )
    calls = calls if file_format == "onnx" else calls[:1]
    absent = f"{ABSENT[file_format]} {HEAVY}"
    words = f"inspect|{there}/model.{file_format}\n" + "\n".join(
        f"bundle|{call.format(there)}|--force" for call in calls
    )
    done = subprocess.run(
        [sys.executable, "-c", _RUN, absent, words.replace("|--force", "", 1)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "there:"
    for number, call in enumerate(calls):
        assert main(["bundle", *call.format(here).split("|"), *(["--force"] if number else [])]) == 0
    made = open_bundle(there)
    assert made.digest == open_bundle(here).digest
    assert made.contract.n_items == (123 if len(calls) > 1 else 120)
    assert made.contract.retired == (3, 5)
    if file_format == "onnx":  # the package reads what was written without it, and would write the same
        data = made.model_path.read_bytes()
        assert onnx.load_from_string(data).SerializeToString(deterministic=True) == data
        onnx.checker.check_model(data, full_check=True)

"""recpress_edge.testing as a stranger uses it: a subclass in a file of their own, run by pytest."""

import re
import subprocess
import sys
from pathlib import Path

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"
MINE = """
import pytest
from recpress_edge.device.reference import ReferenceRuntime
from recpress_edge.testing import RuntimeCase, RuntimeContract

class {name}(ReferenceRuntime):
    def recommend(self, user, seen, k):
        items, scores = super().recommend(user, seen, k)
        return {answer}

class Test{name}(RuntimeContract):
    @pytest.fixture
    def case(self):
        return RuntimeCase(open={name}.from_float)
"""
RIGHT = "items, scores"
WRONG = {
    "Backwards": ("items[::-1], scores[::-1]", "test_ties_go_to_the_lower_index_after_masking"),
    "Wide": ("items, scores.astype('float64')", "test_types_and_order"),
    "Doubled": ("items, scores * 2", "test_answers_equal_the_reference"),
}
"""What a runtime returns instead, and the test that fails."""


def run_pytest(folder, text):
    (folder / "test_mine.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_the_example_of_contributing_runs(tmp_path):
    (block,) = re.findall(r"```python\n(.*?)```", CONTRIBUTING.read_text(), re.S)
    code, said = run_pytest(tmp_path, block)
    assert code == 0, said


def test_a_right_runtime_keeps_the_contract_and_a_wrong_one_does_not(tmp_path):
    texts = {name: answer for name, (answer, _) in WRONG.items()} | {"Right": RIGHT}
    code, said = run_pytest(
        tmp_path, "".join(MINE.format(name=name, answer=answer) for name, answer in texts.items())
    )
    assert code == 1
    for name, (_, test) in WRONG.items():
        assert f"FAILED test_mine.py::Test{name}::{test}" in said
    assert "TestRight" not in said
    failed, passed = map(int, re.search(r"(\d+) failed, (\d+) passed", said).groups())
    assert failed + passed == 10 * len(texts)


def test_a_contract_without_a_case_says_what_is_missing(tmp_path):
    text = "from recpress_edge.testing import WriterContract\nclass TestMine(WriterContract): pass\n"
    code, said = run_pytest(tmp_path, text)
    assert code == 1
    assert "define a fixture `case` that returns a WriterCase" in said


def test_the_contract_of_a_runtime_needs_neither_torch_nor_the_exporter():
    program = (
        "import sys\n"
        "from recpress_edge.testing import RuntimeContract\n"
        "print([name for name in ('torch', 'recpress_export', 'onnxruntime') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

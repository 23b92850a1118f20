"""recpress_edge.testing as a stranger uses it: a subclass in a file of their own, run by pytest."""

import subprocess
import sys

import pytest

MINE = """
import pytest
from recpress_edge.device.reference import ReferenceRuntime
from recpress_edge.testing import RuntimeCase, RuntimeContract

class Mine(ReferenceRuntime):
    def recommend(self, user, seen, k):
        items, scores = super().recommend(user, seen, k)
        return {answer}

class TestMine(RuntimeContract):
    @pytest.fixture
    def case(self):
        return RuntimeCase(open=Mine.from_float)
"""


def run_pytest(folder, text):
    (folder / "test_mine.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_right_runtime_keeps_the_contract(tmp_path):
    code, said = run_pytest(tmp_path, MINE.format(answer="items, scores"))
    assert code == 0, said
    assert "10 passed" in said


@pytest.mark.parametrize(
    ("answer", "test"),
    [
        ("items[::-1], scores[::-1]", "test_ties_go_to_the_lower_index_after_masking"),
        ("items, scores.astype('float64')", "test_types_and_order"),
        ("items, scores * 2", "test_answers_equal_the_reference"),
    ],
)
def test_a_wrong_runtime_does_not(tmp_path, answer, test):
    code, said = run_pytest(tmp_path, MINE.format(answer=answer))
    assert code == 1
    assert f"FAILED test_mine.py::TestMine::{test}" in said


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

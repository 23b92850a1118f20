"""docs/methods.md: its tables are those of the committed results, and every student is filed."""

import importlib.util
from pathlib import Path

import pytest

from recpress_edge.distill.methods import METHODS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "methods.md").read_text()


def _generator():
    spec = importlib.util.spec_from_file_location("methods_page", ROOT / "benchmarks" / "methods_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_its_generator_writes():
    assert _generator().page(TEXT) == TEXT, "run: python benchmarks/methods_page.py"


def test_a_page_without_its_marks_is_refused():
    with pytest.raises(SystemExit, match="expected one block 'generated: de-rrd', found 0"):
        _generator().page("no marks")


@pytest.mark.parametrize("method", [name for name, entry in METHODS.items() if entry.needs])
def test_every_student_of_a_teacher_is_filed_once(method):
    assert TEXT.count(f"\n| `{method}` |") == 1

"""The tables of README and docs are those of the committed results, and every student is filed."""

import sys
from pathlib import Path

import pytest

from recpress_edge.distill.methods import METHODS

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))

import tables

ROOT = tables.ROOT


@pytest.mark.parametrize("page", tables.pages())
def test_the_page_is_what_its_generator_writes(page):
    text = (ROOT / page).read_text()
    assert tables.written(page, text) == text, "run: python docs/tables.py"


def test_every_mark_of_a_page_has_a_block():
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        page = str(path.relative_to(ROOT))
        assert path.read_text().count("<!-- generated: ") == len(tables.pages().get(page, [])), page


def test_a_page_without_its_marks_is_refused():
    with pytest.raises(SystemExit, match="expected one block 'generated: citeulike', found 0"):
        tables.written("README.md", "no marks")


@pytest.mark.parametrize("method", [name for name, entry in METHODS.items() if entry.needs])
def test_every_student_of_a_teacher_is_filed_once(method):
    assert (ROOT / "docs/methods.md").read_text().count(f"\n| `{method}` |") == 1

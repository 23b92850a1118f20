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


def of_seeds(row, *found):
    runs = [{"bytes": 10, "test": {m: value for m in tables.student_tables.METRICS}} for value in found]
    return {"set": "s", "recipe": "int8-dim", "budget": 10, "row": row, "runs": runs}


def test_seeds_of_several_records_are_of_one_row():
    first = {"sets": {}, "rows": {"default": "ours", "als": "ALS"}}
    first["results"] = [of_seeds("default", 0.5), of_seeds("als", 0.49)]
    more = {"sets": {}, "rows": {}, "results": [of_seeds("default", 0.48, 0.52)]}
    assert "| s | int8-dim | 10 | best (+0.0100, ALS) |" in tables.student_tables.judged(first)
    assert "| s | int8-dim | 10 | level (+0.0100, ALS) |" in tables.student_tables.judged(first, more)
    assert "| ours | .5000 / .5000 / .5000, 0.00 MB |" in tables.student_tables.figures(first, more)

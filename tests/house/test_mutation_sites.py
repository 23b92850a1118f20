"""Mutants: which modules, which test files judge them, where none is made, how they are counted."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import mutation
from _mutation_sites import _declarations, _difference, in_turn, judges, modules_of

ROOT = Path(__file__).parents[2]


def test_every_module_has_a_judge():
    found = judges(ROOT, modules_of(ROOT))
    assert [module for module, files in found.items() if not files] == []
    assert found["recpress_edge/core/stats.py"][0] == "tests/core/test_stats.py"
    assert "tests/device_bench/test_device_bench.py" in found["device_bench/worker.py"]  # run as a process


def test_packages_are_named_and_emulators_left_out():
    found = modules_of(ROOT)
    assert {"recpress_edge/core/metrics.py", "device_bench/state.py"} < set(found)
    assert "export/recpress_export/build.py" in found
    assert not [path for path in found if "emulation" in path or path.endswith("__init__.py")]


def test_where_no_mutant_is_made():
    source = "@cache(True)\ndef f(a: int | None) -> int | None:\n    return zip(a, a, strict=True) or 1 | 2\n"
    lines = source.splitlines()
    parts = [lines[low[0] - 1][low[1] : high[1]] for low, high in _declarations(source)]
    assert sorted(parts) == ["True", "cache(True)", "int | None", "int | None"]


def test_the_lines_that_differ():
    assert _difference("a\n  b\nc\n", "a\n  x\nc\n") == ("b", "x")
    assert _difference("a\nb\n", "a\nb\n") == ("", "")


def row(line, outcome):
    return {
        "module": "m.py", "line": line, "operator": "o", "before": f"a{line}", "after": f"b{line}",
        "outcome": outcome,
    }  # fmt: skip


def test_the_score_leaves_out_what_changes_nothing(tmp_path, monkeypatch):
    (tmp_path / "equivalent.json").write_text(
        json.dumps([{"module": "m.py", "before": "a3", "after": "b3", "why": "the same"}])
    )
    monkeypatch.setattr(mutation, "EQUIVALENT", tmp_path / "equivalent.json")
    rows = [row(1, "killed"), row(2, "timeout"), row(3, "survived"), row(4, "survived"), row(5, "killed")]
    found = mutation.summary(rows)
    assert (found["tried"], found["killed"], found["survived"], found["equivalent"]) == (5, 3, 1, 1)
    assert found["score"] == 0.75
    assert [s["equivalent"] for s in found["survivors"]] == ["the same", None]


def test_modules_take_turns():
    assert list(in_turn([iter("ab"), iter("c"), iter("def")])) == ["a", "c", "d", "b", "e", "f"]


def test_every_equivalent_says_why_and_names_a_line_that_is_there():
    for entry in json.loads(mutation.EQUIVALENT.read_text()):
        assert entry["why"]
        source = {line.strip() for line in (ROOT / entry["module"]).read_text().splitlines()}
        missing = [line for line in entry["before"].split("\n") if line not in source]
        assert missing == [], entry


@pytest.mark.parametrize("seed", [0, 1])
def test_mutants_are_drawn_by_the_seed(seed):
    pytest.importorskip("cosmic_ray", reason="cosmic-ray is optional (recpress-edge[mutation])")
    from itertools import islice

    from _mutation_sites import mutants_of

    drawn = [list(islice(mutants_of(ROOT, "recpress_edge/core/stats.py", seed), 5)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert all(m.before != m.after and m.source.count("\n") >= 90 for m in drawn[0])

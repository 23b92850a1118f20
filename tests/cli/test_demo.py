"""The demo: its commands, and that what it ships is worth shipping."""

import json

import pytest

from recpress_edge.cli import main
from recpress_edge.cli.demo import BASELINES, STUDENTS, steps


def test_the_commands_are_those_a_user_would_type():
    commands = steps("demo", force=False, page=True)
    assert commands[0] == ["data", "stats", "synthetic", "--work", "demo"]
    assert commands[1] == ["export", "--student", STUDENTS[0], "--work", "demo"]
    assert commands[-2] == ["report", "demo/runs", "-o", "demo/report.html", "--work", "demo"]
    assert " ".join(commands[-1]) == "export --student soft_dim20 --int8 --format web --work demo"
    assert len(commands) == 2 * len(STUDENTS) + len(BASELINES) + 4
    assert commands[:-1] == steps("demo", force=False, page=False)
    sizes = {name.partition("_")[2] for name in STUDENTS}
    assert {name.partition("_")[2] for name in BASELINES} == sizes  # of each size one, or nothing is claimed


def test_its_best_student_keeps_most_of_its_teacher_in_a_fraction_of_the_bytes(tmp_path, capsys):
    """A verdict that ships .62 of a teacher shows nobody why to distil."""
    pytest.importorskip("torch")
    assert main(["distill", "--student", "soft_dim20", "--work", str(tmp_path), "--json"]) == 0
    capsys.readouterr()
    found = {
        model["name"]: model
        for path in (tmp_path / "models").glob("*/model.json")
        for model in [json.loads(path.read_text())]
    }
    student, teacher = (found[name]["metrics"]["test"]["recall@50"] for name in ("soft_dim20", "soft_dim200"))
    assert "soft_dim20" in STUDENTS
    assert student >= 0.95 * teacher

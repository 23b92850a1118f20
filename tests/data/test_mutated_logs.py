"""A sample of the mutated logs, and the readers that judge them: benchmarks/mutated_logs.py has all."""

import sys
from pathlib import Path

import pytest

from recpress_edge.core.rng import stream

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from _independent_readers import readings
from _mutated_files import DIALECTS, PACKERS, Written, lines_of, table
from mutated_logs import case, judged

SAMPLE = 16
"""Cases of each dialect."""


def whole(how, seed=0):
    """A file of the dialect without an accident, and its pairs."""
    rows = table(stream(seed, "whole"))
    if how.mark in ("::", " "):
        rows = [[field.replace(" ", "_") for field in row] for row in rows]
    text = "".join(f"{line}{how.end}" for line in lines_of(rows, how))
    return PACKERS[how.packed](text.encode(how.encoding)), {(user, item) for user, item, *_ in rows}


@pytest.mark.parametrize("how", DIALECTS, ids=lambda how: how.name)
def test_a_whole_file_has_one_reading_and_is_read_so(how, tmp_path):
    data, pairs = whole(how)
    found = readings(data, how, declared=True)
    assert [one.pairs for one in found] == [pairs]
    assert judged(how, True, data, tmp_path) == ("right", "")


def test_what_is_read_otherwise_is_different(tmp_path, monkeypatch):
    comma = next(how for how in DIALECTS if how.name == "comma, no header")
    swapped = ("--columns", "user=2,item=1,rating=3,time=4", "--separator", "comma", "--header", "no")
    monkeypatch.setattr(Written, "flags", lambda self: swapped)
    assert judged(comma, True, whole(comma)[0], tmp_path)[0] == "different"
    late = ("--columns", "user=1,item=2,rating=4,time=3", "--separator", "comma", "--header", "no")
    monkeypatch.setattr(Written, "flags", lambda self: late)
    assert judged(comma, True, whole(comma)[0], tmp_path)[0] == "different"


@pytest.mark.parametrize("number", [31457, 41136, 87144, 95460])
def test_cases_that_were_findings_once_are_right_or_refused(number, tmp_path):
    """Two lines in one, a field that goes on after its quote, and blanks between and within quotes."""
    how, declared, data = case(number)
    assert judged(how, declared, data, tmp_path)[0] in ("right", "refused")


def test_damage_has_no_reading():
    gz = next(how for how in DIALECTS if how.packed == "gzip")
    data = whole(gz)[0]
    assert readings(data[:-9], gz, declared=True) == []
    assert readings(b"\xff" + data, gz, declared=True) == []


@pytest.mark.parametrize("dialect", range(len(DIALECTS)), ids=[how.name for how in DIALECTS])
def test_mutated_files_are_read_right_or_refused(dialect, tmp_path):
    found = {}
    for turn in range(SAMPLE):
        number = dialect + turn * len(DIALECTS)
        outcome, said = judged(*case(number), tmp_path)
        if outcome not in ("right", "refused"):
            found[number] = said
    assert found == {}

"""What commands share when they talk to people."""

import io
import re

from rich.console import Console

from recpress_edge.cli import events


def lines_of(updates, monkeypatch, capsys):
    clock = iter([0.0, 4.0, 40.0])
    monkeypatch.setattr(events.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(events.sys.stderr, "isatty", lambda: False, raising=False)
    with events.Bars() as bars:
        for call in updates:
            bars.update("training", *call)
    return [" ".join(line.split()) for line in capsys.readouterr().err.splitlines()]


def test_time_left_is_told_from_the_first_line_on(monkeypatch, capsys):
    assert lines_of([(1, 100), (10, 100, "valid 0.3")], monkeypatch, capsys) == [
        "training 1 % 4 s, about 7 min left",
        "training 10 % 40 s, about 6 min left valid 0.3",
    ]


def test_a_run_that_goes_on_in_the_middle_counts_what_was_spent_before(monkeypatch, capsys):
    calls = [(50, 100, "", 25.0), (60, 100, "valid 0.3", 30.0)]
    assert lines_of(calls, monkeypatch, capsys) == [
        "training 50 % 4 s, about 25 s left",
        "training 60 % 40 s, about 20 s left valid 0.3",
    ]


def test_the_bar_says_left_behind_what_is_left(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(
        "rich.console.Console", lambda **_: Console(file=screen, force_terminal=True, width=100)
    )
    monkeypatch.setattr(events.sys.stderr, "isatty", lambda: True, raising=False)
    with events.Bars() as bars:
        bars.update("training", 1, 4)
    bar = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", screen.getvalue())
    assert re.search(r"25% 0:00:0\d (-:--:--|0:\d\d:\d\d) left", bar)


def test_jobs_that_run_at_once_have_a_bar_each(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(
        "rich.console.Console", lambda **_: Console(file=screen, force_terminal=True, width=100)
    )
    monkeypatch.setattr(events.sys.stderr, "isatty", lambda: True, raising=False)
    with events.Bars() as bars:
        bars.update("first", 1, 4)
        bars.update("second", 1, 2)
        bars.update("first", 4, 4)
        bars.update("second", 1.5, 2)
    last = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", screen.getvalue()).rpartition("first")[2]
    assert re.search(r"100%.*\n.*second.* 75%", last)


def test_lines_of_jobs_that_run_at_once_count_each_its_own_time(monkeypatch, capsys):
    clock = iter([0.0, 3.0, 3.0, 6.0, 9.0])
    monkeypatch.setattr(events.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(events.sys.stderr, "isatty", lambda: False, raising=False)
    with events.Bars() as bars:
        bars.update("first", 1, 4)
        bars.update("second", 0, 2)
        bars.update("second", 1, 2)
    said = [" ".join(line.split()) for line in capsys.readouterr().err.splitlines()]
    assert said == [
        "first 25 % 3 s, about 9 s left",
        "second 0 % 3 s",
        "second 50 % 6 s, about 6 s left",
    ]

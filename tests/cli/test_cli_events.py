"""What commands share when they talk to people."""

import io
import re

from rich.console import Console

from recpress_edge.cli import events


def lines_of(updates, monkeypatch, capsys):
    clock = iter([0.0, 4.0, 40.0])
    monkeypatch.setattr(events.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(events.sys.stderr, "isatty", lambda: False, raising=False)
    with events.progress("training") as update:
        for call in updates:
            update(*call)
    return [" ".join(line.split()) for line in capsys.readouterr().err.splitlines()]


def test_time_left_is_told_from_the_first_line_on(monkeypatch, capsys):
    assert lines_of([(1, 100), (10, 100, "valid 0.3")], monkeypatch, capsys) == [
        "training 1 % 4 s, about 396 s left",
        "training 10 % 40 s, about 360 s left valid 0.3",
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
    with events._rich_bar("training") as update:
        update(1, 4)
    bar = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", screen.getvalue())
    assert re.search(r"25% 0:00:0\d (-:--:--|0:\d\d:\d\d) left", bar)

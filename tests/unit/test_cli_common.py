"""What commands share when they talk to people."""

import argparse

from recpress_edge.cli import common


def test_time_left_is_of_this_run_alone_where_it_goes_on_in_the_middle(monkeypatch, capsys):
    clock = iter([0.0, 3.0, 8.0])
    monkeypatch.setattr(common.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(common.sys.stderr, "isatty", lambda: False, raising=False)
    with common.progress(argparse.Namespace(), "training") as update:
        update(50, 100)  # forty-nine of these were done before
        update(60, 100, "valid 0.3")
    lines = [" ".join(line.split()) for line in capsys.readouterr().err.splitlines()]
    assert lines == ["training 50 % 3 s", "training 60 % 8 s, about 20 s left valid 0.3"]

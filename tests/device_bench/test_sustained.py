"""--sustained: windows over time from a made-up board that heats up, and a short real run."""

import itertools
import json
import types

import pytest
from bundles import make_bundle
from published import validator

from device_bench import sustained
from device_bench.__main__ import main
from device_bench.measure import BLOCK_QUERIES
from device_bench.process import measurement_of
from device_bench.settings import Protocol
from device_bench.show import record_lines
from device_bench.sustained import sustain, sustained_warnings
from recpress_edge.core.errors import ConfigError


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("sustained") / "tiny")


def heating():
    """A state that is 10 degrees hotter and slower at every reading, and throttles from the third on."""
    count = 0

    def state():
        nonlocal count
        count += 1
        return {
            "temp_c": 40.0 + 10 * count,
            "arm_clock_khz": 1_800_000 // count,
            "freq_khz": 1_800_000,
            "throttled": "0x0" if count < 3 else "0x40004",
        }

    return state


def ticking(step_s=0.125):
    """A clock that moves on whenever it is read: how many windows there are is no matter of the load."""
    ticks = itertools.count()
    return lambda: next(ticks) * step_s


def test_every_window_has_its_figures_and_its_state(bundle, monkeypatch):
    monkeypatch.setattr(sustained, "time", types.SimpleNamespace(perf_counter=ticking()))
    job = measurement_of(bundle.folder, bundle, Protocol(sustained_s=7, k=20))
    found = sustain(job, heating())
    # By hand: eighths of a second. Of a window's 11 readings, 8 ask whether its second is over: 7 say no.
    assert found["queries"] == [7 * BLOCK_QUERIES] * 5
    assert found["at_s"] == [1.4, 2.8, 4.1, 5.5, 6.9]
    assert {len(value) for value in found.values() if isinstance(value, list)} == {5}
    assert found["temp_c"] == [50, 60, 70, 80, 90]
    assert found["clock_khz"][:2] == [1_800_000, 900_000]
    assert all(p95 >= p50 > 0 for p50, p95 in zip(found["p50_ns"], found["p95_ns"], strict=True))
    (warning,) = sustained_warnings(found)
    assert warning.startswith(f"sustained: from {found['at_s'][2]:.0f} s on throttled during the run")


def test_no_warning_without_a_cause():
    assert sustained_warnings({"at_s": [1, 2], "throttled": [None, None]}) == []
    assert sustained_warnings({"at_s": [1, 2], "throttled": ["0x50000", "0x50000"]}) == []


def test_the_command_records_and_shows_it(bundle, tmp_path, capsys):
    flags = ["--seconds", "0.05", "--queries", "100", "--processes", "1", "--sustained", "2s", "--json"]
    assert main(["run", str(bundle.folder), "--runs", str(tmp_path), *flags]) in (0, 4)
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    record = run["record"]
    validator("bench-1").validate(record)
    assert record["sustained"]["seconds"] == record["protocol"]["sustained_s"] == 2
    assert record["protocol"]["command"].endswith("--sustained 2s")
    (line,) = [line for line in record_lines(record) if line.startswith("sustained")]
    assert "2 s" in line
    assert "p50" in line


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--sustained", "3h"], "is not a duration"),
        (["--sustained", "10"], "is not a duration"),
        (["--sustained", "100ms"], "between 1s and 120min"),
        (["--sustained", "200min"], "between 1s and 120min"),
        (["--sustained", "10s", "--limit", "cpus=1"], "one of them"),
    ],
)
def test_wrong_times(bundle, flags, says, capsys):
    try:
        code = main(["run", str(bundle.folder), "--dry-run", *flags])
    except SystemExit as left:  # argparse
        code = left.code
    assert code == 2
    assert says in capsys.readouterr().err


def test_none_is_the_default():
    assert Protocol().flags()[-1] != "--sustained"
    with pytest.raises(ConfigError, match="--sustained"):
        Protocol(sustained_s=0.5)

"""--on armuser:BOARD without an emulator: identities as boards show them, the plugin's lines, refusals."""

import subprocess
from pathlib import Path

import pytest

from device_bench.__main__ import build_parser
from device_bench.emulation.boards import BOARDS, cpuinfo, write_identity
from device_bench.emulation.marks import WARMUP
from device_bench.emulation.tools import EmulationError, find_compiler
from device_bench.hardware import parse_cpuinfo
from device_bench.lanes import armuser
from device_bench.lanes.emulated import differences
from device_bench.lanes.lane import LANES
from device_bench.options import request_of
from recpress_edge.core.errors import ConfigError

DUMPS = Path(__file__).parents[1] / "fixtures" / "devices"


@pytest.mark.parametrize(("board", "dump"), [("pi3", "pi3bplus"), ("pi4", "pi4b"), ("pi5", "pi5b")])
def test_a_board_looks_as_its_owners_published_it(board, dump):
    published = parse_cpuinfo((DUMPS / f"{dump}.cpuinfo").read_text())
    assert parse_cpuinfo(cpuinfo(BOARDS[board])) == published


def test_every_board_has_its_files(tmp_path):
    assert tuple(BOARDS) == LANES["armuser"].details
    for name, board in BOARDS.items():
        write_identity(tmp_path / name, board)
        cpus = tmp_path / name / "sys/devices/system/cpu"
        assert (cpus / "possible").read_text() == "0-3\n"
        assert (cpus / "cpu3/cache/index2/size").read_text() == f"{board.last_kib}K\n"
        assert parse_cpuinfo((tmp_path / name / "proc/cpuinfo").read_text())["core"] == board.core
        assert board.dotprod is (name == "pi5")


def test_medians_leave_out_the_warm_up():
    totals = [[n, 1000 * n, 250 * n, 10 * n, 2 * n, n] for n in range(WARMUP + 6)]
    totals[1][1] += 99_999  # the first query, with the caches empty
    text = "\n".join(" ".join(map(str, row)) for row in totals)
    found = armuser.summary(text, BOARDS["pi4"])
    assert found["queries"] == 5
    assert (found["instructions"], found["simd_share"]) == (1000, 0.25)
    assert (found["first_level_misses"], found["last_level_misses"], found["memory_bytes"]) == (10, 2, 192)


def test_an_emulator_without_plugins_is_said():
    with pytest.raises(EmulationError, match="no marks"):
        armuser.summary("", BOARDS["pi4"])


def test_how_far_lists_are_apart_by_hand():
    here = {
        "items": [[5, 7, 9], [1, 2, 3], [4, 6, 8]],
        "scores": [[4.0, 3.0, 2.0], [4.0, 3.0, 2.0], [4.0, 3.0, 2.0]],
    }
    there = {
        "items": [[5, 7, 9], [2, 1, 3], [4, 6, 0]],  # a swap: 4 against 3; a newcomer: 2 against its 1.8
        "scores": [[4.0, 3.0, 2.0], [3.5, 3.5, 2.0], [4.0, 3.0, 1.8]],  # the swap is a tie there
    }
    assert differences(here, here) == {"users": 3, "users_equal": 3, "largest_gap": 0.0}
    assert differences(here, there) == {"users": 3, "users_equal": 1, "largest_gap": 0.25}
    assert differences(there, here) == differences(here, there)
    last = {name: rows[2:] for name, rows in there.items()}
    found = differences({name: rows[2:] for name, rows in here.items()}, last)
    assert (found["users_equal"], found["largest_gap"]) == (0, pytest.approx(0.1))


@pytest.mark.parametrize("flags", [["--threads", "2"], ["--seconds", "1"], ["--sustained", "10s"]])
def test_time_and_threads_are_refused(flags):
    args = build_parser().parse_args(["run", "b", "--on", "armuser:pi4", *flags])
    with pytest.raises(ConfigError):
        armuser.check(request_of(args))


def test_the_plugin_compiles_without_a_warning(tmp_path):
    flags = ("-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", tmp_path / "counting.so")
    subprocess.run([find_compiler(), *flags, armuser._PLUGIN_SOURCE], check=True)

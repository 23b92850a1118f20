"""--on mcu:BOARD without an emulator: what is linked, read back and refused, and what a record says."""

import shutil
import struct
import subprocess

import numpy as np
import pytest

from device_bench.__main__ import build_parser
from device_bench.emulation.tools import EmulationError, find_compiler
from device_bench.lanes import mcu
from device_bench.lanes.lane import LANES
from device_bench.mcu import emulator, firmware, job, layout, tools
from device_bench.mcu.boards import BOARDS
from device_bench.mcu.emulator import BoardAnswer, Boot, Depths, McuQuestion
from device_bench.mcu.figures import (
    Questions,
    Try,
    asked_of,
    compared,
    cross_check,
    memory_facts,
    memory_section,
)
from device_bench.mcu.layout import Sizes
from device_bench.options import request_of
from recpress_edge.core.errors import ConfigError, SkippedError
from recpress_edge.core.progress import silent

SIZES = Sizes(code=5000, engine=4000, model=20_000, data=72, room=900, questions=64)


def request(*flags, board="mps2-an386"):
    return request_of(build_parser().parse_args(["run", "b", "--on", f"mcu:{board}", *flags]))


def boot_of(*ticks, stack=(100, 200, 700, 800)):
    answers = [BoardAnswer(np.array([3, 1]), np.array([2, 1], np.float32), one) for one in ticks]
    return Boot(answers, 40.0, 2, 10, 512, Depths(*stack))


def made(code, instructions):
    sizes = Sizes(code=code, engine=code, model=1, data=0, room=0, questions=0)
    return Try(f"-O{code}", firmware.Firmware(None, (), sizes), instructions)


def test_the_lane_names_every_board():
    assert tuple(BOARDS) == LANES["mcu"].details
    assert request().protocol.k == 10
    for name, board in BOARDS.items():
        assert board.core in mcu.plan(request(board=name))
        assert layout.linker_script(board).count(f"{board.ram_at:#x}") == 1


@pytest.mark.parametrize(
    "flags",
    [
        ["--threads", "2"],
        ["--seconds", "1"],
        ["--sustained", "10s"],
        ["--runtime", "reference"],
        ["--delegate", "xnnpack"],
        ["--flash", "8M"],
        ["--ram", "0K"],
    ],
)
def test_what_does_not_go_together_is_refused(flags):
    with pytest.raises(ConfigError):
        mcu.check(request(*flags))


def test_a_chip_has_less_than_its_board():
    chip = mcu.chip_of(request("--flash", "256K", "--ram", "16K"))
    assert (chip.flash_bytes, chip.ram_bytes) == (256 * 1024, 16 * 1024)
    assert mcu.chip_of(request()) == BOARDS["mps2-an386"]


def test_of_like_counts_the_smaller_code_is_taken():
    assert job.chosen([made(5, 103), made(7, 100), made(12, 99)]).level == "-O5"
    assert job.chosen([made(5, 120), made(7, 100), made(12, 99)]).level == "-O7"
    assert job.chosen([made(5, 120), made(7, None), made(12, 99)]).level == "-O12"


def elf(sections):
    """A 32-bit ELF that has these section headers and nothing else."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in sections) + b".shstrtab\0"
    rows, at = [(0,) * 10], 1
    for name, size in sections.items():
        rows.append((at, 1, 0, 0, 0, size, 0, 0, 0, 0))
        at += len(name) + 1
    rows.append((at, 3, 0, 0, 52, len(names), 0, 0, 0, 0))
    last = (52, 0, 0, 40, len(rows), len(rows) - 1)
    head = struct.pack("<16s2H5I6H", b"\x7fELF\x01\x01", 2, 40, 1, 0, 0, 52 + len(names), 0, *last)
    return head + names + b"".join(struct.pack("<10I", *row) for row in rows)


def test_sizes_are_those_of_the_sections():
    found = {".vectors": 68, ".engine": 4000, ".text": 700, ".model": 20_000, ".data": 8, ".bss": 72}
    sizes = layout.sizes_of(elf({**found, ".noinit": 900, ".questions": 64}))
    assert (sizes.engine, sizes.code, sizes.data) == (4000, 4776, 80)
    assert sizes.model == 20_000 + (-4768 % 64)  # the model starts at a multiple of 64
    assert sizes.flash == sizes.code + sizes.model
    assert (sizes.room, sizes.questions) == (900, 64)
    for damaged in (b"", b"\x7fELF\x02" + bytes(200), elf(found)[:200]):
        with pytest.raises(EmulationError, match="no 32-bit ELF"):
            layout.sizes_of(damaged)


def test_answers_are_read_as_the_firmware_writes_them():
    assert emulator._words(McuQuestion(7, [3, 2], 10)) == struct.pack("<5I", 7, 10, 2, 3, 2)
    data = struct.pack("<iI2I2f", 2, 99, 5, 4, 1.5, 1.0) + struct.pack("<iI", 0, 7)
    first, none = emulator._answers(data)
    assert (first.items.tolist(), first.scores.tolist(), first.ticks) == ([5, 4], [1.5, 1.0], 99)
    assert (none.items.size, none.ticks) == (0, 7)
    with pytest.raises(struct.error):
        emulator._answers(data[:-12])
    with pytest.raises(EmulationError, match="question 1 with error -7"):
        emulator._answers(struct.pack("<iI", -7, 0))


def test_a_wrong_answer_is_named():
    asked = Questions(
        [McuQuestion(0, [], 2), McuQuestion(4, [], 2)], [[3, 1], [3, 1]], [[2.0, 1.0], [2.0, 1.0]]
    )
    answers = list(boot_of(1, 1).answers)
    same = compared(asked, answers, None)
    assert (same.ids_equal, same.scores_equal, same.wrong) == (True, True, None)
    answers[1] = BoardAnswer(np.array([1, 3]), np.array([2, 1], np.float32), 1)
    other = compared(asked, answers, None)
    assert (other.ids_equal, other.scores_equal) == (False, True)
    assert "question 2, user 4, k 2: rank 1 is item 1, expected 3" in other.wrong
    assert other.ids_sha256 != same.ids_sha256
    answers[1] = BoardAnswer(np.array([3, 1]), np.array([2, 1.001], np.float32), 1)
    assert "scores differ" in compared(asked, answers, None).wrong
    assert compared(asked, answers, 0.01).wrong is None
    assert not compared(asked, answers, 0.01).scores_equal


def test_questions_that_the_board_has_no_memory_for_are_left_out():
    part = {"users": [0, 1], "seen": [[1], [2, 3, 4]], "items": [[5], [6]], "scores": [[1.0], [2.0]]}
    asked = asked_of(part, 1)
    assert (asked.longest, len(asked.within(2).questions)) == (3, 1)
    assert asked.within(2).items == [[5]]


def test_memory_is_told_by_its_parts():
    firmware_, boot = firmware.Firmware(None, (), SIZES), boot_of(1)
    facts = memory_facts(firmware_, boot, 10)
    assert facts["ram_bytes"] == 72 + 512 + 80 + 800
    section = memory_section(firmware_, boot, 10)
    assert section["idle"]["vm_hwm"] == 72 + 100
    assert section["model"]["vm_hwm"] == facts["ram_bytes"]


def test_two_counts_must_agree():
    boot = boot_of(1000, 2000, 3000)
    assert cross_check(boot, [40_000, 80_016, 120_000]) == {
        "clock": 80_000,
        "plugin": 80_016,
        "apart": 0.0002,
    }
    with pytest.raises(EmulationError, match="two counts of a query differ"):
        cross_check(boot, [40_000, 82_000, 120_000])


def test_without_tools_the_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(tools, "find_zig", lambda: None)
    with pytest.raises(SkippedError, match="install qemu-system-arm, and gcc-arm-none-eabi or pip's ziglang"):
        tools.find_tools(tmp_path, silent)


def test_the_plugin_compiles_without_a_warning(tmp_path):
    flags = ("-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", tmp_path / "counting.so")
    subprocess.run([find_compiler(), *flags, firmware.HERE / "counting.c"], check=True)

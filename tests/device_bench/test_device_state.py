"""What a machine tells of itself, and what makes a run invalid.

The cpuinfo files are public dumps of boards, the state files hold figures that others published of theirs,
each with its source in the file. None was recorded by us; the rest is written by hand.
"""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from device_bench.hardware import device_facts, device_id, parse_cpuinfo
from device_bench.state import (
    parse_throttled,
    read_state,
    state_warnings,
    throttle_reasons,
)

DEVICES = Path(__file__).parents[1] / "fixtures" / "devices"
FINE = {"temp_c": 45.0, "throttled": "0x0", "load1": 0.1, "governor": "performance", "freq_khz": 1800000}
FINE |= {"arm_clock_khz": 1800000, "swap_used_bytes": 0}


def cpuinfo(name):
    text = (DEVICES / f"{name}.cpuinfo").read_text()
    assert "# Source: https://" in text
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def lay_out(name, root):
    """A board's state file as /proc and /sys below ``root``; returns (proc, sys, what vcgencmd answers)."""
    text = (DEVICES / f"{name}.state").read_text()
    assert "# Source: " in text
    answers = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            path, _, content = line.partition(" = ")
            content = content.replace("|", "\n") + "\n"
            if path.startswith("vcgencmd/"):
                answers[path.removeprefix("vcgencmd/")] = content
            else:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(content)
    return root / "proc", root / "sys", answers.get


@pytest.mark.parametrize(
    ("name", "temp_c", "freq_khz", "arm_clock_khz", "swap_used_bytes"),
    [
        ("pizero2w", 47.8, 1_000_000, 1_000_000, 0),
        ("pi3bplus", 61.2, 1_400_000, 1_200_000, 0),
        ("pi4b", 48.7, 1_800_000, 1_800_000, 0),
        ("pi5b", 82.9, 2_000_000, 2_256_007, None),
    ],
)
def test_state_after_public_figures(name, temp_c, freq_khz, arm_clock_khz, swap_used_bytes, tmp_path):
    found = read_state(*lay_out(name, tmp_path))
    assert (found["temp_c"], found["freq_khz"], found["arm_clock_khz"]) == (temp_c, freq_khz, arm_clock_khz)
    assert found["swap_used_bytes"] == swap_used_bytes
    assert found["throttled"] is None  # these sources do not show it: unknown, which is not "fine"
    model = {"model": (tmp_path / "proc/device-tree/model").read_text().strip(), "cores": 4}
    assert any("throttling is unknown" in text for text in state_warnings(found, found, model))


def test_a_board_without_enough_power_makes_an_invalid_run(tmp_path):
    """A published run of a 3B+ on a weak supply: 1.4 GHz by cpufreq, 600 MHz in truth."""
    before = read_state(*lay_out("pi3bplus", tmp_path / "before"))
    after = read_state(*lay_out("pi3bplus-after", tmp_path / "after"))
    reasons = throttle_reasons(before["throttled"], after["throttled"])
    assert len(reasons) == 2
    assert reasons[0].startswith("throttled after the run: under-voltage, throttled")
    assert reasons[1].startswith(
        "throttled during the run: under-voltage has occurred, throttling has occurred"
    )
    warnings = " ".join(state_warnings(before, after, {"model": "x", "cores": 4}))
    assert "the clock was at 600 MHz after the run; 1400 MHz was requested" in warnings
    assert "swap grew during the run, to 80.8 MiB" in warnings


@pytest.mark.parametrize(
    ("name", "core", "part", "flags", "board"),
    [
        ("pi5b", "Cortex-A76", "0xd0b", ["asimddp"], "Raspberry Pi 5 Model B Rev 1.0"),
        ("pi4b", "Cortex-A72", "0xd08", [], "Raspberry Pi 4 Model B Rev 1.5"),
        ("pi3bplus", "Cortex-A53", "0xd03", [], "Raspberry Pi 3 Model B Plus Rev 1.3"),
        ("pizero2w", "Cortex-A53", "0xd03", [], "Raspberry Pi Zero 2 W Rev 1.0"),
    ],
)
def test_boards_after_public_dumps(name, core, part, flags, board):
    found = parse_cpuinfo(cpuinfo(name))
    assert (found["cores"], found["core"], found["part"], found["board"]) == (4, core, part, board)
    assert found["int8_flags"] == found["dot_product_flags"] == flags
    assert (found["cpu_id"]["implementer"], found["cpu_id"]["part"]) == ("0x41", part)


def test_x86_cpuinfo_by_hand():
    stanza = "processor\t: {}\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 avx512_vnni\n\n"
    found = parse_cpuinfo(stanza.format(0) + stanza.format(1))
    assert (found["cores"], found["core"], found["part"]) == (2, "Some CPU", None)
    assert found["dot_product_flags"] == ["avx512_vnni"]
    assert found["int8_flags"] == ["avx2", "avx512_vnni"]


AMD = (
    "vendor_id\t: AuthenticAMD\ncpu family\t: {}\nmodel\t\t: {}\nmodel name\t: AMD EPYC\n"
    "stepping\t: {}\nflags\t\t: {}\n"
)


def test_two_processors_of_one_name_are_two_devices():
    """A Zen 5 with VNNI and a Zen 3 without: both call themselves AMD EPYC."""
    zen5 = parse_cpuinfo(AMD.format(26, 2, 1, "fpu avx2 avx_vnni avx512_vnni"))
    zen3 = parse_cpuinfo(AMD.format(25, 1, 1, "fpu avx2"))
    masked = parse_cpuinfo(AMD.format(26, 2, 1, "fpu avx2"))  # a virtual machine that hides them
    ids = [device_id(cpu["core"], 2, 24 * 2**30, cpu) for cpu in (zen5, zen3, masked)]
    assert ids == [
        "amd-epyc-2c-24g-f26m2s1-avx2-avx512vnni-avxvnni",
        "amd-epyc-2c-24g-f25m1s1-avx2",
        "amd-epyc-2c-24g-f26m2s1-avx2",
    ]
    assert zen5["cpu_id"] == {"vendor": "AuthenticAMD", "family": "26", "model": "2", "stepping": "1"}


def test_unknown_arm_core_is_not_guessed():
    text = "processor : 0\nCPU implementer : 0x41\nCPU part : 0xfff\n"
    assert parse_cpuinfo(text)["core"] is None


def test_device_id_rounds_memory_up_to_the_box():
    pi4, zero2 = parse_cpuinfo(cpuinfo("pi4b")), parse_cpuinfo(cpuinfo("pizero2w"))
    assert (
        device_id("Raspberry Pi 4 Model B Rev 1.5", 4, 3884376 * 1024, pi4)
        == "raspberry-pi-4-model-b-rev-1-5-4c-4g-d08-r0p3"
    )
    assert (
        device_id("Raspberry Pi Zero 2 W Rev 1.0", 4, 430000 * 1024, zero2)
        == "raspberry-pi-zero-2-w-rev-1-0-4c-512m-d03-r0p4"
    )
    assert device_id("", 1, 2**30, parse_cpuinfo("")) == "unknown-1c-1g"


@pytest.fixture
def pi4(tmp_path):
    """A Pi 4 as far as /proc and /sys go; only cpuinfo is a public dump."""
    proc, sys_root = tmp_path / "proc", tmp_path / "sys"
    cpufreq = sys_root / "devices/system/cpu/cpu0/cpufreq"
    zone = sys_root / "class/thermal/thermal_zone0"
    for folder in (proc / "device-tree", cpufreq, zone):
        folder.mkdir(parents=True)
    (proc / "device-tree/model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.5\0")
    (proc / "cpuinfo").write_text(cpuinfo("pi4b"))
    (proc / "loadavg").write_text("0.31 0.20 0.10 1/150 999\n")
    (cpufreq / "scaling_governor").write_text("ondemand\n")
    (cpufreq / "scaling_cur_freq").write_text("600000\n")
    (cpufreq / "cpuinfo_max_freq").write_text("1800000\n")
    (zone / "type").write_text("cpu-thermal\n")
    (zone / "temp").write_text("48312\n")
    return proc, sys_root


def test_a_whole_pi(pi4, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=3884376 * 1024))
    device = device_facts(*pi4)
    assert device["id"] == "raspberry-pi-4-model-b-rev-1-5-4c-4g-d08-r0p3"
    assert (device["model"], device["core"], device["dotprod"]) == (
        "Raspberry Pi 4 Model B Rev 1.5",
        "Cortex-A72",
        False,
    )
    assert (device["governor"], device["max_freq_khz"]) == ("ondemand", 1800000)
    state = read_state(*pi4, vcgencmd={"get_throttled": "throttled=0x50000\n"}.get)
    assert state == {
        "temp_c": 48.312,
        "throttled": "0x50000",
        "load1": 0.31,
        "governor": "ondemand",
        "freq_khz": 600000,
        "arm_clock_khz": None,
        "swap_used_bytes": None,
    }


def test_a_machine_that_tells_nothing(tmp_path):
    device = device_facts(tmp_path, tmp_path)
    assert device["cores"] >= 1
    assert device["mem_total_bytes"] > 0
    state = read_state(tmp_path, tmp_path, vcgencmd=lambda _: None)
    assert set(state.values()) == {None}
    assert throttle_reasons(state["throttled"], state["throttled"]) == []
    assert state_warnings(state, state, device) == []


def test_the_cpu_zone_is_preferred(tmp_path):
    for index, (kind, temp) in enumerate([("acpitz", "20000"), ("x86_pkg_temp", "61000")]):
        zone = tmp_path / f"class/thermal/thermal_zone{index}"
        zone.mkdir(parents=True)
        (zone / "type").write_text(f"{kind}\n")
        (zone / "temp").write_text(f"{temp}\n")
    assert read_state(tmp_path, tmp_path, vcgencmd=lambda _: None)["temp_c"] == 61.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("throttled=0x50005\n", "0x50005"),
        ("throttled=0x0", "0x0"),
        ("VCHI initialization failed\n", None),
        (None, None),
    ],
)
def test_parse_throttled(text, expected):
    assert parse_throttled(text) == expected


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("0x0", "0x0", []),
        ("0x50000", "0x50000", []),  # happened before this run
        ("0x0", "0x50005", ["throttled after", "throttled during"]),
        ("0x50000", "0xd0000", ["soft temperature limit has occurred"]),
        (
            "0x1",
            "0x10001",
            ["throttled before the run: under-voltage", "throttled after", "throttled during"],
        ),
        ("0x0", "0x20000", ["Arm frequency capping has occurred"]),
        (None, None, []),
    ],
)
def test_throttling_rules(before, after, says):
    reasons = throttle_reasons(before, after)
    assert len(reasons) == len(says)
    for reason, part in zip(reasons, says, strict=True):
        assert part in reason


def test_warnings():
    board = {"model": "Raspberry Pi 4 Model B", "cores": 4}
    assert state_warnings(FINE, FINE, board) == []
    doubtful = {**FINE, "load1": 3.5, "governor": "ondemand", "throttled": None}
    warnings = " ".join(state_warnings(doubtful, FINE, board))
    for part in ("load average 3.50 on 4 cores", "'ondemand'", "group video"):
        assert part in warnings

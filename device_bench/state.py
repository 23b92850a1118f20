"""The machine's state around a run, and whether it throttled."""

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.memory import PROC, SYS, integer_of, kib_field, text_of
from recpress_edge.core.units import format_bytes

# Load average per core before the run; a warning only, since it includes work that has ended.
BUSY_LOAD: Final = 0.8

# The firmware's clock over the governor's request; readings differ by rounding and in time.
MIN_CLOCK_SHARE: Final = 0.95

# vcgencmd get_throttled, https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
THROTTLED_BITS: Final = {
    0: "under-voltage",
    1: "Arm frequency capped",
    2: "throttled",
    3: "soft temperature limit",
    16: "under-voltage has occurred",
    17: "Arm frequency capping has occurred",
    18: "throttling has occurred",
    19: "soft temperature limit has occurred",
}
_NOW: Final = 0xF
_SINCE_BOOT: Final = 0xF0000


def read_state(
    proc: Path = PROC,
    sys_root: Path = SYS,
    vcgencmd: Callable[[str], str | None] | None = None,
) -> dict[str, Any]:
    """Temperature, throttling bits, load, governor, clocks and swap now; None for what cannot be read.

    ``freq_khz`` is the governor's request; ``arm_clock_khz`` what a Raspberry Pi's firmware measures,
    which is lower while it throttles (https://github.com/raspberrypi/linux/issues/2986).
    """
    cpufreq = sys_root / "devices/system/cpu/cpu0/cpufreq"
    load = (text_of(proc / "loadavg") or "").split()
    ask = vcgencmd or _vcgencmd
    return {
        "temp_c": _temperature(sys_root),
        "throttled": parse_throttled(ask("get_throttled")),
        "load1": float(load[0]) if load else None,
        "governor": (text_of(cpufreq / "scaling_governor") or "").strip() or None,
        "freq_khz": integer_of(cpufreq / "scaling_cur_freq"),
        "arm_clock_khz": parse_clock(ask("measure_clock arm")),
        "swap_used_bytes": _swap_used(proc / "meminfo"),
    }


def parse_clock(text: str | None) -> int | None:
    """'frequency(45)=1200000000\\n' -> 1200000 (kHz); None when there is no such line."""
    found = re.search(r"frequency\(\d+\)=(\d+)", text or "")
    return int(found[1]) // 1000 if found else None


def _swap_used(meminfo: Path) -> int | None:
    total, free = (kib_field(meminfo, name) for name in ("SwapTotal", "SwapFree"))
    return None if total is None or free is None else total - free


def parse_throttled(text: str | None) -> str | None:
    """'throttled=0x50000\\n' -> '0x50000'; None when there is no such line."""
    found = re.search(r"throttled=(0x[0-9a-fA-F]+)", text or "")
    return found[1].lower() if found else None


def throttle_reasons(before: str | None, after: str | None) -> list[str]:
    """Why the throttling bits make a run invalid: set now (0-3), or newly set since boot (16-19).

    Bits 16-19 that were set before the run are from earlier, and no reason.
    """
    first, last = int(before or "0x0", 16), int(after or "0x0", 16)
    reasons = []
    for when, bits in (
        ("before", first & _NOW),
        ("after", last & _NOW),
        ("during", last & ~first & _SINCE_BOOT),
    ):
        names = [name for bit, name in THROTTLED_BITS.items() if bits >> bit & 1]
        if names:
            reasons.append(
                f"throttled {when} the run: {', '.join(names)} (get_throttled {before} -> {after})"
            )
    return reasons


def state_warnings(
    before: Mapping[str, Any], after: Mapping[str, Any], device: Mapping[str, Any]
) -> list[str]:
    """What a reader should know, and what alone does not make the run invalid."""
    warnings = []
    if before["load1"] is not None and before["load1"] > BUSY_LOAD * device["cores"]:
        warnings.append(f"load average {before['load1']:.2f} on {device['cores']} cores before the run")
    if before["governor"] not in (None, "performance"):
        warnings.append(f"CPU governor is {before['governor']!r}: the clock may change during the run")
    if "Raspberry Pi" in device["model"] and before["throttled"] is None:
        warnings.append(
            "throttling is unknown: vcgencmd is missing or not permitted (add the user to group video)"
        )
    asked, real = after["freq_khz"], after["arm_clock_khz"]
    if asked and real and real < MIN_CLOCK_SHARE * asked:
        warnings.append(
            f"the clock was at {real // 1000} MHz after the run; {asked // 1000} MHz was requested"
        )
    if (after["swap_used_bytes"] or 0) > (before["swap_used_bytes"] or 0):
        warnings.append(
            f"swap grew during the run, to {format_bytes(after['swap_used_bytes'])}: memory was short"
        )
    return warnings


def _vcgencmd(question: str) -> str | None:
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *question.split()], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _temperature(sys_root: Path) -> float | None:
    """Degrees Celsius of the CPU's thermal zone, else of the first zone."""
    zones = sorted((sys_root / "class/thermal").glob("thermal_zone*"))
    cpu = [zone for zone in zones if re.search("cpu|x86_pkg|soc", text_of(zone / "type") or "")]
    for zone in [*cpu, *zones]:
        millidegrees = integer_of(zone / "temp")
        if millidegrees is not None:
            return millidegrees / 1000
    return None

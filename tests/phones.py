"""A made-up phone with a Raspberry Pi 5's cores, as tools/bench_device.sh lays down what it reads."""

from pathlib import Path

GETPROP = """\
[ro.product.manufacturer]: [Example]
[ro.product.model]: [Phone 1]
[ro.build.version.release]: [14]
[ro.build.version.sdk]: [34]
"""
CPUINFO = Path(__file__).parent / "fixtures/devices/pi5b.cpuinfo"


def write_facts(folder: Path, thermal_status: int = 0) -> Path:
    """``thermal_status``: Android's, after the run."""
    for name, text in (
        ("created", "2026-11-24T18:00:00Z\n"),
        ("getprop", GETPROP),
        ("kernel", "5.15.123-android14\n"),
        ("machine", "aarch64\n"),
        ("proc/cpuinfo", CPUINFO.read_text()),
        ("proc/meminfo", "MemTotal:        7812345 kB\nSwapTotal:       3145724 kB\nSwapFree: 3145724 kB\n"),
        ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "2400000\n"),
        ("before/proc/loadavg", "0.10 0.20 0.30 1/900 4321\n"),
        ("before/thermalservice", "IsStatusOverride: false\nThermal Status: 0\n"),
        ("after/sys/class/thermal/thermal_zone0/temp", "41200\n"),
        ("after/thermalservice", f"Thermal Status: {thermal_status}\n"),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder

"""Raspberry Pi boards for qemu-user: the files by which a program learns what it runs on.

onnxruntime and XNNPACK choose their kernels by /proc/cpuinfo and /sys, and qemu 7.2's user mode shows them
this machine's: x86 text, at which onnxruntime 1.32 crashes. The values follow what owners of the boards
published (64-bit systems); tests/fixtures/devices holds those dumps with their sources. Cache sizes: Arm's
technical reference manuals of the cores, and https://www.raspberrypi.com/documentation/computers/processors.html.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.cpu import dot_product_flags

CORES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a board reports about itself, and the core that qemu emulates."""

    model: str
    core: str
    cpu: str
    """qemu's name of the core."""
    part: str
    variant: str
    revision: int
    features: str
    max_khz: int
    min_khz: int
    l1_kib: int
    l1_ways: int
    last_kib: int
    """The last cache before main memory, as one of four cores sees it when the others rest."""
    last_ways: int

    @property
    def dotprod(self) -> bool:
        """Whether the core has int8 dot products."""
        return bool(dot_product_flags(self.features.split()))

    @property
    def caches(self) -> str:
        """As the counting plugin takes them."""
        return f"{self.l1_kib}:{self.l1_ways}:{self.last_kib}:{self.last_ways}"


_A53: Final = "fp asimd evtstrm crc32 cpuid"
_A76: Final = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
)


def _core(core: str, part: str, variant: str, revision: int, features: str) -> dict[str, Any]:
    facts = {"core": core, "part": part, "variant": variant, "revision": revision, "features": features}
    return {**facts, "cpu": core.lower()}


_SMALL: Final = _core("Cortex-A53", "0xd03", "0x0", 4, _A53)
BOARDS: Final[Mapping[str, Identity]] = {
    "zero2": Identity(
        model="Raspberry Pi Zero 2 W Rev 1.0",
        **_SMALL, max_khz=1_000_000, min_khz=600_000, l1_kib=32, l1_ways=4, last_kib=512, last_ways=16,
    ),
    "pi3": Identity(
        model="Raspberry Pi 3 Model B Plus Rev 1.3",
        **_SMALL, max_khz=1_400_000, min_khz=600_000, l1_kib=32, l1_ways=4, last_kib=512, last_ways=16,
    ),
    "pi4": Identity(
        model="Raspberry Pi 4 Model B Rev 1.5", **_core("Cortex-A72", "0xd08", "0x0", 3, _A53),
        max_khz=1_800_000, min_khz=600_000, l1_kib=32, l1_ways=2, last_kib=1024, last_ways=16,
    ),
    "pi5": Identity(
        model="Raspberry Pi 5 Model B Rev 1.0", **_core("Cortex-A76", "0xd0b", "0x4", 1, _A76),
        max_khz=2_400_000, min_khz=1_500_000, l1_kib=64, l1_ways=4, last_kib=2048, last_ways=16,
    ),
}  # fmt: skip


def cpuinfo(board: Identity) -> str:
    """/proc/cpuinfo."""
    cores = [
        f"processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: {board.features}\nCPU implementer\t: 0x41\n"
        f"CPU architecture: 8\nCPU variant\t: {board.variant}\nCPU part\t: {board.part}\n"
        f"CPU revision\t: {board.revision}\n\n"
        for number in range(CORES)
    ]
    return "".join([*cores, f"Model\t\t: {board.model}\n"])


def write_identity(root: Path, board: Identity) -> None:
    """The board's /proc/cpuinfo and /sys/devices/system/cpu below a folder that qemu takes for the root."""
    proc, cpus = root / "proc", root / "sys/devices/system/cpu"
    proc.mkdir(parents=True)
    (proc / "cpuinfo").write_text(cpuinfo(board))
    every = f"0-{CORES - 1}"
    _write(cpus, {"present": every, "possible": every, "online": every, "kernel_max": "255"})
    for number in range(CORES):
        here, own = cpus / f"cpu{number}", str(number)
        _write(
            here / "topology",
            {"physical_package_id": "0", "core_id": own, "thread_siblings_list": own}
            | dict.fromkeys(("cluster_cpus_list", "package_cpus_list", "core_siblings_list"), every),
        )
        frequency = {"cpuinfo_max_freq": board.max_khz, "scaling_cur_freq": board.max_khz}
        _write(
            here / "cpufreq",
            {"cpuinfo_min_freq": str(board.min_khz), **{k: str(v) for k, v in frequency.items()}},
        )
        for index in (0, 1):
            _write(
                here / f"cache/index{index}",
                {"level": "1", "size": f"{board.l1_kib}K", "shared_cpu_list": own},
            )
        _write(here / "cache/index2", {"level": "2", "size": f"{board.last_kib}K", "shared_cpu_list": every})


def _write(folder: Path, values: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        (folder / name).write_text(value + "\n")

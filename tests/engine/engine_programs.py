"""Programs around the C engine for every kernel, compiler and core that can be had here."""

import contextlib
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from recpress_edge.device.c import model_bin

SOURCES: Final = Path(model_bin.__file__).parent
HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
CPU_FACTS: Final = Path("/proc/cpuinfo")
STRICT: Final = ("-std=c99", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror")
SANITIZED: Final = ("-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
TIMEOUT_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Build:
    """A compiler with flags, and what runs its programs."""

    name: str
    compiler: tuple[str, ...]
    flags: tuple[str, ...]
    runner: tuple[str, ...] = ()
    cpu_flags: tuple[str, ...] = ()
    """What this machine's processor must have, as /proc/cpuinfo calls it."""
    kernel: str = "kernel_plain.h"

    def missing(self) -> str | None:
        """What is not here, None where all is."""
        for program in (self.compiler[0], *self.runner[:1]):
            if shutil.which(program) is None:
                return f"{program} is not here"
        if "ziglang" in self.compiler and importlib.util.find_spec("ziglang") is None:
            return "ziglang, from PyPI, is not here"
        if not (SOURCES / self.kernel).is_file():
            return f"{self.kernel} is not here"
        lacking = set(self.cpu_flags) - processor_flags()
        return f"this processor has no {', '.join(sorted(lacking))}" if lacking else None

    @property
    def of_processor(self) -> bool:
        """Whether only another processor could run it: no reason to fail in CI."""
        return bool(set(self.cpu_flags) - processor_flags())

    @property
    def audited(self) -> "Build":
        """With ``rp_audit``, as the library that Python loads; its programs audit each file first."""
        return replace(self, name=f"{self.name}-audited", flags=(*self.flags, "-DRP_AUDIT"))

    def version(self) -> str:
        """The compiler in words, such as ``gcc 12.2.0`` or ``zig 0.17.1``."""
        if "ziglang" in self.compiler:
            return f"zig {_said([sys.executable, '-m', 'ziglang', 'version'])}"
        name = self.compiler[0].rpartition("-")[2]
        said = "-dumpversion" if name == "clang" else "-dumpfullversion"
        return f"{name} {_said([self.compiler[0], said])}"

    def compiled(
        self, folder: Path, main: str = "drive.c", defines: Sequence[str] = (), engine: Path = SOURCES
    ) -> list[str]:
        """Compile a program of this folder with the engine; the command that runs it.

        Both stay in the folder, the engine's object under the build's name: what has other sources or defines
        needs another name or folder. Processes may share a folder: each thing is compiled once.
        """
        target, made = folder / f"{self.name}-{Path(main).stem}", folder / f"{self.name}.o"
        flags = [*STRICT, *self.flags, *defines, f"-I{engine}"]
        with _alone(folder / f"{self.name}.lock"):
            if not made.exists():
                self._compile(*flags, "-c", str(engine / "recpress.c"), "-o", str(made))
            if not target.exists():
                self._compile(*flags, str(made), str(HERE / main), "-o", str(target))
        return [*self.runner, str(target)]

    def _compile(self, *words: str) -> None:
        command = [*self.compiler, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """While no other process is."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _said(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def processor_flags() -> set[str]:
    """Of the first core, as /proc/cpuinfo names them."""
    lines = CPU_FACTS.read_text().splitlines() if CPU_FACTS.is_file() else []
    return set(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def answers(command: Sequence[str], asked: bytes, timeout_s: float = TIMEOUT_S) -> bytes:
    """What a program says to these questions; RuntimeError quotes it where it fails, or takes too long."""
    try:
        done = subprocess.run(command, input=asked, capture_output=True, check=False, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{command[-1]} took more than {timeout_s:.0f} s") from None
    if done.returncode:
        raise RuntimeError(f"{command[-1]} ended with {done.returncode}: {done.stderr.decode()[-3000:]}")
    return done.stdout


ZIG: Final = (sys.executable, "-m", "ziglang", "cc")
A53: Final = ("-march=armv8-a", "-mtune=cortex-a53")
A76: Final = ("-march=armv8.2-a+dotprod", "-mtune=cortex-a76")
A7: Final = ("-march=armv7-a", "-mtune=cortex-a7", "-mfpu=neon-vfpv4")
PLAIN: Final = "-DRP_PLAIN"
AVX2: Final = ("avx2",)
VNNI: Final = ("avx512_vnni", "avx512vl")
AVX_VNNI: Final = ("avx_vnni",)
QEMU_A53: Final = ("qemu-aarch64", "-cpu", "cortex-a53")
QEMU_A76: Final = ("qemu-aarch64", "-cpu", "cortex-a76")
QEMU_A7: Final = ("qemu-arm", "-cpu", "cortex-a7")
QEMU_ARM1176: Final = ("qemu-arm", "-cpu", "arm1176")
NODE: Final = ("node", "--no-warnings", str(HERE / "wasi.mjs"))
WASM: Final = "zig-wasm32"


def _native(compiler: str) -> list[Build]:
    """Plain C and every kernel of x86-64, optimised and under sanitizers."""
    avx2 = ("-mavx2", "-mfma", "-mf16c")
    known = [
        ("plain", (PLAIN,), (), "kernel_plain.h"),
        ("avx2", avx2, AVX2, "kernel_x86.h"),
        ("vnni", (*avx2, "-mavx512vnni", "-mavx512vl"), VNNI, "kernel_x86.h"),
        ("avxvnni", (*avx2, "-mavxvnni"), AVX_VNNI, "kernel_x86.h"),
    ]
    found = []
    for name, flags, cpu, kernel in known:
        build = Build(f"{compiler}-{name}", (compiler,), ("-O3", *flags), (), cpu, kernel)
        found += [build, replace(build, name=f"{build.name}-sanitized", flags=(*SANITIZED, *flags))]
    return found


def _arm() -> list[Build]:
    gnu64, gnu32 = ("aarch64-linux-gnu-gcc", "-static"), ("arm-linux-gnueabihf-gcc", "-static")
    neon = "kernel_neon.h"
    zig64, zig32 = (*ZIG, "-target", "aarch64-linux-musl"), (*ZIG, "-target", "arm-linux-musleabihf")
    return [
        Build("gcc-a53", gnu64, ("-O3", *A53), QEMU_A53, kernel=neon),
        Build("gcc-a76", gnu64, ("-O3", *A76), QEMU_A76, kernel=neon),
        Build("gcc-a7", gnu32, ("-O3", *A7), QEMU_A7, kernel=neon),
        Build("zig-a53", zig64, ("-O3", "-mcpu=cortex_a53"), QEMU_A53, kernel=neon),
        Build("zig-a76", zig64, ("-O3", "-mcpu=cortex_a76"), QEMU_A76, kernel=neon),
        Build("zig-a7", zig32, ("-O3", "-mcpu=cortex_a7"), QEMU_A7, kernel=neon),
        Build("zig-arm1176", zig32, ("-O3", "-mcpu=arm1176jzf_s"), QEMU_ARM1176),
    ]


def _other() -> list[Build]:
    riscv = ("qemu-riscv64",)
    return [
        Build(
            "gcc-arm1176",
            ("arm-linux-gnueabi-gcc", "-static"),
            ("-O3", "-march=armv6", "-marm"),
            QEMU_ARM1176,
        ),
        Build("gcc-riscv64", ("riscv64-linux-gnu-gcc", "-static"), ("-O3",), riscv),
        Build("zig-riscv64", (*ZIG, "-target", "riscv64-linux-musl"), ("-O3",), riscv),
        Build(
            WASM,
            (*ZIG, "-target", "wasm32-wasi"),
            ("-O3", "-s", "-mcpu=generic+simd128"),  # -s as --build has it: zig compiles one libc for both
            NODE,
            kernel="kernel_wasm.h",
        ),
    ]


BUILDS: Final = {build.name: build for build in [*_native("gcc"), *_native("clang"), *_arm(), *_other()]}
QUICK: Final = (
    *(name for name in BUILDS if name.startswith("gcc") and "vnni" not in name),
    "gcc-vnni-sanitized",
    "clang-plain-sanitized",
)
"""What every run of the tests builds: gcc's on all cores, and clang's sanitizers once."""


def in_ci() -> bool:
    """Whether what is missing is a failure."""
    return bool(os.environ.get("CI"))

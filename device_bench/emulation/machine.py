"""Boot the emulated machine once, with a clock that counts instructions, and collect what it says."""

import contextlib
import os
import queue
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from device_bench.emulation.guest import Setup
from recpress_edge.device.process import dies_with_parent

_COMMAND_LINE: Final = (
    # everything lies in memory; no address is randomised; a panic ends the machine
    "console=ttyAMA0 quiet nokaslr panic=-1 rootfstype=ramfs rdinit=/init"
)
_OOM: Final = re.compile(r"Out of memory: Killed process \d+ \((\S+)\)")


@dataclass(frozen=True, slots=True)
class Console:
    """What one boot said on its serial console."""

    lines: tuple[str, ...]
    timed_out: bool

    @property
    def oom_kills(self) -> int:
        """How many processes the kernel killed for want of memory."""
        return sum(bool(_OOM.search(line)) for line in self.lines)

    @property
    def out_of_memory(self) -> bool:
        """Whether memory ran out, even for the system itself."""
        return self.oom_kills > 0 or any(
            "Initramfs unpacking failed" in line or "System is deadlocked on memory" in line
            for line in self.lines
        )

    @property
    def panic(self) -> str | None:
        """The kernel's panic message, if any."""
        found = (re.search(r"Kernel panic - not syncing: (.*)", line) for line in self.lines)
        return next((match[1] for match in found if match), None)


def command_line(program: str, setup: Setup, cpu: str, memory_bytes: int, initrd: Path) -> list[str]:
    """qemu for one core whose clock advances by a nanosecond an instruction, with nothing else attached.

    ``shift=0`` is that clock, ``sleep=off`` lets it jump while the core idles, so that no real time gets
    in; date, seeds and addresses are fixed. No network, no disk. Named cores only: 'max' of qemu 7.2 has
    wrong answers.
    """
    return [
        *(program, "-machine", "virt", "-cpu", cpu, "-smp", "1", "-m", f"{memory_bytes}B"),
        *("-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01T00:00:00,clock=vm", "-seed", "1"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-nic", "none"),
        *("-no-reboot", "-serial", "stdio", "-L", str(setup.tools.folder / "usr/share/qemu")),
        *("-kernel", str(setup.kernel), "-initrd", str(initrd), "-append", _COMMAND_LINE),
    ]


def boot(
    setup: Setup,
    cpu: str,
    memory_bytes: int,
    payload: Callable[[IO[bytes]], object],
    tell: Callable[[str], None],
    timeout_s: float,
) -> Console:
    """Run the machine until it switches itself off, or is stopped after ``timeout_s`` of real time.

    ``payload`` writes the archive of what this boot adds to the image; ``tell`` gets every line.
    """
    program, environment = setup.tool("qemu-system-aarch64")
    with ramdisk(setup, payload) as number:
        command = command_line(program, setup, cpu, memory_bytes, ramdisk_path(number))
        return run_machine(command, environment, number, tell, timeout_s)


@contextlib.contextmanager
def ramdisk(setup: Setup, payload: Callable[[IO[bytes]], object]) -> Iterator[int]:
    """The open file of the image and of what ``payload`` adds to it."""
    with tempfile.TemporaryFile() as initrd:  # without a name: nothing is left of it, however this ends
        payload(initrd)  # first: what follows a compressed archive would be taken for a part of it
        initrd.write(setup.initrd.read_bytes())
        initrd.flush()
        yield initrd.fileno()


def ramdisk_path(number: int) -> Path:
    """As the emulator opens it."""
    return Path(f"/proc/self/fd/{number}")


def run_machine(
    command: Sequence[str],
    environment: dict[str, str],
    initrd: int,
    tell: Callable[[str], None],
    timeout_s: float,
) -> Console:
    """Run an emulator's command with the open file of its ramdisk until it ends or is stopped."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        pass_fds=(initrd,),
        start_new_session=True,
        preexec_fn=dies_with_parent(),
    )
    said: queue.Queue[bytes | None] = queue.Queue()
    assert process.stdout is not None
    threading.Thread(target=_read, args=(process.stdout, said), daemon=True).start()
    lines: list[str] = []
    end = time.monotonic() + timeout_s
    try:
        while True:
            try:
                line = said.get(timeout=max(end - time.monotonic(), 0))
            except queue.Empty:
                return Console(tuple(lines), timed_out=True)
            if line is None:
                return Console(tuple(lines), timed_out=False)
            text = line.decode(errors="replace").rstrip("\r\n")
            lines.append(text)
            tell(text)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(stream: IO[bytes], said: "queue.Queue[bytes | None]") -> None:
    for line in stream:
        said.put(line)
    said.put(None)

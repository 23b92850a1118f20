"""Runs on the board. Sent as text: it imports nothing of ours, and any Python 3.6 must be able to read it.

In: on stdin 8 bytes of length and a tar of that many bytes; then the stream stays open, and its end means
that the caller is gone. Out: on stdout a marker, 8 bytes of length and one JSON object; talk on stderr. The
folder that it works in is removed whatever happens.
"""

import ctypes
import importlib.util
import io
import json
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable  # noqa: UP035 - an old Python must get as far as its error

MARK = b"\0recpress-board\0"
SPARE = 16 * 2**20  # for records, and what Python itself writes
INVALID = 4  # exit code of device_bench: measured, and found unfit for the headline
ENGINES = "engines"  # what was compiled for boards without a compiler: MACHINE.so
ANY_CORE = "aarch64"
COMPILERS = ("cc", "gcc", "clang")
FREE_SPACE = "Free space there, or set TMPDIR on the board."


class RefusedError(Exception):
    """The board cannot do it; the text says why and what to do."""


def main(settings: dict[str, Any]) -> None:
    """Check the board, unpack, run, answer."""
    try:
        answer(work(settings))
    except RefusedError as refused:
        answer({"refused": str(refused)})
    except OSError as error:
        answer({"refused": f"the board cannot go on: {told(error)}."})


def told(error: OSError) -> str:
    """What the kernel says, and about which file."""
    return f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"


def work(settings: dict[str, Any]) -> dict[str, Any]:
    """Check, unpack, measure; the record or RefusedError."""
    check_python(settings["packages"])
    size = struct.unpack(">Q", exactly(8))[0]
    if size > settings["max_bytes"]:
        raise RefusedError(f"{size} bytes were announced, more than {settings['max_bytes']}.")
    home, done = Path(tempfile.mkdtemp(prefix="recpress-")), threading.Event()
    try:
        free, needed = shutil.disk_usage(str(home)).free, size + SPARE
        if free < needed:
            raise RefusedError(
                f"the board's {home.parent} has {free >> 20} MiB free, {needed >> 20} MiB are needed. "
                f"{FREE_SPACE}"
            )
        unpack(exactly(size), home)
        return run(settings, home, done)
    finally:
        done.set()
        shutil.rmtree(str(home), ignore_errors=True)


def check_python(packages: list[Any]) -> None:
    """packages: name on PyPI, and modules of which one is enough."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the board's Python, not ours
        raise RefusedError(
            f"the board's {sys.executable} is Python {platform.python_version()}; 3.11 or newer is needed. "
            "Raspberry Pi OS 12 (Bookworm) has it; or name another with --board-python."
        )
    missing = [pip for pip, modules in packages if not any(map(importlib.util.find_spec, modules))]
    if missing and struct.calcsize("P") == 4:
        raise RefusedError(
            f"the board runs a 32-bit Python ({platform.machine()}), for which there is no wheel of "
            f"{', '.join(missing)}. Install the 64-bit OS."
        )
    if missing:
        raise RefusedError(
            f"the board's Python lacks {', '.join(missing)}. Run there: {sys.executable} -m pip install "
            f"{' '.join(missing)}  (for a virtual environment, name its Python with --board-python)."
        )


def exactly(size: int) -> bytes:
    """So many bytes of stdin."""
    data = sys.stdin.buffer.read(size)
    if len(data) != size:
        raise RefusedError("the connection ended before everything was copied.")
    return data


def unpack(data: bytes, home: Path) -> None:
    """The bundle and the program."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            archive.extractall(str(home), filter="data")
    except OSError as error:
        raise RefusedError(f"the board did not take everything: {told(error)}. {FREE_SPACE}") from error


def run(settings: dict[str, Any], home: Path, done: threading.Event) -> dict[str, Any]:
    """Measure; the record comes back in a file of the folder."""
    record = home / "record.json"
    command = [sys.executable, "-P", "-m", "device_bench", "run", "bundle", "--out", record.name]
    child = subprocess.Popen(
        command + settings["flags"],
        cwd=str(home),
        env=dict(os.environ, PYTHONPATH=str(home), ORT_DISABLE_TELEMETRY="1", **engine(home)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent(),
    )
    watch(child.pid, home, done, settings["timeout_s"])
    code = child.wait()
    if code not in (0, INVALID) or not record.exists():
        raise RefusedError(f"device_bench on the board ended with exit code {code}; what it said is above.")
    return {"record": json.loads(record.read_text(encoding="utf-8"))}


def engine(home: Path) -> dict[str, str]:
    """What is compiled here goes with the folder; without a compiler, what came along is loaded."""
    sent = home / ENGINES / f"{platform.machine()}.so"
    given = {"RECPRESS_ENGINE": str(sent)} if sent.exists() and not any(map(shutil.which, COMPILERS)) else {}
    return dict(given, RECPRESS_CACHE_DIR=str(home / "cache"))


def watch(child: int, home: Path, done: threading.Event, timeout_s: float) -> None:
    """End everything when the caller is gone, or when it takes too long."""

    def end(*_: Any) -> None:
        if done.is_set():
            return
        os.killpg(child, signal.SIGKILL)  # its workers die with it
        for _attempt in range(100):  # whoever is dying may still write
            shutil.rmtree(str(home), ignore_errors=True)
            if not home.exists():
                break
            time.sleep(0.02)
        os._exit(1)

    def listen() -> None:
        while os.read(0, 4096):
            pass
        end()

    for name in (signal.SIGHUP, signal.SIGTERM, signal.SIGALRM):
        signal.signal(name, end)
    signal.alarm(int(timeout_s) + 1)
    threading.Thread(target=listen, daemon=True).start()


def die_with_parent() -> Callable[[], Any]:
    """For the child: be killed when this process is."""
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def answer(value: dict[str, Any]) -> None:
    """Write one JSON object after a mark that no library prints."""
    data = json.dumps(value).encode()
    sys.stdout.buffer.write(MARK + struct.pack(">Q", len(data)) + data)
    sys.stdout.buffer.flush()

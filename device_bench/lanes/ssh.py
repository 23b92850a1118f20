"""A real board over ssh: the same bundle and program, copied, run there, and nothing left behind.

One connection does it all. It runs board.py, takes a tar on its stdin and gives the record on its stdout.
When it ends, for whatever reason, the board's side ends what it started and removes its folder.
"""

import contextlib
import dataclasses
import json
import re
import shlex
import shutil
import struct
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from device_bench.lanes import board as onboard
from device_bench.lanes.checks import check_returned
from device_bench.lanes.lane import Record
from device_bench.lanes.parcel import pack
from device_bench.process import open_checked
from device_bench.settings import BenchRequest, Protocol
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.core.errors import (
    ArtifactError,
    ConfigError,
    MissingExtraError,
    RecPressError,
)
from recpress_edge.core.progress import Note, OnEvent
from recpress_edge.device.opening import AnyBundle
from recpress_edge.device.process import dies_with_parent

CONNECT_S: Final = 15
ALIVE_S: Final = 10
ALIVE_TRIES: Final = 3
MAX_RECORD_BYTES: Final = 512 * 2**20
_TALK_LINES: Final = 400
_MAX_NOISE: Final = 2**16
_NOT_FOUND: Final = 127  # what a shell returns for a command that is not there
# Packages that every board needs: name on PyPI, and modules of which one is enough.
_BASE: Final = (("numpy", ("numpy",)), ("psutil", ("psutil",)))
# What ssh says -> what it means and what to do; the first match counts.
_SSH_ERRORS: Final = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the board's host key is not the known one. If the board was set up again, run: "
        "ssh-keygen -R {host}. If not, another machine answers in its place",
    ),
    (r"Host key verification failed", "the board's host key is not known. Connect once by hand: ssh {host}"),
    (
        r"Permission denied",
        "the board does not let this user in. Passwords are never asked for: set up a key with ssh-copy-id "
        "{host}",
    ),
    (r"Could not resolve hostname", "there is no such host. Check the name, or give its address"),
    (r"Connection refused", "nothing listens there. Is ssh enabled on the board, and the port right?"),
    (r"timed out|No route to host|unreachable", "the board does not answer. Is it on, and in this network?"),
    (r"not responding|Broken pipe|Connection reset|closed by remote", "the connection dropped"),
)


class BoardError(RecPressError):
    """The board could not be reached, or could not do it. Nothing was recorded."""


@dataclass(frozen=True, slots=True)
class Host:
    """Where to log in."""

    login: str
    """user@host or host."""
    port: int | None


def parse_host(detail: str) -> Host:
    """'//pi@raspberrypi.local:22' -> Host; ssh cannot take any part of it for an option."""
    name = r"[A-Za-z0-9._][A-Za-z0-9._-]*"
    found = re.fullmatch(rf"//((?:{name}@)?(?:{name}|\[[0-9A-Fa-f:.]+\]))(?::(\d{{1,5}}))?", detail)
    port = int(found[2]) if found and found[2] else None
    if found is None or (port is not None and not 0 < port < 2**16):
        raise ConfigError(
            f"--on 'ssh:{detail}' is not a target: write ssh://user@host or ssh://user@host:port."
        )
    return Host(found[1].replace("[", "").replace("]", ""), port)


def check(request: BenchRequest) -> None:
    """Check the target, the configuration file, and that ssh is installed."""
    parse_host(request.target.detail)
    config = request.options.get("ssh-config")
    if config is not None and not Path(config).is_file():
        raise ConfigError(f"--ssh-config {config}: no such file")
    if shutil.which("ssh") is None:
        raise MissingExtraError("--on ssh:// needs the program ssh. Run: apt install openssh-client")


def plan(request: BenchRequest) -> str:
    """The work for each bundle."""
    host = parse_host(request.target.detail)
    return f"copied to {host.login} with device_bench, measured there, and removed again"


def run(request: BenchRequest, on_event: OnEvent) -> Iterator[Record]:
    """One checked record a bundle."""
    for folder in request.bundles:
        bundle = open_checked(folder, request.protocol)
        on_event(Note(f"{bundle.name}: to {request.target}"))
        record = check_returned(
            _on_board(request, bundle, on_event), bundle, request.protocol, str(request.target)
        )
        record["protocol"]["command"] = request.command(folder)
        record["protocol"]["on"] = str(request.target)
        yield record


def _on_board(request: BenchRequest, bundle: AnyBundle, on_event: OnEvent) -> Any:
    payload = pack(bundle)
    timeout_s = overall_s(request)
    settings = {
        "packages": _needed(bundle, request),
        "max_bytes": len(payload),
        "flags": _for_board(request.protocol, bundle).flags(),
        "timeout_s": timeout_s,
    }
    python = request.options.get("board-python", "python3")
    code = f"{Path(onboard.__file__).read_text(encoding='utf-8')}\nmain({settings!r})\n"
    remote = f"exec {shlex.quote(python)} -c {shlex.quote(code)}"
    host = parse_host(request.target.detail)
    call = Call([*ssh_command(host, request.options.get("ssh-config")), remote], on_event)
    try:
        answer = call.talk(struct.pack(">Q", len(payload)) + payload, timeout_s)
    finally:
        call.end()
    if answer is None:
        raise BoardError(f"{request.target}: {call.why(host, python, timeout_s)}. Nothing was recorded.")
    if "refused" in answer:
        raise BoardError(f"{request.target}: {clean(str(answer['refused']))} Nothing was recorded.")
    return answer.get("record")


def _for_board(protocol: Protocol, bundle: AnyBundle) -> Protocol:
    """The board has no keys: what was verified here is named to it by its digest."""
    asked = protocol.trusted is not None or protocol.expect_digest is not None
    return dataclasses.replace(protocol, trusted=None, expect_digest=bundle.digest if asked else None)


def _needed(bundle: AnyBundle, request: BenchRequest) -> list[tuple[str, tuple[str, ...]]]:
    """Packages that the board needs: name on PyPI, and modules of which one is enough."""
    if request.protocol.runtime:
        return [*_BASE]
    row = FORMATS[bundle.contract.format]
    return [*_BASE, *((name, row.device_modules) for name in row.device_packages[:1])]


def overall_s(request: BenchRequest) -> float:
    """Seconds that a whole run may take: a time-out, and what the protocol asks for."""
    protocol = request.protocol
    queries_s = 4 * protocol.seconds + protocol.paced_s + protocol.sustained_s
    return protocol.timeout_s + 30 * (protocol.processes + 4) + queries_s


def ssh_command(host: Host, config: str | None) -> list[str]:
    """ssh that asks no questions and notices a dead connection."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": CONNECT_S,
        "ServerAliveInterval": ALIVE_S,
        "ServerAliveCountMax": ALIVE_TRIES,
        "ClearAllForwardings": "yes",
    }
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    where = ["-F", config] if config else []
    port = ["-p", str(host.port)] if host.port else []
    return ["ssh", "-T", *where, *flags, *port, "--", host.login]


def clean(text: str) -> str:
    """A line from the board, made safe for this terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text.strip())[:1000]


class Call:
    """One ssh process: bytes in, one answer out, its stderr passed on."""

    def __init__(self, command: Sequence[str], on_event: OnEvent) -> None:
        self._on_event, self._late = on_event, False
        self._last: deque[str] = deque(maxlen=20)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=dies_with_parent(),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        self._err = self._process.stderr
        self._threads: list[threading.Thread] = []

    def talk(self, payload: bytes, timeout_s: float) -> dict[str, Any] | None:
        """Send, then wait for the answer; None when there is none. ArtifactError when it is not an answer."""
        timer = threading.Timer(timeout_s, self._give_up)
        timer.daemon = True
        self._start(self._send, payload)
        self._start(self._listen)
        timer.start()
        try:
            return self._answer()
        finally:
            timer.cancel()

    def end(self) -> None:
        """Close the connection: the board's side then ends too."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join(5)
        for stream in (self._in, self._out, self._err):
            with contextlib.suppress(OSError):  # what was not sent yet cannot be
                stream.close()

    def why(self, host: Host, python: str, timeout_s: float) -> str:
        """Why there is no answer."""
        if self._late:
            return f"no answer within {timeout_s:g} s"
        if self._process.returncode == _NOT_FOUND:
            return f"the board has no {python}. Name its Python 3.11 or newer with --board-python"
        said = " ".join(self._last)
        for pattern, meaning in _SSH_ERRORS:
            if re.search(pattern, said):
                return meaning.format(host=host.login)
        last = self._last[-1] if self._last else "it said nothing"
        return f"the connection ended without an answer ({last})"

    def _start(self, what: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=what, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _give_up(self) -> None:
        self._late = True
        self._process.kill()

    def _send(self, payload: bytes) -> None:
        with contextlib.suppress(OSError):  # the board's refusal, or ssh's, says why
            self._in.write(payload)
            self._in.flush()  # and stays open: its end would tell the board that we are gone

    def _listen(self) -> None:
        for number, line in enumerate(iter(lambda: self._err.readline(4096), b"")):
            text = clean(line.decode(errors="replace"))
            self._last.append(text)
            if number < _TALK_LINES and text:
                self._on_event(Note(f"  {text}"))

    def _answer(self) -> dict[str, Any] | None:
        seen = b""  # a login script may have printed something before
        while not seen.endswith(onboard.MARK) and len(seen) < _MAX_NOISE:
            letter = self._out.read(1)
            if not letter:
                self._wait_for_talk()
                return None
            seen += letter
        head = self._out.read(8)
        size = struct.unpack(">Q", head)[0] if len(head) == 8 else 0
        if size > MAX_RECORD_BYTES:
            raise ArtifactError(f"the board announced a record of {size} bytes, more than {MAX_RECORD_BYTES}")
        data = self._out.read(size)
        if not size or len(data) != size:
            self._wait_for_talk()
            return None
        try:
            value = json.loads(data.decode())
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise ArtifactError(f"the board sent something that is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise ArtifactError(f"the board sent a {type(value).__name__} instead of an answer")
        return value

    def _wait_for_talk(self) -> None:
        """What ssh says last tells why there is no answer."""
        self._process.wait()
        self._threads[-1].join(5)

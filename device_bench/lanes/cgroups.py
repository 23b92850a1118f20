"""A box of limited memory and CPU for the measuring processes: a cgroup, or a systemd scope.

Nothing stays behind: a janitor process waits on a pipe that closes when the bench ends, whatever ends it, and
then empties and removes the box. A systemd scope vanishes with its process.
"""

import contextlib
import dataclasses
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import RecPressError
from recpress_edge.core.memory import PROC, integer_of, text_of
from recpress_edge.device.process import Enclosure

# A long period makes a share of a CPU a long pause: at 20 % and the kernel's 100 ms, p99 becomes 81 ms.
PERIOD_US: Final = 10_000
_LEAST_QUOTA_US: Final = 1_000
# The highest use so far and the events, by version 2 and by version 1.
_ACCOUNTS: Final = (
    ("memory.peak", "memory.max_usage_in_bytes"),
    ("memory.events", "memory.oom_control"),
)
LEAST_CPUS: Final = _LEAST_QUOTA_US / PERIOD_US

_JANITOR: Final = """
import os, signal, sys, time
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.buffer.read()  # ends when the bench does
for folder in sys.argv[1:]:
    for _ in range(500):
        try:
            with open(folder + "/cgroup.procs") as procs:
                for pid in procs.read().split():
                    os.kill(int(pid), signal.SIGKILL)
            os.rmdir(folder)
            break
        except FileNotFoundError:
            break
        except OSError:
            time.sleep(0.01)
"""


class LimitError(RecPressError):
    """A limit cannot be enforced on this machine."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much the measuring processes may use; None: not limited."""

    cpus: float | None
    memory_bytes: int | None

    @property
    def quota_us(self) -> int | None:
        """CPU time per period."""
        return None if self.cpus is None else round(self.cpus * PERIOD_US)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a box accounted for; None when the kernel does not state it."""

    peak_bytes: int | None = None
    oom_kills: int | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """A place with limits."""

    how: str
    """What enforces them."""
    enclosure: Enclosure
    memory: Path | None = None
    """The cgroup that accounts for memory."""

    def usage(self) -> Usage:
        """Peak memory, and processes killed because it ran out, so far."""
        if self.memory is None:
            return Usage()
        peak, events = (
            next((name for name in names if (self.memory / name).exists()), names[0]) for names in _ACCOUNTS
        )
        kills = re.search(r"^oom_kill (\d+)$", text_of(self.memory / events) or "", re.MULTILINE)
        return Usage(integer_of(self.memory / peak), int(kills[1]) if kills else None)


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A cgroup to make: its folder, and what to write into its files."""

    folder: Path
    version: int
    settings: Mapping[str, str]
    optional: frozenset[str] = frozenset()
    """Files that some kernels lack."""


@contextlib.contextmanager
def open_box(limit: Limit, proc: Path = PROC) -> Iterator[Box]:
    """A box with these limits; LimitError names everything that it lacks here."""
    groups, missing = plan_cgroups(limit, proc)
    if groups:
        with _cgroup_box(groups) as box:
            yield box
        return
    prefix, reason = scope_prefix(limit)
    if not prefix:
        raise LimitError(
            "--limit needs a cgroup to put the measuring processes into, and none may be made here: "
            f"{'; '.join([*missing, reason])}. Run it as root, or in a systemd user session."
        )
    yield Box("systemd user scope", Enclosure(prefix=prefix))


def plan_cgroups(limit: Limit, proc: Path) -> tuple[list[Cgroup], list[str]]:
    """The cgroups that would enforce the limits, or nothing and the reasons. Makes none."""
    groups, missing = [], []
    for controller, wanted in (("memory", limit.memory_bytes), ("cpu", limit.quota_us)):
        if wanted is None:
            continue
        version, parent, reason = _parent(controller, proc)
        if parent is None:
            missing.append(reason)
        else:
            groups.append(_group(version, parent / f"recpress-{os.getpid()}", controller, wanted))
    return ([], missing) if missing else (_merged(groups), [])


def _merged(groups: list[Cgroup]) -> list[Cgroup]:
    """Version 2 has one folder for both controllers."""
    by_folder: dict[Path, Cgroup] = {}
    for group in groups:
        before = by_folder.get(group.folder, group)
        settings = {**before.settings, **group.settings}
        by_folder[group.folder] = dataclasses.replace(
            group, settings=settings, optional=before.optional | group.optional
        )
    return list(by_folder.values())


def _group(version: int, folder: Path, controller: str, wanted: int) -> Cgroup:
    if version == 2:
        settings = (
            {"memory.max": str(wanted), "memory.swap.max": "0"}
            if controller == "memory"
            else {"cpu.max": f"{wanted} {PERIOD_US}"}
        )
        return Cgroup(folder, version, settings, frozenset({"memory.swap.max"}))
    if controller == "memory":  # in this order: memory and swap together may not be below memory
        names = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        settings = {**dict.fromkeys(names, str(wanted)), "memory.swappiness": "0"}
        lacking = frozenset({"memory.memsw.limit_in_bytes", "memory.swappiness"})
        return Cgroup(folder, version, settings, lacking)
    return Cgroup(folder, version, {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(wanted)})


def _parent(controller: str, proc: Path) -> tuple[int, Path | None, str]:
    """(version, the cgroup below which one with this controller can be made, else None and why not)."""
    own = dict(_own_paths(proc))
    reasons = []
    for version, mount, controllers in _mounts(proc):
        if version == 1 and controller not in controllers:
            continue
        for path in dict.fromkeys((mount / own.get(controller if version == 1 else "", ""), mount)):
            if version == 2:
                enabled = (text_of(path / "cgroup.subtree_control") or "").split()
                if controller not in enabled:
                    reasons.append(f"controller {controller} is not enabled below {path}")
                    continue
            if os.access(path, os.W_OK | os.X_OK):
                return version, path, ""
            reasons.append(f"{path} cannot be written by user {os.geteuid()}")
    return 0, None, ", ".join(reasons) or f"no cgroup hierarchy with controller {controller} is mounted"


def _mounts(proc: Path) -> Iterator[tuple[int, Path, list[str]]]:
    for line in (text_of(proc / "self/mounts") or "").splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[2] in ("cgroup", "cgroup2"):
            yield (2 if fields[2] == "cgroup2" else 1), Path(fields[1]), fields[3].split(",")


def _own_paths(proc: Path) -> Iterator[tuple[str, str]]:
    """(controller, path of this process's cgroup below the mount); '' is version 2."""
    for line in (text_of(proc / "self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path.lstrip("/")


@contextlib.contextmanager
def _cgroup_box(groups: list[Cgroup]) -> Iterator[Box]:
    janitor = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _JANITOR, *(str(group.folder) for group in groups)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert janitor.stdin is not None
    assert janitor.stdout is not None
    try:
        janitor.stdout.readline()  # from here on whatever is made is removed again
        for group in groups:
            _make(group)
        memory = next((g.folder for g in groups if any(n.startswith("memory.") for n in g.settings)), None)
        doors = tuple(group.folder / "cgroup.procs" for group in groups)
        versions = " and ".join(sorted({f"v{group.version}" for group in groups}))
        yield Box(f"cgroup {versions}", Enclosure(doors=doors), memory)
    finally:
        janitor.stdin.close()
        janitor.wait()
        janitor.stdout.close()


def _make(group: Cgroup) -> None:
    try:
        group.folder.mkdir()
        for name, value in group.settings.items():
            file = group.folder / name
            if name not in group.optional or file.exists():
                file.write_text(value)
    except OSError as error:
        raise LimitError(
            f"--limit: the kernel refuses {error.filename or group.folder}: {error.strerror}"
        ) from None


def scope_prefix(limit: Limit) -> tuple[tuple[str, ...], str]:
    """The command that runs another in a systemd user scope with these limits, or nothing and why not."""
    program = shutil.which("systemd-run")
    if program is None:
        return (), "systemd-run is not installed"
    properties = ["CPUAccounting=yes"]
    if limit.memory_bytes is not None:
        properties += [f"MemoryMax={limit.memory_bytes}", "MemorySwapMax=0"]
    if limit.cpus is not None:
        properties += [f"CPUQuota={math.ceil(100 * limit.cpus)}%", f"CPUQuotaPeriodSec={PERIOD_US}us"]
    flags = [part for value in properties for part in ("--property", value)]
    prefix = (program, "--user", "--scope", "--quiet", "--collect", *flags, "--")
    try:
        tried = subprocess.run(
            [*prefix, "true"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return (), f"systemd-run does not answer ({type(error).__name__})"
    said = " ".join(tried.stderr.split())[:200]
    return (prefix, "") if tried.returncode == 0 else ((), f"systemd gives no user scope ({said})")

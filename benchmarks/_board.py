"""An emulated board with an install of its own, and a disk that outlives a boot."""

import importlib.metadata
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from _board_guest import MARK

import device_bench
import recpress_edge
import recpress_export
from device_bench.emulation.apt import Apt, unpack
from device_bench.emulation.cache import Component, component, locked
from device_bench.emulation.cpio import ArchiveEntry, entries_of, folder, write_cpio
from device_bench.emulation.guest import Setup, compile_bytecode, prepare
from device_bench.emulation.machine import Console, command_line, ramdisk, ramdisk_path, run_machine
from device_bench.emulation.tools import EmulationError, need, run_tool
from device_bench.emulation.wheels import fetch_wheels, unpack_wheel
from recpress_edge.core.cache import cache_root
from recpress_edge.core.files import scratch_folder
from recpress_edge.core.progress import OnEvent

CPU: Final = "cortex-a53"
MEMORY_BYTES: Final = 512 * 2**20
DISK_MIB: Final = 64
_TIMEOUT_S: Final = 5400.0
_SIGNED: Final = ("cryptography", "cffi")
"""The extra ``signed``, and what it loads."""
_MODULES: Final = (  # in the order of their needs
    *("crypto/crc32c_generic", "lib/crc16", "fs/mbcache", "fs/jbd2/jbd2", "fs/ext4/ext4"),
    *("drivers/virtio/virtio_mmio", "drivers/block/virtio_blk"),
)
_SCRIPT: Final = """\
export PYTHONPATH=/app/signed:$PYTHONPATH
{mount}python3 /app/_board_guest.py /app/plan/plan.json
echo "@@exit $?"
"""
_MOUNT: Final = """\
for name in {modules}; do /bin/busybox insmod /app/modules/$name.ko; done
/bin/busybox mkdir -p /disk
/bin/busybox mount -t ext4 /dev/vda /disk
"""


@dataclass(frozen=True, slots=True)
class Board:
    """The machine, the extra ``signed`` for it, and the modules of its kernel that a disk needs."""

    setup: Setup
    signed: Component
    modules: Component

    def facts(self) -> dict[str, Any]:
        """What a record says of it."""
        return {
            "program": "qemu-system-aarch64",
            "version": self.setup.tools.facts["qemu"],
            "cpu": CPU,
            "memory_bytes": MEMORY_BYTES,
            "kernel": self.setup.system.facts["kernel"],
            "python": self.setup.python,
            "wheels": {**self.setup.site.facts["wheels"], **self.signed.facts["wheels"]},
        }


def prepare_board(file_format: str, on_event: OnEvent) -> Board:
    """Everything from the cache, or fetched now."""
    root = cache_root()
    setup = prepare(file_format, root, on_event)
    versions = {name: importlib.metadata.version(name) for name in _SIGNED}
    kernel = f"linux-image-{setup.system.facts['kernel']}"
    with locked(root, on_event):
        signed = component(
            root,
            "signed",
            {"recipe": 1, "python": setup.python, "versions": versions},
            lambda draft: _fetch_signed(draft, versions, setup),
            on_event,
        )
        modules = component(
            root,
            "modules",
            {"recipe": 1, "kernel": kernel, "modules": _MODULES},
            lambda draft: _fetch_modules(draft, kernel, root),
            on_event,
        )
    return Board(setup, signed, modules)


def _fetch_signed(draft: Path, versions: Mapping[str, str], setup: Setup) -> dict[str, Any]:
    digests = fetch_wheels(versions, setup.python, draft / "wheels")
    for name in digests:
        unpack_wheel(draft / "wheels" / name, draft / "site")
    shutil.rmtree(draft / "wheels")
    compile_bytecode(draft, draft / "site", setup)
    return {"wheels": digests}


def _fetch_modules(draft: Path, kernel: str, root: Path) -> dict[str, Any]:
    apt = Apt(root / "apt-system", "arm64", installed=False)
    apt.update()
    (package,) = apt.fetch([kernel], dependencies=False)
    wanted = tuple(f"kernel/{name}.ko" for name in _MODULES)
    unpack(apt.archives / package.file, draft, lambda name: name.endswith(wanted))
    for path in list(draft.rglob("*.ko")):
        path.rename(draft / path.name)
    shutil.rmtree(draft / "lib")
    return {"kernel": package.version}


def make_disk(image: Path, content: Path) -> Path:
    """An ext4 file system, as on a memory card, with the files of a folder."""
    form = ("-q", "-F", "-t", "ext4", "-E", "root_owner=0:0", "-d")
    program = need("mke2fs", "e2fsprogs")
    run_tool([program, *form, content, image, f"{DISK_MIB}M"], what="making the disk")
    return image


def disk_errors(image: Path) -> str:
    """What a check of the file system finds once its journal is played back; empty where it is sound."""
    check = need("e2fsck", "e2fsprogs")
    subprocess.run([check, "-p", image], capture_output=True, check=False)
    done = subprocess.run([check, "-f", "-n", image], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout.strip()


def start(
    board: Board,
    plan: Mapping[str, Any],
    files: Path,
    on_line: Callable[[str], None],
    disk: Path | None = None,
) -> list[dict[str, Any]]:
    """One boot: what ``_board_guest.py`` says of a plan; ``files`` lie in /app/plan there, a disk at /disk.

    EmulationError where it ends in another way than by the plan.
    """
    program, environment = board.setup.tool("qemu-system-aarch64")
    with ramdisk(board.setup, lambda file: _payload(file, board, plan, files, disk=disk)) as number:
        command = command_line(program, board.setup, CPU, MEMORY_BYTES, ramdisk_path(number))
        if disk is not None:
            command += ["-drive", f"file={disk},format=raw,if=none,id=card", "-device"]
            command += ["virtio-blk-device,drive=card"]
        console = run_machine(command, environment, number, on_line, _TIMEOUT_S)
    return said_by(console, cut=plan.get("cut_after_s") is not None)


def said_by(console: Console, *, cut: bool) -> list[dict[str, Any]]:
    """The entries of one boot; EmulationError where it did not end as planned."""
    marked = [line.removeprefix(MARK) for line in console.lines if line.startswith(MARK)]
    said = [json.loads(line) for line in marked if line.startswith("{")]
    ended = "exit 0" in marked
    if console.timed_out or console.out_of_memory or console.panic or not (ended or (cut and said)):
        raise EmulationError("the board ended otherwise: " + " / ".join(console.lines[-12:]))
    return said


def _payload(
    file: IO[bytes], board: Board, plan: Mapping[str, Any], files: Path, *, disk: Path | None
) -> None:
    """What this boot adds: the whole package without its dependencies, the plan and its files."""
    mount = _MOUNT.format(modules=" ".join(Path(name).name for name in _MODULES)) if disk else ""
    with scratch_folder("recpress-board-") as scratch:
        app = scratch / "app"
        for package in (device_bench, recpress_edge, recpress_export):
            source = Path(str(package.__file__)).parent
            ignored = shutil.ignore_patterns("__pycache__", "*.c", "*.typed")
            shutil.copytree(source, app / source.name, ignore=ignored)
        shutil.copy(Path(__file__).with_name("_board_guest.py"), app)
        compile_bytecode(scratch, app, board.setup)
        shutil.copytree(files, app / "plan")
        (app / "plan/plan.json").write_text(json.dumps(plan))
        write_cpio(file, _entries(app, board, _SCRIPT.format(mount=mount)))


def _entries(app: Path, board: Board, script: str) -> Sequence[ArchiveEntry]:
    return [
        *(folder(name) for name in ("app", "app/signed", "app/modules")),
        ArchiveEntry("app/run.sh", 0o100755, script.encode()),
        *entries_of(app, "app/"),
        *entries_of(board.signed.folder / "site", "app/signed/"),
        *(
            ArchiveEntry(f"app/modules/{p.name}", 0o100644, p)
            for p in sorted(board.modules.folder.glob("*.ko"))
        ),
    ]

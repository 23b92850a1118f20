"""The components of the emulated machine: emulator, Debian system, wheels, and the image made of them."""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from device_bench.emulation.apt import Apt, Package, unpack
from device_bench.emulation.cache import Component, component, locked
from device_bench.emulation.cpio import ArchiveEntry, entries_of, folder, write_cpio
from device_bench.emulation.tools import EmulationError, need, run_tool
from device_bench.emulation.wheels import fetch_wheels, pinned, unpack_wheel
from recpress_edge.core.files import sha256_file
from recpress_edge.core.progress import OnEvent

# Raise it when a component is built in another way: the cache then builds it again.
RECIPE: Final = 1
_TOOL_PACKAGES: Final = ("qemu-system-arm", "qemu-user", "lz4", "python3")
_GCC: Final = "aarch64-linux-gnu-gcc"
_GCC_PACKAGES: Final = ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross")
_SYSTEM_PACKAGES: Final = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "busybox-static")
_KERNEL: Final = "linux-image-arm64"
# Neither a query nor the bench reads these, and every byte of the image takes the machine's memory.
_LEFT_OUT: Final = re.compile(
    r"""
    usr/(share|sbin|games|include|lib/(dpkg|tar|tc|valgrind|locale))(/|$)
    | etc(/|$) | var(/|$) | sbin(/|$)
    | usr/bin/(?!python3)
    | .*/(gconv|audit|engines-3|ossl-modules|krb5|sasl2|gdcm)(/|$)
    | .*/lib(db-5|sqlite3|krb5|gssapi|k5crypto|tirpc|nsl|ncurses|readline|history|panel|menu|form|selinux
        |pcre2)[^/]*\.so[^/]*
    | usr/lib/python3\.\d+/(asyncio|concurrent|curses|dbm|distutils|ensurepip|idlelib|lib2to3|msilib
        |multiprocessing|pydoc_data|sqlite3|test|tkinter|turtledemo|unittest|venv|wsgiref|xmlrpc
        |config-[^/]*)(/|$)
    | usr/lib/python3\.\d+/(__pycache__/)?(_pydecimal|_pyio|doctest|imaplib|mailbox|nntplib|optparse|pdb|pydoc
        |smtplib|tarfile|turtle)\.[^/]*
    | usr/lib/python3\.\d+/lib-dynload/(_test|_xx|xx|_codecs_|_sqlite3|_curses|_dbm|_asyncio|_ssl|readline|nis
        |audioop|ossaudiodev)[^/]*
    | usr/lib/python3/.*
    | site/bin(/|$)
    | site/numpy/(.*/)?(tests|f2py|distutils|testing|include|_core/include|_core/lib)(/|$)
    | site/onnxruntime/(backend|datasets|quantization|tools|transformers)(/|$)
    | site/onnxruntime/capi/(training|libonnxruntime\.so[^/]*)(/|$)
    | site/ai_edge_litert/(aot|vendors|tools|model_utils|python|cc)(/|$)
    | .*\.(pyi|h|a|pxd|lib)$
    """,
    re.VERBOSE,
)
_INIT: Final = b"""#!/bin/busybox sh
/bin/busybox mount -t proc p /proc
/bin/busybox mount -t sysfs s /sys
/bin/busybox mount -t devtmpfs d /dev
export PATH=/usr/bin:/bin HOME=/tmp PYTHONPATH=/site:/app PYTHONHOME=/usr PYTHONDONTWRITEBYTECODE=1
export PYTHONHASHSEED=0 ORT_DISABLE_TELEMETRY=1 OPENBLAS_NUM_THREADS=1 LC_ALL=C.UTF-8
cd /app
/bin/busybox sh /app/run.sh
/bin/busybox sync
echo o > /proc/sysrq-trigger
/bin/busybox sleep 9
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """The machine for one file format, ready to boot."""

    tools: Component
    system: Component
    site: Component
    image: Component

    @property
    def kernel(self) -> Path:
        return self.system.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.image.folder / "initrd.lz4"

    @property
    def python(self) -> str:
        """Of the guest: '3.11'."""
        return str(self.system.facts["python"])

    def tool(self, name: str) -> tuple[str, dict[str, str]]:
        """A program of the tools, or of this machine when installed there already; and its environment."""
        return find_tool(self.tools.folder, name)


def prepare(file_format: str, root: Path, on_event: OnEvent) -> Setup:
    """Everything for bundles of one format, from the cache or built now."""
    versions = pinned(file_format)
    with locked(root, on_event):
        tools = component(root, "tools", {"recipe": RECIPE}, lambda draft: _tools(draft, root), on_event)
        system = component(
            root, "system", {"recipe": RECIPE}, lambda draft: _system(draft, root, tools), on_event
        )
        python = str(system.facts["python"])
        site = component(
            root,
            f"site-{file_format}",
            {"recipe": RECIPE, "python": python, "versions": versions},
            lambda draft: _site(draft, versions, python, root, tools),
            on_event,
        )
        image = component(
            root,
            f"image-{file_format}",
            {"recipe": RECIPE, "system": system.digest, "site": site.digest},
            lambda draft: _image(draft, tools, system, site),
            on_event,
        )
    found = sha256_file(image.folder / "initrd.lz4")
    if found != image.facts["sha256"]:
        raise EmulationError(f"{image.folder} was changed or is damaged. Remove that folder and try again.")
    return Setup(tools, system, site, image)


def fetched_gcc(root: Path, on_event: OnEvent) -> tuple[str, ...]:
    """The command of Debian's compiler for 64-bit Arm, unpacked in the cache: it need not be installed."""
    with locked(root, on_event):
        unpacked = component(root, "gcc", {"recipe": RECIPE}, lambda draft: _gcc(draft, root), on_event)
    program, environment = find_tool(unpacked.folder, _GCC)
    return ("env", *(f"{name}={value}" for name, value in environment.items()), program)


def find_tool(tools: Path, name: str) -> tuple[str, dict[str, str]]:
    """A program and the environment that it needs: unpacked in ``tools``, else installed on this machine."""
    program = tools / "usr/bin" / name
    if not program.exists():
        return need(name, "a Debian system of one release: its apt took this program for installed"), {}
    libraries = sorted({str(path.parent) for path in tools.rglob("*.so.*")})
    return str(program), {"LD_LIBRARY_PATH": ":".join(libraries)}


def _gcc(draft: Path, root: Path) -> Mapping[str, Any]:
    return {"packages": _versions(_unpack_tools(draft, root, _GCC_PACKAGES))}


def _unpack_tools(draft: Path, root: Path, names: Sequence[str]) -> list[Package]:
    """Programs for this machine with what they need of Debian, unless they are installed."""
    machine = run_tool([need("dpkg", "dpkg"), "--print-architecture"], what="asking for the architecture")
    apt = Apt(root / "apt-tools", machine.strip(), installed=True)
    apt.update()
    packages = apt.fetch(names)
    for package in packages:
        if package.name == "libc6":
            raise EmulationError(
                "apt would replace this machine's libc6: run apt-get upgrade, then try again"
            )
        unpack(apt.archives / package.file, draft, lambda name: not name.startswith("usr/share/doc"))
    return packages


def _tools(draft: Path, root: Path) -> Mapping[str, Any]:
    """The emulator and the compressor, unless this machine has them."""
    packages = _unpack_tools(draft, root, _TOOL_PACKAGES)
    qemu, environment = find_tool(draft, "qemu-system-aarch64")
    said = run_tool([qemu, "--version"], what="starting the emulator", environment=environment)
    version = re.search(r"version (\S+)", said)
    return {"qemu": version[1] if version else said.strip(), "packages": _versions(packages)}


def _system(draft: Path, root: Path, tools: Component) -> Mapping[str, Any]:
    """Debian's arm64 Python and C library, and the stock kernel."""
    apt = Apt(root / "apt-system", "arm64", installed=False)
    apt.update()
    packages = apt.fetch(_SYSTEM_PACKAGES)
    for package in packages:
        unpack(apt.archives / package.file, draft / "root")
    (kernel,) = apt.fetch([apt.depends(_KERNEL)], dependencies=False)
    unpack(apt.archives / kernel.file, draft, lambda name: name.startswith("boot/vmlinuz"))
    (image,) = (draft / "boot").glob("vmlinuz-*")
    shutil.move(image, draft / "vmlinuz")
    interpreters = sorted((draft / "root/usr/bin").glob("python3.[0-9]*"))
    if not interpreters:
        raise EmulationError("the Debian packages hold no Python 3")
    python = interpreters[0].name.removeprefix("python")
    _compile(draft / "root", draft / "root/usr/lib" / f"python{python}", python, tools)
    return {
        "python": python,
        "kernel": kernel.name.removeprefix("linux-image-"),
        "packages": _versions([*packages, kernel]),
    }


def _site(
    draft: Path, versions: Mapping[str, str], python: str, root: Path, tools: Component
) -> Mapping[str, Any]:
    wheels = root / "wheels" / "-".join([python, *(f"{name}-{v}" for name, v in versions.items())])
    digests = fetch_wheels(versions, python, wheels)
    for name in digests:
        unpack_wheel(wheels / name, draft / "site")
    _compile(draft, draft / "site", python, tools)
    return {"wheels": digests}


def compile_bytecode(root: Path, below: Path, setup: Setup) -> None:
    """Compile what a boot adds, as the image's own files are."""
    _compile(root, below, setup.python, setup.tools)


def _compile(root: Path, below: Path, python: str, tools: Component) -> None:
    """Compile to bytecode once, so that no start has to; it holds no path or time of this machine."""
    run_tool(
        [
            *(python_of(tools, python), "-m", "compileall", "-q", "-j1"),
            *("--invalidation-mode", "unchecked-hash", "-s", root, "-p", "/", below),
        ],
        what=f"compiling {below.name}",
        environment={"PYTHONHASHSEED": "0"},
    )


def python_of(tools: Component, python: str) -> str:
    """An interpreter of the guest's version on this machine: its bytecode fits."""
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    return shutil.which(f"python{python}") or str(tools.folder / "usr/bin" / f"python{python}")


def _image(draft: Path, tools: Component, system: Component, site: Component) -> Mapping[str, Any]:
    """The initial ramdisk: the machine's whole file system, in its memory."""
    with (draft / "initrd").open("wb") as file:
        taken = write_cpio(file, _entries(system.folder, site.folder))
    lz4, environment = find_tool(tools.folder, "lz4")
    run_tool(
        [lz4, "-l", "-9", "-q", draft / "initrd", draft / "initrd.lz4"],  # -l: as the kernel reads it
        what="compressing the image",
        environment=environment,
    )
    (draft / "initrd").unlink()
    return {"sha256": sha256_file(draft / "initrd.lz4"), "memory_bytes": taken}


def _entries(system: Path, site: Path) -> Iterator[ArchiveEntry]:
    yield ArchiveEntry("init", 0o100755, _INIT)
    yield from (folder(name) for name in ("app", "dev", "proc", "site", "sys", "tmp"))
    for entry in (*entries_of(system / "root"), *entries_of(site / "site", "site/")):
        if not _LEFT_OUT.match(entry.name):
            yield entry


def _versions(packages: list[Package]) -> dict[str, str]:
    return {package.name: package.version for package in packages}

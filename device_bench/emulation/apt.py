"""Debian packages without root: an apt of our own, in the cache folder.

Packages come from the mirrors and suites of this machine's apt. apt checks the archive's signature, and
every package's digest against it; the digests are checked once more before unpacking, and recorded.
"""

import re
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final
from urllib.parse import unquote

from device_bench.emulation.tools import EmulationError, need, run_tool
from recpress_edge.core.errors import SkippedError
from recpress_edge.core.files import sha256_file
from recpress_edge.device.process import dies_with_parent

SYSTEM_STATUS: Final = Path("/var/lib/dpkg/status")
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_DIGEST: Final = re.compile(r"SHA256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Package:
    """One package file."""

    name: str
    version: str
    file: str
    sha256: str
    """As the signed index states it."""


class Apt:
    """apt with its own lists, cache and view of installed packages."""

    def __init__(self, folder: Path, architecture: str, *, installed: bool) -> None:
        """``installed``: count what this machine has as installed, so that only the rest is fetched."""
        self._apt_get, self._apt_cache = need("apt-get", "apt (Debian)"), need("apt-cache", "apt (Debian)")
        need("dpkg-deb", "dpkg")
        if not _KEYRING.is_file():
            raise SkippedError(
                f"install debian-archive-keyring: {_KEYRING} is not here, so no package could be verified"
            )
        self._folder, self._architecture = folder.resolve(), architecture
        self._status = SYSTEM_STATUS if installed else self._folder / "status"
        self._environment = {
            "APT_CONFIG": str(self._folder / "apt.conf"),
            "DEBIAN_FRONTEND": "noninteractive",
        }

    @property
    def archives(self) -> Path:
        """Where fetched packages lie."""
        return self._folder / "cache" / "archives"

    def update(self) -> None:
        """Fetch the indexes. The mirrors are this machine's own; only the architecture may be another."""
        for part in ("lists/partial", "cache/archives/partial", "none/partial", "preferences"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()
        form = f"deb [arch={self._architecture} signed-by={_KEYRING}] $(REPO_URI) $(SUITE) main"
        lines = run_tool(
            [self._apt_get, "indextargets", "--format", form, "Created-By: Packages", "Component: main"],
            what="asking apt for this machine's mirrors",
        )
        sources = sorted({line for line in lines.splitlines() if "debian" in line})
        if not sources:
            raise SkippedError(
                "configure a Debian mirror for apt and run apt-get update once: this machine's apt names none"
            )
        (self._folder / "sources.list").write_text("\n".join(sources) + "\n")
        (self._folder / "apt.conf").write_text(self._configuration())
        self._run("update", what=f"fetching the {self._architecture} package index")

    def _configuration(self) -> str:
        here = self._folder
        values = {
            "APT::Architecture": self._architecture,
            "APT::Architectures": self._architecture,
            "APT::Sandbox::User": "",
            "APT::Install-Recommends": "false",
            "Acquire::ForceHash": "SHA256",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "true",  # the cache folder has its own lock
            "Dir::Cache": here / "cache",
            "Dir::Etc::preferences": "-",
            "Dir::Etc::preferencesparts": here / "preferences",
            "Dir::Etc::sourcelist": here / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": here / "lists",
            "Dir::State::status": self._status,
        }
        return "".join(f'{name} "{value}";\n' for name, value in values.items())

    def _run(self, *arguments: str, what: str, cwd: Path | None = None) -> str:
        return run_tool([self._apt_get, "-qq", *arguments], what=what, environment=self._environment, cwd=cwd)

    def depends(self, package: str) -> str:
        """The first package that a metapackage depends on."""
        text = run_tool(
            [self._apt_cache, "depends", package],
            what=f"reading {package}",
            environment=self._environment,
        )
        found = re.search(r"Depends: (\S+)", text)
        if found is None:
            raise EmulationError(f"the package {package} depends on nothing; apt said: {text.strip()!r}")
        return found[1]

    def fetch(self, names: Sequence[str], *, dependencies: bool = True) -> list[Package]:
        """Fetch packages, and what they depend on that is not installed; every file is verified."""
        action = ["install"] if dependencies else ["download"]
        what = f"fetching {', '.join(names)}"
        # an empty folder in place of the archives: what lies there already would not be named
        nothing = f"Dir::Cache::archives={self._folder / 'none'}"
        uris = self._run("--print-uris", "-o", nothing, *action, *names, what=what)
        packages = parse_uris(uris)
        if dependencies:
            self._run("--download-only", "--yes", *action, *names, what=what)
        else:
            self._run(*action, *names, what=what, cwd=self.archives)
        for package in packages:
            found = sha256_file(self.archives / package.file)
            if found != package.sha256:
                raise EmulationError(
                    f"{package.file} has SHA-256 {found}, the signed index says {package.sha256}. "
                    f"Remove {self.archives / package.file} and try again."
                )
        return packages


def parse_uris(text: str) -> list[Package]:
    """Packages from what ``apt-get --print-uris`` prints: 'URI' file size SHA256:digest."""
    packages = []
    for line in text.splitlines():
        if not line.startswith("'"):
            continue
        _, file, _, digest = line.split(" ")
        found, parts = _DIGEST.fullmatch(digest), unquote(file).split("_")
        if found is None or len(parts) != 3 or PurePosixPath(file).name != file:
            raise EmulationError(f"apt names a package without a SHA-256, or oddly: {line!r}")
        packages.append(Package(parts[0], parts[1], file, found[1]))
    return sorted(packages, key=lambda package: package.name)


def unpack(deb: Path, into: Path, wanted: Callable[[str], bool] = lambda _: True) -> None:
    """Unpack a package's files below ``into``; nothing is run, and no path may lead out of it."""
    process = subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE, preexec_fn=dies_with_parent()
    )
    try:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                if wanted(member.name.removeprefix("./")):
                    _place(archive, member, into)
        process.stdout.read()
    except (tarfile.TarError, OSError) as error:
        raise EmulationError(f"cannot unpack {deb.name}: {error}") from None
    finally:
        process.kill()
        process.wait()


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    """Plain files, folders and links only, each below ``into`` also after links are followed."""
    target = inside(into, member.name)
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        target.hardlink_to(inside(into, member.linkname))
    elif member.isfile():
        source: IO[bytes] | None = archive.extractfile(member)
        assert source is not None
        with source, target.open("wb") as file:
            while block := source.read(1 << 20):
                file.write(block)
        target.chmod(0o755 if member.mode & 0o111 else 0o644)
    else:
        raise EmulationError(f"the archive holds {member.name!r}, which is not a file, folder or link")


def inside(root: Path, name: str) -> Path:
    """``root / name``; EmulationError for a name that leads out of it, itself or through a link."""
    relative = PurePosixPath(name)
    target = root / relative
    if not relative.parts:
        return root
    if (
        relative.is_absolute()
        or ".." in relative.parts
        or not target.parent.resolve().is_relative_to(root.resolve())
    ):
        raise EmulationError(f"an archive names a file outside its folder: {name!r}. Nothing of it is used.")
    return target

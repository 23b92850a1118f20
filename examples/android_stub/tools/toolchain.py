"""The tools that the stub's tests need, unpacked into a cache: nothing is installed, nothing runs as root.

    python examples/android_stub/tools/toolchain.py        # fetches what is missing, prints where it is

- Debian's own Android build tools and JUnit, as packages that apt verifies.
- ONNX Runtime's Java API and JNI, compiled from Debian's source tarball and linked to the libonnxruntime.so
  of the 1.27.0 Python wheel: Maven Central's jar cannot be had from a Debian or PyPI mirror.
- android.jar and dx, which Debian 12 has dropped: from the pool where a mirror still keeps them.

Digests of what was unpacked are kept beside it and compared before it is used again.
"""

import contextlib
import functools
import platform
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from device_bench.emulation.apt import Apt, unpack
from recpress_edge.core.cache import cache_root
from recpress_edge.core.errors import RecPressError
from recpress_edge.core.files import sha256_file

ORT_VERSION: Final = "1.27.0"
PACKAGES: Final = (
    "aapt",
    "android-framework-res",
    "android-libaapt",
    "android-libandroidfw",
    "android-libbacktrace",
    "android-libbase",
    "android-libcutils",
    "android-liblog",
    "android-libutils",
    "android-libziparchive",
    "apksigner",
    "junit4",
    "libapksig-java",
    "libhamcrest-java",
    "libprotobuf-lite32",
    "libxz-java",
    "libzopfli1",
    "p7zip-full",
    "zipalign",
)
"""Of Debian 12."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """A file that is known by its digest, wherever it comes from."""

    path: str
    """Below a Debian mirror's root."""
    sha256: str


ANDROID_JAR: Final = Pinned(
    "pool/main/a/android-framework-23/libandroid-23-java_6.0.1+r72-6_all.deb",
    "8af1b6df556971dda0a6da3536ea526a838e0c363afcdd454213d8bce94793e3",
)
DX: Final = Pinned(
    "pool/main/a/android-platform-dalvik/dalvik-exchange_10.0.0+r36-1_all.deb",
    "8fc128db7c27253d963eb9b33de79b197162a4749d2ba69019b2fd0664cbd7fe",
)
ORT_SOURCE: Final = Pinned(
    "pool/main/o/onnxruntime/onnxruntime_1.21.0%2bdfsg.orig.tar.xz",
    "32df1f82bd6b07b18372c0f387133214905cbde7a586b3ad83f0ed0075f80273",
)
# One wheel for every Python that runs this: only its libonnxruntime.so is used.
ORT_WHEEL: Final = (
    f"onnxruntime-{ORT_VERSION}-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "e4f7b0e90d2d212e2c2deaa6c8291616183ab815d3ec558ea12d3ac8b26d36f4",
)
SUMS: Final = "SHA256SUMS"
JDK_ERROR: Final = "the tests need a JDK and gcc. Run: apt-get install openjdk-17-jdk-headless gcc libc6-dev"


class ToolError(Exception):
    """A tool that cannot be had; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Where everything is."""

    root: Path
    """Debian's packages, unpacked."""
    ort_classes: Path
    ort_libraries: Path
    extras: dict[str, Path]
    """android.jar and dx, where a mirror has them."""
    missing: dict[str, str]
    """Which of the two no mirror has, with the reason. Nothing else may be absent."""

    @property
    def junit(self) -> str:
        """Class path of JUnit 4."""
        java = self.root / "usr/share/java"
        return f"{java / 'junit4.jar'}:{java / 'hamcrest-2.2.jar'}"

    @property
    def xz(self) -> Path:
        """org.tukaani:xz 1.9, what unpacks a patch."""
        return self.root / "usr/share/java/xz-1.9.jar"

    @property
    def framework_res(self) -> Path:
        return self.root / "usr/share/android-framework-res/framework-res.apk"

    def native(self, name: str, *args: str) -> list[str]:
        """Command of an unpacked program, with its own libraries."""
        folders = ("x86_64-linux-gnu/android", "x86_64-linux-gnu", "p7zip", "")
        path = "LD_LIBRARY_PATH=" + ":".join(str(self.root / "usr/lib" / folder) for folder in folders)
        return ["env", path, str(self.root / "usr/bin" / name), *args]

    def dx(self, *args: str) -> list[str]:
        return ["java", "-jar", str(self.extras["dx"]), *args]

    def apksigner(self, *args: str) -> list[str]:
        java = self.root / "usr/share/java"
        jars = f"{java / 'apksigner.jar'}:{java / 'apksig.jar'}"
        return ["java", "-cp", jars, "com.android.apksigner.ApkSignerTool", *args]


EXTRAS: Final = {
    "android.jar": (ANDROID_JAR, "usr/share/java/com.android.android-23.jar"),
    "dx": (DX, "usr/share/java/com.android.dx-10.0.0.jar"),
}


def cache_dir() -> Path:
    """Of this user, kept between runs; what is unpacked otherwise than this file says is not used."""
    return cache_root(None) / f"android-{sha256_file(Path(__file__))[:12]}"


def ensure_toolchain(cache: Path | None = None) -> Toolchain:
    """Everything unpacked and verified; ToolError for what cannot be had, except android.jar and dx."""
    cache = cache or cache_dir()
    if platform.machine() != "x86_64" or shutil.which("apt-get") is None:
        raise ToolError(f"the tests need Debian on x86-64; this is {platform.platform()}")
    for program in ("javac", "java", "keytool", "gcc"):
        if shutil.which(program) is None:
            raise ToolError(f"{program} is missing: {JDK_ERROR}")
    cache.mkdir(parents=True, exist_ok=True)
    root = _kept(cache / "root", _unpack_packages)
    ort = _kept(cache / f"onnxruntime-{ORT_VERSION}", _build_ort)
    extras, missing = {}, {}
    for name, (pinned, inside) in EXTRAS.items():
        try:
            extras[name] = _kept(cache / name, functools.partial(_unpack_pinned, pinned)) / inside
        except ToolError as error:
            missing[name] = str(error)
    return Toolchain(root, ort / "classes", ort / "lib", extras, missing)


def _kept(target: Path, make: Callable[[Path], None]) -> Path:
    """A folder that was made before and is as it was, or is made now."""
    if target.is_dir() and _intact(target):
        return target
    shutil.rmtree(target, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        make(draft)
        (draft / SUMS).write_text("".join(f"{sha}  {name}\n" for name, sha in _digests(draft).items()))
        with contextlib.suppress(OSError):  # another process was faster; its work is as good
            draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    if draft.exists():
        shutil.rmtree(draft)
        return _kept(target, make)
    return target


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(folder)): sha256_file(path) for path in files if path.name != SUMS}


def _intact(folder: Path) -> bool:
    try:
        lines = (folder / SUMS).read_text().splitlines()
    except OSError:
        return False
    return {name: sha for sha, _, name in (line.partition("  ") for line in lines)} == _digests(folder)


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise ToolError(f"{' '.join(command[:3])} … failed: {' | '.join(tail)}")
    return done.stdout


def _unpack_packages(draft: Path) -> None:
    try:
        apt = Apt(draft.parent / "apt", "amd64", installed=False)
        apt.update()
        packages = apt.fetch(PACKAGES, dependencies=False)
    except RecPressError as error:
        raise ToolError(str(error)) from None
    for package in packages:
        _unpack(apt.archives / package.file, draft)


def _unpack(package: Path, draft: Path) -> None:
    try:
        unpack(package, draft)
    except RecPressError as error:
        raise ToolError(str(error)) from None


def _unpack_pinned(pinned: Pinned, draft: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _unpack(_fetch(pinned, Path(folder)), draft)


def _fetch(pinned: Pinned, folder: Path) -> Path:
    """From the first mirror of this machine's that has the very file."""
    target, errors = folder / Path(pinned.path).name, []
    for mirror in _mirrors():
        try:
            with urllib.request.urlopen(f"{mirror}{pinned.path}", timeout=60) as answer:
                target.write_bytes(answer.read())
        except (urllib.error.URLError, OSError) as error:
            errors.append(f"{mirror}: {error}")
            continue
        if sha256_file(target) == pinned.sha256:
            return target
        errors.append(f"{mirror}: another digest than {pinned.sha256}")
    raise ToolError(f"{Path(pinned.path).name} cannot be had ({'; '.join(errors) or 'no mirror known'})")


def _mirrors() -> list[str]:
    listed = _run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
    return sorted({line for line in listed.splitlines() if line and "security" not in line})


def _build_ort(draft: Path) -> None:
    """classes/ and lib/: Microsoft's own Java API over the wheel's library."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        source = _ort_source(work)
        headers, classes, libraries = work / "h", draft / "classes", draft / "lib"
        for folder in (headers, classes, libraries):
            folder.mkdir()
        java = [
            str(path)
            for part in ("java", "jvm")
            for path in sorted((source / "java/src/main" / part).rglob("*.java"))
            if path.name not in ("package-info.java", "module-info.java")
        ]
        flags = ["-nowarn", "-Xlint:none", "--release", "8", "-h", str(headers), "-d", str(classes)]
        _run(["javac", *flags, *java])
        _ort_library(work, libraries / "libonnxruntime.so")
        (work / "onnxruntime_config.h").write_text("")
        _run(_gcc(work, source, libraries))


def _ort_source(work: Path) -> Path:
    tarball = _fetch(ORT_SOURCE, work)
    wanted = ["*/java/src/main/*", "*/include/*"]
    _run(["tar", "xJf", str(tarball), "--wildcards", *wanted], work)
    return next(work.glob("onnxruntime-*/"))


def _ort_library(work: Path, target: Path) -> None:
    wheel, digest = ORT_WHEEL
    platforms = [flag for tag in ("2_27", "2_28") for flag in ("--platform", f"manylinux_{tag}_x86_64")]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    which = ["--python-version", "3.11", "--implementation", "cp", *platforms, f"onnxruntime=={ORT_VERSION}"]
    _run([*pip, *which, "--dest", str(work)])
    if not (work / wheel).is_file() or sha256_file(work / wheel) != digest:
        raise ToolError(f"the index gave another file than {wheel} with SHA-256 {digest}")
    with zipfile.ZipFile(work / wheel) as archive:
        inside = next(name for name in archive.namelist() if "/libonnxruntime.so" in name)
        target.write_bytes(archive.read(inside))


def _gcc(work: Path, source: Path, libraries: Path) -> list[str]:
    jdk = Path(shutil.which("javac") or "").resolve().parents[1] / "include"
    training = next(source.rglob("onnxruntime_training_c_api.h")).parent
    include = [
        work,
        work / "h",
        source / "include",
        source / "include/onnxruntime/core/session",
        training,
        source / "java/src/main/native",
        jdk,
        jdk / "linux",
    ]
    return [
        "gcc",
        *("-O2", "-fPIC", "-shared", "-std=c11", "-w"),
        f'-DORT_VERSION="{ORT_VERSION}"',  # what getVersion() says: the library that is linked
        *(f"-I{folder}" for folder in include),
        *map(str, sorted((source / "java/src/main/native").glob("*.c"))),
        *("-o", str(libraries / "libonnxruntime4j_jni.so"), str(libraries / "libonnxruntime.so")),
    ]


def main() -> int:
    try:
        tools = ensure_toolchain()
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"tools       {tools.root}\nonnxruntime {tools.ort_classes.parent}")
    for name, path in tools.extras.items():
        print(f"{name:<11} {path}")
    for name, reason in tools.missing.items():
        print(f"{name:<11} missing: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

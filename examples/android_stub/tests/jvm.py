"""Compiles Java as the stub is compiled, and runs JUnit; a failure shows what JUnit printed."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain import Toolchain

PACKAGE = "org.example.recpress"
TELEMETRY_OFF = {"ORT_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True)
class Jvm:
    """Classes below one folder: ``core``, ``test``, and mutants that are put before ``core``."""

    tools: Toolchain
    folder: Path

    def classpath(self, *parts: str) -> str:
        own = [str(self.folder / part) for part in parts]
        return ":".join([*own, str(self.tools.ort_classes), str(self.tools.xz), self.tools.junit])

    def compile(self, sources: Path, part: str) -> None:
        """Java 8, every warning an error. ``sources``: a folder, or one file against what is compiled."""
        files = (
            [str(path) for path in sorted(sources.rglob("*.java"))] if sources.is_dir() else [str(sources)]
        )
        assert files, sources
        flags = ["--release", "8", "-Xlint:all,-options,-path", "-Werror", "-encoding", "UTF-8"]
        known = ["-cp", self.classpath("core"), "-d", str(self.folder / part)]
        done = subprocess.run(["javac", *flags, *known, *files], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def java(
        self,
        *args: str,
        core: Sequence[str] = ("core",),
        own: Sequence[str] = ("test",),
        env: dict[str, str] = TELEMETRY_OFF,
        timeout: float = 300,
        **properties: str,
    ):
        """A finished process. The environment is ours alone, so that nothing hides a missing variable."""
        flags = [f"-D{name}={value}" for name, value in properties.items()]
        native = f"-Donnxruntime.native.path={self.tools.ort_libraries}"
        quick = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]  # such runs end before the compiler pays
        command = ["java", *quick, native, *flags, "-cp", self.classpath(*core, *own), *args]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)} | env,
        )

    def mutants(self, *args: str, fixtures: Path):
        """Mutants.java, which loads the library itself: it is not on the class path."""
        folders = [str(self.folder / part) for part in ("core", "test")]
        return self.java(
            "Mutants", *folders, *args, core=("mutants",), own=(), fixtures=str(fixtures), first="true"
        )

    def junit(self, *classes: str, fixtures: Path, core: Sequence[str] = ("core",)):
        names = [f"{PACKAGE}.{name}" for name in classes]
        return self.java("org.junit.runner.JUnitCore", *names, core=core, fixtures=str(fixtures))

"""The app without Gradle: aapt2, javac, dx, zipalign, apksigner. Whether it builds, and what it weighs.

The APK holds our own code and ONNX Runtime's Java classes, not the runtime's native library: that one is in
Microsoft's own package, which only Gradle can fetch.
"""

import subprocess
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from toolchain import Toolchain, ToolError

PACKAGE: Final = "org.example.recpress.demo"
MIN_SDK: Final = "26"
TARGET_SDK: Final = "35"
# Of a throw-away key: Android refuses unsigned files, and everybody's debug key has this password.
_PASSWORD: Final = "android"


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds in ``work``, which it may fill."""

    tools: Toolchain
    stub: Path
    work: Path

    def link(self, assets: Path | None = None) -> Path:
        """Resources, manifest and assets as an APK without code; R.java beside it. ``assets``: a folder."""
        flat, apk = self.work / "res.zip", self.work / "linked.apk"
        self.run(self.tools.native("aapt2", "compile", "--dir", str(self.app / "res"), "-o", str(flat)))
        manifest = self.work / "AndroidManifest.xml"
        text = (self.app / "AndroidManifest.xml").read_text()
        # Gradle takes the package from build.gradle.kts
        manifest.write_text(text.replace("<manifest ", f'<manifest package="{PACKAGE}" ', 1))
        extra = ["-A", str(assets), "-0", ".onnx", "-0", ".bin", "-0", ".npz"] if assets else []
        flags = [
            "-I",
            str(self.tools.framework_res),
            "--manifest",
            str(manifest),
            "--java",
            str(self.work / "gen"),
        ]
        sdk = ["--min-sdk-version", MIN_SDK, "--target-sdk-version", TARGET_SDK]
        version = ["--version-code", "1", "--version-name", "0.1"]
        self.run(
            self.tools.native("aapt2", "link", "-o", str(apk), *flags, *sdk, *version, *extra, str(flat))
        )
        return apk

    def compile(self) -> Path:
        """Classes of core, app and R against android.jar; call :meth:`link` first."""
        jar, classes = self.tools.extras.get("android.jar"), self.work / "classes"
        if jar is None:
            raise ToolError(f"android.jar: {self.tools.missing['android.jar']}")
        folders = [self.stub / "core/src/main/java", self.app / "java", self.work / "gen"]
        sources = [str(path) for folder in folders for path in sorted(folder.rglob("*.java"))]
        flags = ["-source", "8", "-target", "8", "-encoding", "UTF-8", "-Xlint:all,-options,-path", "-Werror"]
        path = [
            "-bootclasspath",
            str(jar),
            "-cp",
            f"{self.tools.ort_classes}:{self.tools.xz}",
            "-d",
            str(classes),
        ]
        self.run(["javac", *flags, *path, *sources])
        return classes

    def sign(self, linked: Path, classes: Path, target: Path) -> Path:
        """Dexed, aligned and signed; verified by Debian's apksigner and zipalign."""
        if "dx" not in self.tools.extras:
            raise ToolError(f"dx: {self.tools.missing['dx']}")
        dex, aligned = self.work / "classes.dex", self.work / "aligned.apk"
        self.run(
            self.tools.dx(
                *("--dex", f"--min-sdk-version={MIN_SDK}", f"--output={dex}"),
                *(str(classes), str(self.tools.ort_classes), str(self._xz_classes())),
            )
        )
        with zipfile.ZipFile(linked, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.write(dex, "classes.dex")
        self.run(self.tools.native("zipalign", "-f", "-p", "4", str(linked), str(aligned)))
        password = ["--ks-pass", f"pass:{_PASSWORD}", "--min-sdk-version", MIN_SDK]
        self.run(
            self.tools.apksigner(
                "sign", "--ks", str(self._key()), *password, "--out", str(target), str(aligned)
            )
        )
        self.run(self.tools.native("zipalign", "-c", "-p", "4", str(target)))
        return target

    def _xz_classes(self) -> Path:
        """The jar unpacked, without the module description that dx cannot read."""
        folder = self.work / "xz"
        with zipfile.ZipFile(self.tools.xz) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith("org/")])
        return folder

    def build(self, target: Path, assets: Path | None = None) -> Path:
        """A signed APK from the sources."""
        linked = self.link(assets)
        return self.sign(linked, self.compile(), target)

    def verify(self, apk: Path) -> str:
        """What apksigner says of a file that verifies; ToolError for another."""
        return self.run(self.tools.apksigner("verify", "--verbose", "--min-sdk-version", MIN_SDK, str(apk)))

    def badging(self, apk: Path) -> str:
        """What an APK says about itself."""
        return self.run(self.tools.native("aapt", "dump", "badging", str(apk)))

    @property
    def app(self) -> Path:
        return self.stub / "app/src/main"

    def _key(self) -> Path:
        key = self.work / "debug.p12"
        if not key.exists():
            who = ["-alias", "androiddebugkey", "-dname", "CN=Android Debug,O=Android,C=US"]
            kind = ["-keyalg", "RSA", "-keysize", "2048", "-validity", "10000", "-storetype", "PKCS12"]
            self.run(["keytool", "-genkeypair", "-keystore", str(key), "-storepass", _PASSWORD, *who, *kind])
        return key

    @staticmethod
    def run(command: Sequence[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ToolError(f"{' '.join(command[:4])} … failed:\n{done.stdout}{done.stderr}")
        return done.stdout

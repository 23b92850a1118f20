"""The C engine through JNI, compiled for the JVM on Linux as CMakeLists.txt says for a phone."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

STUB = Path(__file__).parents[1]
JNI = STUB / "jni"
ENGINE = STUB.parents[1] / "recpress_edge/device/c"
TOLD = re.search(r"target_compile_options\(recpress PRIVATE (.*)\)", (JNI / "CMakeLists.txt").read_text())[1]


def built(folder: Path, compiler: str, *flags: str) -> Path:
    """librecpress.so in the folder."""
    home = Path(shutil.which("javac")).resolve().parents[1]
    include = [f"-I{path}" for path in (ENGINE, home / "include", home / "include/linux")]
    library = folder / "librecpress.so"
    sources = [str(JNI / "recpress_jni.c"), str(ENGINE / "recpress.c")]
    command = [compiler, "-std=c99", *TOLD.split(), *flags, *include, "-shared", "-fPIC", "-o", str(library)]
    done = subprocess.run([*command, *sources], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_engine_answers_through_jni(jvm, fixtures, tmp_path, compiler):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    built(tmp_path, compiler)
    properties = {"java.library.path": str(tmp_path), "native": "yes", "fixtures": str(fixtures)}
    done = jvm.java("org.junit.runner.JUnitCore", "org.example.recpress.NativeScorerTest", **properties)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OK (3 tests)" in done.stdout
    assert "answers of the C engine equal numpy's" in done.stdout


def test_what_java_declares_is_what_c_defines(jvm):
    """javac's own header names the functions; every one of them is there, and no other."""
    source = (JNI / "recpress_jni.c").read_text()
    defined = set(re.findall(r"JNICALL (Java_\w+)\(", source))
    sources = STUB / "core/src/main/java"
    (scorer,) = sources.rglob("NativeScorer.java")
    folder = jvm.folder / "headers"
    command = ["javac", "-h", str(folder), "-d", str(folder / "classes"), "-sourcepath", str(sources)]
    path = ["-cp", jvm.classpath("core")]
    subprocess.run([*command, *path, str(scorer)], check=True, capture_output=True)
    header = (folder / "org_example_recpress_NativeScorer.h").read_text()
    assert set(re.findall(r"JNICALL (Java_\w+)\s*\(", re.sub(r"\s+", " ", header))) == defined

"""The Swift package where there is no Swift: its C compiles without a warning and answers as a module."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "examples/swift_package"
ENGINE = ROOT / "recpress_edge/device/c"
sys.path.insert(0, str(ROOT / "examples/android_stub/tests"))

from model_bins import drawn_model  # noqa: E402  (needs the path above)

FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2"]
CLIENT = """
{import_line}
#include <stdio.h>
#include <stdlib.h>
static char file[1 << 22] __attribute__((aligned(16)));
int main(int argc, char **argv)
{{
    static uint32_t seen[4096], items[4096];
    static float scores[4096];
    static char scratch[1 << 22] __attribute__((aligned(16)));
    FILE *in = fopen(argv[1], "rb");
    size_t size = in ? fread(file, 1, sizeof file, in) : 0;
    rp_model model;
    rp_query query = {{.user = (uint32_t)atoi(argv[2]), .seen = seen, .k = (uint32_t)atoi(argv[3])}};
    int32_t code = rp_open(&model, file, size);
    for (int i = 4; i < argc; i++) seen[query.n_seen++] = (uint32_t)atoi(argv[i]);
    if (code == RP_OK) code = rp_recommend(&model, &query, items, scores, scratch, sizeof scratch);
    for (int32_t i = 0; i < code; i++) printf("%u %a\\n", items[i], (double)scores[i]);
    return code < 0;
}}
"""


@pytest.fixture
def package(tmp_path):
    """The package as README.md says to fill it."""
    folder = tmp_path / "package"
    shutil.copytree(PACKAGE, folder)
    sources = folder / "Sources/CRecPress"
    for path in [ENGINE / "recpress.c", *ENGINE.glob("kernel_*.h")]:
        shutil.copy(path, sources)
    shutil.copy(ENGINE / "recpress.h", sources / "include")
    return sources


def compiled(sources, compiler, import_line, *more):
    """A program that asks the engine."""
    (sources / "client.c").write_text(CLIENT.format(import_line=import_line))
    files = [str(sources / name) for name in ("engine.c", "client.c")]
    program = sources / "client"
    command = [compiler, *FLAGS, *more, f"-I{sources / 'include'}", "-o", str(program), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


@pytest.mark.parametrize(
    ("compiler", "import_line", "more"),
    [
        ("gcc", '#include "recpress.h"', ["-ffp-contract=off"]),
        ("clang", '#include "recpress.h"', []),
        ("clang", "#pragma clang module import CRecPress", ["-fmodules"]),
    ],
    ids=["gcc", "clang", "module"],
)
def test_the_package_answers_as_numpy_does(package, tmp_path, compiler, import_line, more):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    cache = [f"-fmodules-cache-path={tmp_path / 'cache'}"] if more == ["-fmodules"] else []
    program = compiled(package, compiler, import_line, *more, *cache)
    for number in range(40):
        data, _, queries = drawn_model(number)
        (tmp_path / "model.bin").write_bytes(data)
        for query in queries:
            if not query["items"]:
                continue
            k = str(len(query["items"]))
            user = str(max(query["user"], 0))
            command = [str(program), str(tmp_path / "model.bin"), user, k, *map(str, query["seen"])]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            got = [line.split() for line in done.stdout.splitlines()]
            assert [int(item) for item, _ in got] == query["items"]
            assert [float.fromhex(score) for _, score in got] == query["scores"]


def test_the_manifest_names_what_is_there():
    """And nothing from a network: a package of its own files."""
    manifest = (PACKAGE / "Package.swift").read_text()
    (path,) = re.findall(r'path: "(.*?)"', manifest)
    assert re.findall(r'sources: \["(.*?)"\]', manifest) == ["engine.c"]
    assert (PACKAGE / path / "engine.c").is_file()
    assert (PACKAGE / path / "include/module.modulemap").is_file()
    assert "url:" not in manifest
    assert "unsafeFlags" not in manifest  # with them nobody could depend on a version of it
    ignored = (PACKAGE / ".gitignore").read_text().split()
    assert f"/{path}/recpress.c" in ignored
    assert f"/{path}/include/recpress.h" in ignored


def test_the_readme_uses_names_of_the_header():
    header = (ENGINE / "recpress.h").read_text()
    text = (PACKAGE / "README.md").read_text()
    used = set(re.findall(r"\b(?:rp|RP)_\w+", text))
    assert used
    assert {name for name in used if name not in header} == set()
    members = re.search(r"rp_query\((.*)\)\n", text)[1]
    order = re.search(r"typedef struct \{([^}]*)\} rp_query;", header)[1]
    declared = re.findall(r"(\w+);", re.sub(r"/\*.*?\*/", "", order, flags=re.S))
    assert re.findall(r"(\w+):", members) == declared

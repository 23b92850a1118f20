"""The pages about the C engine: the header's table, the worked example, the program that a reader copies."""

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from fixtures.make_golden import golden_path
from test_c_files import made

from recpress_edge.device.c import model_bin
from recpress_edge.device.c.model_bin import read_header
from recpress_edge.device.runtime import open_runtime
from recpress_export.options import FileOptions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/model-bin.md").read_text()
HEADER = Path(model_bin.__file__).with_name("recpress.h").read_text()
SIZES = {"uint8": 1, "uint32": 4, "float32": 4}
C_TYPES = {"uint8_t": "uint8", "uint32_t": "uint32", "float": "float32"}


def declared():
    """Name, type and length of every field of rp_header, as recpress.h has them."""
    body = re.search(r"typedef struct \{(.*?)\} rp_header;", HEADER, re.DOTALL)[1]
    for kind, names in re.findall(r"(\w+) ([\w, \[\]]+);", re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)):
        for name in names.split(","):
            field, _, length = name.strip().partition("[")
            yield field, C_TYPES[kind], int(length.rstrip("]") or 1)


def test_the_table_of_the_header_is_that_of_recpress_h():
    rows = re.findall(r"^\| (\d+) \| (\w+)(?:\[(\d+)\])? \| `(\w+)` \|", PAGE, re.MULTILINE)
    shown = [(name, kind, int(length or 1), int(offset)) for offset, kind, length, name in rows]
    expected, offset = [], 0
    for name, kind, length in declared():
        expected.append((name, kind, length, offset))
        offset += SIZES[kind] * length
    assert shown == expected
    assert offset == model_bin.HEADER_BYTES


def test_the_page_names_every_section():
    for name in model_bin.SECTIONS:
        assert f"| `{name.removesuffix('_at')}` |" in PAGE


def test_the_worked_example_is_the_golden_file():
    data = golden_path("int8-dim", "c").read_bytes()
    block = struct.unpack_from("<16b", data, read_header(data).items_at)
    shown = re.search(r"^byte .*\n(.*)$", PAGE, re.MULTILINE)[1]
    assert tuple(map(int, shown.split())) == block


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (apt install gcc)")
def test_the_program_of_the_page_runs(tmp_path):
    """Its command too, and it prints what the bundle's runtime answers."""
    bundle = made(tmp_path)
    page = (ROOT / "docs/start/in-c.md").read_text()
    program, command = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL)[1] for kind in ("c", "sh"))
    folder = tmp_path / "there"
    shutil.copytree(bundle.folder, folder)
    (folder / "answer.c").write_text(program)
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True)
    items, scores = open_runtime(bundle.model_path, bundle.contract).recommend(17, [3, 5, 8], 10)
    expected = [
        f"item {item}  {score:g}" for item, score in zip(items.tolist(), scores.tolist(), strict=True)
    ]
    assert done.stdout.splitlines() == expected


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (apt install gcc)")
def test_every_source_compiles_without_a_warning(tmp_path):
    bundle = made(tmp_path, options=FileOptions(model_h=True))
    (tmp_path / "array.c").write_text(
        '#include "model.h"\nint main(void) { return recpress_model[0] != 82; }\n'
    )
    (tmp_path / "popular.c").write_text('#include "recpress_popular.h"\nint main(void) { return 0; }\n')
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-O1"]
    of_bundle = [bundle.folder / name for name in ("selftest.c", "recpress_trust.c")]
    for source in (*of_bundle, tmp_path / "array.c", tmp_path / "popular.c"):
        command = ["cc", *strict, f"-I{bundle.folder}", "-c", source, "-o", tmp_path / "object"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

"""Format c on the bench: compiled for emulated cores, sent to boards without a compiler, named in records."""

import io
import json
import struct
import tarfile
from pathlib import Path

import jsonschema
import pytest
from bundles import make_bundle
from exports import exported

from device_bench.__main__ import build_parser, main
from device_bench.emulation import payload
from device_bench.emulation.engine import board_engine, engine_variable
from device_bench.lanes import board, parcel
from device_bench.lanes.ssh import _needed
from device_bench.options import request_of
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.core.errors import SkippedError
from recpress_edge.device.c import cross
from recpress_edge.device.c.compiler import find_zig, program_named
from recpress_edge.records.bench import read_record

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "bench-1.schema.json").read_text())
QUICK = ["--processes", "1", "--seconds", "0.05", "--queries", "100", "--k", "20", "--pause", "0"]
EM_AARCH64 = 183
needs_gcc = pytest.mark.skipif(program_named(cross.GCC) is None, reason="needs gcc-aarch64-linux-gnu")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("c") / "bundle", "int8-dim", "c")


@pytest.fixture(scope="module")
def onnx(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("onnx") / "tiny")


def test_this_machine_compiles_and_says_how(bundle, tmp_path):
    assert main(["run", str(bundle.folder), *QUICK, "--out", str(tmp_path / "r.json")]) in (0, 4)
    record = read_record(tmp_path / "r.json")
    jsonschema.validate(record, SCHEMA)
    assert record["software"]["runtime"] == "recpress-c"
    assert "-O3 -std=c99 -ffp-contract=off" in record["software"]["compiler"]
    assert record["selftest"]["exact"]


def test_an_answer_in_python_says_so(bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("RECPRESS_ENGINE", "plain")
    assert main(["run", str(bundle.folder), *QUICK, "--out", str(tmp_path / "r.json")]) in (0, 4)
    software = read_record(tmp_path / "r.json")["software"]
    assert software["runtime"] == "recpress-python"
    assert "compiler" not in software


def test_several_threads_are_refused(bundle, capfd):
    assert main(["run", str(bundle.folder), *QUICK, "--threads", "2"]) == 2
    assert "format c answers in one thread" in capfd.readouterr().err


# ---- Compiled for another core


@needs_gcc
@pytest.mark.parametrize("core", list(cross.CORES))
def test_the_engine_is_compiled_for_the_core(bundle, core, tmp_path):
    made = board_engine(bundle, core, tmp_path)
    assert struct.unpack_from("<H", made.read_bytes(), 18)[0] == EM_AARCH64
    told = made.with_suffix(".txt").read_text()
    assert all(flag in told for flag in ("aarch64-linux-gnu-gcc", *cross.CORES[core][0], "-DRP_DIM=6"))
    assert engine_variable(made) == {"RECPRESS_ENGINE": str(made)}


@pytest.mark.skipif(find_zig() is None, reason="needs ziglang")
def test_zig_compiles_for_the_core_too(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(cross, "program_named", lambda _: None)
    made = board_engine(bundle, "cortex-a53", tmp_path)
    assert struct.unpack_from("<H", made.read_bytes(), 18)[0] == EM_AARCH64


def test_without_a_compiler_for_the_core_it_says_what_to_install(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(cross, "program_named", lambda _: None)
    monkeypatch.setattr(cross, "find_zig", lambda: None)
    with pytest.raises(SkippedError, match="gcc-aarch64-linux-gnu, or ziglang"):
        board_engine(bundle, "cortex-a53", tmp_path)


@needs_gcc
def test_a_compiler_is_fetched_where_none_is_installed(bundle, tmp_path, monkeypatch):
    gcc = program_named(cross.GCC)
    monkeypatch.setattr(cross, "program_named", lambda _: None)
    monkeypatch.setattr(cross, "find_zig", lambda: None)
    made = board_engine(bundle, "cortex-a76", tmp_path, lambda: ("env", "A=1", gcc))
    told = made.with_suffix(".txt").read_text()
    assert "-nostdlib -march=armv8.2-a+dotprod -mtune=cortex-a76" in told


def test_every_format_with_that_model_file_brings_the_engine():
    c = FORMATS["c"]
    found = {name: row.board_engine for name, row in FORMATS.items() if row.runtime == c.runtime}
    assert found == dict.fromkeys(("c", "web"), c.board_engine)


def test_other_formats_bring_no_engine(onnx, tmp_path):
    assert board_engine(onnx, "cortex-a53", tmp_path) is None
    assert engine_variable(None) == {}


def test_a_boot_finds_the_engine(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(payload, "compile_bytecode", lambda *_: None)
    engine = tmp_path / "cortex-a53.so"
    engine.write_bytes(b"an engine")
    archive = io.BytesIO()
    payload.write_payload(archive, None, bundle.folder, ["--k", "20"], engine)
    content = archive.getvalue()
    assert b"app/engine/cortex-a53.so" in content
    assert b"export RECPRESS_ENGINE=/app/engine/cortex-a53.so\npython3 -m device_bench run" in content
    other = io.BytesIO()
    payload.write_payload(other, None, bundle.folder, ["--k", "20"])
    assert b"RECPRESS_ENGINE=/" not in other.getvalue()


# ---- Sent to a board


def names_in(bundle):
    with tarfile.open(fileobj=io.BytesIO(parcel.pack(bundle))) as archive:
        return set(archive.getnames())


def test_the_source_travels(bundle):
    assert {"recpress_edge/device/c/recpress.c", "recpress_edge/device/c/recpress.h"} <= names_in(bundle)


@needs_gcc
def test_an_engine_travels_for_a_board_without_a_compiler(bundle, onnx):
    assert f"{board.ENGINES}/{board.ANY_CORE}.so" in names_in(bundle)
    assert not any(name.startswith(board.ENGINES) for name in names_in(onnx))


def test_a_board_prefers_its_own_compiler(tmp_path, monkeypatch):
    sent = tmp_path / board.ENGINES / "aarch64.so"
    sent.parent.mkdir()
    sent.touch()
    own = {"RECPRESS_CACHE_DIR": str(tmp_path / "cache")}
    monkeypatch.setattr(board.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(board.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert board.engine(tmp_path) == own
    monkeypatch.setattr(board.shutil, "which", lambda _: None)
    assert board.engine(tmp_path) == own | {"RECPRESS_ENGINE": str(sent)}
    monkeypatch.setattr(board.platform, "machine", lambda: "armv6l")
    assert board.engine(tmp_path) == own


def test_a_board_needs_no_runtime_package(bundle):
    request = request_of(build_parser().parse_args(["run", str(bundle.folder), "--on", "ssh://pi@pi"]))
    assert [name for name, _ in _needed(bundle, request)] == ["numpy", "psutil"]

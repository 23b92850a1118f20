"""--build: programs for machines without a compiler; what cannot be compiled here is said before anything."""

import json
import os
import platform
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from exports import items_file
from test_c_files import made

from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ArtifactError, ConfigError, GateError, MissingExtraError
from recpress_edge.device.c.compiler import find_compiler, find_zig
from recpress_edge.device.c.library import Library
from recpress_edge.device.c.model_bin import read_header
from recpress_edge.device.c.source import flags_for
from recpress_export.c import build as building
from recpress_export.c.build import TARGETS, library_for, programs
from recpress_export.c.files import bundle_files, selftest_h
from recpress_export.options import FileOptions, check_options, options_of
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import read_changes

pytestmark = pytest.mark.usefixtures("workers_here")
WASI = Path(__file__).parents[1] / "engine/wasi.mjs"
OWN = next((name for name, target in TARGETS.items() if platform.machine() in target.machines), None)
needs_own = pytest.mark.skipif(
    OWN is None or find_compiler() is None, reason="no compiler of this machine (apt install gcc)"
)
needs_zig = pytest.mark.skipif(find_zig() is None, reason="no zig (the extra c)")


@pytest.fixture
def without_zig(monkeypatch):
    monkeypatch.setattr(building, "find_zig", lambda: None)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A bundle with programs for this machine, by the compiler that is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "find_zig", lambda: None)
        return made(tmp_path_factory.mktemp("own"), options=FileOptions(build=(OWN,)))


@needs_own
def test_the_compiler_that_is_there_builds_for_its_own_machine(own, tmp_path):
    assert {f"selftest-{OWN}", f"recpress-{OWN}.so", "programs.json"} <= set(own.files)
    assert options_of(own.provenance).build == (OWN,)
    facts = json.loads((own.folder / "programs.json").read_text())[OWN]
    assert facts["selftest"] == f"selftest-{OWN}"
    program = tmp_path / "program"
    shutil.copyfile(own.folder / f"selftest-{OWN}", program)
    program.chmod(0o755)
    done = subprocess.run([program, own.model_path], capture_output=True, text=True, check=True)
    assert done.stdout == "64 queries, 0 differ\n"
    Library(own.folder / f"recpress-{OWN}.so")  # the three functions are there


@needs_own
def test_an_update_compiles_the_programs_again(own, without_zig, tmp_path):
    path = items_file(tmp_path / "items.npz", append_ids=["new"], retire_ids=["item-3"])
    updated = update_bundle(own.folder, read_changes(path), tmp_path / "updated", force=True).bundle
    name = f"selftest-{OWN}"
    assert updated.files[name]["sha256"] != own.files[name]["sha256"]


@needs_own
def test_the_library_needs_no_other(own):
    said = subprocess.run(
        ["readelf", "-d", own.folder / f"recpress-{OWN}.so"], capture_output=True, text=True, check=True
    )
    assert "NEEDED" not in said.stdout


@needs_own
def test_a_program_that_answers_otherwise_is_not_published(without_zig, tmp_path):
    bundle = made(tmp_path)
    test, model = bundle.selftest(), bundle.model_path.read_bytes()
    files = dict(bundle_files(model, bundle.contract, test, FileOptions()))
    items = (tuple(reversed(test.items[0])), *test.items[1:])
    wrong = type(test)(test.k, test.users, test.seen, items, test.scores)
    files["selftest.h"] = selftest_h(wrong, bundle.contract).encode()
    with pytest.raises(GateError, match=f"selftest-{OWN} fails on this machine: 64 queries, 1 differ"):
        programs((OWN,), {**files, "model.bin": model}, flags_for(read_header(model)))


def test_a_machine_for_which_nothing_compiles_is_said_at_once(without_zig):
    other = next(name for name in TARGETS if name != OWN)
    with pytest.raises(MissingExtraError, match=r"Run in the checkout: .*'\.\[c\]'"):
        check_options(FileOptions(build=(other,)), "c", RECIPES["int8-dim"])


def test_an_unknown_machine_is_refused():
    with pytest.raises(ConfigError, match="Did you mean 'aarch64'"):
        check_options(FileOptions(build=("arch64",)), "c", RECIPES["int8-dim"])


def test_a_bundle_of_a_later_version_with_other_machines_is_refused():
    with pytest.raises(ArtifactError, match="programs for z80, and this version builds for aarch64"):
        options_of({"options": {"build": ["z80"]}})


@needs_own
def test_what_a_compiler_says_is_passed_on(without_zig):
    with pytest.raises(MissingExtraError, match=r"recpress-.* could not be compiled.* said: .*error"):
        programs((OWN,), {"recpress.c": b"no C", "selftest.c": b""}, [])


@needs_zig
def test_zig_builds_for_another_machine(tmp_path):
    """WebAssembly: its libc is the one that takes zig seconds to compile, not most of a minute."""
    bundle = made(tmp_path, options=FileOptions(build=("wasm32",)))
    assert {name for name in bundle.files if "wasm32" in name} == {
        "selftest-wasm32.wasm",
        "recpress-wasm32.wasm",
    }
    node = shutil.which("node")
    if node:
        command = [node, "--no-warnings", WASI, bundle.folder / "selftest-wasm32.wasm", bundle.model_path]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == "64 queries, 0 differ\n"


@needs_zig
@pytest.mark.armvm
def test_zig_s_program_for_a_board_answers_in_an_emulator(tmp_path):
    """Most of a minute where zig has compiled no libc for it before."""
    bundle = made(tmp_path, options=FileOptions(build=("aarch64",)))
    emulator = shutil.which("qemu-aarch64")
    assert emulator, "apt install qemu-user"
    program = Path(shutil.copy(bundle.folder / "selftest-aarch64", tmp_path / "program"))
    program.chmod(0o755)
    done = subprocess.run([emulator, program, bundle.model_path], capture_output=True, text=True, check=True)
    assert done.stdout == "64 queries, 0 differ\n"


MACHINES = {
    "aarch64": b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, 183),
    "armv7": b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HH", 3, 40),
    "armv6": b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HH", 3, 40),
    "x86_64": b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, 62),
    "riscv64": b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, 243),
    "wasm32": b"\0asm\x01\0\0\0",
}
"""How a library for each begins: a shared object of its machine, a module."""


@needs_zig
@pytest.mark.parametrize("name", TARGETS)
def test_zig_compiles_for_every_machine(name, tmp_path):
    """A library as it travels; of the self-test all but the linking, which has zig compile a libc."""
    folder, target = made(tmp_path).folder, TARGETS[name]
    library = library_for(name, folder, ["-DRP_DIM=6", "-DRP_RECIPE=1"])
    assert (folder / library).read_bytes().startswith(MACHINES[name])
    command = [*find_zig().command, "-target", target.triple, *target.zig, "-c", "selftest.c"]
    subprocess.run(command, cwd=folder, env=os.environ | {"ZIG_LOCAL_CACHE_DIR": tmp_path}, check=True)

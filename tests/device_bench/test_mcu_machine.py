"""--on mcu:BOARD with the real emulator: what `make test-armvm` runs, and `make test` where its tools are.

Bundles are made in the run, from seeded tables.
"""

import contextlib
import dataclasses
import io
import shutil
import subprocess
import sys

import pytest
from exports import NO_GATE, make_graph, make_source, random_tables
from published import validator

from device_bench.__main__ import main
from device_bench.mcu.boards import BOARDS
from device_bench.mcu.emulator import McuQuestion, run_counting
from device_bench.mcu.firmware import LEVELS, Room
from device_bench.mcu.firmware import build as build_firmware
from device_bench.mcu.tools import GCC, QEMU, Tool, Tools, find_tools
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.cache import cache_root
from recpress_edge.core.progress import silent
from recpress_edge.core.stats import percentile
from recpress_edge.device.c import footprint
from recpress_edge.device.c.compiler import find_zig
from recpress_edge.device.c.model_bin import read_header
from recpress_edge.records.bench import read_record
from recpress_export.build import build
from recpress_export.c.writer import ORDER_KEY, to_c
from recpress_export.subjects.all_users import AllUsers
from recpress_export.subjects.single_user import SingleUser

installed = pytest.mark.skipif(
    not (shutil.which(QEMU) and shutil.which(GCC)),
    reason=f"{QEMU} or {GCC} is not installed here; make test-armvm fetches them",
)
"""For one quick look where the tools are there; the rest is run by ``make test-armvm``, which brings them."""


def made(folder, n_items, recipe="int8-dim", *, dim=10, single=False, file_format="c"):
    source = make_source(folder / "model", 40, n_items, dim)
    source = dataclasses.replace(source, file_format=file_format)
    subject = SingleUser(source, source.user_ids[3]) if single else AllUsers(source)
    return build(subject, RECIPES[recipe], folder / "bundle", gate=NO_GATE).bundle


def words(bundle, *flags, on):
    return ["run", str(bundle.folder), "--on", on, "--runs", "runs", *flags]


def bench(bundle, *flags, on, cwd):
    """In this process; what it measures has one of its own all the same."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words(bundle, *flags, on=on))
    return subprocess.CompletedProcess(flags, code, out.getvalue(), err.getvalue())


def record_in(folder):
    (path,) = (folder / "runs").rglob("*.json")
    return read_record(path)


@installed
def test_a_board_answers_as_the_reference_and_says_what_it_takes(tmp_path):
    """As a person starts it."""
    command = [sys.executable, "-m", "device_bench"]
    command += words(made(tmp_path, 300), "--queries", "12", on="mcu:mps2-an386")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = record_in(tmp_path)
    validator("bench-1").validate(record)
    firmware = record["firmware"]
    assert record["valid"]
    assert record["host"]["ids_equal"]
    assert firmware["scores_equal"]
    assert firmware["asked"] == record["quality"]["users"]
    assert firmware["flash_bytes"] == firmware["code_bytes"] + firmware["model_bytes"]
    assert firmware["model_bytes"] >= record["artifact"]["file_bytes"]
    assert abs(firmware["cross_check"]["apart"]) < 0.005
    assert [one["level"] for one in firmware["tries"]] == list(LEVELS)
    assert "ids and scores to the bit" in done.stdout.replace("the reference's ids", "ids")


@pytest.mark.armvm
@pytest.mark.parametrize("board", BOARDS)
def test_every_board_answers_as_the_reference(tmp_path, board):
    bundle = made(tmp_path, 120, "int4-item", dim=7)
    done = bench(bundle, "--queries", "8", "--k", "120", on=f"mcu:{board}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert record_in(tmp_path)["host"]["ids_equal"]


@pytest.mark.armvm
def test_a_cortex_m4_holds_2500_items(tmp_path):
    """In 32 KiB of flash and 6 KiB of RAM, lists of 10 in 110 k instructions."""
    bundle = made(tmp_path, 2500, single=True)
    done = bench(bundle, "--flash", "32K", "--ram", "6K", on="mcu:mps2-an386", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    record = record_in(tmp_path)
    assert record["host"]["ids_equal"]
    assert record["firmware"]["flash_bytes"] <= 32 * 1024
    assert record["firmware"]["ram_bytes"] <= 6 * 1024
    assert percentile(record["instructions"]["query"], 50) <= 110_000


@pytest.mark.armvm
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--flash", "16K"), "bytes of flash, and there are 16,384: code with -Os"),
        (("--ram", "1K"), "bytes of RAM, and there are 1,024: data"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_figures(tmp_path, flags, said):
    done = bench(made(tmp_path, 1500), "--queries", "4", *flags, on="mcu:microbit", cwd=tmp_path)
    assert done.returncode == 3
    assert said in done.stderr
    assert not list((tmp_path / "runs").rglob("*.json"))


@pytest.mark.armvm
def test_other_formats_are_refused(tmp_path):
    done = bench(made(tmp_path, 60, file_format="onnx"), on="mcu:microbit", cwd=tmp_path)
    assert done.returncode == 2
    assert "Export the model with --format c" in done.stderr


def asked(tools, board, data, folder, level):
    """Code and stack of a firmware that was asked a few times, and its answers."""
    header = read_header(data)
    (folder / "model.bin").write_bytes(data)
    room = Room("asked", 10, 3, footprint.scratch_bytes(header, 10))
    made_of = build_firmware(tools, BOARDS[board], header, folder / "model.bin", room, level)
    boot = run_counting(tools.qemu, board, made_of, [McuQuestion(user, [1, 2, 3], 10) for user in range(5)])
    assert boot.scratch_bytes == room.scratch_bytes
    return made_of.sizes.code, boot.stack.all, [answer.items.tolist() for answer in boot.answers]


@pytest.mark.armvm
@pytest.mark.parametrize(
    ("recipe", "order"),
    [
        *((recipe, "catalogue") for recipe in ("fp32", "int8-dim", "int8-item", "int4-item")),
        *(("int8-dim", order) for order in ("length", "neighbours")),
    ],
)
@pytest.mark.parametrize("board", ["microbit", "mps3-an547"])
def test_computed_needs_are_enough(tmp_path, board, recipe, order):
    """Code and stack that footprint.py allows for are not less than those of the boards that take most."""
    tools = find_tools(cache_root(), silent)
    data = to_c(make_graph(recipe, *random_tables(5, 300, 100), "c"), {ORDER_KEY: order})
    code, stack, _ = asked(tools, board, data, tmp_path, "-Os")
    assert code <= footprint.CODE_BYTES
    assert stack <= footprint.stack_bytes(read_header(data))


@pytest.mark.armvm
@pytest.mark.skipif(find_zig() is None, reason="ziglang is not installed: pip install ziglang")
@pytest.mark.parametrize("board", BOARDS)
def test_zig_builds_the_same_answers(tmp_path, board):
    tools, zig = find_tools(cache_root(), silent), find_zig()
    data = to_c(make_graph("int8-dim", *random_tables(5, 300, 10), "c"), {})
    answers = []
    for name, used in (("gcc", tools), ("zig", Tools(tools.qemu, Tool(zig.command, "any"), is_zig=True))):
        (tmp_path / name).mkdir()
        answers.append(asked(used, board, data, tmp_path / name, "-Os")[2])
    assert answers[0] == answers[1]

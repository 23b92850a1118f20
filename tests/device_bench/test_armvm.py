"""--on armvm without an emulator: refusals, the record that is made of the guest's, and ends without one."""

import base64
import copy
import dataclasses
import gzip
import hashlib
import json

import pytest
from bundles import make_bundle
from published import validator
from records import make_record

from device_bench.__main__ import build_parser, main
from device_bench.emulation.cache import Component
from device_bench.emulation.guest import Setup
from device_bench.emulation.machine import Console, command_line
from device_bench.emulation.payload import copy_sources, read_answer
from device_bench.emulation.tools import EmulationError
from device_bench.estimates import BOARDS, LABEL, bracket, estimates
from device_bench.lanes import armvm
from device_bench.lanes.emulated import check_ids
from device_bench.options import request_of
from device_bench.show import record_lines
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.progress import silent

IDS = "b" * 64


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("armvm") / "tiny-int8").folder


def request(*flags):
    return request_of(build_parser().parse_args(["run", "b", "--on", "armvm:cortex-a53", *flags]))


def component(folder, **facts):
    return Component(folder, facts)


@pytest.fixture
def setup(tmp_path):
    return Setup(
        tools=component(tmp_path / "tools", qemu="7.2.22", packages={"qemu-system-arm": "1:7.2"}),
        system=component(
            tmp_path / "system", python="3.11", kernel="6.1.0-54-arm64", packages={"libc6": "2.36"}
        ),
        site=component(tmp_path / "site", wheels={"numpy.whl": "c" * 64}),
        image=component(tmp_path / "image", sha256="d" * 64, memory_bytes=120 * 2**20),
    )


@pytest.fixture
def boot(setup, bundle):
    def made(*flags, host=IDS):
        asked = request(*flags)
        found = {"quality": {"ids_sha256": host}, "runtime_version": "1.32.0"}
        return armvm._Boot(setup, bundle, open_bundle(bundle), asked, "cortex-a53", found)

    return made


def guest_record():
    record = make_record()
    record["quality"]["ids_sha256"] = IDS
    record["device"]["id"] = "linux-dummy-virt-1c-512m"
    record["warnings"] = ["1 processes: the full protocol asks for at least 10", "something else"]
    return record


def answer_lines(record, code=0):
    text = json.dumps(record).encode()
    data = base64.b64encode(gzip.compress(text)).decode()
    parts = [data[n : n + 400] for n in range(0, len(data), 400)]
    return (
        f"@@exit {code}",
        f"@@sha256 {hashlib.sha256(text).hexdigest()}  -",
        *(f"@@data {part}" for part in parts),
    )


def run(one, lines, *, timed_out=False):
    def booter(_setup, cpu, memory, _payload, tell, _timeout):
        assert (cpu, memory) == ("cortex-a53", one.memory)
        for line in lines:
            tell(line)
        return Console(tuple(lines), timed_out)

    return armvm.run_once(one, silent, booter)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--threads", "2"], "has one core"),
        (["--seconds", "2"], "counts instructions"),
        (["--sustained", "10s"], "counts instructions"),
        (["--memory", "128M"], "256M to 2G"),
        (["--memory", "4G"], "256M to 2G"),
        (["--memory", "300.5M"], "whole MiB"),
        (["--memory", "much"], "not a size"),
    ],
)
def test_what_an_emulated_machine_cannot_do_is_refused(flags, says):
    with pytest.raises(ConfigError, match=says):
        armvm.check(request(*flags))


def test_memory_is_binary():
    assert armvm.memory_of(request()) == armvm.memory_of(request("--memory", "512M")) == 2**29
    assert armvm.memory_of(request("--memory", "1GiB")) == 2**30


def test_one_file_cannot_hold_the_records_of_several_cores(bundle, tmp_path, capsys):
    assert main(["run", str(bundle), "--on", "armvm", "--out", str(tmp_path / "r.json"), "--dry-run"]) == 2
    assert "measures several targets" in capsys.readouterr().err


def test_the_machine_has_no_network_and_a_clock_that_counts(setup, tmp_path):
    line = " ".join(command_line("qemu", setup, "cortex-a53", 2**29, tmp_path / "initrd"))
    for part in (
        "-nic none",
        "-icount shift=0,sleep=off",
        "-cpu cortex-a53",
        "-m 536870912B",
        "-smp 1",
        "-seed",
    ):
        assert part in line
    assert "-rtc base=2026-01-01T00:00:00,clock=vm" in line


def test_the_record_tells_instructions_and_no_time(boot):
    one = boot()
    record = run(one, answer_lines(guest_record()))
    validator("bench-1").validate(record)
    assert "latency_ns" not in record
    assert record["instructions"] == guest_record()["latency_ns"]
    assert record["basis"] == "emulated"
    assert record["device"]["id"] == "armvm-cortex-a53"
    assert record["device"]["dotprod"] is False
    assert record["host"]["ids_equal"]
    assert record["warnings"] == ["something else"]  # the protocol's own belong to timings
    assert record["protocol"]["on"] == "armvm:cortex-a53"
    assert record["protocol"]["command"].startswith("device_bench run ")
    assert "--on armvm:cortex-a53" in record["protocol"]["command"]
    assert {found["board"] for found in record["estimates"]} == {
        b.name for b in BOARDS if b.core != "Cortex-A76"
    }
    shown = "\n".join(record_lines(record))
    assert "the same ids for every user" in shown
    assert LABEL in shown


def test_another_memory_is_another_machine(boot):
    record = run(boot("--memory", "1G"), answer_lines(guest_record()))
    assert record["device"]["id"] == "armvm-cortex-a53-1024m"
    assert record["emulator"]["memory_bytes"] == 2**30


def test_other_ids_are_a_failure_and_the_record_says_so(boot):
    record = run(boot(host="e" * 64), answer_lines(guest_record()))
    validator("bench-1").validate(record)
    assert not record["valid"]
    assert "wrong answers" in record["invalid_reasons"][0]
    with pytest.raises(ArtifactError, match="ranked ids differ from those of this machine"):
        check_ids(record, "armvm:cortex-a53")


def test_floats_may_rank_otherwise_and_the_record_says_so(boot):
    one = boot(host="e" * 64)
    contract = dataclasses.replace(one.bundle.contract, exact=False)
    one = dataclasses.replace(one, bundle=dataclasses.replace(one.bundle, contract=contract))
    record = run(one, answer_lines(guest_record()))
    assert record["valid"]
    assert not record["host"]["ids_equal"]
    assert any("round differently" in text for text in record["warnings"])
    check_ids(record, "armvm:cortex-a53")


OOM = "[   12.3] Out of memory: Killed process 71 (python3) total-vm:300000kB, anon-rss:99000kB"


@pytest.mark.parametrize(
    ("lines", "outcome", "stage", "kills"),
    [
        (
            ["tiny-int8: self-test passed, 64 queries", OOM, "@@exit 1"],
            "out of memory",
            "self-test passed",
            1,
        ),
        (["[    1.2] Initramfs unpacking failed: write error"], "out of memory", "boot of cortex-a53", 0),
        (["[    1.2] Kernel panic - not syncing: VFS: no root"], "crashed", "boot of cortex-a53", 0),
    ],
)
def test_how_it_ends_without_a_record(boot, lines, outcome, stage, kills):
    lines = [line.replace("tiny-int8", boot().bundle.name) for line in lines]
    record = run(boot("--memory", "256M"), lines)
    validator("survival-1").validate(record)
    assert record["outcome"] == outcome
    assert record["stage"].startswith(stage)
    assert record["oom_kills"] == kills
    assert record["limit"]["memory_bytes"] == 2**28
    assert outcome.upper() in "\n".join(record_lines(record))


def test_a_machine_that_hangs_is_a_time_out(boot):
    assert run(boot(), ["[    0.1] hello"], timed_out=True)["outcome"] == "timed out"


def test_an_error_inside_is_an_error_here(boot):
    with pytest.raises(EmulationError, match="exit code 1: no such file"):
        run(boot(), ["error: no such file: x", "@@exit 1"])


def test_a_garbled_record_is_no_record():
    lines = list(answer_lines(guest_record()))
    assert read_answer(lines) == (0, guest_record())
    assert read_answer(["@@exit 137", "noise"]) == (137, None)
    wrong_digest = [lines[0], "@@sha256 " + "0" * 64, *lines[2:]]
    for broken in (wrong_digest, lines[:-1], [*lines[:2], "@@data !!!"]):
        with pytest.raises(EmulationError, match="Run again"):
            read_answer(broken)


def test_the_guest_gets_this_checkout_and_nothing_that_trains(tmp_path):
    copy_sources(tmp_path)
    names = {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*.py")}
    assert ("recpress_edge", "core") in names
    assert ("device_bench", "worker.py") in names
    assert not any(part in ("training", "models", "cli") for _, part in names)


def test_brackets_by_hand():
    zero2 = BOARDS[0]
    low, high = bracket(zero2, 840_000, 0)
    assert low == pytest.approx(1e-3)
    assert high == pytest.approx(840_000 / 0.78e9)
    low, high = bracket(zero2, 840_000, 2.2e9 / 100)  # 10 ms of reading
    assert low == pytest.approx(10e-3)
    assert high == pytest.approx(10e-3 + 840_000 / 0.78e9)


def test_what_fits_the_cache_is_not_read_again():
    artifact = {"n_users": 0, "n_items": 100, "file_bytes": 600 * 2**10}
    by_board = {e["board"]: e for e in estimates("Cortex-A53", 1e6, artifact)}
    assert by_board["Raspberry Pi 4B"]["query_high_ns"] == round(1e15 / 1.74e9)  # 1 MiB of cache
    assert by_board["Raspberry Pi Zero 2 W"]["query_high_ns"] > 1e15 / 0.78e9  # 512 KiB
    assert estimates("Cortex-A76", 1e6, copy.copy(artifact))[0]["board"] == "Raspberry Pi 5"
    assert all(e["label"] == LABEL for e in by_board.values())

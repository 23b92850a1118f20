"""--limit: real cgroups where this machine permits them, the written settings elsewhere, and refusals."""

import os
import time
from pathlib import Path

import pytest
from bundles import make_bundle
from published import validator

from device_bench.__main__ import main
from device_bench.lanes import cgroups, limits
from device_bench.lanes.cgroups import Limit, LimitError, open_box, plan_cgroups, scope_prefix
from device_bench.process import measurement_of, run_worker
from device_bench.settings import Protocol
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.progress import silent
from recpress_edge.records.bench import read_any_record

QUICK = Protocol(processes=1, seconds=0.05, queries=100, k=20)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("limits") / "tiny")


@pytest.fixture
def permitted():
    """Skips where no cgroup with a memory controller may be made."""
    groups, missing = plan_cgroups(Limit(0.5, 2**28), Path("/proc"))
    if not groups:
        pytest.skip(f"no cgroup may be made here: {'; '.join(missing)}")


def boxes(pid=None):
    """Those of this process, or of another: benches elsewhere on the machine have their own."""
    name = f"recpress-{pid or os.getpid()}"
    return [path for path in Path("/sys/fs/cgroup").rglob(name) if path.is_dir()]


def limited(bundle, text):
    return limits.run_limited(bundle.folder, QUICK, limits.parse_limit(text), silent, "command")


@pytest.mark.parametrize(
    ("text", "cpus", "memory_bytes"),
    [
        ("cpus=0.5,memory=256M", 0.5, 256 * 2**20),
        ("memory=1g", None, 2**30),
        ("memory=64MiB", None, 64 * 2**20),
        ("cpus=2", 2.0, None),
        ("cpus=0.1", 0.1, None),
    ],
)
def test_parse_limit(text, cpus, memory_bytes):
    assert limits.parse_limit(text) == Limit(cpus, memory_bytes)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cpu=0.5", "unknown key in --limit 'cpu'. Did you mean 'cpus'"),
        ("memory", "write for example cpus=0.5,memory=256M"),
        ("memory=1M,memory=2M", "write for example"),
        ("memory=12K", "at least 1M"),
        ("memory=lots", "is not a size"),
        ("cpus=0.05", "at least 0.1"),
        ("cpus=nan", "at least 0.1"),
        ("cpus=-1", "at least 0.1"),
        ("", "unknown key in --limit ''"),
    ],
)
def test_limits_are_read_strictly(text, says):
    with pytest.raises(ConfigError, match=says):
        limits.parse_limit(text)


@pytest.mark.usefixtures("permitted")
def test_survival_within_memory_and_cpu(bundle):
    record = limited(bundle, "cpus=0.5,memory=512M")
    validator("survival-1").validate(record)
    assert (record["outcome"], record["stage"], record["basis"]) == ("survived", None, "emulated")
    assert 0 < record["peak_bytes"] <= 2**29
    assert record["oom_kills"] == 0
    assert "emulated" in record["detail"]
    assert boxes() == []


@pytest.mark.usefixtures("permitted")
def test_out_of_memory_is_an_answer_not_a_crash(bundle):
    record = limited(bundle, "memory=8M")
    validator("survival-1").validate(record)
    assert (record["outcome"], record["stage"]) == ("out of memory", "selftest")
    assert record["oom_kills"] >= 1
    assert "SIGKILL" in record["detail"]
    assert boxes() == []


@pytest.mark.usefixtures("permitted")
def test_a_time_out_is_an_answer(bundle, monkeypatch):
    monkeypatch.setattr(Protocol, "timeout_s", 0.05)
    record = limited(bundle, "cpus=0.2")
    assert (record["outcome"], record["stage"]) == ("timed out", "selftest")
    assert boxes() == []


@pytest.mark.usefixtures("permitted")
def test_the_quota_is_enforced_with_short_periods(bundle):
    """A worker that computes all the time gets a fifth of a CPU, in pauses of 8 ms and not of 80."""
    with open_box(Limit(0.2, None)) as box:
        (door,) = box.enclosure.doors
        run_worker(
            "measure", measurement_of(bundle.folder, open_bundle(bundle.folder), QUICK), 60, box.enclosure
        )
        counts = dict(line.split() for line in (door.parent / "cpu.stat").read_text().splitlines())
    assert int(counts["nr_throttled"]) > 10
    spent = counts.get("throttled_usec") or int(counts["throttled_time"]) // 1000
    assert int(spent) / int(counts["nr_throttled"]) < 20_000  # microseconds a pause


@pytest.mark.usefixtures("permitted")
def test_the_bench_itself_stays_outside():
    with open_box(Limit(None, 2**28)) as box:
        assert str(os.getpid()) not in box.enclosure.doors[0].read_text().split()
        assert len(boxes()) == 1
    assert boxes() == []


def fake_kernel(tmp_path, *, version, enabled="cpu memory", mode=0o755):
    """/proc and /sys/fs/cgroup as far as planning reads them."""
    proc, mount = tmp_path / "proc", tmp_path / "cgroup"
    own = mount / "user"
    own.mkdir(parents=True)
    (proc / "self").mkdir(parents=True)
    if version == 2:
        (proc / "self/mounts").write_text(f"cgroup2 {mount} cgroup2 rw 0 0\n")
        (proc / "self/cgroup").write_text("0::/user\n")
        (own / "cgroup.subtree_control").write_text(enabled + "\n")
        (mount / "cgroup.subtree_control").write_text("\n")
    else:
        (proc / "self/mounts").write_text(f"cgroup {mount} cgroup rw,memory,cpu 0 0\n")
        (proc / "self/cgroup").write_text("3:memory,cpu:/user\n")
    for folder in (own, mount):
        folder.chmod(mode)
    return proc, own


def test_settings_of_cgroup_2(tmp_path):
    proc, own = fake_kernel(tmp_path, version=2)
    (group,), missing = plan_cgroups(Limit(0.5, 2**28), proc)
    assert missing == []
    assert group.folder.parent == own
    assert group.settings == {"memory.max": "268435456", "memory.swap.max": "0", "cpu.max": "5000 10000"}


def test_settings_of_cgroup_1(tmp_path):
    proc, _ = fake_kernel(tmp_path, version=1)
    (group,), _ = plan_cgroups(Limit(0.5, 2**28), proc)
    assert group.settings["memory.limit_in_bytes"] == "268435456"
    assert group.settings["memory.memsw.limit_in_bytes"] == "268435456"
    assert (group.settings["cpu.cfs_period_us"], group.settings["cpu.cfs_quota_us"]) == ("10000", "5000")


def test_only_what_is_limited_is_needed(tmp_path):
    proc, _ = fake_kernel(tmp_path, version=2, enabled="memory")
    assert plan_cgroups(Limit(None, 2**28), proc)[0]
    groups, (reason,) = plan_cgroups(Limit(0.5, 2**28), proc)
    assert groups == []
    assert "controller cpu is not enabled below" in reason


def test_the_refusal_names_everything_that_is_missing(tmp_path, monkeypatch):
    proc, _ = fake_kernel(tmp_path, version=2, enabled="pids")
    monkeypatch.setattr(cgroups.shutil, "which", lambda _: None)
    with pytest.raises(LimitError) as refused, open_box(Limit(0.5, 2**28), proc):
        pass
    for part in ("controller memory", "controller cpu", "systemd-run is not installed", "as root"):
        assert part in str(refused.value)


def test_no_hierarchy_at_all(tmp_path):
    assert "no cgroup hierarchy" in plan_cgroups(Limit(1, None), tmp_path)[1][0]


def test_a_folder_that_others_own(tmp_path):
    proc, _ = fake_kernel(tmp_path, version=1)
    denied = lambda *_: False  # noqa: E731 - root may write anywhere, so chmod alone would show nothing
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cgroups.os, "access", denied)
        groups, reasons = plan_cgroups(Limit(None, 2**28), proc)
    assert groups == []
    assert f"cannot be written by user {os.geteuid()}" in reasons[0]


def systemd_run(tmp_path, monkeypatch, body):
    program = tmp_path / "systemd-run"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return program


def test_a_systemd_scope_runs_the_worker_in_its_own_place(bundle, tmp_path, monkeypatch):
    """A stand-in for systemd-run: it notes its flags and becomes the command, as a scope does."""
    log = tmp_path / "flags"
    body = f'echo "$@" > {log}; while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
    systemd_run(tmp_path, monkeypatch, body)
    with open_box(Limit(0.5, 2**28), tmp_path) as box:
        run_worker("selftest", measurement_of(bundle.folder, bundle, QUICK), 60, box.enclosure)
    flags = log.read_text()
    for part in ("--user --scope", "MemoryMax=268435456", "MemorySwapMax=0", "CPUQuota=50%", "=10000us"):
        assert part in flags
    assert box.usage() == cgroups.Usage(None, None)


def test_a_scope_that_systemd_refuses(tmp_path, monkeypatch):
    systemd_run(tmp_path, monkeypatch, "echo 'Failed to connect to bus: No medium found' >&2; exit 1")
    prefix, reason = scope_prefix(Limit(0.5, None))
    assert prefix == ()
    assert "Failed to connect to bus" in reason


@pytest.mark.usefixtures("permitted")
def test_the_janitor_cleans_up_when_the_bench_is_killed():
    """A process that makes a box and dies without a word: the box goes too."""
    pid = os.fork()
    if not pid:  # in the child, nothing of pytest may run on
        box = open_box(Limit(None, 2**28))
        box.__enter__()
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    deadline = time.monotonic() + 10
    while boxes(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert boxes(pid) == []


def command(*arguments):
    return main(["run", *map(str, arguments), "--seconds", "0.05", "--queries", "100", "--processes", "1"])


@pytest.mark.usefixtures("permitted")
def test_the_command_says_how_it_ended(bundle, tmp_path, capsys):
    assert command(bundle.folder, "--limit", "memory=512M,cpus=0.5", "--runs", tmp_path) == 0
    out, _ = capsys.readouterr()
    for part in ("SURVIVED; peak", "512.0 MiB and 0.5 CPUs, cgroup v", "robustness only, no latency"):
        assert part in out
    assert command(bundle.folder, "--limit", "memory=8M", "--runs", tmp_path) == 3
    out, err = capsys.readouterr()
    assert "OUT OF MEMORY in stage selftest" in out
    assert err.endswith("error: 1 of 1 bundles did not survive the limit (tiny: out of memory)\n")
    outcomes = [read_any_record(path)["outcome"] for path in sorted(tmp_path.rglob("*.json"))]
    assert sorted(outcomes) == ["out of memory", "survived"]


def test_a_dry_run_makes_no_box(bundle, capsys):
    assert command(bundle.folder, "--limit", "memory=8M", "--dry-run") == 0
    out, _ = capsys.readouterr()
    assert "--limit memory=8M" in out
    assert "whether 4 processes survive within 8.0 MiB; no latency" in out
    assert command(bundle.folder, "--limit", "memory=8", "--dry-run") == 2

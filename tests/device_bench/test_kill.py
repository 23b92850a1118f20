"""kill -9 of the harness at six random moments: no orphan, no half record, no cgroup."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from bundles import make_bundle

from device_bench.lanes.cgroups import Limit, plan_cgroups
from recpress_edge.core.files import read_json
from recpress_edge.core.rng import stream
from recpress_edge.records.bench import check_record, find_records, read_any_record

MARK = "RECPRESS_TEST_KILL"
MOMENTS = 6
LONGEST_S = 2.5


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("kill") / "tiny").folder


def marked(value):
    """Living processes that were started with the mark, whoever their parent is by now."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == value and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def boxes(pid):
    return [path for path in Path("/sys/fs/cgroup").rglob(f"recpress-{pid}") if path.is_dir()]


def start(bundle, home, mark, limit):
    program = [sys.executable, "-m", "device_bench", "run", str(bundle), "--runs", str(home / "runs")]
    quick = ["--seconds", "0.5", "--processes", "3", "--pause", "0", *(["--limit", limit] if limit else [])]
    return subprocess.Popen(
        [*program, *quick],
        cwd=home,
        env={**os.environ, MARK: mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def await_nothing(what, seconds=10):
    deadline = time.monotonic() + seconds
    while (left := what()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_nothing_is_left(bundle, tmp_path, moment):
    groups, _ = plan_cgroups(Limit(1.0, 2**29), Path("/proc"))
    limit = "memory=512M,cpus=1" if moment % 2 and groups else None
    delay = float(stream(moment, "kill").uniform(0, LONGEST_S))
    mark = f"{os.getpid()}-{moment}"
    process = start(bundle, tmp_path, mark, limit)
    time.sleep(delay)
    started = len(marked(mark))
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert started >= 1 or process.returncode == 0
    assert await_nothing(lambda: marked(mark)) == []
    assert await_nothing(lambda: boxes(process.pid)) == []
    for path in find_records(tmp_path):  # it may have ended before the kill: then with a whole record
        record = read_json(path)
        read_any_record(path) if limit else check_record(record, str(path))


def test_the_search_would_find_an_orphan(tmp_path):
    """The counter-proof: a child that nobody kills is seen, also after its parent has gone."""
    mark = f"{os.getpid()}-orphan"
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, MARK: mark}, check=True)
    (orphan,) = marked(mark)
    orphan.kill()
    assert await_nothing(lambda: marked(mark)) == []

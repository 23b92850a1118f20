"""Files and folders that outlive a power cut, a kill and each other."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recpress_edge.core import cache, files
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import check_ours, new_directory, scratch_folder, write_atomic, write_new


@pytest.fixture
def synced(monkeypatch, disk_sync):
    """What was put on the disk, in order: the path of each fsync."""
    paths = []

    def recording(handle):
        paths.append(Path(f"/proc/self/fd/{handle}").readlink())
        disk_sync(handle)

    monkeypatch.setattr(os, "fsync", recording)
    return paths


def test_a_file_is_synced_and_then_its_folder(tmp_path, synced):
    write_atomic(tmp_path / "a.json", b"x")
    assert [path == tmp_path for path in synced] == [False, True]
    assert synced[0].parent == tmp_path


def test_a_folder_is_synced_whole_before_it_is_published(tmp_path, synced):
    with new_directory(tmp_path / "bundle", force=False) as draft:
        (draft / "sub").mkdir()
        (draft / "sub" / "model").write_bytes(b"x")
    names = [path.name for path in synced]
    assert set(names) == {"model", "sub", draft.name, tmp_path.name}
    assert names[-1] == tmp_path.name


def test_a_new_file_is_never_written_over(tmp_path):
    assert write_new(tmp_path / "a", b"first")
    assert not write_new(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert write_new(tmp_path / "a", b"first")
    assert not write_new(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"


def test_a_scratch_folder_is_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch_folder("recpress-x-") as folder:
        (folder / "f").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_runs_is_not(tmp_path, monkeypatch):
    code = (
        "import sys, time; from recpress_edge.core.files import scratch_folder\n"
        "with scratch_folder('recpress-x-') as folder: print(folder, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code]
    both = [
        subprocess.Popen(
            command, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        killed, running = (Path(one.stdout.readline().strip()) for one in both)
        both[0].send_signal(signal.SIGKILL)
        both[0].wait()
        for folder in (killed, running):  # as if some time had passed
            os.utime(folder, ns=(0, time.time_ns() - 10 * files._YOUNG_NS))
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        with scratch_folder("recpress-x-"):
            assert not killed.exists()
            assert running.exists()
    finally:
        for one in both:
            one.kill()
            one.wait()
            one.stdout.close()


def test_only_what_is_ours_may_be_replaced(tmp_path):
    thesis = tmp_path / "own" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    with pytest.raises(ConfigError, match="not replaced, not with --force"):
        check_ours(thesis.parent, "bundle.json")
    with pytest.raises(ConfigError, match="is a file"):
        check_ours(thesis, "bundle.json")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "bundle.json").write_text("{}")
    for free in ("empty", "bundle", "missing"):
        check_ours(tmp_path / free, "bundle.json")


def test_the_cache_is_where_it_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv(cache.CACHE_VARIABLE, raising=False)
    assert cache.cache_root() == tmp_path / "xdg/recpress-edge"
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "named"))
    assert cache.cache_root() == tmp_path / "named"
    assert cache.cache_root(tmp_path / "flag") == tmp_path / "flag"

"""Fixtures shared by all tests."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# A test file may import onnxruntime before any of our packages, which set it too.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# readline, which pytest loads, states a terminal's size to child processes behind os.environ's back.
os.unsetenv("COLUMNS")
os.unsetenv("LINES")


_FSYNC = os.fsync


# Until everything is imported and collected, which is hardly garbage.
gc.disable()


def pytest_sessionstart(session: pytest.Session) -> None:
    """pytest's own lines stay as wide as they are, whatever a test says of columns."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:  # a worker of xdist has none
        writer = session.config.get_terminal_writer()
        writer.fullwidth = writer.fullwidth


def pytest_runtestloop() -> None:
    """What is imported and collected stays: garbage is not looked for among it again and again."""
    gc.freeze()
    gc.set_threshold(20_000)
    gc.enable()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real data sets; without it a test skips, in CI it fails."""
    where = os.environ.get("RECPRESS_DATA_DIR")
    if where and Path(where).is_dir():
        return Path(where).resolve()
    reason = f"real data needed: RECPRESS_DATA_DIR is {where!r}, not a folder"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def disk_sync() -> Callable[[int], None]:
    """The real ``os.fsync``, for tests of what waits for the disk."""
    return _FSYNC


@pytest.fixture(scope="session", autouse=True)
def nothing_waits_for_the_disk() -> Iterator[None]:
    """``os.fsync`` looks at its file and returns: only a power cut, which no test makes, shows the rest.

    An export syncs 20 times, the tests hundreds of thousands of times, for 5 ms each.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: os.fstat(handle) and None)
        yield


@pytest.fixture(scope="session", autouse=True)
def whole_lines() -> Iterator[None]:
    """Lines are read whole, also of commands that a test starts; a test of cut lines sets the width."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "1000")
        yield


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Processes that a test starts can be interrupted, even where the runner ignores it, as under nohup.

    What is ignored stays ignored in a child, so that it would wait for ever; a handler does not.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def workers_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested and asked apart is so in this process: for tests of what was answered, not of how."""
    import workers

    for module in workers.ASKING:
        monkeypatch.setattr(f"{module}.ask", workers.ask_here)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without the plots of a front, which take seconds: for tests of what a page says."""
    monkeypatch.setattr("recpress_edge.report.html.panels", lambda view, name: ())
    monkeypatch.setattr("recpress_edge.report.pareto_plot.png", lambda drawn, devices: b"\x89PNG")


@pytest.fixture(scope="session", autouse=True)
def one_engine():
    """The engine of format c for all kinds of models, compiled once: one for each kind would take minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recpress_edge.device.c.library.flags_for", lambda _: [])
        yield

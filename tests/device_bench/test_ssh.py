"""--on ssh://: against a real OpenSSH server on loopback, with keys and a configuration of its own."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from bundles import make_bundle
from exports import exported
from made_click_bundles import of_many_items, source_of

from device_bench.__main__ import main
from device_bench.lanes import parcel, ssh
from device_bench.lanes.ssh import clean, parse_host
from recpress_edge.core.errors import ConfigError
from recpress_edge.records.bench import read_record
from recpress_export.clicks.build import build_clicks

pytestmark = pytest.mark.network
QUICK = ["--processes", "1", "--seconds", "0.05", "--queries", "100", "--k", "20", "--pause", "1ms"]


@pytest.fixture(scope="session")
def sshd_program():
    found = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")
    if found and shutil.which("ssh"):
        return found
    reason = "an OpenSSH server is needed: apt install openssh-server"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


class Server:
    """One sshd on a free port; ``home`` holds its files, ``tmp`` is the board's TMPDIR."""

    def __init__(self, program, home):
        self.program, self.home = program, home
        self.tmp = home / "board-tmp"
        self.tmp.mkdir()
        for name in ("host", "user", "stranger"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(home / name)]
            subprocess.run(command, check=True)
        (home / "authorized").write_text((home / "user.pub").read_text())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = None

    def start(self):
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        config = self.home / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.home}/host\n"
            f"AuthorizedKeysFile {self.home}/authorized\nPidFile none\nUsePAM no\nStrictModes no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
            f"SetEnv TMPDIR={self.tmp}\n"
        )
        self.process = subprocess.Popen(
            [self.program, "-D", "-e", "-f", str(config)], stderr=(self.home / "log").open("wb")
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            assert self.process.poll() is None, (self.home / "log").read_text()
            time.sleep(0.02)
        pytest.fail("sshd does not listen")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def config(self, *, identity="user", host_key="host"):
        """What ssh needs to know to get in, or not."""
        known, path = self.home / f"known-{host_key}", self.home / f"ssh-{identity}-{host_key}"
        key = (self.home / f"{host_key}.pub").read_text() if host_key else ""
        known.write_text(f"[127.0.0.1]:{self.port} {key}" if key else "")
        path.write_text(
            f"Host *\n IdentityFile {self.home}/{identity}\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {known}\n GlobalKnownHostsFile /dev/null\n"
        )
        return str(path)

    @property
    def target(self):
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def server(sshd_program, tmp_path_factory):
    running = Server(sshd_program, tmp_path_factory.mktemp("sshd")).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("ssh") / "tiny")


@pytest.fixture
def bench(server, bundle, tmp_path, capfd):
    """Run on the server; returns (exit code, stderr, records)."""

    def call(*extra, python=sys.executable, config=None, target=None):
        where = ["--on", target or server.target, "--ssh-config", config or server.config()]
        own = ["--board-python", str(python), "--runs", str(tmp_path / "runs")]
        code = main(["run", str(bundle.folder), *where, *own, *QUICK, *extra])
        return code, capfd.readouterr().err, list((tmp_path / "runs").rglob("*"))

    return call


def left_on(server, seconds=10):
    """What is still on the board after a while: files, and processes that work in its folder."""
    deadline = time.monotonic() + seconds
    while True:
        files = list(server.tmp.iterdir())
        running = [p for p in psutil.process_iter(["cwd"]) if str(server.tmp) in (p.info["cwd"] or "")]
        if not (files or running) or time.monotonic() > deadline:
            return files + running
        time.sleep(0.05)


def last_line(err):
    return err.strip().splitlines()[-1]


def test_a_whole_run(server, bench, bundle):
    code, err, found = bench()
    assert code in (0, 4), err
    (path,) = [entry for entry in found if entry.is_file()]
    record = read_record(path)
    assert record["basis"] == "measured"
    assert record["protocol"]["on"] == server.target
    assert f"--on {server.target}" in record["protocol"]["command"]
    assert record["artifact"]["bundle_sha256"] == bundle.digest
    assert "self-test passed" in err  # the board's talk comes through
    assert left_on(server) == []


def test_a_click_bundle_is_measured_there_too(server, tmp_path, capfd):
    source = of_many_items(source_of())
    bundle = build_clicks(source, tmp_path / "clicks", "int8", force=True).bundle
    where = ["--on", server.target, "--ssh-config", server.config(), "--board-python", sys.executable]
    code = main(["run", str(bundle.folder), *where, "--runs", str(tmp_path / "runs"), *QUICK])
    assert code in (0, 4), capfd.readouterr().err
    (path,) = (tmp_path / "runs").rglob("*.json")
    record = read_record(path)
    assert record["protocol"]["on"] == server.target
    assert record["quality"]["rows"] == 400
    assert record["latency_ns"]["catalogue"]
    assert left_on(server) == []


def test_what_runs_there_is_what_was_copied(server, bench, monkeypatch, tmp_path):
    """The board's own device_bench, here the editable install, plays no part."""
    shadow = tmp_path / "root"
    for name in ("device_bench", "recpress_edge"):
        shutil.copytree(Path(__file__).parents[2] / name, shadow / name)
    main_file = shadow / "device_bench" / "commands.py"
    main_file.write_text("import sys; print('copied code runs', file=sys.stderr)\n" + main_file.read_text())
    monkeypatch.setattr(parcel, "ROOT", shadow)
    code, err, _ = bench()
    assert code in (0, 4), err
    assert "copied code runs" in err


def pretender(path, python, lie):
    """A Python for the board that runs ``lie`` before what it is told to run."""
    code = f"import os; CODE = os.environ['CODE']; {lie}; exec(CODE)"
    path.write_text(f'#!/bin/sh\nCODE="$2" exec {python} -c "{code}"\n')
    path.chmod(0o755)
    return path


def test_an_old_python(server, bench, tmp_path):
    lie = "import sys; sys.version_info = (3, 9, 2)"
    code, err, found = bench(python=pretender(tmp_path / "python3", sys.executable, lie))
    assert code == 1
    assert "3.11 or newer is needed" in last_line(err)
    assert found == []
    assert left_on(server) == []


def test_missing_wheels_and_a_32_bit_system(server, bench, tmp_path):
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    code, err, found = bench(python=bare / "bin/python")
    assert code == 1
    assert f"{bare}/bin/python -m pip install numpy psutil onnxruntime" in last_line(err)
    lie = "import ctypes, struct; c = struct.calcsize; struct.calcsize = lambda f: 4 if f == 'P' else c(f)"
    code, err, found = bench(python=pretender(tmp_path / "narrow", f"{bare}/bin/python", lie))
    assert code == 1
    assert "Install the 64-bit OS" in last_line(err)
    assert found == []
    assert left_on(server) == []


def test_no_python_at_all(bench):
    code, err, _ = bench(python="/nowhere/python3")
    assert code == 1
    assert "the board has no /nowhere/python3" in last_line(err)


def test_somebody_else_answers(server, bench):
    code, err, found = bench(config=server.config(host_key="stranger"))
    assert code == 1
    assert "host key is not the known one" in last_line(err)
    assert "ssh-keygen -R" in last_line(err)
    assert found == []


def test_a_host_key_that_is_not_known_yet(server, bench):
    code, err, _ = bench(config=server.config(host_key=""))
    assert code == 1
    assert "host key is not known" in last_line(err)


def test_a_user_who_is_not_let_in(server, bench):
    code, err, found = bench(config=server.config(identity="stranger"))
    assert code == 1
    assert "does not let this user in" in last_line(err)
    assert "ssh-copy-id" in last_line(err)
    assert found == []


def test_nobody_there(bench):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        code, err, found = bench(target=f"ssh://127.0.0.1:{port}")
    assert code == 1
    assert "nothing listens there" in last_line(err)
    assert found == []


def test_a_host_that_takes_the_connection_and_says_nothing(bench, monkeypatch):
    monkeypatch.setattr(ssh, "overall_s", lambda _: 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code, err, found = bench(target=f"ssh://127.0.0.1:{silent.getsockname()[1]}")
    assert code == 1
    assert "no answer within 1 s" in last_line(err)
    assert found == []


def sessions(server):
    """The server's processes for open connections."""
    return psutil.Process(server.process.pid).children(recursive=False)


def test_the_connection_is_cut_in_the_middle(server, bench):
    """The server's side of the connection is killed while the board measures."""
    cut = []

    def cutter():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if list(server.tmp.glob("recpress-*/bundle/model.onnx")) and sessions(server):
                time.sleep(0.5)  # unpacked: by now device_bench runs
                for session in sessions(server):
                    with contextlib.suppress(psutil.NoSuchProcess):  # those of others end meanwhile
                        for process in [session, *session.children(recursive=True)]:
                            if "sshd" in process.name():
                                process.kill()
                                cut.append(process.pid)
                return
            time.sleep(0.01)

    thread = threading.Thread(target=cutter)
    thread.start()
    code, err, found = bench("--seconds", "20")
    thread.join()
    assert cut
    assert code == 1
    assert "the connection dropped" in last_line(err) or "ended without an answer" in last_line(err)
    assert "Nothing was recorded" in last_line(err)
    assert [entry for entry in found if entry.is_file()] == []
    assert left_on(server) == []


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_here_ends_it_there(server, bundle, tmp_path):
    program = [sys.executable, "-m", "device_bench", "run", str(bundle.folder), "--on", server.target]
    flags = ["--ssh-config", server.config(), "--board-python", sys.executable, *QUICK, "--seconds", "20"]
    process = subprocess.Popen([*program, *flags], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(server.tmp.glob("recpress-*/bundle")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(2)
    assert process.wait(30) == 130
    assert "stopped: nothing was recorded" in process.stderr.read()
    process.stderr.close()
    assert list(tmp_path.rglob("*.json")) == []
    assert left_on(server) == []


@pytest.fixture
def small_disk(server):
    """The board's TMPDIR becomes a file system of its own, mounted with the options that are given."""
    if os.geteuid() != 0:
        pytest.skip("a tmpfs can only be mounted by root")
    mounted = []

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "recpress-test", str(server.tmp)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no tmpfs may be mounted here: {done.stderr.strip()}")
        mounted.append(server.tmp)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_without_room(server, bench, small_disk):
    small_disk("size=4m")
    code, err, found = bench()
    assert code == 1
    assert "has 3 MiB free" in last_line(err) or "has 4 MiB free" in last_line(err)
    assert "Free space there" in last_line(err)
    assert found == []
    assert left_on(server) == []


def test_a_disk_that_fills_up_on_the_way(server, bench, small_disk):
    """Room by the count of bytes, but not for so many files: the kernel says ENOSPC while unpacking."""
    small_disk("size=64m,nr_inodes=9")
    code, err, found = bench()
    assert code == 1
    assert "No space left on device" in last_line(err)
    assert found == []
    assert left_on(server) == []


@pytest.mark.parametrize(
    ("detail", "login", "port"),
    [
        ("//pi@raspberrypi.local", "pi@raspberrypi.local", None),
        ("//raspberrypi:2222", "raspberrypi", 2222),
        ("//pi@[fe80::1]:22", "pi@fe80::1", 22),
    ],
)
def test_parse_host(detail, login, port):
    found = parse_host(detail)
    assert (found.login, found.port) == (login, port)


@pytest.mark.parametrize(
    "detail",
    [
        "pi@host",
        "//",
        "//pi@",
        "//-oProxyCommand=x",
        "//pi@-oX",
        "//a b",
        "//h:0",
        "//h:65536",
        "//h;id",
        "//h:x",
    ],
)
def test_targets_that_are_none(detail):
    with pytest.raises(ConfigError, match="is not a target: write ssh://user@host"):
        parse_host(detail)


def test_what_others_write_cannot_drive_the_terminal():
    assert clean("\x1b[2Jtemp=48\u202e'C\r\n") == "?[2Jtemp=48?'C"


def test_format_c_is_compiled_there_and_removed(server, tmp_path, capfd):
    made = exported(tmp_path / "bundle", "int8-dim", "c")
    where = ["--on", server.target, "--ssh-config", server.config(), "--board-python", sys.executable]
    code = main(["run", str(made.folder), *where, *QUICK, "--out", str(tmp_path / "r.json")])
    assert code in (0, 4), capfd.readouterr().err
    software = read_record(tmp_path / "r.json")["software"]
    assert software["runtime"] == "recpress-c"
    assert "-O3" in software["compiler"]
    assert left_on(server) == []

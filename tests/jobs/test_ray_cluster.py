"""A real Ray cluster of two nodes on this machine: the same models as here, though a node is killed."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest

from recpress_edge.core.errors import RecPressError
from recpress_edge.core.files import sha256_file

pytest.importorskip("ray", reason="needs the extra ray: make test-ray")
pytestmark = pytest.mark.ray

LOG = "".join(f"u{user},i{(user * 7 + place * 3) % 41}\n" for user in range(60) for place in range(20))
EPOCHS = ("--config", "long.toml")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("ray")


def environment(home, node):
    own = {"HOME": str(home), "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    path = os.pathsep.join(filter(None, sys.path))
    return os.environ | own | {"PYTHONPATH": path, "RECPRESS_WORKER_DIR": str(home / node), "COLUMNS": "200"}


def command(home, *words, node="asks"):
    return [sys.executable, "-m", "recpress_edge", *words], {
        "cwd": home,
        "env": environment(home, node),
        "text": True,
    }


def run(home, *words):
    words, how = command(home, *words)
    return subprocess.run(words, capture_output=True, check=False, timeout=240, **how)


def of_node(home, node):
    """The processes of a node, by the folder that they were started with."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("RECPRESS_WORKER_DIR") == str(home / node):
                found.append(process)
        except psutil.Error:
            continue
    return found


def end(processes):
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue


@pytest.fixture(scope="module")
def cluster(home):
    """Address of a head with one CPU and another node with one CPU."""
    ray = [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        "--num-cpus=1",
        "--object-store-memory=80000000",
    ]
    head = ["--head", "--port=0", "--include-dashboard=false", f"--temp-dir={home}/r"]
    try:
        done = subprocess.run(
            [*ray, *head], env=environment(home, "head"), capture_output=True, text=True, check=True
        )
        address = (home / "r" / "ray_current_cluster").read_text().strip()
        subprocess.run(
            [*ray, f"--address={address}"], env=environment(home, "other"), capture_output=True, check=True
        )
        assert "Ray runtime started" in done.stdout
        yield address
    finally:
        end([*of_node(home, "other"), *of_node(home, "head")])


def digests(work):
    return {path.parent.name: sha256_file(path) for path in sorted(work.glob("models/*/model.safetensors"))}


def test_equal_results_though_a_node_is_killed_in_the_middle(home, cluster):
    (home / "log.csv").write_text("user,item\n" + LOG)
    (home / "long.toml").write_text("[training]\nepochs = 60\nevaluate_every = 20\n")
    for work in ("here", "there"):
        done = run(
            home, "data", "import", "log.csv", "--name", "mine", "--split", "ratio:80/10/10", "--work", work
        )
        assert done.returncode == 0, done.stderr
    # The teacher and the data set travel: the nodes have neither.
    train = ["train", "--teacher", "bpr_dim8", "--epochs", "3", "--data", "mine", "--work", "here", "--json"]
    folder = json.loads(run(home, *train).stdout)["models"][0]["folder"]
    students = [
        "distill",
        "--student",
        "htd_dim4",
        "--seeds",
        "3",
        "--data",
        "mine",
        "--teacher",
        folder,
        *EPOCHS,
    ]
    words, how = command(home, *students, "--work", "there", "--ray", cluster, "--json")
    asking = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)
    deadline = time.monotonic() + 90
    while not list((home / "other").glob("*/models/htd_dim4-s*/.lock")):
        assert time.monotonic() < deadline, asking.communicate(timeout=1)
        assert asking.poll() is None, asking.communicate()
        time.sleep(0.05)
    killed = of_node(home, "other")
    assert any("raylet" in process.name() for process in killed)
    end(killed)
    out, said = asking.communicate(timeout=240)
    assert asking.returncode == 0, said
    assert "Ray, 2 machines: 2 at a time" in said
    assert "again      htd_dim4 seed" in said
    assert "raylet" not in said
    local = run(home, *students, "--work", "here", "--jobs", "2", "--json")
    assert local.returncode == 0, local.stderr
    assert "2 processes at a time × 1 thread = 2" in local.stderr
    there, here = digests(home / "there"), digests(home / "here")
    assert len(there) == 3
    assert there.items() <= here.items()
    assert [m["metrics"] for m in json.loads(out)["models"]] == [
        m["metrics"] for m in json.loads(local.stdout)["models"]
    ]
    again = run(home, *students, "--work", "there", "--json")
    assert again.stdout == out  # all are found: nothing is trained twice


def test_an_address_that_does_not_answer_fails_in_seconds(home):
    started = time.monotonic()
    done = run(home, "distill", "--student", "bpr_dim4", "--ray", "127.0.0.1:1")
    assert done.returncode == 1
    assert "no Ray cluster answers at --ray 127.0.0.1:1" in done.stderr
    assert "ray start --head" in done.stderr
    assert time.monotonic() - started < 60
    assert run(home, "distill", "--student", "bpr_dim4", "--ray", "somewhere").returncode == 2


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_something_else_behind_the_address_fails_in_seconds_too(says, monkeypatch):
    from recpress_edge.jobs.executor import cluster

    monkeypatch.setattr(cluster, "_ANSWERS_WITHIN_S", 2.0 if says else 0.2)

    def answer():
        connection, _ = server.accept()
        with connection:
            connection.sendall(says)
            connection.recv(100)

    with socket.create_server(("127.0.0.1", 0)) as server:
        if says:
            threading.Thread(target=answer).start()
        with pytest.raises(RecPressError, match=r"ray start --head"):
            cluster._connect(f"127.0.0.1:{server.getsockname()[1]}")

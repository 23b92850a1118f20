"""How a bundle is measured: flags, blocks of queries, worker processes, the rules of the self-test."""

import dataclasses
import os
import shlex
import signal
import subprocess
import sys
import time
import types

import numpy as np
import psutil
import pytest
from bundles import make_bundle

from device_bench import measure
from device_bench.__main__ import build_parser
from device_bench.lanes.targets import lane_module
from device_bench.measure import BlockTimer, Measurement
from device_bench.options import request_of
from device_bench.process import measurement_of, run_worker
from device_bench.quality import ranking_metrics
from device_bench.settings import BenchRequest, Protocol
from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.device import process as device_process
from recpress_edge.device import verify
from recpress_edge.device.onnx_runtime import OnnxRuntime
from recpress_edge.device.process import WorkerError
from recpress_edge.device.recommender import Recommender
from recpress_edge.device.verify import difference_beyond_ties, first_difference, verify_bundle


def job_of(bundle, **changes):
    facts = {
        "bundle": str(bundle.folder),
        "model_path": str(bundle.model_path),
        "contract": bundle.contract,
        "digest": bundle.digest,
        "threads": 1,
        "k": 20,
        "queries": 50,
        "seconds": 0.01,
        "seed": 0,
    }
    return Measurement(**(facts | changes))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("protocol") / "tiny-int8")


def test_the_recorded_command_repeats_the_protocol(tmp_path):
    protocol = Protocol(
        k=20,
        threads=2,
        processes=3,
        seconds=0.25,
        queries=1_234_567,
        seed=9,
        pause_ns=5_000_000,
        memory_limit=2**30,
        time_limit_s=30.0,
    )
    folder = tmp_path / "a bundle"
    request = BenchRequest(bundles=(folder,), protocol=protocol)
    command = shlex.split(request.command(folder))
    assert command[0] == "device_bench"
    args = build_parser().parse_args(command[1:])
    assert request_of(args) == request


@pytest.mark.parametrize("wrong", [{"k": 0}, {"threads": 0}, {"processes": 0}, {"queries": -1}, {"seed": -1}])
def test_absurd_protocols_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"--{next(iter(wrong))}"):
        Protocol(**wrong)


@pytest.mark.parametrize("seconds", [-1, 1e9, float("nan")])
def test_absurd_seconds_are_refused(seconds):
    with pytest.raises(ConfigError, match="--seconds"):
        Protocol(seconds=seconds)


def test_less_than_the_full_protocol_is_said():
    assert Protocol().warnings() == []
    assert Protocol(processes=3, seconds=0.5, queries=10).warnings() == [
        "3 processes: the full protocol asks for at least 10",
        "0.5 seconds: the full protocol asks for at least 2",
        "10 queries: the full protocol asks for at least 1000",
    ]


def test_blocks_go_round_the_requests_and_sum_up():
    asked = []
    timer = BlockTimer(asked.append, ["a", "b", "c"])
    timer.block(2)
    timer.block(3)
    assert asked == ["a", "b", "c", "a", "b"]
    assert len(timer.samples) == 5
    assert timer.needs(queries=6, seconds=0)
    assert timer.needs(queries=5, seconds=60)
    assert not timer.needs(queries=5, seconds=0)
    timer.forget()
    assert timer.samples == []


def test_a_block_times_the_call():
    timer = BlockTimer(time.sleep, [0.01])
    timer.block(5)
    assert all(10e6 <= sample < 200e6 for sample in timer.samples)
    assert not timer.needs(queries=5, seconds=0.05)


class Recorder:
    """A runtime that keeps every query it is asked."""

    name, version, exact = "recorder", "1", True

    def __init__(self, answer_s=0.0):
        self.asked, self._answer_s = [], answer_s

    def prepare(self, user, seen, k):
        return (user, tuple(map(int, seen)), k)

    def run(self, feed):
        self.asked.append(feed)
        time.sleep(self._answer_s)

    def recommend(self, user, seen, k):
        self.run(self.prepare(user, seen, k))
        return np.arange(k), np.zeros(k, np.float32)


def test_the_session_gets_the_threads_that_were_asked_for(bundle, monkeypatch):
    opened = []

    def open_runtime(path, contract, threads, delegate, runtime):
        opened.append((path, threads))
        return Recorder()

    monkeypatch.setattr(measure, "open_runtime", open_runtime)
    job_of(bundle, threads=3).open()
    assert opened == [(bundle.model_path, 3)]


def test_onnx_runtime_has_the_threads_that_were_asked_for(bundle):
    """By the kernel: a session of three threads brings two, one of one thread none."""

    def threads_after(count):
        code = (
            "import sys; from pathlib import Path; from recpress_edge.device.runtime import open_runtime; "
            "from recpress_edge.artifacts.bundle import open_bundle; "
            "bundle = open_bundle(Path(sys.argv[1])); "
            "before = len(list(Path('/proc/self/task').iterdir())); import onnxruntime; "
            "runtime = open_runtime(bundle.model_path, bundle.contract, int(sys.argv[2])); "
            "print(len(list(Path('/proc/self/task').iterdir())) - before)"
        )
        command = [sys.executable, "-c", code, str(bundle.folder), str(count)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert threads_after(3) - threads_after(1) == 2


def test_every_worker_is_told_the_threads(bundle, monkeypatch):
    """From the protocol to the job, and from the job to the session that answers the self-test."""
    opened = []

    def open_runtime(path, contract, threads, *_):
        opened.append(threads)
        return OnnxRuntime(path, contract, 1)

    monkeypatch.setattr(verify, "open_runtime", open_runtime)
    assert measurement_of(bundle.folder, bundle, Protocol(threads=3)).threads == 3
    measure.self_test(job_of(bundle, threads=3))
    assert opened == [3]


def verified_by(runtime, bundle):
    return dataclasses.replace(verify_bundle(bundle.folder), runtime=runtime)


def test_the_warm_up_is_no_sample(bundle):
    """Each kind: 200 queries that are asked and dropped, then a block of 500."""
    runtime = Recorder()
    latency, counts = measure.warm_latency(verified_by(runtime, bundle), job_of(bundle, queries=1, seconds=0))
    assert {name: len(samples) for name, samples in latency.items()} == {"query": 500, "end_to_end": 500}
    assert len(runtime.asked) == 2 * (200 + 500)
    assert counts.keys() == latency.keys()


def test_the_first_query_is_the_first(bundle, monkeypatch):
    """The first answer of a model takes longest: here 50 ms, then nothing."""
    runtime = Recorder()

    def run(feed):
        runtime.asked.append(feed)
        time.sleep(0.05 if len(runtime.asked) == 1 else 0)

    runtime.run = run
    monkeypatch.setattr(measure, "open_runtime", lambda *_: runtime)
    found = measure.cold_start(job_of(bundle))
    assert found["first_query_ns"] >= 50e6
    assert len(runtime.asked) == 1
    assert found["counts"].keys() == {"load", "first_query"}


def test_loading_is_timed_and_nothing_else(bundle, monkeypatch):
    def slow(*_):
        time.sleep(0.05)
        return Recorder()

    monkeypatch.setattr(measure, "open_runtime", slow)
    found = measure.cold_start(job_of(bundle))
    assert found["load_ns"] >= 50e6 > found["first_query_ns"]


def test_each_query_of_the_paced_series_comes_after_the_pause(monkeypatch):
    """By a clock of our own: pauses are slept and not timed, and every query is another one."""
    events, now = [], 0

    def sleep(seconds):
        nonlocal now
        now += round(seconds * 1e9)
        events.append("pause")

    def answer(feed):
        nonlocal now
        now += 1000 * feed
        events.append(feed)

    clock = types.SimpleNamespace(sleep=sleep, perf_counter_ns=lambda: now)
    monkeypatch.setattr(measure, "time", clock)
    samples, _ = measure.paced_latency(answer, [1, 2, 3], 50_000_000)
    assert samples == [1000 * (1 + i % 3) for i in range(100)]  # 5 s of 50 ms
    assert events == [event for i in range(100) for event in ("pause", 1 + i % 3)]


@pytest.mark.parametrize(
    ("pause_ms", "queries", "seconds"),
    [(1, 200, 0.2), (5, 200, 1), (50, 100, 5), (100, 50, 5), (1000, 40, 40)],
)
def test_how_many_queries_come_alone(pause_ms, queries, seconds):
    asked = Protocol(pause_ns=pause_ms * 10**6)
    assert (asked.paced_queries, asked.paced_s) == (queries, pytest.approx(seconds))


def test_pauses_are_asked_for_by_default_and_can_be_left_out():
    def asked(*flags):
        return request_of(build_parser().parse_args(["run", "b", *flags])).protocol.pause_ns

    assert asked() == 100_000_000
    assert asked("--pause", "5ms") == 5_000_000
    assert asked("--pause", "0") == Protocol(pause_ns=0).paced_s == 0
    assert asked("--limit", "cpus=0.5") == 0
    assert asked("--on", "armvm") == asked("--on", "armuser:pi4") == 0
    assert asked("--on", "ssh://pi") == 100_000_000
    for wrong in ("0.5ms", "3s"):
        with pytest.raises(ConfigError, match="--pause must be 0 or between 1ms and 2s"):
            asked("--pause", wrong)
    with pytest.raises(SystemExit):
        asked("--pause", "often")


@pytest.mark.parametrize("target", [["--on", "armvm"], ["--on", "armuser:pi4"], ["--limit", "cpus=0.5"]])
def test_pauses_are_refused_where_time_has_no_meaning(target):
    request = request_of(build_parser().parse_args(["run", "b", *target, "--pause", "5ms"]))
    with pytest.raises(ConfigError, match="--pause"):
        lane_module(request.target).check(request)


def test_ranking_metrics_by_hand():
    def rows(*lists):
        indptr = np.cumsum([0, *map(len, lists)]).astype(np.int64)
        return indptr, np.concatenate(lists).astype(np.int32)

    evaluation = Evaluation(np.array([0, 1], np.int32), *rows([], []), *rows([7], [1, 2]))
    topk = np.full((2, 50), -1, np.int64)
    topk[0, :1] = [7]  # the only relevant item, first
    topk[1, :11] = [3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 1]  # one of two, at rank 11
    metrics = ranking_metrics(topk, evaluation, np.array([90, 90]), 50)
    assert metrics["recall@10"] == 0.5
    assert metrics["recall@20"] == metrics["recall@50"] == 0.75
    assert metrics["ndcg@10"] == 0.5
    assert metrics["ndcg@20"] == pytest.approx((1 + (1 / np.log2(12)) / (1 + 1 / np.log2(3))) / 2)
    assert "recall@5" not in metrics
    # Of 20 candidates 20 hold everything: Recall@20 says nothing, NDCG@20 still sees the order.
    few = ranking_metrics(topk, evaluation, np.array([20, 17]), 5)
    assert (few["recall@5"], few["recall@10"], few["recall@20"], few["recall@50"]) == (0.5, 0.5, None, None)
    assert few["ndcg@20"] == metrics["ndcg@20"]


def test_ids_in_ids_out(bundle):
    runtime = OnnxRuntime(bundle.model_path, bundle.contract)
    recommender = Recommender(runtime, bundle.user_ids(), bundle.item_ids())
    answer = recommender.recommend("u3", ["item-5", "item-9"], 4)
    items, want = runtime.recommend(3, [5, 9], 4)
    assert list(answer) == list(zip([f"item-{i}" for i in items], want.tolist(), strict=True))
    assert (len(answer), answer.unknown) == (4, ())
    with pytest.raises(ConfigError, match="unknown user 'nobody'"):
        recommender.recommend("nobody", [], 4)


def test_a_seen_item_that_the_bundle_does_not_know_is_left_out_and_named(bundle):
    recommender = Recommender.load(bundle.folder)
    known = recommender.recommend("u3", ["item-5", "item-9"], 4)
    answer = recommender.recommend("u3", ["gone", "item-5", "never was", "item-9"], 4)
    assert list(answer) == list(known)
    assert answer.unknown == ("gone", "never was")
    with pytest.raises(ConfigError, match="unknown seen item 'gone'"):
        recommender.recommend("u3", ["gone", "item-5"], 4, strict=True)


@pytest.mark.parametrize(
    ("got", "scores", "says"),
    [
        ([1, 2, 3], [9.0, 8.0, 7.0], None),
        ([1, 2, 3], [9.05, 7.95, 7.0], None),  # within 0.1
        ([1, 3, 2], [9.0, 8.0, 7.0], "rank 2 is item 3, expected 2"),
        ([1, 2, 3], [9.0, 8.2, 7.0], "rank 2 scores 8.2"),
        ([1, 2, 3], [9.0, float("nan"), 7.0], "rank 2 scores nan"),
        ([1, 2], [9.0, 8.0], "2 items, expected 3"),
        ([1, 2, 2], [9.0, 8.0, 7.0], "rank 3 is item 2"),
        ([1, 2, 4], [9.0, 8.0, 7.05], None),  # another item that ties with the last
        ([4, 2, 3], [9.0, 8.0, 7.0], "rank 1 is item 4, expected 1"),
    ],
)
def test_answers_that_need_not_be_exact(got, scores, says):
    found = difference_beyond_ties(got, scores, [1, 2, 3], [9.0, 8.0, 7.0], 0.1)
    assert found == says if says is None else found.startswith(says)


def test_tied_items_may_change_places():
    assert difference_beyond_ties([2, 1], [8.0, 8.0], [1, 2], [8.05, 8.0], 0.1) is None
    assert first_difference([2, 1], [1, 2]) == "rank 1 is item 2, expected 1"


def test_workers_answer_in_fresh_processes(bundle):
    job = job_of(bundle)
    cold, memory = run_worker("cold", job, 60), run_worker("memory", job, 60)
    idle = run_worker("idle", job, 60)["idle"]
    assert min(cold["import_ns"], cold["load_ns"], cold["first_query_ns"]) > 0
    assert idle["vm_hwm"] < memory["loaded"]["vm_hwm"]
    assert memory["loaded"]["vm_hwm"] <= memory["first_query"]["vm_hwm"] + 2**20
    assert run_worker("selftest", job, 60) == {"queries": 8, "exact": True}


def test_the_same_seed_ranks_the_same_ids(bundle):
    first, second = (run_worker("measure", job_of(bundle, seed=seed), 60) for seed in (0, 1))
    assert first["quality"] == second["quality"]
    assert len(first["latency_ns"]["query"]) >= 50


def test_a_bundle_that_changes_meanwhile(bundle):
    with pytest.raises(ArtifactError, match="changed while it was being measured"):
        run_worker("measure", job_of(bundle, digest="0" * 64), 60)


def children():
    return psutil.Process().children(recursive=True)


def test_a_worker_that_takes_too_long_is_stopped(bundle):
    before = children()
    with pytest.raises(WorkerError, match=r"did not finish within 0\.2 s"):
        run_worker("measure", job_of(bundle, seconds=60), 0.2)
    assert children() == before


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import os; os.kill(os.getpid(), 11)", "crashed with SIGSEGV"),
        ("import os; os.kill(os.getpid(), 9)", "memory ran out"),
        ("raise SystemExit('no such thing')", r"failed with exit code 1.*no such thing"),
        ("print('hello')", "without an answer"),
    ],
)
def test_a_worker_that_crashes(bundle, monkeypatch, program, says):
    monkeypatch.setattr(device_process, "_START", f"import sys; sys.stdin.read(); {program}")
    with pytest.raises(WorkerError, match=says):
        run_worker("idle", job_of(bundle), 60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_worker_dies_with_the_bench(bundle):
    bench = os.fork()
    if bench == 0:
        try:
            run_worker("measure", job_of(bundle, seconds=60), 60)
        finally:
            os._exit(0)
    deadline = time.monotonic() + 20
    while not (workers := psutil.Process(bench).children()) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(bench, signal.SIGKILL)
    os.waitpid(bench, 0)
    assert len(workers) == 1
    assert psutil.wait_procs(workers, timeout=5)[1] == []  # none is left alive

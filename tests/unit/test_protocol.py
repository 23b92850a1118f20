"""How a bundle is measured: flags, blocks of queries, worker processes, the rules of the self-test."""

import os
import shlex
import signal
import time

import numpy as np
import psutil
import pytest
from bundles import make_bundle

from device_bench import process
from device_bench.__main__ import build_parser
from device_bench.ids import IdRecommender
from device_bench.lanes.targets import parse_target
from device_bench.measure import BlockTimer, Job, ranking_metrics
from device_bench.options import Protocol, Request, request_of
from device_bench.process import WorkerError, run_worker
from device_bench.runtimes.onnx_runtime import OnnxRuntime
from device_bench.selftest import difference_beyond_ties, first_difference
from recpress_edge.core.bundle import Evaluation
from recpress_edge.core.errors import ArtifactError, ConfigError


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
    return Job(**(facts | changes))


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
        memory_limit=2**30,
        time_limit_s=30.0,
    )
    request = Request(parse_target("host"), protocol, {})
    command = shlex.split(request.command(tmp_path / "a bundle"))
    assert command[0] == "device_bench"
    args = build_parser().parse_args(command[1:])
    assert request_of(args) == request
    assert args.bundles == [tmp_path / "a bundle"]


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


def test_ranking_metrics_by_hand():
    def rows(*lists):
        indptr = np.cumsum([0, *map(len, lists)]).astype(np.int64)
        return indptr, np.concatenate(lists).astype(np.int32)

    evaluation = Evaluation(np.array([0, 1], np.int32), *rows([], []), *rows([7], [1, 2]))
    topk = np.full((2, 50), -1, np.int64)
    topk[0, :1] = [7]  # the only relevant item, first
    topk[1, :11] = [3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 1]  # one of two, at rank 11
    metrics = ranking_metrics(topk, evaluation)
    assert metrics["recall@10"] == 0.5
    assert metrics["recall@20"] == metrics["recall@50"] == 0.75
    assert metrics["ndcg@10"] == 0.5
    assert metrics["ndcg@20"] == pytest.approx((1 + (1 / np.log2(12)) / (1 + 1 / np.log2(3))) / 2)


def test_ids_in_ids_out(bundle):
    runtime = OnnxRuntime(bundle.model_path, bundle.contract)
    recommender = IdRecommender(runtime, bundle.user_ids(), bundle.item_ids())
    names, scores = recommender.recommend("u3", ["item-5", "item-9"], 4)
    items, want = runtime.recommend(3, [5, 9], 4)
    assert names == [f"item-{i}" for i in items]
    assert scores.tolist() == want.tolist()
    for user, seen in (("nobody", []), ("u3", ["item-5", "no such item"])):
        with pytest.raises(ConfigError, match="unknown id 'no"):
            recommender.recommend(user, seen, 4)


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
    monkeypatch.setattr(process, "_START", f"import sys; sys.stdin.read(); {program}")
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

"""Which figures of a series can be relied on: every rule by hand, and the kernel's counts under real load."""

import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from device_bench import contention, measure, validity
from device_bench.contention import Counts, MachineWatch, Watch, total
from device_bench.validity import drift, headline_reasons, judge, verdict

SECOND = 10**9
QUIET = Counts(SECOND, SECOND // 1000, 3, SECOND // 100, SECOND)


def steady(count=2000, high=1.1, seed=0):
    """Samples from 100,000 ns to ``high`` times that, in no order."""
    return np.random.default_rng(seed).integers(100_000, round(100_000 * high), count).tolist()


def judged(samples, counts=QUIET, name="query"):
    return verdict(name, samples, counts)


def test_a_quiet_series_is_trusted_whole():
    found = judged(steady())
    assert (found.valid, found.trusted, found.reasons) == (True, (50, 90, 95, 99), ())
    assert found.facts() == {
        "valid": True,
        "trusted": [50, 90, 95, 99],
        "reasons": [],
        "wait_share": 0.001,
        "other_work": 0.01,
        "interruptions": 3,
    }


def test_nothing_counted_is_no_reason():
    found = judged(steady(), Counts())
    assert found.trusted == (50, 90, 95, 99)
    assert [found.facts()[name] for name in ("wait_share", "other_work", "interruptions")] == [None] * 3


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        (Counts(94, 6, 0, 0, 100), "waited for a core 6% of the time (at most 5%)"),
        (Counts(100, 0, 0, 16, 100), "others used 16% of the other cores (at most 15%)"),
    ],
)
@pytest.mark.parametrize("name", ["query", "end_to_end", "paced", "first_query", "load", "import"])
def test_a_loaded_series_has_no_figure(counts, says, name):
    """Cold starts too. However long or short its samples are: a busy neighbour slows all of them alike."""
    found = judged([100_000] * 10 if name == "load" else steady(), counts, name)
    assert (found.valid, found.trusted) == (False, ())
    assert says in found.reasons[0]
    assert "loaded" in found.reasons[0]


def test_at_the_bounds_it_is_not_loaded():
    assert judged(steady(), Counts(95, 5, 0, 15, 100)).valid


def test_no_p99_where_waiting_decides_it():
    """30 of 2,000 samples hold a wait: p99 is one of them, p95 is not."""
    waits = steady()
    waits[::67] = [5_000_000] * len(waits[::67])
    found = judged(waits, QUIET._replace(interruptions=30))
    assert found.trusted == (50, 90, 95)
    (reason,) = found.reasons
    assert reason.startswith("p99 is decided by waiting for a core")
    # the same samples, and nobody was interrupted: then it is the model that takes so long
    assert judged(waits, QUIET._replace(interruptions=0)).trusted == (50, 90, 95, 99)


def test_no_p95_where_waiting_decides_it_and_the_run_stands_on_its_median():
    waits = steady()
    waits[::15] = [5_000_000] * len(waits[::15])
    found = judge({"query": waits}, {"query": QUIET._replace(interruptions=140)})
    assert found["query"].valid  # its median
    assert found["query"].trusted == (50, 90)
    reasons = [reason.partition(" is decided by waiting")[0] for reason in found["query"].reasons]
    assert reasons == ["p95", "p99"]
    assert headline_reasons(found) == []


def test_each_percentile_is_settled_or_withheld_by_itself(monkeypatch):
    """An interval of 1.25-fold at p95, as on a quiet machine of two cores: no p95, and a valid run."""

    def draws(_samples, q, *_, **__):
        return np.linspace(1, 1.25 if q == 95 else 1.01, 1001)

    monkeypatch.setattr(validity, "bootstrap_percentile", draws)
    found = judge({"query": steady()}, {"query": QUIET})
    assert (found["query"].trusted, headline_reasons(found)) == ((50, 90, 99), [])
    (reason,) = found["query"].reasons
    assert reason == "p95 is not settled: the ends of its 95 % interval differ 1.24-fold (at most 1.2)"


def test_the_headline_asks_for_the_query_alone():
    series = {"query": steady(), "end_to_end": steady(), "load": [100_000] * 10}
    busy = Counts(1, 1, 0, 0, 0)
    assert headline_reasons(judge(series, {"end_to_end": busy, "load": busy})) == []
    assert len(headline_reasons(judge(series, {"query": busy}))) == 1


@pytest.mark.parametrize(("first", "last", "says"), [(100, 120, "+20%"), (120, 100, "-17%")])
def test_drift_in_either_direction(first, last, says):
    found = judged([first] * 500 + [110] * 500 + [last] * 500)
    assert not found.valid
    assert f"the median changed by {says}" in found.reasons[0]


def test_drift_compares_medians_of_thirds():
    assert drift([100, 100, 100, 7, 7, 7, 130, 130, 999]) == pytest.approx(0.3)
    assert drift([100] * 30) == 0
    assert judged([100] * 500 + [110] * 500 + [114] * 500).valid


def test_two_levels_are_not_settled():
    """11 of 19 blocks at 100, the others at 150, in stretches, as beside a neighbour that comes and goes: the
    median may be either; nine in ten are 150 or less, whichever are drawn."""
    pattern = [100] * 4 + [150] * 4 + [100] * 4 + [150] * 4 + [100] * 3
    levels = np.repeat(pattern * 3, 500).tolist()
    assert drift(levels) == 0
    found = judged(levels)
    assert not found.valid
    assert found.trusted == (90, 95, 99)
    assert found.reasons[0].startswith("p50 is not settled: the ends of its 95 % interval differ 1.50-fold")


def test_the_interval_that_settles_a_figure_is_of_95_percent(monkeypatch):
    """Draws known by heart, evenly from 1 to 1.22: 2.5 % lie below 1.0055, and above 1.2145."""
    monkeypatch.setattr(validity, "bootstrap_percentile", lambda *_, **__: np.linspace(1, 1.22, 1001))
    assert (
        judged(steady())
        .reasons[0]
        .startswith("p50 is not settled: the ends of its 95 % interval differ 1.21")
    )


def test_processes_that_disagree_have_no_cold_start():
    calm = [8.0, 8.1, 8.2, 8.0, 7.9, 8.1, 8.3, 8.0, 8.2, 8.1]
    apart = [8.0, 14.1, 8.2, 15.0, 7.9, 13.1, 8.3, 16.0, 8.2, 14.1]
    for name in ("import", "load", "first_query"):
        assert judged([round(v * 1e6) for v in calm], name=name).trusted == (50,)
        found = judged([round(v * 1e6) for v in apart], name=name)
        assert not found.valid
        assert "not settled" in found.reasons[0]


def test_few_samples_have_no_tail():
    assert judged(steady(39), name="paced").trusted == (50, 90)
    assert judged(steady(40), name="paced").trusted == (50, 90, 95)
    assert judged(steady(199)).trusted == (50, 90, 95)
    assert judged(steady(200)).trusted == (50, 90, 95, 99)


def write_task(folder, name, waited):
    task = folder / "task" / name
    task.mkdir(parents=True, exist_ok=True)
    (task / "schedstat").write_text(f"123456 {waited} 42\n")


def test_waiting_by_hand(tmp_path, monkeypatch):
    """Two threads, in the kernel's format; only what happens inside is counted."""
    ran = iter([1000, 1700, 5000, 5200])
    monkeypatch.setattr(contention, "time", SimpleNamespace(process_time_ns=lambda: next(ran)))
    watch = Watch(str(tmp_path))
    write_task(tmp_path, "1", 500)
    write_task(tmp_path, "2", 0)
    with watch:
        write_task(tmp_path, "1", 700)
        write_task(tmp_path, "2", 100)
    write_task(tmp_path, "1", 10**9)
    with watch:
        pass
    assert watch.counts[:2] == (700 + 200, 300)
    assert watch.counts.wait_share == 0.25
    assert watch.counts.interruptions >= 0


def test_a_kernel_that_does_not_count(tmp_path):
    watch = Watch(str(tmp_path / "absent"))
    with watch:
        pass
    assert watch.counts == Counts()
    assert MachineWatch(str(tmp_path / "absent")).read().other_work is None


def test_the_work_of_others_by_hand(tmp_path):
    """Ticks of 10 ms: user nice system idle iowait irq softirq steal. Idle and iowait are no work."""
    stat = tmp_path / "stat"
    stat.write_text("cpu 100 0 0 900 0 0 0 0 0 0\ncpu0 1\ncpu1 1\ncpu2 1\nintr 5\n")
    watch = MachineWatch(str(stat))
    stat.write_text("cpu 140 10 20 9000 500 10 10 10 0 0\ncpu0 1\ncpu1 1\ncpu2 1\nintr 5\n")
    found = watch.read()
    assert found.others_ns == pytest.approx(1 * SECOND, abs=0.05 * SECOND)  # 100 ticks, less our own moment
    assert 0 < found.spare_ns < 2 * SECOND  # two other cores, while this ran


def test_sums():
    assert total([Counts(1, 2, 3, 4, 5), Counts(10, 20, 30, 40, 50)]) == Counts(11, 22, 33, 44, 55)


def test_real_work_beside_us_is_seen():
    """As many busy processes as there are cores, and one more: the kernel's counts must tell."""
    code = "while True: pass"
    cores = len(__import__("os").sched_getaffinity(0))
    others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(cores + 1)]
    try:
        time.sleep(0.3)
        machine, watch = MachineWatch(), Watch()
        with watch:
            end = time.perf_counter() + 0.5
            while time.perf_counter() < end:
                pass
        found = total([watch.counts, machine.read()])
    finally:
        for one in others:
            one.kill()
            one.wait()
    assert found.wait_share > 0.05
    assert not verdict("query", steady(), found).valid
    if cores > 1:
        assert found.other_work > 0.15
    assert found.interruptions > 0


def test_a_timer_counts_its_own_blocks_and_forgets_the_warm_up():
    timer = measure.BlockTimer(time.sleep, [0.001])
    timer.block(5)
    assert timer.counts.ran_ns > 0
    timer.forget()
    assert timer.counts == Counts()

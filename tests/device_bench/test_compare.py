"""Two records: refused when unlike, else ratios with intervals that can be checked by hand."""

import json

import numpy as np
import pytest
from records import as_counted, judged, judged_at, make_record, unmeasured, with_pauses, write_runs

from device_bench import compare as compare_module
from device_bench.__main__ import main
from device_bench.compare import compare
from recpress_edge.core.errors import ConfigError, InvalidRunError
from recpress_edge.core.stats import bootstrap_percentile
from recpress_edge.records.bench import read_record, write_record


@pytest.fixture
def pair(tmp_path):
    """Write two records; the second is what ``change`` makes of the first."""

    def write(change, **facts):
        left, right = make_record(**facts), make_record(**facts)
        change(right)
        folder = write_runs(tmp_path / "runs", [left, right])
        return tuple(sorted(folder.iterdir()))

    return write


def faster(record):
    record["latency_ns"]["query"] = [s // 2 for s in record["latency_ns"]["query"]]


def test_half_the_time_is_half(pair):
    found = compare(*pair(faster))
    by = {ratio.name: ratio for ratio in found.ratios}
    assert by["query p50"].ratio == pytest.approx(0.5, abs=1e-4)
    assert by["query p50"].low <= 0.5 <= by["query p50"].high
    assert by["ids in, ids out p50"].ratio == 1
    assert by["ids in, ids out p50"].low <= 1 <= by["ids in, ids out p50"].high
    assert by["model file"].ratio == by["peak memory"].ratio == 1
    assert found.same_answers


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: r["device"].update(id="pi4"), "device.id: 'host-x86' and 'pi4'"),
        (lambda r: r.update(basis="emulated"), "basis: 'measured' and 'emulated'"),
        (lambda r: r["protocol"].update(threads=4), "protocol.threads: 1 and 4"),
        (as_counted, "protocol.clock"),
        (lambda r: r["device"].update(governor="powersave"), "device.governor"),
        (lambda r: r["artifact"]["provenance"]["dataset"].update(digest="x"), "data set"),
    ],
)
def test_unlike_conditions_are_refused_by_name(pair, change, says):
    with pytest.raises(ConfigError, match=says):
        compare(*pair(change))


def test_runtimes_of_one_device_are_compared_under_their_names(pair, capsys):
    def litert(record):
        faster(record)
        del record["software"]["onnxruntime"]
        record["software"] |= {"runtime": "ai-edge-litert", "ai-edge-litert": "2.1.0"}
        record["protocol"]["delegate"] = "xnnpack"

    paths = pair(litert)
    assert {r.name: r.ratio for r in compare(*paths).ratios}["query p50"] == pytest.approx(0.5, abs=1e-4)
    assert main(["compare", *map(str, paths)]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("A  soft_dim10-int8, onnxruntime (")
    assert second.startswith("B  soft_dim10-int8, ai-edge-litert + xnnpack (")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: judged_at(r, 5, 0.26, n_items=40), "Recall@5   0.2600 → 0.2600  (+0.0000)"),
        (unmeasured, "Recall@50  not known of both"),
    ],
)
def test_the_recall_is_that_of_the_k_that_judges_where_there_is_one(tmp_path, capsys, change, says):
    left, right = change(make_record()), change(make_record())
    faster(right)
    paths = sorted(write_runs(tmp_path / "runs", [left, right]).iterdir())
    assert main(["compare", *map(str, paths)]) == 0
    said = capsys.readouterr().out
    assert says in said
    assert "answers    the same items for every user" in said


def test_unlike_k_are_not_set_side_by_side(pair):
    found = compare(*pair(lambda r: judged_at(r, 5, 0.26, n_items=40)))
    assert set(found.quality.values()) == {(None, None)}


def test_an_invalid_run_is_compared_with_nothing(pair, capsys):
    paths = pair(lambda r: r.update(valid=False, invalid_reasons=["throttled"]))
    with pytest.raises(InvalidRunError, match="throttled"):
        compare(*paths)
    assert main(["compare", *map(str, paths)]) == 4
    assert "INVALID" in capsys.readouterr().err


def test_figures_that_cannot_be_relied_on_are_left_out(pair):
    def change(record):
        record["validity"]["load"] = judged(reasons=("loaded",))
        record["validity"]["query"] = judged(50, 90, 95, reasons=("p99 is decided by waiting",))

    found = compare(*pair(change))
    names = {ratio.name for ratio in found.ratios}
    assert {"query p50", "query p90", "import p50", "first query p50"} <= names
    assert not {"load p50", "query p99", "query after a pause p50"} & names
    assert [note for note in found.notes if "left out" in note] == [
        "query p99 is left out: not to be relied on in B",
        "load p50 is left out: not to be relied on in B",
    ]


def test_queries_that_come_alone_are_compared_after_the_same_pause(pair):
    left, right = pair(lambda record: with_pauses(record, [200_000] * 50))
    write_record(left, with_pauses(read_record(left), [100_000] * 50))
    by = {ratio.name: ratio for ratio in compare(left, right).ratios}
    assert by["query after a pause p50"].ratio == by["query after a pause p95"].ratio == 2
    write_record(left, with_pauses(read_record(left), [100_000] * 50, pause_ns=5_000_000))
    found = compare(left, right)
    assert not [ratio for ratio in found.ratios if "pause" in ratio.name]
    assert "query after a pause p50 is left out: pauses of 5.0 ms and 100.0 ms" in found.notes


def test_the_command_says_all_of_it(pair, capsys):
    def change(record):
        faster(record)
        record["software"]["onnxruntime"] = "1.33.0"
        record["quality"]["ids_sha256"] = "0" * 64

    paths = pair(change)
    assert main(["compare", *map(str, paths)]) == 0
    out = capsys.readouterr().out
    for part in ("query p50", "0.500×", "[", "not the same items", "onnxruntime: 1.32.0 and 1.33.0", "95 %"):
        assert part in out
    assert main(["compare", *map(str, paths), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ratios"][0]["unit"] == "ns"


def test_instructions_are_compared_as_such(pair, tmp_path, capsys):
    paths = pair(faster, basis="emulated")
    for path in paths:
        write_record(path, as_counted(read_record(path)))
    assert main(["compare", *map(str, paths)]) == 0
    assert "ns" not in capsys.readouterr().out.split("\n")[4]


def test_the_interval_of_a_ratio_is_of_95_percent(pair, monkeypatch):
    """Draws known by heart: 0, 1 … 1000 over 1. Of them 2.5 % lie below 25, and 2.5 % above 975."""
    draws = iter([np.ones(1001), np.arange(1001.0)])
    monkeypatch.setattr(compare_module, "_QUANTILES", (("query", 50, "query p50"),))
    monkeypatch.setattr(compare_module, "bootstrap_percentile", lambda *_: next(draws))
    ratio = compare(*pair(faster)).ratios[0]
    assert (ratio.low, ratio.high) == (25, 975)


def test_blocks_tell_less_than_samples_that_stand_alone():
    """Samples that come in runs of 500 equal ones: the interval must be that of 40 values, not of 20,000."""
    rng = np.random.default_rng(0)
    level = np.repeat(rng.normal(100, 10, 40), 500)
    alone = rng.permutation(level)
    wide, narrow = (np.ptp(bootstrap_percentile(s, 50, np.random.default_rng(1))) for s in (level, alone))
    assert wide > 5 * narrow


def test_bootstrap_of_constant_samples_is_a_point():
    assert set(bootstrap_percentile([7] * 100, 99, np.random.default_rng(0))) == {7}
    assert bootstrap_percentile([3], 50, np.random.default_rng(0), draws=2).tolist() == [3, 3]


def test_bootstrap_covers_the_true_median():
    misses = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        low, high = np.quantile(bootstrap_percentile(rng.random(400), 50, rng, draws=300), [0.025, 0.975])
        misses += not low <= 0.5 <= high
    assert misses <= 9


def test_the_interval_of_a_ratio_is_one_of_95_percent(pair):
    """Against a constant, by 100,000 normal samples: a median's deviation is 1.2533 σ / √n."""

    def scattered(record):
        drawn = np.random.default_rng(0).normal(100_000, 10_000, 100_000)
        record["latency_ns"]["query"] = np.rint(drawn).astype(int).tolist()

    paths = pair(scattered)
    constant = read_record(paths[0])
    constant["latency_ns"]["query"] = [100_000] * 100
    write_record(paths[0], constant)
    (ratio,) = (ratio for ratio in compare(*paths).ratios if ratio.name == "query p50")
    deviation = 1.2533 * 0.1 / np.sqrt(100_000)
    assert (ratio.high - ratio.low) / (2 * 1.96 * deviation) == pytest.approx(1, abs=0.08)

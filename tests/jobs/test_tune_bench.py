"""A limit of time: tables become narrower until they keep it, measured once."""

import pytest

from recpress_edge.core.errors import GateError, InvalidRunError
from recpress_edge.jobs.tune import bench
from recpress_edge.jobs.tune.bench import Gauge, fast_shape, too_slow
from recpress_edge.jobs.tune.budget import TableShape

WIDE = TableShape("int8-dim", 40)


def p95_ns(shape):
    """A clock: a microsecond a dimension."""
    return 1000.0 * shape.dim


def test_a_shape_that_is_fast_stays():
    assert fast_shape(WIDE, 40_000, p95_ns, print) == (WIDE, 40_000.0, True)


def test_a_slow_one_becomes_narrower_until_it_keeps_the_limit():
    shape, found, is_fast = fast_shape(WIDE, 10_000, p95_ns, print)
    assert (shape.recipe, shape.dim, found, is_fast) == ("int8-dim", 8, 8_000.0, True)  # 40, 24, 14, 8


def test_none_is_fast_enough():
    shape, found, is_fast = fast_shape(WIDE, 1_000, p95_ns, print)
    assert (shape.dim, is_fast) == (2, False)
    error = too_slow(1_000, "host", (shape, found))
    assert isinstance(error, GateError)
    assert "the fastest, int8-dim at dim 2, takes 2.0 µs" in str(error)


@pytest.mark.parametrize("valid", [True, False])
def test_the_p95_is_that_of_a_valid_record(tmp_path, monkeypatch, valid):
    record = {
        "valid": valid, "created": "2026-11-29T01:00:00Z", "device": {"id": "here"}, "protocol": {},
        "artifact": {"name": "pop-int8", "bundle_sha256": "0" * 64}, "validity": {},
        "latency_ns": {"query": [*range(1, 101)]},
    }  # fmt: skip
    monkeypatch.setattr(bench.device_bench, "run", lambda request, on_event: iter([record]))
    gauge = Gauge("host", 1000, tmp_path / "runs")
    if valid:
        assert gauge.p95_ns(tmp_path, print) == 95
    else:
        with pytest.raises(InvalidRunError, match="the p95 of pop-int8 on host cannot be relied on"):
            gauge.p95_ns(tmp_path, print)
    assert len(list((tmp_path / "runs" / "here").iterdir())) == 1

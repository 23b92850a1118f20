"""--on TARGET: what is a target, which flags go with it, what the errors say."""

import pytest

from device_bench.__main__ import build_parser
from device_bench.lanes.targets import LANES, Lane, Target, lane_module, parse_target
from device_bench.options import LANE_FLAGS, request_of
from recpress_edge.core.errors import ConfigError

TOY = {
    "host": LANES["host"],
    "board": Lane(module="", grammar="board:BOARD", about="a board", details=("one", "two")),
    "vm": Lane(module="", grammar="vm[:cpu]", about="a vm", details=("slow",), optional=True),
    "ssh": Lane(module="", grammar="ssh://user@host", about="a host", free=True),
}


@pytest.mark.parametrize("name", LANES)
def test_every_lane_has_its_module(name):
    module = lane_module(Target(name, ""))
    assert all(callable(getattr(module, function)) for function in ("check", "plan", "run"))
    assert set(LANES[name].flags) <= set(LANE_FLAGS)


@pytest.mark.parametrize(
    ("text", "lane", "detail"),
    [
        ("host", "host", ""),
        ("board:two", "board", "two"),
        ("vm", "vm", ""),
        ("vm:slow", "vm", "slow"),
        ("ssh://pi@host:22", "ssh", "//pi@host:22"),
    ],
)
def test_targets(monkeypatch, text, lane, detail):
    monkeypatch.setattr("device_bench.lanes.targets.LANES", TOY)
    assert parse_target(text) == Target(lane, detail)
    assert str(parse_target(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bord:one", "Did you mean 'board'"),
        ("", "unknown target ''"),
        ("board", r"write board:BOARD \(one, two\)"),
        ("board:", "write board:BOARD"),
        ("board:tow", "Did you mean 'two'"),
        ("host:", "write host"),
        ("host:x", "write host"),
        ("vm:", "write vm"),
        ("ssh", "write ssh://user@host"),
        ("pi@host", "Did you mean 'ssh://pi@host'"),
    ],
)
def test_what_is_no_target_is_refused_with_what_would_be(monkeypatch, text, message):
    monkeypatch.setattr("device_bench.lanes.targets.LANES", TOY)
    with pytest.raises(ConfigError, match=message):
        parse_target(text)


def test_a_lane_has_its_own_flags_and_defaults(monkeypatch):
    lanes = TOY | {
        "vm": Lane(module="", grammar="vm", about="a vm", flags=("ram",), defaults={"processes": 2})
    }
    for name in ("device_bench.options.LANES", "device_bench.lanes.targets.LANES"):
        monkeypatch.setattr(name, lanes)
    monkeypatch.setattr("device_bench.options.LANE_FLAGS", {"ram": (int, "MB", "memory")})

    def request(*flags):
        return request_of(build_parser().parse_args(["run", "a", *flags]))

    assert request("--on", "vm", "--ram", "5").options == {"ram": 5}
    assert request("--on", "vm").protocol.processes == 2
    assert request("--on", "vm", "--processes", "3").protocol.processes == 3
    assert request().protocol.processes == 10
    with pytest.raises(ConfigError, match="--ram goes with --on vm, not with host"):
        request("--ram", "5")

"""--on TARGET: what is a target, which flags go with it, what the errors say; and a lane of our own."""

import json
import sys
import types

import pytest
from bundles import make_bundle
from records import make_record

import device_bench
from device_bench.__main__ import build_parser, main
from device_bench.lanes.lane import LANES, Flag, Lane
from device_bench.lanes.targets import details_of, lane_module, parse_target
from device_bench.options import request_of
from device_bench.settings import Target
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.progress import Note

ROWS = {
    "board": Lane(module="", grammar="board:BOARD", about="a board", details=("one", "two")),
    "vm": Lane(module="", grammar="vm[:cpu]", about="a vm", details=("slow",), optional=True),
    "ssh": Lane(module="", grammar="ssh://user@host", about="a host", free=True),
}


@pytest.fixture
def rows(monkeypatch):
    """A table of host and ROWS."""
    for name in LANES.keys() - {"host"}:
        monkeypatch.delitem(LANES, name)
    for name, row in ROWS.items():
        monkeypatch.setitem(LANES, name, row)


@pytest.mark.parametrize("name", LANES)
def test_every_lane_has_its_module(name):
    module = lane_module(Target(name, ""))
    assert all(callable(getattr(module, function)) for function in ("check", "plan", "run"))


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
@pytest.mark.usefixtures("rows")
def test_targets(text, lane, detail):
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
@pytest.mark.usefixtures("rows")
def test_what_is_no_target_is_refused_with_what_would_be(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_target(text)


class Toy(types.ModuleType):
    """A lane that measures nothing."""

    def check(self, request):
        if request.protocol.threads > 1:
            raise ConfigError("a toy has one thread")

    def plan(self, request):
        return f"played with {request.options.get('ram', 0)} MB"

    def run(self, request, on_event):
        for folder in request.bundles:
            on_event(Note(f"{folder.name}: played"))
            record = make_record(name=folder.name)
            record["protocol"]["command"] = request.command(folder)
            yield record


@pytest.fixture
def toy(monkeypatch):
    """One row, and its module: all that a lane is."""
    monkeypatch.setitem(sys.modules, "toy_lane", Toy("toy_lane"))
    row = Lane(
        module="toy_lane",
        grammar="toy",
        about="a toy",
        flags=(Flag("ram", int, "MB", "memory"),),
        defaults={"processes": 2},
    )
    monkeypatch.setitem(LANES, "toy", row)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("targets") / "tiny").folder


@pytest.mark.usefixtures("toy")
def test_a_lane_has_its_own_flags_and_defaults():
    def request(*flags):
        return request_of(build_parser().parse_args(["run", "a", *flags]))

    assert request("--on", "toy", "--ram", "5").options == {"ram": 5}
    assert request("--on", "toy").protocol.processes == 2
    assert request("--on", "toy", "--processes", "3").protocol.processes == 3
    assert request().protocol.processes == 10
    with pytest.raises(ConfigError, match="--ram goes with --on toy, not with host"):
        request("--ram", "5")


@pytest.mark.usefixtures("toy")
def test_a_row_brings_a_lane_to_the_command_line(folder, tmp_path, capsys):
    out = tmp_path / "toy.json"
    command = ["run", str(folder), "--on", "toy", "--ram", "5"]
    assert main([*command, "--dry-run"]) == 0
    assert "played with 5 MB" in capsys.readouterr().out
    assert main([*command, "--threads", "2", "--out", str(out)]) == 2
    assert "a toy has one thread" in capsys.readouterr().err
    assert main([*command, "--out", str(out)]) == 0
    assert capsys.readouterr().err == "tiny: played\n"
    assert "run" in json.loads(out.read_text())["protocol"]["command"]
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    assert "a toy" in capsys.readouterr().out


@pytest.mark.usefixtures("toy")
def test_the_same_from_python(folder):
    events = []
    request = device_bench.bench_request([folder], on="toy", settings={"k": 5}, options={"ram": 7})
    assert device_bench.plan(request) == "played with 7 MB"
    (record,) = device_bench.run(request, events.append)
    assert events == [Note("tiny: played")]
    assert f"{folder} --on toy --ram 7 --k 5" in record["protocol"]["command"]
    with pytest.raises(ConfigError, match="a toy has one thread"):  # now, not at the first record
        device_bench.run(device_bench.bench_request([folder], on="toy", settings={"threads": 2}))
    with pytest.raises(ArtifactError):
        device_bench.run(device_bench.BenchRequest(bundles=(folder / "none",)))
    with pytest.raises(ConfigError, match="Did you mean 'ram'"):
        device_bench.bench_request([folder], on="toy", options={"rom": 7})


def test_what_a_target_stands_for():
    assert details_of(Target("armvm")) == ("cortex-a53", "cortex-a76")
    assert details_of(Target("armvm", "cortex-a76")) == ("cortex-a76",)
    assert len(details_of(Target("host"))) == 1


def test_the_public_names_are_there():
    assert all(getattr(device_bench, name) for name in device_bench.__all__)
    with pytest.raises(AttributeError):
        _ = device_bench.nothing

"""The flags of device_bench, and the requests they stand for. Imports nothing heavy: --help must be quick."""

import argparse
import dataclasses
from pathlib import Path

from device_bench.lanes.lane import LANES, lane_flags
from device_bench.lanes.targets import bench_request
from device_bench.settings import PAUSE_NS, BenchRequest, Protocol, pause_text
from recpress_edge.artifacts.trust.options import add_trust_options
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.units import parse_duration
from recpress_edge.device.guard import add_guard_options


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options of a measurement, shared with ``recpress-edge bench``."""
    parser.add_argument(
        "bundles", nargs="+", type=Path, metavar="BUNDLE", help="folder made by recpress-edge export"
    )
    parser.add_argument(
        "--on",
        default="host",
        metavar="TARGET",
        help=f"{'; '.join(f'{lane.grammar}: {lane.about}' for lane in LANES.values())} (default: host)",
    )
    for name, (flag, takers) in lane_flags().items():
        parser.add_argument(
            f"--{name}", type=flag.kind, metavar=flag.metavar, help=f"{flag.about} ({takers})"
        )
    group = parser.add_argument_group("measurement")
    _add_protocol_options(group)
    group.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write the record of a single bundle"
    )
    group.add_argument("--force", action="store_true", help="let --out replace an older record")


def _add_protocol_options(group: argparse._ArgumentGroup) -> None:
    """Fields of the protocol; none has a default here, since a lane may have its own."""
    defaults = Protocol()
    for name, kind, text in (
        ("k", int, "items per query"),
        ("threads", int, "threads inside the runtime"),
        ("processes", int, "fresh processes for cold start"),
        ("seconds", float, "least time in the warm samples"),
        ("queries", int, "least number of warm samples"),
        ("seed", int, "order of the queries"),
    ):
        default = getattr(defaults, name)
        metavar = "S" if kind is float else "N"
        group.add_argument(
            f"--{name}", type=kind, metavar=metavar, help=f"{text} (default: {default:g}, or the target's)"
        )
    group.add_argument(
        "--runtime",
        choices=("reference",),
        help="reference: numpy on the file's tables, slow and obvious; all others must equal it "
        "(default: the format's own)",
    )
    group.add_argument(
        "--delegate",
        choices=("xnnpack",),
        help="tflite only: faster kernels that quantise again, so int8 is no longer exact (default: none)",
    )
    group.add_argument(
        "--sustained",
        dest="sustained_s",
        type=_seconds,
        metavar="TIME",
        help="then ask without a pause for so long, and record latency and temperature over time: 10min",
    )
    add_guard_options(group)
    add_trust_options(group)
    group.add_argument(
        "--pause",
        dest="pause_ns",
        type=_pause_ns,
        metavar="TIME",
        help="also time queries that come alone, each after such a pause; 0: leave them out "
        f"(default: {pause_text(PAUSE_NS)}, or the target's)",
    )


def _seconds(text: str) -> float:
    """argparse type: '10min' -> 600.0."""
    try:
        return parse_duration(text) / 1e9
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _pause_ns(text: str) -> int:
    """argparse type: '100ms' -> 100000000, '0' -> 0."""
    try:
        return 0 if text.strip() == "0" else parse_duration(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_check_options(parser: argparse.ArgumentParser) -> None:
    """Options of the budget gate, shared with ``recpress-edge check``."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="record files, or folders of them")
    parser.add_argument(
        "--budget", type=Path, default=Path("budgets.toml"), metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="hold this budget only; may be repeated"
    )


def add_here_options(parser: argparse.ArgumentParser) -> None:
    """Options of a measurement on the device, where there is no workspace."""
    add_run_options(parser)
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of records (default: runs)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="verify the bundles, say what would be measured, and stop"
    )


def add_compare_options(parser: argparse.ArgumentParser) -> None:
    """The two records."""
    parser.add_argument("first", type=Path, metavar="A.json")
    parser.add_argument("second", type=Path, metavar="B.json")


def add_self_test_options(parser: argparse.ArgumentParser) -> None:
    """The bundles, and the limits of the process that runs each."""
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    add_guard_options(parser)
    add_trust_options(parser)


def request_of(args: argparse.Namespace) -> BenchRequest:
    """What the flags ask for; ConfigError for a flag that the target's lane does not take."""
    fields = [field.name for field in dataclasses.fields(Protocol)]
    settings = {name: value for name in fields if (value := getattr(args, name)) is not None}
    flags = [(name, getattr(args, name.replace("-", "_"))) for name in lane_flags()]
    options = {name: value for name, value in flags if value is not None}
    return bench_request(args.bundles, args.on, settings, options)

"""The strict reading of ``--on TARGET`` and of the flags that go with it."""

import difflib
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from device_bench.lanes.lane import LANES, LaneModule, lane_flags
from device_bench.settings import BenchRequest, Protocol, Target
from recpress_edge.core.errors import ConfigError, unknown_name


def bench_request(
    bundles: Sequence[Path | str],
    on: str = "host",
    settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> BenchRequest:
    """A request in the words of the command line; ConfigError for an option that the lane does not take.

    ``on``: a target; ``settings``: fields of :class:`Protocol`, in place of the target's own defaults;
    ``options``: by the name of the lane's flag.
    """
    target, given = parse_target(on), dict(options or {})
    lane, known = LANES[target.lane], lane_flags()
    for name in given:
        if name not in known:
            raise unknown_name("option", name, list(known))
        flag, takers = known[name]
        if flag not in lane.flags:
            raise ConfigError(f"--{name} goes with --on {takers}, not with {target}. Leave it out.")
    timeless = {"pause_ns": 0} if "limit" in given else {}
    protocol = Protocol(**{**lane.defaults, **timeless, **(settings or {})})
    return BenchRequest(bundles=tuple(map(Path, bundles)), target=target, protocol=protocol, options=given)


def parse_target(text: str) -> Target:
    """'host', 'armvm:cortex-a53' -> Target; ConfigError names what would be right."""
    name, colon, detail = text.partition(":")
    if name not in LANES:
        raise _unknown(text)
    lane = LANES[name]
    wrong = f"--on {text!r} is not a target: write {lane.grammar}"
    if not detail:
        if colon or not (lane.optional or not (lane.details or lane.free)):
            raise ConfigError(f"{wrong} ({', '.join(lane.details)})." if lane.details else f"{wrong}.")
    elif lane.details and detail not in lane.details:
        raise unknown_name(f"{name} target", detail, lane.details)
    elif not (lane.details or lane.free):
        raise ConfigError(f"{wrong}.")
    return Target(name, detail)


def _unknown(text: str) -> ConfigError:
    written = [lane.grammar for lane in LANES.values()]
    if "@" in text and "ssh" in LANES:
        hint = f" Did you mean 'ssh://{text}'?"
    else:
        close = difflib.get_close_matches(text.partition(":")[0], list(LANES), n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
    return ConfigError(f"unknown target {text!r} for --on.{hint} Known: {', '.join(written)}.")


def details_of(target: Target) -> tuple[str, ...]:
    """The detail that a target names, or each that it stands for: a bundle has a record of each."""
    lane = LANES[target.lane]
    return lane.details if lane.optional and not target.detail else (target.detail,)


def lane_module(target: Target) -> LaneModule:
    """Import the target's lane."""
    return cast(LaneModule, importlib.import_module(LANES[target.lane].module))

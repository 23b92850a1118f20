"""A bundle opened for a run, and the fresh processes that measure it: one job each."""

import dataclasses
from pathlib import Path
from typing import Any, Final, overload

from device_bench.clicks.measure import ClickMeasurement
from device_bench.measure import Measurement
from device_bench.settings import Protocol
from device_bench.two_stages.measure import StagedMeasurement
from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.clicks.bundle import ClickBundle
from recpress_edge.artifacts.two_stages.bundle import TwoStageBundle
from recpress_edge.artifacts.two_stages.contract import TwoStageContract
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.clicks.runtimes import import_library
from recpress_edge.device.guard import SAMPLES_PER_S
from recpress_edge.device.opening import AnyBundle, open_any
from recpress_edge.device.process import NOWHERE, Enclosure, Program, ask
from recpress_edge.device.runtime import check_format, import_runtime

_WORKER: Final = "device_bench.worker"
RankerBundle = ClickBundle | TwoStageBundle
"""Asked with a row of fields, which is drawn where it is timed."""
ListBundle = Bundle | TwoStageBundle
"""Recommends to a user or after a history, so that lists of two machines can be compared."""
AnyMeasurement = Measurement | ClickMeasurement | StagedMeasurement


def open_checked(folder: Path, protocol: Protocol) -> AnyBundle:
    """The verified bundle; ConfigError for a delegate that nothing of it can have."""
    bundle = open_any(folder, protocol.trust)
    if isinstance(bundle, Bundle):
        check_format(bundle.contract.format, folder, protocol.delegate)
    elif protocol.delegate:
        whose = "a click model's" if isinstance(bundle, ClickBundle) else "one of two stages"
        raise ConfigError(
            f"--delegate {protocol.delegate} is for bundles of tables; {folder} is {whose}. Leave it out."
        )
    return bundle


def open_for_run(folder: Path, protocol: Protocol) -> AnyBundle:
    """The verified bundle, when this machine has what runs it: its absence is one line, not a crash."""
    bundle = open_checked(folder, protocol)
    load = import_runtime if isinstance(bundle, Bundle) else import_library
    load(bundle.contract.format, protocol.runtime)
    return bundle


def open_lists(folder: Path, protocol: Protocol) -> ListBundle:
    """As :func:`open_for_run` on a lane that compares lists; ConfigError for a click bundle."""
    bundle = open_for_run(folder, protocol)
    if isinstance(bundle, ClickBundle):
        raise refused(folder, "the bundle of a click model")
    return bundle


def open_tables(folder: Path, protocol: Protocol) -> Bundle:
    """As :func:`open_lists` on a lane that measures bundles of tables alone."""
    bundle = open_lists(folder, protocol)
    if isinstance(bundle, TwoStageBundle):
        raise refused(folder, "a bundle of two stages")
    return bundle


def refused(folder: Path, what: str) -> ConfigError:
    """Why a lane does not measure a bundle."""
    emulated = ", or on an emulated machine: --on armvm" if what.endswith("stages") else ""
    return ConfigError(
        f"{folder} is {what}, which is measured on this machine or on a board: leave --on out, or "
        f"--on ssh://user@host{emulated}."
    )


@overload
def measurement_of(folder: Path, bundle: Bundle, protocol: Protocol) -> Measurement: ...


@overload
def measurement_of(
    folder: Path, bundle: ListBundle, protocol: Protocol
) -> Measurement | StagedMeasurement: ...


@overload
def measurement_of(folder: Path, bundle: AnyBundle, protocol: Protocol) -> AnyMeasurement: ...


def measurement_of(folder: Path, bundle: AnyBundle, protocol: Protocol) -> AnyMeasurement:
    """The job that each worker gets: the bundle, and how to measure it."""
    # queries that one process times, at most
    samples = max(protocol.queries, protocol.seconds * SAMPLES_PER_S, SAMPLES_PER_S)
    shared: dict[str, Any] = {
        "bundle": str(folder.resolve()),
        "digest": bundle.digest,
        "k": min(protocol.k, most_items(bundle)),
        "memory_limit": protocol.guard.memory(bundle.total_bytes, samples),
        **{
            name: getattr(protocol, name)
            for name in ("threads", "queries", "seconds", "seed", "runtime", "sustained_s", "pause_ns")
        },
    }
    if not isinstance(bundle, Bundle):
        made = ClickMeasurement if isinstance(bundle, ClickBundle) else StagedMeasurement
        return made(format=bundle.contract.format, **shared)
    path = str(bundle.model_path.resolve())
    return Measurement(model_path=path, contract=bundle.contract, delegate=protocol.delegate, **shared)


def most_items(bundle: AnyBundle) -> int:
    """The longest list that a bundle gives."""
    contract = bundle.contract
    return contract.candidates if isinstance(contract, TwoStageContract) else contract.n_items


def run_worker(
    kind: str, job: AnyMeasurement, timeout_s: float, enclosure: Enclosure = NOWHERE
) -> dict[str, Any]:
    """Run one job in a fresh process, within the job's limit of memory, and return its answer.

    Raises the worker's own error, or WorkerError.
    """
    request = {
        "kind": kind,
        "job": dataclasses.asdict(job),
        "measure": job.measure,
        "library": job.library,
    }
    return ask(Program(kind, request, timeout_s, job.memory_limit, _WORKER, job.threads), enclosure)

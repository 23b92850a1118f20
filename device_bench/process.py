"""A bundle opened for a run, and the fresh processes that measure it: one job each."""

import dataclasses
from pathlib import Path
from typing import Any, overload

from device_bench.clicks.measure import ClickMeasurement
from device_bench.measure import Measurement
from device_bench.settings import Protocol
from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.artifacts.clicks.bundle import ClickBundle, open_click_bundle
from recpress_edge.artifacts.manifest import is_click_bundle
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.clicks.runtimes import import_library
from recpress_edge.device.guard import SAMPLES_PER_S
from recpress_edge.device.process import NOWHERE, Enclosure, Program, ask
from recpress_edge.device.runtime import check_format, import_runtime

AnyBundle = Bundle | ClickBundle
AnyMeasurement = Measurement | ClickMeasurement


def open_checked(folder: Path, protocol: Protocol) -> AnyBundle:
    """The verified bundle; ConfigError for a delegate that nothing of it can have."""
    if is_click_bundle(folder):
        if protocol.delegate:
            raise ConfigError(
                f"--delegate {protocol.delegate} is for bundles of tables; {folder} is a click model's. "
                "Leave it out."
            )
        return open_click_bundle(folder, protocol.trust)
    bundle = open_bundle(folder, trust=protocol.trust)
    check_format(bundle.contract.format, folder, protocol.delegate)
    return bundle


def open_for_run(folder: Path, protocol: Protocol) -> AnyBundle:
    """The verified bundle, when this machine has what runs it: its absence is one line, not a crash."""
    bundle = open_checked(folder, protocol)
    load = import_library if isinstance(bundle, ClickBundle) else import_runtime
    load(bundle.contract.format, protocol.runtime)
    return bundle


def open_tables(folder: Path, protocol: Protocol) -> Bundle:
    """As :func:`open_for_run` on a lane that measures no click bundles; ConfigError for one."""
    bundle = open_for_run(folder, protocol)
    if isinstance(bundle, ClickBundle):
        raise refused(folder)
    return bundle


def refused(folder: Path) -> ConfigError:
    """Why a lane does not measure a click bundle."""
    return ConfigError(
        f"{folder} is the bundle of a click model, which is measured on this machine or on a board: "
        "leave --on out, or --on ssh://user@host."
    )


@overload
def measurement_of(folder: Path, bundle: Bundle, protocol: Protocol) -> Measurement: ...


@overload
def measurement_of(folder: Path, bundle: AnyBundle, protocol: Protocol) -> AnyMeasurement: ...


def measurement_of(folder: Path, bundle: AnyBundle, protocol: Protocol) -> AnyMeasurement:
    """The job that each worker gets: the bundle, and how to measure it."""
    # queries that one process times, at most
    samples = max(protocol.queries, protocol.seconds * SAMPLES_PER_S, SAMPLES_PER_S)
    shared: dict[str, Any] = {
        "bundle": str(folder.resolve()),
        "digest": bundle.digest,
        "k": min(protocol.k, bundle.contract.n_items),
        "memory_limit": protocol.guard.memory(bundle.total_bytes, samples),
        **{
            name: getattr(protocol, name)
            for name in ("threads", "queries", "seconds", "seed", "runtime", "sustained_s", "pause_ns")
        },
    }
    if isinstance(bundle, ClickBundle):
        return ClickMeasurement(format=bundle.contract.format, **shared)
    path = str(bundle.model_path.resolve())
    return Measurement(model_path=path, contract=bundle.contract, delegate=protocol.delegate, **shared)


def run_worker(
    kind: str, job: AnyMeasurement, timeout_s: float, enclosure: Enclosure = NOWHERE
) -> dict[str, Any]:
    """Run one job in a fresh process, within the job's limit of memory, and return its answer.

    Raises the worker's own error, or WorkerError.
    """
    request = {"kind": kind, "job": dataclasses.asdict(job)}
    return ask(Program(kind, request, timeout_s, job.memory_limit, job.worker, job.threads), enclosure)

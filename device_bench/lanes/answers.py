"""An emulated board's answers beside those of the machine that emulates it."""

from collections.abc import Mapping
from typing import Any

from device_bench.device import device_facts


def host_section(host: Mapping[str, Any], quality: Mapping[str, Any]) -> dict[str, Any]:
    """The record's ``host``. host: what the "rank" worker answered here; quality: of the emulated board."""
    here = device_facts()
    return {
        "ids_sha256": host["quality"]["ids_sha256"],
        "ids_equal": host["quality"]["ids_sha256"] == quality["ids_sha256"],
        "arch": here["arch"],
        "core": here["core"],
        "runtime_version": host["runtime_version"],
    }

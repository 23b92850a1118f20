"""An emulated board's answers beside those of the machine that emulates it."""

from collections.abc import Mapping
from typing import Any, Final

from device_bench.device import device_facts
from recpress_edge.core.contract import Contract

OTHER_IDS: Final = (
    "the ranked ids are not for every user those of the machine that emulates: sums of floats round "
    "differently on the two; the self-test held within the file's score tolerance"
)


def must_be_equal(contract: Contract, delegate: str | None) -> bool:
    """Whether other ids are wrong ids: where arithmetic is in integers, and nothing quantises anew."""
    return contract.exact and delegate is None


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

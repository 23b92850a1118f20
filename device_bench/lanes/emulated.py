"""Shared by the emulating lanes: what they refuse, and how their answers compare with this machine's."""

from collections.abc import Mapping
from typing import Any, Final

from device_bench.hardware import device_facts
from device_bench.settings import Protocol
from recpress_edge.artifacts.contract import Contract
from recpress_edge.artifacts.two_stages.contract import TwoStageContract
from recpress_edge.core.errors import ArtifactError, ConfigError

OTHER_IDS: Final = (
    "the ranked ids differ for some users from those of the machine that emulates: sums of floats round "
    "differently on the two; the self-test held within the file's score tolerance"
)
WRONG_IDS: Final = "wrong answers: the ranked ids differ from those of the machine that emulates"


def check_protocol(protocol: Protocol, *, one_thread: str, no_time: str) -> None:
    """ConfigError for what needs cores or seconds. ``one_thread``, ``no_time``: why there are none."""
    if protocol.threads != 1:
        raise ConfigError(f"--threads {protocol.threads}: {one_thread}. Leave it out.")
    if protocol.seconds or protocol.sustained_s or protocol.pause_ns:
        raise ConfigError(
            f"--seconds, --sustained and --pause ask for time, {no_time}. Say how many --queries instead."
        )


def must_be_equal(contract: Contract | TwoStageContract, delegate: str | None) -> bool:
    """Whether different ids are wrong: the arithmetic is in integers, and no delegate quantises again."""
    return contract.exact and delegate is None


def host_section(host: Mapping[str, Any], quality: Mapping[str, Any]) -> dict[str, Any]:
    """The section ``host``. host: the answer of the "rank" worker here; quality: of the emulated board."""
    here = device_facts()
    return {
        "ids_sha256": host["quality"]["ids_sha256"],
        "ids_equal": host["quality"]["ids_sha256"] == quality["ids_sha256"],
        "arch": here["arch"],
        "core": here["core"],
        "runtime_version": host["runtime_version"],
    }


def check_ids(record: Mapping[str, Any], on: str) -> None:
    """ArtifactError when a record's ids are wrong. Call it once the record is written."""
    host = record.get("host")
    if host and not host["ids_equal"] and not record["valid"]:
        raise ArtifactError(
            f"{record['artifact']['name']} on {on}: the ranked ids differ from those of this machine "
            f"({record['quality']['ids_sha256'][:12]}, here {host['ids_sha256'][:12]}). "
            "The record is kept as INVALID; the runtime or the emulator computes wrongly."
        )


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    """How far two machines' lists are apart: ``items`` and ``scores`` of what the "rank" worker answered.

    At a rank where the items differ, the gap is between the scores of the two items, as a share of the
    larger, on the machine where it is wider: on one of them they may tie. An item that is missing from one
    machine's list has its score from the other.
    """
    users, gaps = 0, [0.0]
    for items, scores, other, other_scores in zip(
        here["items"], here["scores"], there["items"], there["scores"], strict=True
    ):
        own, its = dict(zip(items, scores, strict=True)), dict(zip(other, other_scores, strict=True))
        parted = [rank for rank, pair in enumerate(zip(items, other, strict=True)) if pair[0] != pair[1]]
        users += bool(parted)
        for rank in parted:
            gaps.append(_gap(scores[rank], own.get(other[rank], other_scores[rank])))
            gaps.append(_gap(other_scores[rank], its.get(items[rank], scores[rank])))
    return {"users": len(here["items"]), "users_equal": len(here["items"]) - users, "largest_gap": max(gaps)}


def _gap(left: float, right: float) -> float:
    return abs(left - right) / max(abs(left), abs(right)) if left != right else 0.0

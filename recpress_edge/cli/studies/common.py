"""What all studies share: the record's frame, verdicts, and the last lines."""

import argparse
import dataclasses
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.common import emit, say
from recpress_edge.core.files import write_json

if TYPE_CHECKING:
    from recpress_edge.studies.study import ClaimVerdict

SCHEMA = "recpress.reproduction/1"


def frame(args: argparse.Namespace, protocol: str) -> dict[str, Any]:
    """The head of a study's record: what was run, by which protocol, where."""
    return {
        "schema": SCHEMA,
        "study": args.study,
        "command": shlex.join(["recpress-edge", *sys.argv[1:]]),
        "protocol": protocol,
        "machine": {
            "cpu": _cpu_name(),
            "jobs": args.jobs or 1,
            "threads": 1,
            "python": platform.python_version(),
        },
    }


def say_differences(args: argparse.Namespace, differences: Sequence[str]) -> list[str]:
    """Where the protocol is not the published one, and the same for a record."""
    for difference in differences:
        say(args, f"differs: {difference}")
    return list(differences)


def say_verdicts(args: argparse.Namespace, verdicts: "Sequence[ClaimVerdict]") -> list[dict[str, Any]]:
    """Each claim with its evidence, and the same for a record."""
    for verdict in verdicts:
        say(args, f"{'holds' if verdict.holds else 'does NOT hold'}: {verdict.claim} ({verdict.evidence})")
    return [dataclasses.asdict(verdict) for verdict in verdicts]


def close(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Write the record where --out says, and answer --json with it."""
    if args.out:
        write_json(args.out, result)
        say(args, f"wrote {args.out}")
    emit(args, result)


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )

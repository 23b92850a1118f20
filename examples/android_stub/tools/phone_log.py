"""What the app printed to logcat, checked to be whole: lines are numbered, and the last one counts them."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from recpress_edge.core.errors import ArtifactError

SCHEMA: Final = "recpress.android/1"
FULL: Final = "full"
COLD: Final = "cold"
_LINE: Final = re.compile(
    re.escape(SCHEMA) + r" ([A-Za-z0-9-]{1,40}) ([a-z0-9-]{1,20}) (\d{1,6}) (\{.*\})\s*$"
)
_LOST: Final = "logcat lost it. Make its buffer larger (adb logcat -G 4M) and run again."

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PhoneLog:
    """The lines of one run, by phase; each phase is whole."""

    phases: dict[str, list[Line]]

    def cold(self) -> list[Line]:
        """One line for each fresh process."""
        return [
            line
            for phase, lines in self.phases.items()
            if phase.startswith(COLD)
            for line in lines
            if line["kind"] == COLD
        ]

    def one(self, kind: str, **where: str) -> Line:
        """The only line of a kind in the full phase; ArtifactError unless there is exactly one."""
        found = [
            line
            for line in self.phases.get(FULL, [])
            if line["kind"] == kind and all(line.get(name) == value for name, value in where.items())
        ]
        if len(found) != 1:
            raise ArtifactError(f"the log holds {len(found)} lines of kind {kind} {where or ''}, expected 1")
        return found[0]

    def samples(self, name: str) -> list[int]:
        """All samples of one name in the order they were taken."""
        parts = [
            line["ns"] for line in self.phases[FULL] if line["kind"] == "samples" and line["name"] == name
        ]
        return [value for part in parts for value in part]


def parse_log(lines: Iterable[str], run: str) -> PhoneLog:
    """The lines of run ``run`` in any format of logcat; ArtifactError for a lost line or a refusal."""
    phases: dict[str, dict[int, Line]] = {}
    for text in lines:
        found = _LINE.search(text)
        if found and found[1] == run:
            phases.setdefault(found[2], {})[int(found[3])] = _read(found[4])
    if FULL not in phases or not any(name.startswith(COLD) for name in phases):
        raise ArtifactError(
            f"the log holds no whole run {run!r}, found phases: {', '.join(phases) or 'none'}"
        )
    return PhoneLog({phase: _whole(phase, numbered) for phase, numbered in phases.items()})


def _read(text: str) -> Line:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise ArtifactError(f"a line of the log is damaged: {error}. {_LOST}") from None
    if not isinstance(line.get("kind"), str):
        raise ArtifactError(f"a line of the log names no kind: {text[:80]}")
    return dict(line)


def _whole(phase: str, numbered: dict[int, Line]) -> list[Line]:
    for line in numbered.values():
        if line["kind"] == "error":
            raise ArtifactError(f"the app failed in phase {phase}: {line.get('message')}")
    last = numbered[max(numbered)]
    count = last.get("lines") if last["kind"] == "end" else max(numbered) + 2
    missing = sorted(set(range(count)) - numbered.keys())
    if missing:
        raise ArtifactError(f"line {missing[0]} of phase {phase} is missing: {_LOST}")
    return [numbered[number] for number in range(count)]

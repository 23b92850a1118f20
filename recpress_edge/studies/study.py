"""The parts of a study: the columns of its table, its claims, its request, and the record of a run."""

import abc
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.studies.outcome import Outcome, by_name, record_of

if TYPE_CHECKING:
    from recpress_edge.jobs.executor import Executor

SCHEMA: Final = "recpress.reproduction/1"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a study's table."""

    header: str
    cell: Callable[[Sequence[Outcome]], str]
    """Text of one row: a model's outcomes over seeds, or a single outcome."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A published claim or a goal."""

    text: str
    judge: Callable[[Sequence[Outcome]], Iterator[tuple[bool, str]]]
    """Whether it holds, with the evidence; nothing where the outcomes cannot decide it."""


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """A claim, and whether our figures support it."""

    claim: str
    holds: bool
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """How a study's outcomes are shown, judged and recorded."""

    name: str
    protocol: str
    columns: tuple[Column, ...]
    claims: tuple[Claim, ...]
    recorded: Mapping[str, Any]
    """Key in the record -> field of :class:`Outcome`, or a mapping of the same form."""
    over_seeds: bool = False
    """One row for all seeds of a model instead of one for each."""

    @property
    def headers(self) -> list[str]:
        """Headers of the table."""
        return [column.header for column in self.columns]

    def table_rows(self, outcomes: Sequence[Outcome]) -> list[list[str]]:
        """Rows of the table, in the order of the outcomes."""
        rows = list(by_name(outcomes).values()) if self.over_seeds else [[outcome] for outcome in outcomes]
        return [[column.cell(row) for column in self.columns] for row in rows]

    def verdicts(self, outcomes: Sequence[Outcome]) -> list[ClaimVerdict]:
        """The claims that the outcomes can decide."""
        return [
            ClaimVerdict(claim.text, holds, evidence)
            for claim in self.claims
            for holds, evidence in claim.judge(outcomes)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """A study that was run."""

    study: Study
    outcomes: Sequence[Outcome]
    next_step: str
    """The command to run next."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else the record holds: ``differences`` from the publication, published figures."""
    remarks: tuple[str, ...] = ()
    """Lines that belong under the table."""

    @property
    def differences(self) -> Sequence[str]:
        """Where the protocol differs from the published one."""
        found: Sequence[str] = self.details.get("differences", ())
        return found

    @property
    def verdicts(self) -> list[ClaimVerdict]:
        """The study's claims, judged."""
        return self.study.verdicts(self.outcomes)

    def facts(self, command: str, jobs: int = 1) -> dict[str, Any]:
        """The record of the run, which ``command`` repeats; ``jobs``: models that were trained at once."""
        python = platform.python_version()
        return {
            "schema": SCHEMA,
            "study": self.study.name,
            "command": command,
            "protocol": self.study.protocol,
            "machine": {"cpu": _cpu_name(), "jobs": jobs, "threads": 1, "python": python},
            **self.details,
            "outcomes": [record_of(outcome, self.study.recorded) for outcome in self.outcomes],
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRequest(abc.ABC):
    """The settings that every study has."""

    seeds: int | None = None
    """Seeds of every student; None for the study's default."""
    work: Path = Path()

    @abc.abstractmethod
    def plan(self) -> list[str]:
        """Lines that say what :meth:`run` finds or trains; nothing is written."""

    @abc.abstractmethod
    def run(self, on_event: OnEvent = silent, executor: "Executor | None" = None) -> StudyResult:
        """Train what is missing and measure every model."""


def find_or_train(names: Sequence[str]) -> list[str]:
    """The lines of a plan that trains these models."""
    return [f"would find or train  {name}" for name in names]


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()

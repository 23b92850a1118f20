"""What a bundle answers from: a module for each profile of tables, and one for networks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic

from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.quantize import ErrorStats, QuantizedTables
from recpress_edge.artifacts.recipes import Recipe
from recpress_export.gates import HistoryGate
from recpress_export.graph import Graph
from recpress_export.ranking import Question, Recommends
from recpress_export.student import Model, StudentData, model_stages


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoding:
    """A subject in the numbers of a recipe."""

    graph: Graph
    """What the file computes. Its contract does not state the tolerance yet."""
    reference: Recommends
    """numpy's answers, to the questions that the file is asked."""
    tolerance: float
    """Score difference that the contract allows, as a share of the self-test's largest score; 0: exact."""
    error: float | None
    """Score difference that an export allows, as a share of a list's largest score.

    None where no formula gives the scores: then only rankings are compared."""
    truth: str = "numpy float64"
    """What the reference of a float recipe is called."""
    tables: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """What the file must hold to the bit, under the names of recpress_edge.device.tables."""
    rounding: ErrorStats | None = None
    scales: QuantizedTables | None = None
    """Tables whose item scales the bundle keeps, so that its catalogue can be updated."""


@dataclass(frozen=True, slots=True, eq=False)
class Replaced:
    """What a device would use without the subject, and the gate against that."""

    name: str
    reference: Recommends
    gate: HistoryGate


@dataclass(frozen=True, slots=True, eq=False)
class Subject(ABC, Generic[Model]):
    """What a bundle answers from. :func:`recpress_export.build.build` asks every subject the same."""

    data: StudentData[Model]
    plain_name: ClassVar[str] = "the fp32 file of the same student"

    @property
    @abstractmethod
    def profile(self) -> str:
        """Name of the profile."""

    @abstractmethod
    def encode(self, recipe: Recipe) -> Encoding:
        """The subject in the numbers of a recipe; GateError where a stored number is not the nearest."""

    @abstractmethod
    def questions(self) -> Sequence[Question]:
        """What the self-test asks."""

    @abstractmethod
    def whole_catalogue(self, reference: Recommends) -> Sequence[Question]:
        """Questions that are answered with every item."""

    @property
    def user_ids(self) -> Sequence[str]:
        """External ids of the users whom the bundle knows."""
        return self.data.user_ids

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Provenance besides the student's."""
        return {}

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the model file says about itself besides the student's facts."""
        return {"recpress.profile": self.profile}

    @property
    def measured(self) -> "Subject[Any]":
        """The subject whose rankings show what a recipe costs."""
        return self

    @property
    def replaced(self) -> Replaced | None:
        return None

    def rows(self, rows: Evaluation) -> Evaluation:
        """Evaluation rows as the file is asked about them."""
        return rows

    def chain(self, files: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The quality chain: teacher, student, the fp32 file, the file."""
        return [*model_stages(self.data), *files]

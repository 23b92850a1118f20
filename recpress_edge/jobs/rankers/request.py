"""What exports of models that rank by fields share: the model that is found or trained, and its command."""

import abc
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from recpress_edge.artifacts.model_folder import MODEL_FACTS
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import check_there, read_json
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import SYNTHETIC
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.data import load_data
from recpress_edge.training.ensure import PlannedStep, ensure_model, forecast_steps
from recpress_edge.training.overrides import overrides, set_flags
from recpress_edge.training.plan import ModelRequest, TrainOptions, is_folder
from recpress_edge.training.store import TrainedModel, model_in


class ExportedRanker(Protocol):
    """A published bundle."""

    @property
    def folder(self) -> Path:
        """The bundle's."""

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""


R = TypeVar("R", bound=ExportedRanker)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankerExportRequest(abc.ABC, Generic[R]):
    """``recpress-edge export`` of a model that ranks by the fields of a request."""

    student: str
    """A name such as deepfm_dim8, or the folder of a trained model."""
    teacher: str | None = None
    seed: int | None = None
    data: str | None = None
    set: tuple[str, ...] = ()
    int8: bool = False
    recipe: str | None = None
    out: Path | None = None
    force: bool = False
    device: str = "cpu"
    threads: int = 1
    work: Path = Path()

    @abc.abstractmethod
    def check(self) -> None:
        """ConfigError for words that contradict each other."""

    @abc.abstractmethod
    def run(self, on_event: OnEvent = silent) -> R:
        """Train what is missing, write and check the bundle; GateError where it is not worth publishing."""

    @abc.abstractmethod
    def check_data(self, data: Dataset) -> None:
        """ConfigError for a data set by which the bundle cannot be judged."""

    def steps(self, on_event: OnEvent = silent) -> list[PlannedStep]:
        """The models that :meth:`run` finds or trains; nothing is written."""
        self.check()
        data = self.load(on_event)
        return [] if is_folder(self.student) else forecast_steps(self._model(), data, self.work)

    def check_trained(self) -> None:
        """ConfigError for a flag of training beside a model that is trained."""
        given = {"--set": self.set, "--teacher": self.teacher, "--seed": self.seed}
        said = [flag for flag, value in given.items() if value not in (None, ())]
        if is_folder(self.student) and said:
            raise ConfigError(f"{self.student} is trained, so {said[0]} cannot apply. Leave it out.")

    def load(self, on_event: OnEvent) -> Dataset:
        """The data set of the model."""
        name = self.data or SYNTHETIC
        if is_folder(self.student):
            check_there(Path(self.student))
            name = read_json(Path(self.student) / MODEL_FACTS)["dataset"]["name"]
            if self.data not in (None, name):
                raise ConfigError(f"{self.student} was trained with --data {name}. Leave --data out.")
        data = load_data(name, self.work, on_event)
        self.check_data(data)
        return data

    def found_or_trained(self, data: Dataset, on_event: OnEvent) -> TrainedModel:
        """The model, from its folder, from ``work``, or trained."""
        if is_folder(self.student):
            return model_in(Path(self.student), data)
        return ensure_model(self._model(), data, self.work, on_event)

    def _model(self) -> ModelRequest:
        name = parse_name(self.student)
        differing = overrides(name, self.set)
        options = TrainOptions(
            teacher=self.teacher,
            device=self.device,
            threads=self.threads,
            method=differing["method"],
            training=differing["training"],
        )
        return ModelRequest(name=str(name), role="student", seed=self.seed or 0, options=options)

    def command(self, facts: dict[str, Any], folder: Path, more: list[str]) -> str:
        """The command that makes the same bundle, in one spelling; ``more``: words at its end."""
        if is_folder(self.student):
            words = ["--student", f"models/{folder.name}"]
        else:
            teacher = ["--teacher", shlex.quote(self.teacher)] if self.teacher else []
            seed = ["--seed", str(self.seed or 0)]
            words = ["--student", facts["name"], *teacher, "--data", facts["dataset"]["name"], *seed]
            words += set_flags(overrides(parse_name(self.student), self.set))
        return " ".join(["recpress-edge export", *words, *more])

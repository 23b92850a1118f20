"""Make a click model that is missing, then a bundle of it."""

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.artifacts.clicks.contract import FORMAT_RECIPES
from recpress_edge.artifacts.clicks.evaluation import EvaluationRows
from recpress_edge.artifacts.clicks.folded import FP32, INT8, RECIPES
from recpress_edge.artifacts.clicks.reading import read_weights
from recpress_edge.artifacts.clicks.weights import ClickWeights
from recpress_edge.artifacts.formats import DEFAULT
from recpress_edge.artifacts.model_folder import MODEL_FACTS, read_model
from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.core.files import check_there, read_json
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.core.units import parse_size
from recpress_edge.data.features.fit import encode_items, encode_rows, labelled_rows
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import SYNTHETIC
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.train import warning_of_ensembles
from recpress_edge.training.ensure import PlannedStep, ensure_model, forecast_steps
from recpress_edge.training.overrides import overrides, set_flags
from recpress_edge.training.plan import ModelRequest, TrainOptions, is_folder
from recpress_edge.training.store import is_click_model, model_in
from recpress_export.clicks.build import ExportedClicks, build_clicks
from recpress_export.clicks.draft import ClickSource, bundle_name, of_requests
from recpress_export.clicks.fit import FitBudget, Tried, fit_clicks


def is_click_student(student: str) -> bool:
    """Whether a student, by name or by folder, is a click model; ConfigError for a name that is none's."""
    if is_folder(student):
        facts = Path(student) / MODEL_FACTS
        return facts.exists() and is_click_model(read_json(facts))
    return parse_name(student).entry.gives == "clicks"


@dataclass(frozen=True, slots=True)
class ClickExportResult:
    """A published click bundle."""

    exported: ExportedClicks
    tried: tuple[Tried, ...] = ()
    """With a budget: the recipes that do not fit it or their gate."""

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        bundle = self.exported.bundle
        return {
            "bundle": str(bundle.folder),
            "name": bundle.name,
            "sha256": bundle.digest,
            "unchanged": self.exported.unchanged,
            "student": bundle.provenance["student"],
            "dataset": bundle.provenance["dataset"]["name"],
            "recipe": bundle.contract.recipe,
            "format": bundle.contract.format,
            "tried": [asdict(one) for one in self.tried],
            "file_bytes": bundle.model_bytes,
            "quality": dict(bundle.quality),
            "selftest_questions": len(bundle.selftest()),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickExportRequest:
    """``recpress-edge export`` of a click model."""

    student: str
    """A name such as deepfm_dim8, or the folder of a trained model."""
    teacher: str | None = None
    seed: int | None = None
    data: str | None = None
    set: tuple[str, ...] = ()
    int8: bool = False
    recipe: str | None = None
    """One of RECIPES; None for fp32, or with ``int8`` for int8."""
    format: str | None = None
    """One of FORMAT_RECIPES; None for ONNX."""
    fit: str | None = None
    """Most bytes of the model file, such as 64KiB, in place of a recipe."""
    with_evaluation: bool = False
    """Whether the test rows travel along, by which a device judges the file."""
    out: Path | None = None
    force: bool = False
    device: str = "cpu"
    threads: int = 1
    work: Path = Path()

    def check(self) -> None:
        """ConfigError for words that contradict each other."""
        if self.recipe and self.recipe not in RECIPES:
            raise unknown_name("recipe of a click model", self.recipe, list(RECIPES))
        if self.recipe == FP32 and self.int8:
            raise ConfigError("--int8 and --recipe fp32 contradict each other. Leave one out.")
        if self._format not in FORMAT_RECIPES:
            raise ConfigError(
                f"--format {self._format} is not for {self.student}, a click model: it is exported as "
                f"{' or '.join(FORMAT_RECIPES)}."
            )
        if self._recipe not in FORMAT_RECIPES[self._format]:
            raise ConfigError(
                f"--recipe {self._recipe} is not for --format {self._format}, which takes "
                f"{', '.join(FORMAT_RECIPES[self._format])} of a click model."
            )
        if self.fit is not None and (self.recipe or self.int8):
            raise ConfigError("--fit chooses the recipe: leave --recipe and --int8 out.")
        if self.fit is not None:
            parse_size(self.fit)
        given = {"--set": self.set, "--teacher": self.teacher, "--seed": self.seed}
        said = [flag for flag, value in given.items() if value not in (None, ())]
        if is_folder(self.student) and said:
            raise ConfigError(f"{self.student} is trained, so {said[0]} cannot apply. Leave it out.")

    def steps(self, on_event: OnEvent = silent) -> list[PlannedStep]:
        """The models that :meth:`run` finds or trains; nothing is written."""
        self.check()
        data = self._data(on_event)
        return [] if is_folder(self.student) else forecast_steps(self._model(), data, self.work)

    def run(self, on_event: OnEvent = silent) -> ClickExportResult:
        """Train what is missing, then write and check the bundle. GateError: int8 costs too much."""
        self.check()
        data = self._data(on_event)
        if is_folder(self.student):
            model = model_in(Path(self.student), data)
        else:
            model = ensure_model(self._model(), data, self.work, warning_of_ensembles(on_event))
        source = self._source(model.folder, data)
        if self.fit is not None:
            return self._fitted(source)
        target = self.out or self.work / "dist" / bundle_name(source, self._recipe, self._format)
        return ClickExportResult(
            build_clicks(source, target, self._recipe, force=self.force, file_format=self._format)
        )

    def _fitted(self, source: ClickSource) -> ClickExportResult:
        budget = FitBudget(parse_size(self.fit or ""), self._format)
        found = fit_clicks(source, budget, self.out, self.work / "dist", force=self.force)
        return ClickExportResult(found.exported, found.tried)

    @property
    def _format(self) -> str:
        return self.format or DEFAULT

    @property
    def _recipe(self) -> str:
        return self.recipe or (INT8 if self.int8 else FP32)

    def _data(self, on_event: OnEvent) -> Dataset:
        name = self.data or SYNTHETIC
        if is_folder(self.student):
            check_there(Path(self.student))
            name = read_json(Path(self.student) / MODEL_FACTS)["dataset"]["name"]
            if self.data not in (None, name):
                raise ConfigError(f"{self.student} was trained with --data {name}. Leave --data out.")
        data = load_data(name, self.work, on_event)
        if not labelled_rows(data).sizes[1]:
            raise ConfigError(
                f"data set {data.name!r} has no validation rows, by which a bundle is gated. Split it again "
                "with a validation part."
            )
        return data

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

    def _source(self, folder: Path, data: Dataset) -> ClickSource:
        facts, arrays = read_model(folder)
        if "members" in facts["architecture"]:
            raise ConfigError(f"{facts['name']} is several models. Distil one from it, and export that.")
        weights = read_weights(facts["architecture"], arrays)
        known = labelled_rows(data)
        at, rows = known.part("valid"), encode_rows(weights.fields, data, "valid")
        return ClickSource(
            weights=weights,
            catalogue=encode_items(weights.fields, data),
            item_ids=data.item_ids,
            users=known.users[at],
            items=known.items[at],
            labels=known.labels[at],
            rows=rows,
            asked=of_requests(weights.fields, rows),
            facts=facts,
            licence=data.licence,
            command=self._command(facts, folder),
            test=self._test_rows(weights, data) if self.with_evaluation else None,
        )

    def _test_rows(self, weights: ClickWeights, data: Dataset) -> EvaluationRows:
        known = labelled_rows(data)
        at = known.part("test")
        if set(np.unique(known.labels[at]).tolist()) != {0, 1}:
            raise ConfigError(
                f"--with-evaluation: the test part of data set {data.name!r} has no rows of both labels. "
                "Split it again, or leave the flag out."
            )
        rows = of_requests(weights.fields, encode_rows(weights.fields, data, "test"))
        return EvaluationRows(rows, known.items[at], known.labels[at], known.users[at])

    def _command(self, facts: dict[str, Any], folder: Path) -> str:
        """The command that makes the same bundle, in one spelling; the recipe's flags follow."""
        if is_folder(self.student):
            words = ["--student", f"models/{folder.name}"]
        else:
            teacher = ["--teacher", shlex.quote(self.teacher)] if self.teacher else []
            seed = ["--seed", str(self.seed or 0)]
            words = ["--student", facts["name"], *teacher, "--data", facts["dataset"]["name"], *seed]
            words += set_flags(overrides(parse_name(self.student), self.set))
        words += ["--with-evaluation"] if self.with_evaluation else []
        return " ".join(["recpress-edge export", *words])

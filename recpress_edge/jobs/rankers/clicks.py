"""Make a click model that is missing, then a bundle of it."""

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
from recpress_edge.core.files import read_json
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.core.units import parse_size
from recpress_edge.data.features.fit import encode_items, encode_rows, labelled_rows
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.rankers.request import RankerExportRequest
from recpress_edge.jobs.train import warning_of_ensembles
from recpress_edge.training.plan import is_folder
from recpress_edge.training.store import is_click_model
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

    @property
    def folder(self) -> Path:
        """The bundle's."""
        return self.exported.bundle.folder

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
            "bundle_bytes": bundle.total_bytes,
            "quality": dict(bundle.quality),
            "selftest_questions": len(bundle.selftest()),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickExportRequest(RankerExportRequest[ClickExportResult]):
    """``recpress-edge export`` of a click model, in one of RECIPES: fp32 unless told otherwise."""

    format: str | None = None
    """One of FORMAT_RECIPES; None for ONNX."""
    fit: str | None = None
    """Most bytes of the model file, such as 64KiB, in place of a recipe."""
    with_evaluation: bool = False
    """Whether the test rows travel along, by which a device judges the file."""

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
        self.check_trained()

    def run(self, on_event: OnEvent = silent) -> ClickExportResult:
        """Train what is missing, then write and check the bundle. GateError: int8 costs too much."""
        self.check()
        data = self.load(on_event)
        model = self.found_or_trained(data, warning_of_ensembles(on_event))
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

    def check_data(self, data: Dataset) -> None:
        """ConfigError for a data set without validation rows."""
        if not labelled_rows(data).sizes[1]:
            raise ConfigError(
                f"data set {data.name!r} has no validation rows, by which a bundle is gated. Split it again "
                "with a validation part."
            )

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
            command=self.command(facts, folder, ["--with-evaluation"] if self.with_evaluation else []),
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

"""The same model again on everything, for the epochs that validation chose: what a user ships.

Its teachers are trained again too: they would otherwise not know what was held out.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.model_folder import MODEL_FACTS
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import read_json
from recpress_edge.core.progress import OnEvent
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.methods import METHODS, Role
from recpress_edge.records.baseline_methods import TAUGHT_BASELINE
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.store import TrainedModel, is_complete, load_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Models of a work folder, trained again on another data set."""

    whole: Dataset
    work: Path
    device: str
    threads: int
    on_event: OnEvent

    def model(self, folder: Path) -> TrainedModel:
        """The model of ``folder`` with its settings, made from its parts made again."""
        known = load_model(folder).metadata
        options = TrainOptions(
            teacher=self._part(known["teacher"]) or ("none" if METHODS[known["method"]].needs else None),
            members=tuple(filter(None, map(self._part, known.get("members", [])))),
            device=self.device,
            threads=self.threads,
            method=_method(known),
            training=_schedule(known),
        )
        role: Role = "teacher" if known.get("members") or not known["teacher"] else "student"
        request = ModelRequest(
            name=_name(known),
            role=role,
            seed=int(known["seed"]),
            options=options if role == "student" else dataclasses.replace(options, teacher=None),
        )
        return ensure_model(request, self.whole, self.work, self.on_event)

    def _part(self, reference: Mapping[str, Any] | None) -> str | None:
        """Folder of a part made again."""
        if reference is None:
            return None
        return str(self.model(self._folder_of(reference)).folder)

    def _folder_of(self, reference: Mapping[str, Any]) -> Path:
        """Of the model that another's record names."""
        for folder in filter(is_complete, sorted((self.work / "models").glob("*/"))):
            known = read_json(folder / MODEL_FACTS)
            if (known.get("name"), known.get("sha256")) == (reference["name"], reference["sha256"]):
                return folder
        raise ArtifactError(
            f"{reference['name']}, which the chosen student learned from, is no longer in "
            f"{self.work / 'models'}. Run the same command again: it is trained again."
        )


def _untrained(known: Mapping[str, Any]) -> bool:
    """Whether its best epoch is the one before the first: it is the SVD that it starts from."""
    return not METHODS[known["method"]].closed_form and known["chosen_epoch"] == 0


def _name(known: Mapping[str, Any]) -> str:
    if not _untrained(known):
        return str(known["name"])
    widest = known["teacher"].get("table_width") or known["dim"]  # a wider student starts with zeros beyond
    return f"{TAUGHT_BASELINE}_dim{min(known['dim'], widest)}"


def _method(known: Mapping[str, Any]) -> dict[str, Any]:
    """All settings, those that validation chose among them."""
    return {} if _untrained(known) else {**_given(known["config"]), **known.get("chosen_settings", {})}


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are set: a file has no null."""
    return {name: value for name, value in settings.items() if value is not None}


def _schedule(known: Mapping[str, Any]) -> dict[str, Any]:
    """For as long as the kept epoch took; a closed form has none."""
    if METHODS[known["method"]].closed_form or _untrained(known):  # computed at once
        return {}
    return {**_given(known["training"]), "epochs": known["chosen_epoch"], "keep": "last"}

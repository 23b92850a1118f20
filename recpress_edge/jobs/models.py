"""What is trained in a work folder, with its figures."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.clicks.metrics import CLICK_METRICS
from recpress_edge.artifacts.model_folder import MODEL_FILE, verified_facts
from recpress_edge.core.errors import ArtifactError, unknown_name
from recpress_edge.core.files import digest_of
from recpress_edge.core.metrics import (
    BALANCED,
    CHOICES,
    CUTOFFS,
    DEFAULT_CUTOFF,
    metric_title,
    reported_cutoffs,
    shown_metrics,
    stated_cutoff,
    worth,
)
from recpress_edge.core.progress import OnEvent, left_out_words, silent
from recpress_edge.records.result_table import ResultTable, mean_sd, to_latex
from recpress_edge.training.store import CHECKPOINT, is_complete

SHOWN: Final = shown_metrics(DEFAULT_CUTOFF)
"""The metrics of every table of models."""


@dataclass(frozen=True, slots=True)
class ModelsResult:
    """Trained models, best first within each data set, and what else is in their folder."""

    table: ResultTable
    damaged: tuple[str, ...]
    """Folders that cannot be used, and why."""
    unfinished: tuple[str, ...]
    """Folders whose training was interrupted."""

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "models": self.table.rows(),
            "damaged": list(self.damaged),
            "unfinished": list(self.unfinished),
        }

    def latex(self) -> str:
        """The test figures of every model, mean ± standard deviation over its seeds."""
        groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for row in self.table.rows():
            groups.setdefault(tuple(row[key] for key in ("data", "name", "teacher", "settings")), []).append(
                row
            )
        rows = [
            [
                *(row[0][key] or "–" for key in ("data", "name", "teacher")),
                str(len(row)),
                *(mean_sd([one.get(f"test_{name}") for one in row]) for name in SHOWN),
            ]
            for row in groups.values()
        ]
        return to_latex(["data", "model", "teacher", "seeds", *map(metric_title, SHOWN)], rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsRequest:
    """``recpress-edge models``."""

    data: str | None = None
    """Only those of this data set."""
    sort: str = BALANCED
    """What they are sorted by, on validation: one of ``core.metrics.CHOICES``; click models are by AUC."""
    work: Path = Path()

    def run(self, on_event: OnEvent = silent) -> ModelsResult:
        """Read every model.json and check the digest of its file of numbers."""
        if self.sort not in CHOICES:
            raise unknown_name("metric", self.sort, CHOICES)
        found, damaged, unfinished = [], [], []
        for folder in sorted((self.work / "models").glob("*/")):
            if not is_complete(folder):
                unfinished += [folder.name] if (folder / CHECKPOINT).exists() else []
                continue
            try:
                facts = verified_facts(folder)
                row = model_row(folder, facts)
            except ArtifactError as error:
                damaged.append(f"{folder.name}: {error}")
            except (AttributeError, TypeError, ValueError) as error:
                damaged.append(f"{folder.name}: its record is not what training writes: {error}")
            else:
                found += [(self._rank(facts), row)] if self.data in (None, row["data"]) else []
        found.sort(key=lambda entry: entry[0])
        return ModelsResult(ResultTable.of_rows([row for _, row in found]), tuple(damaged), tuple(unfinished))

    def _rank(self, facts: Mapping[str, Any]) -> tuple[Any, ...]:
        """Where a model stands: by data set, then those that validation judged, best first."""
        try:
            valid = facts["metrics"]["valid"]
            value = worth(valid, stated_cutoff(facts), "auc" if "auc" in valid else self.sort)
            return (_data(facts), 0, -value[0], -value[1], facts["name"], facts["seed"])
        except (KeyError, TypeError):  # trained on validation too, or by a hand that keeps other figures
            return (_data(facts), 1, 0.0, 0.0, facts["name"], facts["seed"])


def models_table(work: Path | str = Path(), data: str | None = None, sort: str = BALANCED) -> ResultTable:
    """The trained models of a work folder as columns, best first on validation; damaged ones are left out."""
    return ModelsRequest(work=Path(work), data=data, sort=sort).run().table


def _data(facts: Mapping[str, Any]) -> str:
    return str(facts["dataset"].get("name"))


def model_row(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A model's record as one flat row."""
    teacher = facts["teacher"] or {}
    row: dict[str, Any] = {
        "data": _data(facts),
        "name": facts["name"],
        "seed": facts["seed"],
        "teacher": str(teacher["name"]) if teacher else None,
        "teacher_seed": _number(teacher.get("seed")),
        "epochs": _number(facts.get("training", {}).get("epochs")),
        "chosen_epoch": _number(facts.get("chosen_epoch")),
        "seconds": _number(facts.get("seconds")),
        "file_bytes": (folder / MODEL_FILE).stat().st_size,
        "dim": facts["dim"],
        "n_users": _number(facts.get("n_users")),
        "n_items": _number(facts.get("n_items")),
        "cutoff": stated_cutoff(facts),
    }
    cutoffs = sorted({*CUTOFFS, *reported_cutoffs(stated_cutoff(facts))})
    for split in ("valid", "test"):
        metrics = facts["metrics"].get(split) or {}
        row |= {
            f"{split}_{kind}@{k}": _number(metrics.get(f"{kind}@{k}"))
            for kind in ("recall", "ndcg")
            for k in cutoffs
        }
        row |= {f"{split}_{name}": _number(metrics.get(name)) for name in CLICK_METRICS}
    return row | {
        "without_last": left_out_of(str(facts["dataset"].get("protocol"))),
        "settings": settings_digest(facts),
        "from": str(facts["from"]["folder"]) if "from" in facts else None,
        "plugin": str(facts["plugin"]["file"]) if "plugin" in facts else None,
        "folder": str(folder),
        "sha256": facts["sha256"],
        "data_digest": facts["dataset"].get("digest"),
    }


def left_out_of(protocol: str) -> int | None:
    """How many last train items of each user a model was trained without; None for all but first stages that
    a second learns from."""
    count = re.search(r"(\d+)", protocol.rpartition(", ")[2])
    known = int(count[1]) if count else 0
    return known if known and protocol.endswith(left_out_words(known)) else None


def _number(value: Any) -> Any:
    """A figure of a record; TypeError for anything else."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TypeError(f"{value!r} is no number")
    return value


def settings_digest(facts: Mapping[str, Any]) -> str:
    """Short digest of all that two seeds of one model share: settings, data, teacher, source."""
    kept = {key: facts.get(key) for key in ("config", "training", "plugin", "imported", "quantised")}
    recipe = (kept.pop("quantised") or {}).get("recipe")
    members = [member.get("name") for member in facts.get("members", ())]
    made = [(facts["teacher"] or {}).get("sha256"), facts["dataset"].get("digest"), "refit_of" in facts]
    made += [facts["from"]["dataset"]["digest"]] if "from" in facts else []
    return digest_of([kept, recipe, members, *made])[:8]

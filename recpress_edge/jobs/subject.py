"""What a bundle answers from: a trained model with the rows and ids of its data, as the exporter takes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.contract import ALL_USERS, HISTORY
from recpress_edge.artifacts.fold_in import TENSORS, read_fold_in
from recpress_edge.artifacts.model_folder import read_student
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.metrics import RECALL_DEFINITION
from recpress_edge.core.progress import Note, OnEvent
from recpress_edge.core.registry import named
from recpress_edge.data.everything import NO_TEST, holds_nothing_out, unjudged
from recpress_edge.data.features.shown import Shown
from recpress_edge.data.holdout import (
    MOST_COMPARED,
    Split,
    dataset_cutoff,
    history_holdout,
    history_rule,
    holdout,
    masking_rule,
    relevant_items,
    sequence_holdout,
)
from recpress_edge.data.interactions import Dataset
from recpress_export.gates import load_history_gate
from recpress_export.networks.kinds import KINDS
from recpress_export.networks.student import read_network, read_parameters
from recpress_export.options import NO_OPTIONS, FileOptions
from recpress_export.student import StudentData
from recpress_export.subjects import Subject
from recpress_export.subjects.all_users import AllUsers
from recpress_export.subjects.history import History
from recpress_export.subjects.network import traced_network
from recpress_export.subjects.single_user import SingleUser

FLOAT_BYTES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectSource:
    """A trained model, for whom it answers, and what else its bundle holds."""

    folder: Path
    """The model's."""
    network: str | None
    """The network that it is; None for two tables."""
    profile: str
    user: str | None
    """External id of the one user of a single-user bundle."""
    file_format: str
    core: str
    """The core that the file is arranged for; empty for any."""
    command: str
    """The command that makes the bundle."""
    ships_rows: bool
    """Whether the test users' rows travel in the bundle."""
    shown: Shown
    """What else of the items travels in the bundle."""
    threads: int
    options: FileOptions = NO_OPTIONS
    """What is asked of the format beside tables."""

    def load(self, data: Dataset, on_event: OnEvent) -> Subject[Any]:
        """The exporter's subject; the fold-in of a history is learned first, where it is missing."""
        if self.network and KINDS[self.network].tables:
            parameters = read_parameters(self.folder)
            facts = self._facts(data, parameters.facts)
            made: Subject[Any] = named(KINDS[self.network].tables)(StudentData(model=parameters, **facts))
            return made
        if self.network:
            from recpress_edge.training.run import use_compute  # torch

            use_compute("cpu", self.threads)
            network = read_network(self.folder)
            return traced_network(StudentData(model=network, **self._facts(data, network.facts)))
        student = read_student(self.folder)
        source = StudentData(model=student, **self._facts(data, student.facts))
        if self.user is not None:
            return SingleUser(source, self.user)
        if self.profile != HISTORY:
            return AllUsers(source)
        from recpress_edge.training.fold_in import ensure_fold_in  # torch

        if ensure_fold_in(self.folder, student, data.train, data.digest(), self.threads):
            on_event(Note(f"learned    a history table for {student.name}   {self.folder / TENSORS}"))
        return History(source, read_fold_in(self.folder, student), load_history_gate())

    def _facts(self, data: Dataset, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What belongs to the model, of whose model.json ``facts`` are."""
        if facts["dataset"]["digest"] != data.digest():
            raise ConfigError(
                f"{self.folder} was trained on another split than the {data.name!r} here: its digest differs"
            )
        width: int | None = (facts.get("teacher") or {}).get("table_width")
        rows = {split: self._rows(data, split) for split in ("valid", "test")}
        whole = holds_nothing_out(data)
        if whole and self.ships_rows and self.profile != ALL_USERS:
            raise ConfigError(f"--with-evaluation: {self.folder} was {NO_TEST}. Leave it out.")
        return {
            "user_ids": data.user_ids,
            "item_ids": data.item_ids,
            **{split: users for split, (users, _) in rows.items()},
            "licence": data.licence,
            "definition": {
                split: NO_TEST if whole else f"{RECALL_DEFINITION}, {rule}"
                for split, (_, rule) in rows.items()
            },
            "teacher_bytes": width and FLOAT_BYTES * width * (data.n_users + data.n_items),
            "item_counts": data.train.item_counts(),
            "cutoff": dataset_cutoff(data),
            "command": self.command,
            "ships_rows": self.ships_rows and not whole,
            "file_format": self.file_format,
            "core": self.core,
            "options": self.options,
            "titles": self.shown.titles,
            "item_features": self.shown.features,
        }

    def _rows(self, data: Dataset, split: Split) -> tuple[Evaluation, str]:
        """Held-out rows and their rule; a history file masks exactly what its user vector is made from."""
        if split == "valid" and holds_nothing_out(data):
            return unjudged(data), NO_TEST
        most = MOST_COMPARED if self.user is None else None
        if self.profile != HISTORY:
            rows, rule = holdout(data, split, most), masking_rule(data, split)
        elif self.network and KINDS[self.network].ordered:
            rows, rule = sequence_holdout(data, split, most), f"{history_rule(split)}, in the order of time"
        else:
            rows, rule = history_holdout(data, split, most), history_rule(split)
        if most and np.count_nonzero(relevant_items(data, split).counts()) > most:
            rule += f", {most:,} users drawn with seed 0"
        return rows, rule

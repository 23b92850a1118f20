"""A history that forgets: the items, a table of what each adds, and a decay of each dimension."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.contract import HISTORY
from recpress_edge.artifacts.fold_in import FoldIn
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.arrays import F32
from recpress_export.graph import contract_for
from recpress_export.networks.student import NetworkStudent
from recpress_export.profiles import check_recipe_profile
from recpress_export.ranking import Question, Recommends
from recpress_export.selftest import made_histories
from recpress_export.subjects import Encoding, Subject
from recpress_export.subjects.all_users import checked_tables
from recpress_export.subjects.history import history_encoding


@dataclass(frozen=True, slots=True, eq=False)
class RecurrentHistory(Subject[NetworkStudent]):
    """No user's row: the file makes it from the last items of the history, in their order."""

    profile = HISTORY
    user_ids: ClassVar[Sequence[str]] = ()
    plain_name = "the fp32 history file of the same student"

    @property
    def provenance(self) -> Mapping[str, Any]:
        decay, length = self.fold_in.decay, self.fold_in.length
        assert decay is not None
        return {"decay": {"items": length, "least": float(decay.min()), "most": float(decay.max())}}

    @property
    def fold_in(self) -> FoldIn:
        """What the row is made of."""
        model = self.data.model
        arrays = model.arrays
        return FoldIn(arrays["history_emb"], arrays["prior"], decay=arrays["decay"], length=model.items_read)

    def encode(self, recipe: Recipe) -> Encoding:
        check_recipe_profile(recipe, self.profile)
        model, fold_in = self.data.model, self.fold_in
        asking = Student(
            self._states(), model.arrays["item_emb"], model.name, model.seed, model.sha256, model.facts
        )
        stored = checked_tables(asking, recipe, fold_in.rows)
        contract = contract_for(
            recipe, self.data.file_format, n_users=0, n_items=model.n_items, dim=model.dim
        )
        contract = dataclasses.replace(
            contract, profile=HISTORY, user_input="", history_length=model.items_read
        )
        return history_encoding(contract, stored, fold_in, recipe)

    def _states(self) -> F32:
        """Rows after the validation histories (B, D), with which items are multiplied: for their scales."""
        fold_in, rows = self.fold_in, self.data.valid
        states = [fold_in.row_after(rows.seen(row).astype(np.int64)) for row in range(rows.users.size)]
        return np.array(states, np.float32) if states else fold_in.rows

    def rows(self, rows: Evaluation) -> Evaluation:
        return rows.anonymous()

    def questions(self) -> Sequence[Question]:
        drawn = made_histories(self.data.model.n_items, in_order=False)
        return [(None, items.tolist()) for items in drawn]

    def whole_catalogue(self, reference: Recommends) -> Sequence[Question]:
        """After nothing, and after each half of the catalogue, of which the last items are read."""
        n_items = self.data.model.n_items
        return [(None, []), *((None, list(range(start, n_items, 2))) for start in (0, 1))]

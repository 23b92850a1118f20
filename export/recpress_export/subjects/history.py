"""The history profile: the items and a fold-in, compared with the user table that it replaces."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.contract import HISTORY, Contract
from recpress_edge.artifacts.fold_in import FoldIn, float_history, history_contract, quantize_history
from recpress_edge.artifacts.integers import QMAX
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.quantize import QuantizedTables
from recpress_edge.artifacts.recipes import RECIPES, Recipe
from recpress_edge.core.arrays import F16, F32
from recpress_export.exactness import check_nearest, check_stored_floats
from recpress_export.gates import HistoryGate
from recpress_export.graph import describe_stored, with_history
from recpress_export.profiles import check_recipe_profile
from recpress_export.ranking import Question, Recommends
from recpress_export.reference import item_tables, table_reference
from recpress_export.selftest import FLOAT_TOLERANCE, made_histories
from recpress_export.subjects import Encoding, Replaced, Subject
from recpress_export.subjects.all_users import (
    StoredTables,
    base_contract,
    checked_tables,
    table_encoding,
)

SUM_TOLERANCE: Final = 10 * FLOAT_TOLERANCE
"""The float32 sum of a long history is less precise than a product."""


@dataclass(frozen=True, slots=True, eq=False)
class History(Subject[Student]):
    """No user's row: the file makes it from the seen items. ``data.valid`` must mask these alone."""

    fold_in: FoldIn
    gate: HistoryGate

    profile = HISTORY
    user_ids: ClassVar[Sequence[str]] = ()
    plain_name = "the fp32 history file of the same student"

    @property
    def provenance(self) -> Mapping[str, Any]:
        return {"fold_in": dict(self.fold_in.facts)}

    @property
    def replaced(self) -> Replaced:
        model = self.data.model
        table = table_reference({"user_emb": model.user_emb, "item_emb": model.item_emb})
        return Replaced("the student's user table", table, self.gate)

    def encode(self, recipe: Recipe) -> Encoding:
        check_recipe_profile(recipe, self.profile)
        stored = checked_tables(self.data.model, recipe, self.fold_in.rows)
        contract = history_contract(base_contract(self.data, recipe))
        return history_encoding(contract, stored, self.fold_in, recipe)

    def rows(self, rows: Evaluation) -> Evaluation:
        return rows.anonymous()

    def questions(self) -> Sequence[Question]:
        return [(None, items.tolist()) for items in made_histories(self.data.model.n_items)]

    def whole_catalogue(self, reference: Recommends) -> Sequence[Question]:
        """After nothing, and after each half of the catalogue."""
        n_items = self.data.model.n_items
        return [(None, []), *((None, list(range(start, n_items, 2))) for start in (0, 1))]

    def chain(self, files: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """With what each stage may know of the users that it is asked about."""
        file_knows = "train items on valid, train and valid items on test"
        return [
            {**stage, "knows": file_knows if stage["stage"] in RECIPES else "train items"}
            for stage in Subject.chain(self, files)
        ]


def history_encoding(contract: Contract, stored: StoredTables, fold_in: FoldIn, recipe: Recipe) -> Encoding:
    """The encoding of a file that makes its row from a history; GateError where a number is not nearest."""
    numbers = stored.numbers
    if isinstance(numbers, QuantizedTables):
        tables = _integers(fold_in, numbers)
    else:
        tables = _floats(fold_in, recipe, numbers[1])
    graph = with_history(describe_stored(contract, numbers), tables)
    scales = numbers if isinstance(numbers, QuantizedTables) else None
    encoding = table_encoding(graph, tables, SUM_TOLERANCE)
    return dataclasses.replace(encoding, rounding=stored.rounding, scales=scales)


def _integers(fold_in: FoldIn, items: QuantizedTables) -> dict[str, NDArray[Any]]:
    """What an integer file holds."""
    history = quantize_history(fold_in, items)
    weights, scale = fold_in.weights, items.item_scale.astype(np.float64)
    unit = scale / (float(history.step) * QMAX * (1 if weights is None else QMAX))
    check_nearest("history row of item", history.history_q, fold_in.history_emb * unit)
    check_nearest("prior", history.prior_q[None], fold_in.prior[None] * unit)
    step: NDArray[Any] = np.asarray(history.step)
    tables = item_tables(items) | {"history_emb": history.history_q, "prior": history.prior_q, "step": step}
    if weights is None or history.weights_q is None:
        return tables
    check_nearest("weights of age", history.weights_q, weights * QMAX)
    return tables | {"age_weights": history.weights_q}


def _floats(fold_in: FoldIn, recipe: Recipe, item_emb: F32 | F16) -> dict[str, NDArray[Any]]:
    """What a float file holds."""
    history_emb, prior = float_history(recipe, fold_in)
    check_stored_floats(history_emb, fold_in.history_emb, "history row of item")
    check_stored_floats(prior[None], fold_in.prior[None], "prior")
    tables: dict[str, NDArray[Any]] = {"item_emb": item_emb, "history_emb": history_emb, "prior": prior}
    weights = fold_in.weights
    return tables if weights is None else tables | {"age_weights": weights.astype(np.float32)}

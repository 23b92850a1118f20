"""A history with a tanh: one hidden layer makes the user of what was consumed, and each item has a bias."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.contract import HISTORY
from recpress_edge.artifacts.fold_in import history_contract
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.quantize import QuantizedTables
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.artifacts.tanh_history import (
    MOST_PRIOR,
    ROOT_BITS,
    WEIGHT_MAX,
    HiddenLayer,
    float_layer,
    history_unit,
    quantize_layer,
    with_bias,
)
from recpress_edge.core.arrays import F16, F32
from recpress_export.exactness import check_nearest, check_stored_floats
from recpress_export.graph import contract_for, describe_stored, with_history
from recpress_export.networks.student import NetworkStudent
from recpress_export.profiles import check_recipe_profile
from recpress_export.ranking import Question, Recommends
from recpress_export.reference import item_tables
from recpress_export.selftest import made_histories
from recpress_export.subjects import Encoding, Subject
from recpress_export.subjects.all_users import StoredTables, checked_tables, table_encoding
from recpress_export.subjects.history import SUM_TOLERANCE

_DRAWN_ROWS: Final = 1000
"""Users whose vectors tell the items' scales apart, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class TanhHistory(Subject[NetworkStudent]):
    """No user's row: the file makes it from the items consumed, whatever their order."""

    profile = HISTORY
    user_ids: ClassVar[Sequence[str]] = ()
    plain_name = "the fp32 history file of the same student"

    @property
    def provenance(self) -> Mapping[str, Any]:
        bias = self.data.model.arrays["item_bias"]
        return {"hidden": {"activation": "tanh", "item_bias": [float(bias.min()), float(bias.max())]}}

    @property
    def layer(self) -> HiddenLayer:
        """The trained layer, with the items' bias as a dimension."""
        arrays = self.data.model.arrays
        return with_bias(*(arrays[name] for name in ("history_emb", "prior", "item_emb", "item_bias")))

    def encode(self, recipe: Recipe) -> Encoding:
        check_recipe_profile(recipe, self.profile)
        model, layer = self.data.model, self.layer
        users = _users(layer, self.data.valid)
        asking = Student(users, layer.item_emb, model.name, model.seed, model.sha256, model.facts)
        stored = checked_tables(asking, recipe, np.ones((1, users.shape[1]), np.float32))
        contract = contract_for(
            recipe, self.data.file_format, n_users=0, n_items=model.n_items, dim=users.shape[1]
        )
        tables = _tables(layer, stored, recipe)
        graph = with_history(describe_stored(history_contract(contract), stored.numbers), tables)
        return dataclasses.replace(table_encoding(graph, tables, SUM_TOLERANCE), rounding=stored.rounding)

    def rows(self, rows: Evaluation) -> Evaluation:
        return rows.anonymous()

    def questions(self) -> Sequence[Question]:
        return [(None, items.tolist()) for items in made_histories(self.data.model.n_items)]

    def whole_catalogue(self, reference: Recommends) -> Sequence[Question]:
        """After nothing, and after each half of the catalogue."""
        n_items = self.data.model.n_items
        return [(None, []), *((None, list(range(start, n_items, 2))) for start in (0, 1))]


def _users(layer: HiddenLayer, rows: Evaluation) -> F32:
    """Vectors after the first validation histories (B, D), and after nothing: for the items' scales."""
    histories = [rows.seen(row) for row in range(min(rows.users.size, _DRAWN_ROWS))]
    histories.append(np.empty(0, np.int32))
    sums = np.array([layer.history_emb[seen].sum(axis=0, dtype=np.float64) for seen in histories])
    return layer.rows_after(sums, np.array([len(seen) for seen in histories]))


def _tables(layer: HiddenLayer, stored: StoredTables, recipe: Recipe) -> dict[str, NDArray[Any]]:
    """What the file holds; GateError where a number is not the nearest."""
    numbers = stored.numbers
    if not isinstance(numbers, QuantizedTables):
        return {**_floats(layer, recipe), "item_emb": numbers[1]}
    tables = quantize_layer(layer, numbers)
    unit = history_unit(tables["stride"].item())
    check_nearest("history row of item", tables["history_emb"], layer.history_emb.astype(np.float64) / unit)
    prior = np.clip(layer.prior.astype(np.float64) / unit * 2**ROOT_BITS, -MOST_PRIOR, MOST_PRIOR)
    check_nearest("prior", tables["prior"][None], prior[None])
    scale = numbers.item_scale.astype(np.float64) * numbers.telling
    check_nearest(
        "weight of a dimension", tables["dim_weights"][None], (scale / scale.max())[None] * WEIGHT_MAX
    )
    return {**item_tables(numbers), **tables}


def _floats(layer: HiddenLayer, recipe: Recipe) -> dict[str, NDArray[Any]]:
    history_emb: F32 | F16 = layer.history_emb
    prior: F32 | F16 = layer.prior
    if recipe.item_bits == 16:
        history_emb, prior = history_emb.astype(np.float16), prior.astype(np.float16)
    check_stored_floats(history_emb, layer.history_emb, "history row of item")
    check_stored_floats(prior[None], layer.prior[None], "prior")
    return float_layer(history_emb, prior)

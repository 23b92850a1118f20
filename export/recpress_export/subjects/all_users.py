"""The all-users profile: every user's row, for a hub; and the encoding of tables for all profiles."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from recpress_edge.artifacts.contract import ALL_USERS, Contract
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.quantize import ErrorStats, QuantizedTables, error_stats, quantize, stored_floats
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.arrays import F32
from recpress_export.exactness import check_rounding, check_stored_floats, spread_users, whole_questions
from recpress_export.graph import Floats, Graph, contract_for, describe_stored
from recpress_export.ranking import Question, Recommends
from recpress_export.reference import integer_tables, table_reference
from recpress_export.selftest import FLOAT_TOLERANCE, spread_questions
from recpress_export.student import StudentData
from recpress_export.subjects import Encoding, Subject


class AllUsers(Subject[Student]):
    """Every user's row."""

    profile = ALL_USERS
    metadata: Mapping[str, str] = {}

    def encode(self, recipe: Recipe) -> Encoding:
        return row_encoding(base_contract(self.data, recipe), checked_tables(self.data.model, recipe))

    def questions(self) -> Sequence[Question]:
        return spread_questions(self.data.model.n_users, self.data.test)

    def whole_catalogue(self, reference: Recommends) -> Sequence[Question]:
        return whole_questions(reference, spread_users(self.data.model.n_users))


@dataclass(frozen=True, slots=True, eq=False)
class StoredTables:
    """A student's tables in the numbers of a recipe."""

    numbers: QuantizedTables | Floats
    rounding: ErrorStats | None
    """How far integers are from the trained numbers; None for floats."""


def checked_tables(model: Student, recipe: Recipe, also: F32 | None = None) -> StoredTables:
    """What the recipe stores; GateError where a number is not the nearest to the trained one.

    also (N, D): vectors besides the users' that are multiplied with the items.
    """
    quantized = quantize(recipe, model.user_emb, model.item_emb, also)
    if quantized is not None:
        check_rounding(quantized, model.user_emb, model.item_emb)
        return StoredTables(quantized, error_stats(model.user_emb, model.item_emb, quantized))
    floats = stored_floats(recipe, model.user_emb, model.item_emb)
    check_stored_floats(floats[0], model.user_emb, "user")
    check_stored_floats(floats[1], model.item_emb, "item")
    return StoredTables(floats, None)


def base_contract(data: StudentData[Student], recipe: Recipe) -> Contract:
    """The contract of the all-users file, from which the other profiles' differ."""
    model = data.model
    return contract_for(recipe, data.file_format, n_users=model.n_users, n_items=model.n_items, dim=model.dim)


def row_encoding(contract: Contract, stored: StoredTables) -> Encoding:
    """The encoding of a file that holds users' rows and items."""
    graph, numbers = describe_stored(contract, stored.numbers), stored.numbers
    if isinstance(numbers, QuantizedTables):
        encoding = table_encoding(graph, integer_tables(numbers))
        return dataclasses.replace(encoding, rounding=stored.rounding, scales=numbers)
    return table_encoding(graph, {"user_emb": numbers[0], "item_emb": numbers[1]})


def table_encoding(
    graph: Graph, tables: Mapping[str, NDArray[Any]], error: float = FLOAT_TOLERANCE
) -> Encoding:
    """The encoding of a file of tables; ``error``: what an export allows where they are floats."""
    exact = graph.contract.exact
    return Encoding(
        graph=graph,
        reference=table_reference(tables),
        tolerance=0.0 if exact else FLOAT_TOLERANCE,
        error=0.0 if exact else error,
        tables=tables,
    )

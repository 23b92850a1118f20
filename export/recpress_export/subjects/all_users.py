"""The all-users profile: everybody's row, for a hub; and what the other profiles of tables take from it."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from recpress_edge.artifacts.contract import ALL_USERS, Contract
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.quantize import (
    F16,
    F32,
    ErrorStats,
    QuantizedTables,
    error_stats,
    quantize,
    stored_floats,
)
from recpress_edge.artifacts.recipes import Recipe
from recpress_export.exactness import check_rounding, check_stored_floats, spread_users, whole_questions
from recpress_export.graph import contract_for, describe, describe_int8
from recpress_export.ranking import Question, Recommends
from recpress_export.reference import exact_reference, float64_reference
from recpress_export.selftest import FLOAT_TOLERANCE, spread_questions
from recpress_export.student import StudentData
from recpress_export.subjects import Encoding, Subject

Floats = tuple[F32, F32] | tuple[F16, F16]
"""user_emb (U, D) and item_emb (I, D), of one type."""


class AllUsers(Subject[Student]):
    """Everybody's row."""

    profile = ALL_USERS
    metadata: Mapping[str, str] = {}

    def encode(self, recipe: Recipe) -> Encoding:
        stored = checked_tables(self.data.model, recipe)
        return encoded(base_contract(self.data, recipe), stored, rounding_of(self.data.model, stored))

    def questions(self) -> Sequence[Question]:
        return spread_questions(self.data.model.n_users, self.data.test)

    def whole_catalogue(self, reference: Recommends) -> Sequence[Question]:
        return whole_questions(reference, spread_users(self.data.model.n_users))


def checked_tables(model: Student, recipe: Recipe, also: F32 | None = None) -> QuantizedTables | Floats:
    """The numbers that the recipe stores; GateError where one is not the nearest to the trained one.

    also (N, D): what asks besides the users.
    """
    quantized = quantize(recipe, model.user_emb, model.item_emb, also)
    if quantized is not None:
        check_rounding(quantized, model.user_emb, model.item_emb)
        return quantized
    floats = stored_floats(recipe, model.user_emb, model.item_emb)
    check_stored_floats(floats[0], model.user_emb, "user")
    check_stored_floats(floats[1], model.item_emb, "item")
    return floats


def base_contract(data: StudentData[Student], recipe: Recipe) -> Contract:
    """The contract of the all-users file, from which the other profiles' differ."""
    model = data.model
    return contract_for(recipe, data.file_format, n_users=model.n_users, n_items=model.n_items, dim=model.dim)


def rounding_of(model: Student, stored: QuantizedTables | Floats) -> ErrorStats | None:
    """How far the stored integers are from the trained tables; None for floats."""
    if isinstance(stored, QuantizedTables):
        return error_stats(model.user_emb, model.item_emb, stored)
    return None


def encoded(contract: Contract, stored: QuantizedTables | Floats, rounding: ErrorStats | None) -> Encoding:
    """The encoding of a file that holds users' rows and items."""
    tables: dict[str, NDArray[Any]]
    if isinstance(stored, QuantizedTables):
        tables = {"user_emb": stored.user_q, "user_scale": stored.user_scale, **stored_items(stored)}
        return Encoding(
            graph=describe_int8(contract, stored),
            reference=exact_reference(stored),
            tolerance=0.0,
            error=0.0,
            tables=tables,
            rounding=rounding,
            scales=stored,
        )
    tables = {"user_emb": stored[0], **stored_items(stored)}
    return Encoding(
        graph=describe(contract, *stored),
        reference=float64_reference(*stored),
        tolerance=FLOAT_TOLERANCE,
        error=FLOAT_TOLERANCE,
        tables=tables,
    )


def stored_items(stored: QuantizedTables | Floats) -> dict[str, NDArray[Any]]:
    """The items' part of what a file must hold."""
    if not isinstance(stored, QuantizedTables):
        return {"item_emb": stored[1]}
    scale = stored.item_row_scale
    return {"item_emb": stored.item_q, **({} if scale is None else {"item_scale": scale})}

"""The single-user profile: the item table and one vector; nobody else's leaves the workstation."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.contract import SINGLE_USER
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.quantize import QuantizedTables
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.errors import ConfigError
from recpress_export.exactness import whole_questions
from recpress_export.profiles import user_index
from recpress_export.ranking import Question, Recommends
from recpress_export.selftest import made_histories
from recpress_export.subjects import Encoding, Subject
from recpress_export.subjects.all_users import AllUsers, base_contract, checked_tables, row_encoding


@dataclass(frozen=True, slots=True, eq=False)
class SingleUser(Subject[Student]):
    """One user's row, who becomes user 0."""

    user: str
    """External id; ConfigError for one that the data set does not know."""

    profile = SINGLE_USER

    def __post_init__(self) -> None:
        user_index(self.user, self.data.user_ids)

    @property
    def _index(self) -> int:
        return user_index(self.user, self.data.user_ids)

    @property
    def user_ids(self) -> Sequence[str]:
        return [self.user]

    @property
    def measured(self) -> Subject[Student]:
        """The all-users subject: one user's held-out items would say nothing about a recipe."""
        return AllUsers(self.data)

    def encode(self, recipe: Recipe) -> Encoding:
        """The user's row, quantised with everybody's: the answers are those of the all-users file."""
        stored, own = checked_tables(self.data.model, recipe), slice(self._index, self._index + 1)
        numbers = stored.numbers
        if isinstance(numbers, QuantizedTables):
            row, scale = numbers.user_q[own], numbers.user_scale[own]
            numbers = dataclasses.replace(numbers, user_q=row, user_scale=scale)
        else:
            numbers = (numbers[0][own], numbers[1])  # type: ignore[assignment]
        contract = base_contract(self.data, recipe)
        contract = dataclasses.replace(contract, profile=SINGLE_USER, user_input="", n_users=1)
        return row_encoding(contract, dataclasses.replace(stored, numbers=numbers))

    def rows(self, rows: Evaluation) -> Evaluation:
        """The user's own; ConfigError where there are none and the bundle is to be measured."""
        found = np.flatnonzero(rows.users == self._index)
        if found.size:
            row = int(found[0])
            seen, relevant = rows.seen(row), rows.relevant(row)
        elif self.data.ships_rows:
            raise ConfigError(
                f"user {self.user!r} has nothing in the test split, so the bundle could not be measured. "
                "Choose a user with more interactions, or leave out --with-evaluation."
            )
        else:
            seen = relevant = np.empty(0, np.int32)
        first = np.zeros(1, np.int32)
        ends = (np.array([0, items.size], np.int64) for items in (seen, relevant))
        return Evaluation(first, next(ends), seen, next(ends), relevant)

    def questions(self) -> Sequence[Question]:
        """Parts of the user's history; drawn histories where there is none."""
        own = self._seen()
        if not own:
            return [(0, items.tolist()) for items in made_histories(self.data.model.n_items)]
        return [(0, own[:n]) for n in sorted({0, 1, len(own) // 2, len(own)})]

    def whole_catalogue(self, reference: Recommends) -> Sequence[Question]:
        return [(0, self._seen()), *whole_questions(reference, [0])]

    def _seen(self) -> list[int]:
        own: list[int] = self.rows(self.data.test).seen(0).tolist()
        return own

    def chain(self, files: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The file alone, without figures: those of a recipe are everybody's."""
        return [{**files[-1], "valid": None}]

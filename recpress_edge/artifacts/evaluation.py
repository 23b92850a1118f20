"""evaluation.npz: the test users on whom a device measures a bundle's quality."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recpress_edge.artifacts.contract import NOBODY, Contract, check_range, check_users
from recpress_edge.artifacts.manifest import EVALUATION_FILE
from recpress_edge.artifacts.selftest import SelfTest
from recpress_edge.core.arrays import I32, I64
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.npz import plain_npz_bytes, read_integers


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Held-out test users, as sparse rows: what not to recommend, and what would be a hit.

    users (B,) int32, -1 where the bundle holds no users; seen_indptr, relevant_indptr (B + 1,) int64;
    seen_indices, relevant_indices int32 item indices.
    """

    users: I32
    seen_indptr: I64
    seen_indices: I32
    relevant_indptr: I64
    relevant_indices: I32

    def user(self, row: int) -> int | None:
        """Index of a row's user; None where the bundle holds no users."""
        return None if self.users[row] == NOBODY else int(self.users[row])

    def anonymous(self) -> "Evaluation":
        """The same rows without saying whose they are."""
        return dataclasses.replace(self, users=np.full_like(self.users, NOBODY))

    def seen(self, row: int) -> I32:
        return self.seen_indices[self.seen_indptr[row] : self.seen_indptr[row + 1]]

    def candidates(self, n_items: int, retired: Sequence[int] = ()) -> I64:
        """Items that can be recommended to each user with a relevant item: (R,) with R of the B users."""
        left = [
            n_items - len({*self.seen(row).tolist(), *retired})
            for row in np.flatnonzero(np.diff(self.relevant_indptr)).tolist()
        ]
        return np.array(left, np.int64)

    def relevant(self, row: int) -> I32:
        return self.relevant_indices[self.relevant_indptr[row] : self.relevant_indptr[row + 1]]

    @classmethod
    def of_queries(cls, test: SelfTest) -> "Evaluation":
        """The queries of a self-test as rows, nothing relevant in any."""
        starts = np.concatenate([[0], np.cumsum([len(row) for row in test.seen])])
        items = [item for row in test.seen for item in row]
        return cls(
            np.array(test.user_indices(), np.int32),
            starts.astype(np.int64),
            np.array(items, np.int32),
            np.zeros(len(test.users) + 1, np.int64),
            np.empty(0, np.int32),
        )

    def to_bytes(self) -> bytes:
        """An npz whose bytes depend on nothing but the arrays."""
        return plain_npz_bytes({field.name: getattr(self, field.name) for field in dataclasses.fields(self)})


def read_evaluation(folder: Path, contract: Contract) -> Evaluation:
    """A bundle's evaluation users, with shapes and indices checked before use."""
    where = folder / EVALUATION_FILE
    arrays = read_integers(where, [f.name for f in dataclasses.fields(Evaluation)])
    check_users(where, arrays["users"], contract)
    for name in ("seen_indices", "relevant_indices"):
        check_range(where, "item", arrays[name], contract.n_items)
    evaluation = Evaluation(
        arrays["users"].astype(np.int32),
        arrays["seen_indptr"].astype(np.int64),
        arrays["seen_indices"].astype(np.int32),
        arrays["relevant_indptr"].astype(np.int64),
        arrays["relevant_indices"].astype(np.int32),
    )
    for indptr, indices in (
        (evaluation.seen_indptr, evaluation.seen_indices),
        (evaluation.relevant_indptr, evaluation.relevant_indices),
    ):
        starts = indptr.size == evaluation.users.size + 1 and indptr[0] == 0 and indptr[-1] == indices.size
        if not starts or (np.diff(indptr) < 0).any():
            raise ArtifactError(
                f"{where}: row pointers do not fit {evaluation.users.size} users", fault="content"
            )
    return evaluation

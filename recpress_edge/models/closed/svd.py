"""A teacher compressed without training, and the truncated SVD of the interactions themselves."""

from torch import Tensor

from recpress_edge.data.interactions import Interactions
from recpress_edge.models.closed.ease import Binary
from recpress_edge.models.closed.low_rank import (
    BLOCK_USERS,
    EXTRA,
    Ranked,
    of_tables,
    require_rank,
    truncated,
)
from recpress_edge.models.method import ClosedForm, Factorised, TrainingInput
from recpress_edge.models.outputs import Tables
from recpress_edge.models.settings import PureSVDConfig, SVDConfig
from recpress_edge.models.teacher import Teacher


class SVD(Factorised, ClosedForm):
    """The two tables whose product is nearest to the teacher's scores, each user's at unit length, in
    squared error over all pairs.

    Exact where the teacher is two tables (Eckart and Young, Psychometrika 1936), or keeps two that are near
    to its scores; of a teacher that only ranks it is the SVD of its rankings.
    """

    def __init__(self, given: TrainingInput, config: SVDConfig) -> None:
        require_rank(given.dim, given.train.n_users, given.train.n_items)
        self.given = given
        self.config = config

    def fit(self) -> None:
        teacher = self.given.teacher
        assert teacher is not None
        known, ranked = _known_tables(teacher, self.given.dim), teacher.rankings
        width = self.given.dim + EXTRA if known is None else known.user_emb.shape[1]
        users = None if known is None else min(BLOCK_USERS, len(known.user_emb))
        _require_memory(self.given, "svd", width, 0 if known or not ranked else ranked.items.size, users)
        self._tables = nearest_tables(teacher, self.given.train, self.given.dim, self.config)

    def tables(self) -> tuple[Tensor, Tensor]:
        return self._tables


def nearest_tables(
    teacher: Teacher, train: Interactions, dim: int, config: SVDConfig | None = None
) -> tuple[Tensor, Tensor]:
    """user_emb (U, D) and item_emb (I, D) whose product is nearest to what this teacher says."""
    known = _known_tables(teacher, dim)
    if known is not None:
        return of_tables(known, dim)
    assert teacher.rankings is not None
    return truncated(Ranked(teacher.rankings, train, (config or SVDConfig()).offset), dim)


def _known_tables(teacher: Teacher, dim: int) -> Tables | None:
    """The teacher's tables, or those near to its scores where they are as wide; None: its rankings alone."""
    near = teacher.near
    if teacher.tables is None and near is not None and dim > near.user_emb.shape[1]:
        return None
    return teacher.tables or near


class PureSVD(Factorised, ClosedForm):
    """Truncated SVD of the interactions as zeros and ones (Cremonesi, Koren and Turrin, RecSys 2010)."""

    def __init__(self, given: TrainingInput, config: PureSVDConfig) -> None:
        require_rank(given.dim, given.train.n_users, given.train.n_items)
        self.given = given

    def fit(self) -> None:
        _require_memory(self.given, "puresvd", self.given.dim + EXTRA, len(self.given.train))
        self._tables = truncated(Binary(self.given.train), self.given.dim)

    def tables(self) -> tuple[Tensor, Tensor]:
        return self._tables


def _require_memory(
    given: TrainingInput, method: str, width: int, stored: int, users: int | None = None
) -> None:
    """Both sides' directions, a product and the factors of its QR; ``stored``: numbers of a sparse matrix,
    ``users``: how many are held at once where that is not all."""
    train = given.train
    rows = train.n_items + (train.n_users if users is None else users)
    given.require_memory(
        8 * 3 * width * rows + 60 * stored,
        f"{method} of {train.n_users:,} users and {train.n_items:,} items",
        "Take a smaller dim, or drop rare users and items when importing.",
    )

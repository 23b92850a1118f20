"""The host's side of a query: what it checks before any runtime sees it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import Contract
from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.device.request import check_k, check_user, items_outside

Answer = tuple[I64, F32]
"""items (k,) best first, and their scores (k,)."""

SeenItems = Sequence[int] | NDArray[np.integer]
"""Item indices never to recommend; may be empty or hold duplicates."""


@dataclass(frozen=True, slots=True)
class Query:
    """One checked request: 0 <= user < n_users (0 without users), seen (n,) int64, k <= unseen items."""

    user: int
    seen: I64
    k: int


NONE_RETIRED: I64 = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """What a request is checked against."""

    n_users: int
    """0 where the answer depends on the seen items alone."""
    n_items: int
    retired: I64 = field(default_factory=lambda: NONE_RETIRED)
    """Item indices that are never recommended."""
    sequence: bool = False
    """Whether the order of the seen items counts, so that they stay as they are."""

    @classmethod
    def of(cls, contract: Contract) -> "Catalogue":
        """That of a model file."""
        retired = np.array(contract.retired, np.int64)
        return cls(contract.n_users, contract.n_items, retired, contract.history_length > 0)


def check_query(
    user: SupportsIndex | None,
    seen: SeenItems,
    k: SupportsIndex,
    catalogue: Catalogue,
) -> Query:
    """Check one request and cap k to the items left; k is 0 when all are seen or retired.

    The host must do this: onnxruntime wraps negative indices, so user -1 would return another
    user's list and a seen item of -1 would silently hide the last item. Raises ConfigError.
    """
    n_users, n_items, retired = catalogue.n_users, catalogue.n_items, catalogue.retired
    user, k = check_user(user, n_users), check_k(k)
    items = np.asarray(seen)
    if items.ndim != 1 or (items.size and not np.issubdtype(items.dtype, np.integer)):
        raise ConfigError(f"seen items must be a list of integers, got {items.dtype} with {items.ndim} axes")
    items = items.astype(np.int64, copy=False)
    if items.size and (items.min() < 0 or items.max() >= n_items):
        raise items_outside(items.min(), items.max(), n_items)
    if not n_users and not catalogue.sequence:
        items = np.unique(items)  # a history: an item counts once, however often it was consumed
    if k > n_items - items.size - retired.size:  # only then can duplicates matter
        k = min(k, n_items - int(np.union1d(items, retired).size))
    return Query(user, items, k)


def checked(answer: Answer, k: int, n_items: int) -> Answer:
    """The answer, when it is k items of the catalogue; else an ArtifactError: an id beyond it has no name.

    A negative one would count from the end and name another item.
    """
    items, scores = answer
    if items.shape != (k,) or scores.shape != (k,):
        raise ArtifactError(
            f"the model was asked for {k} items and gave {items.shape} items with {scores.shape} scores",
            fault="model",
        )
    found = items.tolist()  # of a few numbers; numpy's own min and max take longer
    if min(found) < 0 or max(found) >= n_items:
        raise ArtifactError(
            f"the model names an item outside 0..{n_items - 1}: {min(found)}..{max(found)}", fault="model"
        )
    return answer


def no_items() -> Answer:
    """The answer for a user who has seen everything."""
    return np.empty(0, np.int64), np.empty(0, np.float32)

"""What a held-out evaluation masks and what counts as a hit, decided in one place."""

from typing import Literal

import numpy as np

from recpress_edge.core.bundle import Evaluation
from recpress_edge.data.interactions import Dataset

Split = Literal["valid", "test"]


def is_leave_one_out(data: Dataset) -> bool:
    """At most one validation and one test item per user."""
    return all(int(part.counts().max(initial=0)) <= 1 for part in (data.valid, data.test))


def masking_rule(data: Dataset, split: Split) -> str:
    """Which items are never ranked, in words for a record."""
    if split == "test":
        return "train and valid items masked"
    return "train and test items masked" if is_leave_one_out(data) else "train items masked"


def holdout(data: Dataset, split: Split) -> Evaluation:
    """Users with something held out in ``split``, their masked items and their relevant items.

    Test masks train and valid. Valid masks train, and under leave-one-out also the other held-out
    item, as in the protocol of Topology Distillation (Kang et al., KDD 2021, section 5.1).
    """
    relevant = data.valid if split == "valid" else data.test
    seen = data.train
    if split == "test":
        seen = seen.union(data.valid)
    elif is_leave_one_out(data):
        seen = seen.union(data.test)
    users = np.flatnonzero(relevant.counts()).astype(np.int32)
    seen_rows, relevant_rows = [seen.of(int(u)) for u in users], [relevant.of(int(u)) for u in users]
    return Evaluation(users, *_csr(seen_rows), *_csr(relevant_rows))


def _csr(rows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    indptr = np.concatenate([[0], np.cumsum([row.size for row in rows])]).astype(np.int64)
    return indptr, np.concatenate(rows or [np.empty(0, np.int32)]).astype(np.int32)

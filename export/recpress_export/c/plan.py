"""How a model.bin stores its items: asked for, or counted to be the cheapest."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import SINGLE_USER
from recpress_edge.artifacts.evaluation import Evaluation
from recpress_edge.artifacts.integers import rounded_rows
from recpress_edge.device.c.model_bin import CATALOGUE, ORDERS
from recpress_export.c.pruning import Askers, cheapest, count_of, facts_of, in_words, work_of_orders
from recpress_export.c.writer import ORDER_KEY
from recpress_export.options import FilePlan
from recpress_export.reference import history_sum
from recpress_export.student import StudentData
from recpress_export.subjects import Encoding

_PLAIN: Final = ORDERS[CATALOGUE]


def plan_file(encoding: Encoding, data: StudentData[Any]) -> FilePlan:
    """Order and layout of the items, and why."""
    options, tables = data.options, encoding.tables
    if tables["item_emb"].dtype != np.int8 or "item_scale" in tables:
        return FilePlan()
    if data.core:  # its layout is the graph's arrangement
        return FilePlan({ORDER_KEY: _PLAIN})
    if options.order:
        return FilePlan(
            {ORDER_KEY: options.order}, {"order": options.order, "why": f"{options.order}: asked for"}
        )
    askers = _askers(encoding, data.valid)
    work = work_of_orders(tables["item_emb"], askers, data.cutoff)
    chosen, counted = cheapest(work), (len(askers.rows), data.cutoff)
    why = in_words(work, chosen, *counted)
    return FilePlan({ORDER_KEY: chosen}, facts_of(work, chosen, *counted) | {"why": why})


def _askers(encoding: Encoding, valid: Evaluation) -> Askers:
    """Validation users spread over all; of a single user's file, the user."""
    tables, contract = encoding.tables, encoding.graph.contract
    if contract.profile == SINGLE_USER:
        return Askers(tables["user_emb"], [np.empty(0, np.int64)])
    count = count_of(valid.users.size, contract.n_items)
    chosen = np.unique(np.linspace(0, valid.users.size - 1, count).astype(np.int64))
    read = [valid.seen(row) for row in chosen.tolist()]
    seen = [np.unique(items) for items in read]
    if "user_emb" in tables:
        return Askers(tables["user_emb"][valid.users[chosen]], seen)
    return Askers(_from_history(tables, read if "age_weights" in tables else seen), seen)


def _from_history(
    tables: Mapping[str, NDArray[Any]], seen: Sequence[NDArray[np.integer]]
) -> NDArray[np.int8]:
    """The rows that a history file makes."""
    rows, _ = rounded_rows(
        np.stack([history_sum(tables, items.astype(np.int64), np.int64) for items in seen])
    )
    return rows.astype(np.int8)

"""A bundle's model file without its users' scales: the same items in the same order, checked."""

import dataclasses
from pathlib import Path
from typing import Final

import numpy as np

from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.contract import ORDER_ONLY, Contract
from recpress_edge.artifacts.selftest import SelfTest
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import write_atomic
from recpress_edge.device.runtime import open_runtime
from recpress_edge.device.tables import read_tables
from recpress_export.graph import order_only, write_model
from recpress_export.selftest import answered
from recpress_export.update.stored import read_stored

_DROPPED: Final = "user_scale"
_STATED: Final = "recpress.scores"
"""Of the file's own metadata."""


def write_order_only(full: Bundle, draft: Path) -> tuple[Contract, SelfTest]:
    """Write the model file into a draft. Returns its contract, and the full self-test with its own scores.

    ConfigError where the file has no scale of each user; ArtifactError where this version did not write it,
    so that it cannot be written again, or where a table or an answer would be another.
    """
    stored = read_stored(full)
    graph = order_only(stored.graph(full.contract))
    contract, path = graph.contract, draft / full.contract.model_file
    write_atomic(path, write_model(graph, stored.with_metadata(_STATED, ORDER_ONLY).metadata))
    before, after = read_tables(full.model_path, full.contract), read_tables(path, contract)
    same = {*before} - {*after} == {_DROPPED} and all(
        np.array_equal(table, before[name]) and table.dtype == before[name].dtype
        for name, table in after.items()
    )
    if not same:
        raise ArtifactError(
            f"{full.model_path} without users' scales holds other tables. Nothing was written."
        )
    test = full.selftest()
    questions = list(zip(test.users, test.seen, strict=True))
    found = answered(open_runtime(path, contract), questions, contract.n_items)
    if found.items != test.items:
        raise ArtifactError(
            f"{full.model_path} without users' scales answers with other items. Nothing was written."
        )
    return contract, dataclasses.replace(found, k=test.k)

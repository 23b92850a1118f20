"""Random model.bin files of every recipe, profile, order and layout, and numpy's answers from their tables.

Tables are drawn to be difficult: few levels, so that most scores tie, rows at the ends of int8, equal items,
dimensions that do not fill a quad, catalogues that do not fill a block. Floats are small whole numbers, whose
sums are exact in any order, so that answers must be equal in every recipe.
"""

import dataclasses
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.contract import Contract, contract_facts
from recpress_edge.artifacts.integers import INT4_QMAX, QMAX
from recpress_edge.artifacts.quantize import QuantizedTables
from recpress_edge.core.files import write_json
from recpress_edge.core.rng import stream
from recpress_edge.device.c import model_bin
from recpress_edge.testing.writer import contract_of
from recpress_export.c.writer import LAYOUT_KEY, ORDER_KEY, to_c
from recpress_export.graph import Graph, describe, describe_int8, with_history
from recpress_export.reference import Reference, integer_tables, table_reference

QUERIES: Final = 6
_FLAGS_AT: Final = 32
_DIMS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 10, 16, 20, 32, 37, 130)


def write_models(folder: Path, count: int, first: int = 0) -> None:
    """COUNT files from number ``first`` on, and cases.json: contract, questions and answers of each."""
    folder.mkdir(parents=True)
    cases = []
    for number in range(first, first + count):
        name = f"{number}.bin"
        data, contract, queries = drawn_model(number)
        (folder / name).write_bytes(data)
        cases.append({"file": name, "contract": contract_facts(contract), "queries": queries})
    write_json(folder / "cases.json", {"cases": cases})


def drawn_model(number: int) -> tuple[bytes, Contract, list[dict[str, Any]]]:
    """The file, its contract, and what it must answer."""
    rng = stream(number, "model.bin of the Java reader")
    graph, reference = _drawn_graph(rng)
    metadata, fits = {}, False
    if graph.contract.recipe == "int8-dim":
        fits = bool(graph.contract.n_users) and _fit_16(graph) and rng.random() < 0.7
        if fits and rng.random() < 0.5:
            metadata[LAYOUT_KEY] = "dims"
        else:
            metadata[ORDER_KEY] = str(rng.choice(model_bin.ORDERS))
    data = to_c(graph, metadata)
    contract = graph.contract
    if fits:
        data = data[:_FLAGS_AT] + struct.pack("<I", model_bin.FITS_16) + data[_FLAGS_AT + 4 :]
        contract = dataclasses.replace(contract, recipe="score16")
    model_bin.check_c(memoryview(data))
    return data, contract, list(_questions(reference, contract, rng))


def _fit_16(graph: Graph) -> bool:
    """Whether every score of every user fits 16 bits."""
    users, items = (step.table.astype(np.int64) for step in graph.steps[:2])
    return bool(np.abs(users @ items.T).max() < 2**15)


def _drawn_graph(rng: np.random.Generator) -> tuple[Graph, Reference]:
    recipe, profile = (
        str(rng.choice(names)) for names in (("int8-dim", *model_bin.RECIPES), model_bin.PROFILES)
    )
    n_users = 1 if profile == "single-user" else int(rng.integers(1, 6))
    n_items, dim = int(rng.choice([1, 2, 31, 32, 33, 64, int(rng.integers(1, 300))])), int(rng.choice(_DIMS))
    history = profile == "history"
    read = int(rng.choice([0, 1, 3, 40])) if history else 0
    contract = dataclasses.replace(
        contract_of(recipe, np.empty((n_users, dim)), np.empty((n_items, dim)), "c"),
        profile=profile,
        n_users=0 if history else n_users,
        user_input="user" if profile == "all-users" else "",
        history_length=read,
        retired=tuple(np.flatnonzero(rng.random(n_items) < rng.choice([0, 0.2])).tolist()[: n_items - 1]),
    )
    retired = np.array(contract.retired, np.int64)
    largest = {"fp32": 8, "int4-item": INT4_QMAX}.get(recipe, QMAX)
    items = _levels(rng, n_items, dim, largest)
    rows = _levels(rng, n_items + 1 if history else n_users, dim, 8 if recipe == "fp32" else QMAX)
    made = {"history_emb": rows[:-1], "prior": rows[-1]}
    if read:
        made["age_weights"] = _weights(rng, read, dim, 1 if recipe == "fp32" else QMAX)
    if recipe == "fp32":
        graph = describe(contract, rows.astype(np.float32), items.astype(np.float32))
        tables = {"user_emb": rows, "item_emb": items}
        made = {name: table.astype(np.float32) for name, table in made.items()}
        kept = {name: table.astype(np.float32) for name, table in tables.items()}
    else:
        numbers = _numbers(rng, recipe, rows, items)
        graph, kept = describe_int8(contract, numbers), dict(integer_tables(numbers))
        made["step"] = np.asarray(np.float32(rng.random() + 0.01))
    if history:
        graph = with_history(graph, made)
        kept = {name: table for name, table in kept.items() if not name.startswith("user")} | made
    return graph, dataclasses.replace(table_reference(kept), retired=retired)


def _weights(rng: np.random.Generator, read: int, dim: int, unit: int) -> np.ndarray:
    """(N + 1, D): of floats whole ones, so that every sum is exact; the prior's last."""
    return np.vstack([rng.integers(0, unit + 1, (read, dim)), np.full((1, dim), unit)]).astype(np.int8)


def _numbers(rng: np.random.Generator, recipe: str, rows: np.ndarray, items: np.ndarray) -> QuantizedTables:
    scaled = recipe.endswith("-item")
    scale = (rng.random(len(items)) * float(rng.choice([1e-6, 1, 1000]))).astype(np.float16)
    return QuantizedTables(
        user_q=rows,
        item_q=items,
        user_scale=rng.random(len(rows)).astype(np.float32) + np.float32(0.01),
        item_scale=np.ones(items.shape[1], np.float32),
        item_row_scale=scale if scaled else None,
        item_bits=4 if recipe == "int4-item" else 8,
    )


def _levels(rng: np.random.Generator, count: int, dim: int, largest: int) -> np.ndarray:
    """Whole numbers up to ``largest``: of few levels, all at the ends, or all; some rows equal, some zero."""
    kind = int(rng.integers(3))
    if kind == 0:
        table = rng.integers(-1, 2, (count, dim))
    elif kind == 1:
        table = largest * rng.choice([-1, 1], (count, dim))
    else:
        table = rng.integers(-largest, largest + 1, (count, dim))
    table[rng.random(count) < 0.2] = table[int(rng.integers(count))]
    table[rng.random(count) < 0.05] = 0
    return table.astype(np.int8)


def _questions(
    reference: Reference, contract: Contract, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    n_items = contract.n_items
    for _ in range(QUERIES):
        user = int(rng.integers(contract.n_users)) if contract.n_users else None
        seen = rng.integers(0, n_items, int(rng.choice([0, 1, 5, n_items, 2 * n_items]))).tolist()
        k = int(rng.choice([1, 2, 7, 50, n_items, n_items + 3]))
        items, scores = reference.recommend(user, seen, k)
        asked = {"user": -1 if user is None else user, "seen": seen, "k": k}
        yield {**asked, "items": items.tolist(), "scores": [float(score) for score in scores]}

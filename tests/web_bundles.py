"""Web bundles whose tables are known, and the answers that numpy gives from the same tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from bundles import evaluation
from exports import make_graph, random_tables

from recpress_edge.artifacts.bundle import HISTORY, SINGLE_USER, Bundle, open_bundle
from recpress_edge.artifacts.contract import Contract
from recpress_edge.artifacts.fold_in import FoldIn, history_contract, quantize_history
from recpress_edge.artifacts.ids import encode_lines
from recpress_edge.artifacts.manifest import write_manifest
from recpress_edge.artifacts.quantize import quantize
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.artifacts.selftest import SelfTest, read_selftest
from recpress_edge.core.rng import stream
from recpress_edge.device.reference_file import FileReference
from recpress_export.c.writer import to_c
from recpress_export.graph import Graph, describe, describe_int8, with_history
from recpress_export.options import NO_OPTIONS
from recpress_export.web.files import web_files

FORMAT = "web"
K = 20
WORDS = ("Silent", "Crimson", "Northern", "Golden", "Broken", "Hidden", "Winter", "Electric")
PLACES = ("River", "Garden", "Harbour", "Orchard", "Señora", "Café", "Station", "Island")


@dataclass(frozen=True, kw_only=True)
class Options:
    """A bundle's sizes and contents."""

    recipe: str = "int8-dim"
    profile: str = "all-users"
    n_users: int = 40
    n_items: int = 300
    dim: int = 10
    retired: tuple[int, ...] = ()
    titles: bool = True
    rows: bool = True
    """Whether evaluation users travel along."""
    order: str = ""


def title(item: int) -> str:
    """Each item has one of its own."""
    number = item // (len(WORDS) * len(PLACES))
    name = f"{WORDS[item % len(WORDS)]} {PLACES[item // len(WORDS) % len(PLACES)]}"
    return f"{name} {number + 1}" if number else name


def make_web_bundle(folder: Path, **options: Any) -> Bundle:
    """Write a web bundle with these :class:`Options` and open it."""
    made = Options(**options)
    folder.mkdir(parents=True)
    graph = _graph(made)
    model = to_c(graph, {"recpress.order": made.order} if made.order else {})
    contract = replace(graph.contract, score_tolerance=0.0 if graph.contract.exact else 1e-4)
    (folder / "model.bin").write_bytes(model)
    (folder / "items.txt").write_bytes(encode_lines([f"i{item}" for item in range(made.n_items)]))
    (folder / "users.txt").write_bytes(encode_lines([f"u{user}" for user in range(contract.n_users)]))
    if made.titles:
        (folder / "titles.txt").write_bytes(encode_lines([title(item) for item in range(made.n_items)]))
    _write_questions(folder, contract, made)
    for name, data in web_files(model, contract, read_selftest(folder, contract), NO_OPTIONS).items():
        (folder / name).write_bytes(data)
    write_manifest(folder, folder.name, contract, {"dataset": {"name": "toy"}}, {"chain": [], "parity": {}})
    return open_bundle(folder)


def _graph(made: Options) -> Graph:
    recipe = RECIPES[made.recipe]
    n_users = made.n_users if made.profile == "all-users" else 1
    users, items = random_tables(n_users, made.n_items, made.dim)
    contract = replace(
        make_graph(made.recipe, users, items, "c").contract, format=FORMAT, retired=made.retired
    )
    if made.profile == SINGLE_USER:
        contract = replace(contract, profile=SINGLE_USER, user_input="")
    fold_in = FoldIn(random_tables(made.n_items, made.n_items, made.dim)[0] / 4, items[0] / 8, "", {})
    stored = quantize(recipe, users, items, fold_in.rows)
    if made.profile == HISTORY:
        contract = history_contract(contract)
    graph = describe(contract, users, items) if stored is None else describe_int8(contract, stored)
    if made.profile != HISTORY:
        return graph
    if stored is None:
        return with_history(graph, {"history_emb": fold_in.history_emb, "prior": fold_in.prior})
    history = quantize_history(fold_in, stored)
    tables = {"history_emb": history.history_q, "prior": history.prior_q, "step": np.asarray(history.step)}
    return with_history(graph, tables)


def _write_questions(folder: Path, contract: Contract, made: Options) -> None:
    """The self-test and the evaluation rows, as numpy answers them."""
    rng = stream(0, "web questions")
    reference = FileReference(folder / "model.bin", contract)
    users = [user if contract.n_users > 1 else 0 for user in range(min(16, made.n_users))]
    seen = [sorted(rng.permutation(made.n_items)[: rng.integers(0, 9)].tolist()) for _ in users]
    asked: list[int | None] = [None if made.profile == HISTORY else user for user in users]
    k = min(K, made.n_items - 8 - len(made.retired))
    answers = [reference.recommend(user, row, k) for user, row in zip(asked, seen, strict=True)]
    test = SelfTest(
        k,
        tuple(asked),
        tuple(map(tuple, seen)),
        tuple(tuple(items.tolist()) for items, _ in answers),
        tuple(tuple(scores.tolist()) for _, scores in answers),
    )
    (folder / "selftest.json").write_bytes(test.to_bytes())
    if made.rows:
        relevant = [items[2:3].tolist() for items, _ in answers]
        found = evaluation([-1 if user is None else user for user in asked], seen, relevant)
        (folder / "evaluation.npz").write_bytes(found.to_bytes())


def numpy_answer(
    bundle: Bundle, user: int | None, seen: Sequence[int], k: int
) -> tuple[list[int], list[float]]:
    """Items and scores by the reference, from the bundle's own file."""
    items, scores = FileReference(bundle.model_path, bundle.contract).recommend(user, seen, k)
    return items.tolist(), scores.tolist()

"""The single-user profile: the item table and one vector; nobody else's leaves the workstation."""

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.core.bundle import (
    SINGLE_USER,
    Contract,
    Evaluation,
    write_manifest,
)
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import write_atomic
from recpress_export.card import write_card
from recpress_export.graph import Graph, describe, describe_int8
from recpress_export.onnx_writer import to_onnx
from recpress_export.package import (
    CARD_FILE,
    MODEL_FILE,
    Made,
    answer_queries,
    graph_of,
    measure,
    plain_reference,
    write_rows,
)
from recpress_export.parity import (
    Gate,
    Parity,
    Update,
    gate_error,
    gate_facts,
    gate_failure,
)
from recpress_export.profiles import base_contract, profile_metadata, profile_name, user_index
from recpress_export.quantize import RECIPES, QuantizedTables, Recipe, error_stats, quantize, stored_floats
from recpress_export.source import Source, bundle_name, model_metadata, provenance_of


@dataclass(frozen=True, slots=True)
class SingleUserFill:
    """Fills a draft with what one user needs. ``user``: external id."""

    user: str

    def __call__(
        self, draft: Path, source: Source, recipe: Recipe, gate: Gate, update: Update, *, force: bool
    ) -> Made:
        student, index = source.student, user_index(self.user, source.user_ids)
        test = _rows_of(source.test, index, self.user)
        quantized = quantize(recipe, student.user_emb, student.item_emb)
        reference = plain_reference(student, recipe, quantized)
        own = test.seen(0).tolist()
        queries = [own[:n] for n in sorted({0, 1, len(own) // 2, len(own)}) if n <= len(own)]
        selftest = answer_queries(reference, [index] * len(queries), queries)
        selftest = dataclasses.replace(selftest, users=(0,) * len(selftest.users))
        contract = dataclasses.replace(
            base_contract(source, recipe, selftest), profile=SINGLE_USER, user_input="", n_users=1
        )
        provenance = provenance_of(source)
        graph = _single_graph(contract, source, recipe, quantized, index)
        write_atomic(draft / MODEL_FILE, to_onnx(graph, profile_metadata(provenance, recipe, SINGLE_USER)))
        plain = dataclasses.replace(contract, recipe="fp32", exact=False)
        fp32_bytes = len(
            to_onnx(
                _single_graph(plain, source, RECIPES["fp32"], None, index),
                profile_metadata(provenance, RECIPES["fp32"], SINGLE_USER),
            )
        )
        parity = _all_users_parity(source, recipe, quantized, update)
        failure = gate_failure(parity, gate, recipe.name)
        name = profile_name(bundle_name(student.name, student.seed, recipe), SINGLE_USER)
        quality = {
            "definition": dict(source.definition),
            "chain": [_own_stage(recipe, name, (draft / MODEL_FILE).stat().st_size)],
            "parity": parity.facts() | {"gate": gate_facts(gate, failure, overruled=force)},
        }
        write_rows(draft, [self.user], source.item_ids, selftest, test)
        write_atomic(draft / CARD_FILE, write_card(name, contract, recipe, provenance, quality).encode())
        digest = write_manifest(draft, name, contract, provenance, quality)
        if failure and not force:
            raise gate_error(failure, recipe.name)
        errors = error_stats(student.user_emb, student.item_emb, quantized) if quantized else None
        return Made(digest, parity, fp32_bytes, errors)


def _rows_of(rows: Evaluation, user: int, name: str) -> Evaluation:
    """The rows of one user, who becomes user 0."""
    found = np.flatnonzero(rows.users == user)
    if not found.size:
        raise ConfigError(
            f"user {name!r} has nothing in the test split, so the bundle could not be measured. "
            "Choose a user with more interactions."
        )
    row = int(found[0])
    return Evaluation(
        np.zeros(1, np.int32),
        np.array([0, rows.seen(row).size], np.int64),
        rows.seen(row),
        np.array([0, rows.relevant(row).size], np.int64),
        rows.relevant(row),
    )


def _single_graph(
    contract: Contract, source: Source, recipe: Recipe, quantized: QuantizedTables | None, user: int
) -> Graph:
    """The request of one user; the row was quantised with everybody's, so the answers are the same."""
    student, row = source.student, slice(user, user + 1)
    if quantized is None:
        user_emb, item_emb = stored_floats(recipe, student.user_emb[row], student.item_emb)
        return describe(contract, user_emb, item_emb)
    own = dataclasses.replace(quantized, user_q=quantized.user_q[row], user_scale=quantized.user_scale[row])
    return describe_int8(contract, own)


def _all_users_parity(
    source: Source, recipe: Recipe, quantized: QuantizedTables | None, update: Update
) -> Parity:
    """Parity of the all-users file: one user's held-out items would say nothing about a recipe."""
    with tempfile.TemporaryDirectory(prefix="recpress-") as folder:
        path = Path(folder) / MODEL_FILE
        graph = graph_of(source.student, recipe, quantized, 0.0)
        write_atomic(path, to_onnx(graph, model_metadata(provenance_of(source), recipe)))
        parity = measure(path, source, recipe, graph.contract, quantized, update)[1]
    return dataclasses.replace(parity, reference=f"{parity.reference}, in the all-users profile")


def _own_stage(recipe: Recipe, name: str, file_bytes: int) -> dict[str, Any]:
    return {"stage": recipe.name, "name": name, "bytes": file_bytes, "valid": None, "test": None}

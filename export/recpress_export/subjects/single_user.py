"""The single-user profile: the item table and one vector; nobody else's leaves the workstation."""

import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.contract import SINGLE_USER, Contract
from recpress_edge.artifacts.quantize import QuantizedTables, stored_floats
from recpress_edge.artifacts.recipes import RECIPES, Recipe
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import sha256_file, write_atomic
from recpress_edge.device.reference import ReferenceRuntime
from recpress_edge.device.runtime import open_runtime
from recpress_export.closing import Ending, Made, finish
from recpress_export.exactness import check_tables, check_whole, stored_tables, whole_queries
from recpress_export.graph import Graph, describe, describe_int8, write_model
from recpress_export.parity import Gate, Parity, Update
from recpress_export.profiles import base_contract, profile_metadata, profile_name, user_index
from recpress_export.selftest import FLOAT_TOLERANCE, answer_queries, made_histories, score_tolerance
from recpress_export.student import Source, bundle_name, model_metadata, provenance_of
from recpress_export.subjects.all_users import checked_tables, graph_of, measure, plain_reference


@dataclass(frozen=True, slots=True)
class SingleUserFill:
    """Fills a draft with what one user needs. ``user``: external id."""

    user: str

    def __call__(
        self, draft: Path, source: Source, recipe: Recipe, gate: Gate, update: Update, *, force: bool
    ) -> Made:
        student, index = source.student, user_index(self.user, source.user_ids)
        test = _rows_of(source.test, index, self.user, measured=source.ships_rows)
        quantized = checked_tables(student, recipe)
        reference = plain_reference(student, recipe, quantized)
        own = test.seen(0).tolist()
        parts = [own[:n] for n in sorted({0, 1, len(own) // 2, len(own)}) if n <= len(own)]
        queries = parts if own else [items.tolist() for items in made_histories(student.n_items)]
        selftest = answer_queries(reference, [index] * len(queries), queries)
        selftest = dataclasses.replace(selftest, users=(0,) * len(selftest.users))
        tolerance = score_tolerance(selftest, exact=recipe.exact)
        contract = dataclasses.replace(
            base_contract(source, recipe, tolerance), profile=SINGLE_USER, user_input="", n_users=1
        )
        provenance = provenance_of(source)
        data = self._file(source, recipe, contract, quantized, index, provenance)
        model = draft / contract.model_file
        write_atomic(model, data)
        digest = sha256_file(model)
        user = slice(index, index + 1)
        check_tables(model, contract, stored_tables(recipe, student, quantized, user))
        _check_own(model, contract, reference, index, own)
        plain = dataclasses.replace(contract, recipe="fp32", exact=False)
        name = bundle_name(student.name, student.seed, recipe, source.file_format)
        ending = Ending(
            name=profile_name(name, SINGLE_USER),
            contract=contract,
            provenance=provenance,
            chain=[_own_stage(recipe, profile_name(name, SINGLE_USER), len(data))],
            parity=_all_users_parity(source, recipe, quantized, update),
            fp32_bytes=len(self._file(source, RECIPES["fp32"], plain, None, index, provenance)),
            quantized=quantized,
            user_ids=[self.user],
            selftest=selftest,
            test=test,
            model_sha256=digest,
        )
        return finish(draft, source, recipe, gate, ending, force=force)

    def _file(
        self,
        source: Source,
        recipe: Recipe,
        contract: Contract,
        quantized: QuantizedTables | None,
        index: int,
        provenance: dict[str, Any],
    ) -> bytes:
        graph = _single_graph(contract, source, recipe, quantized, index)
        return write_model(graph, profile_metadata(provenance, recipe, SINGLE_USER))


def _check_own(
    model: Path, contract: Contract, reference: ReferenceRuntime, user: int, seen: Sequence[int]
) -> None:
    """The one user's scores of every item beside numpy's."""
    asked = [(0, row, items) for _, row, items in [(0, user, seen), *whole_queries(reference, [user])]]
    error = 0.0 if contract.exact else FLOAT_TOLERANCE
    check_whole(open_runtime(model, contract), reference, asked, contract.n_items, error)


def _rows_of(rows: Evaluation, user: int, name: str, *, measured: bool) -> Evaluation:
    """The rows of one user, who becomes user 0; ConfigError where there are none to be ``measured`` on."""
    found = np.flatnonzero(rows.users == user)
    if not found.size and not measured:
        none, starts = np.empty(0, np.int32), np.zeros(2, np.int64)
        return Evaluation(np.zeros(1, np.int32), starts, none, starts, none)
    if not found.size:
        raise ConfigError(
            f"user {name!r} has nothing in the test split, so the bundle could not be measured. "
            "Choose a user with more interactions, or leave out --with-evaluation."
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
        graph = graph_of(source, recipe, quantized, 0.0)
        path = Path(folder) / graph.contract.model_file
        write_atomic(path, write_model(graph, model_metadata(provenance_of(source), recipe)))
        parity = measure(path, source, recipe, graph.contract, quantized, update)[1]
    return dataclasses.replace(parity, reference=f"{parity.reference}, in the all-users profile")


def _own_stage(recipe: Recipe, name: str, file_bytes: int) -> dict[str, Any]:
    return {"stage": recipe.name, "name": name, "bytes": file_bytes, "valid": None, "test": None}

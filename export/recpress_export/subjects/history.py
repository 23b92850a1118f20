"""The history profile as a bundle: written, compared with the user table, tested by made-up histories."""

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import HISTORY, Contract
from recpress_edge.artifacts.fold_in import (
    FoldIn,
    float_history,
    fold_float,
    histories_of,
    history_contract,
    quantize_history,
    with_histories,
)
from recpress_edge.artifacts.integers import QMAX
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.quantize import QuantizedTables, stored_floats
from recpress_edge.artifacts.recipes import RECIPES, Recipe
from recpress_edge.core.files import sha256_file, write_atomic
from recpress_edge.device.reference import ReferenceRuntime
from recpress_edge.device.runtime import open_runtime
from recpress_export.closing import Ending, Made, finish
from recpress_export.exactness import (
    check_nearest,
    check_sound,
    check_stored_floats,
    check_tables,
    check_whole,
    stored_tables,
)
from recpress_export.graph import describe_history, write_model
from recpress_export.history_gate import HistoryGate
from recpress_export.parity import (
    Gate,
    Parity,
    Runtime,
    Update,
    compare,
    float64_reference,
    int8_reference,
    rank,
)
from recpress_export.profiles import base_contract, profile_metadata, profile_name
from recpress_export.selftest import FLOAT_TOLERANCE, answer_queries, made_histories, score_tolerance
from recpress_export.student import Source, bundle_name, provenance_of, quality_chain
from recpress_export.subjects.all_users import check_against, checked_tables, phase, plain_reference

SUM_TOLERANCE: Final = 10 * FLOAT_TOLERANCE
"""Of a long history the float32 sum is less precise than a product is."""


@dataclass(frozen=True, slots=True, eq=False)
class HistoryFill:
    """Fills a draft with the items and a fold-in; ``source``'s valid rows have seen their history only."""

    fold_in: FoldIn
    gate: HistoryGate
    """What it may lose against the user table."""

    def __call__(
        self, draft: Path, source: Source, recipe: Recipe, gate: Gate, update: Update, *, force: bool
    ) -> Made:
        student = source.student
        quantized = checked_tables(student, recipe, self.fold_in.rows)
        self._check_rounding(recipe, quantized)
        histories = made_histories(student.n_items)
        selftest = answer_queries(
            self._reference(source, recipe, quantized, histories, plain=True),
            range(len(histories)),
            [items.tolist() for items in histories],
        )
        selftest = dataclasses.replace(selftest, users=(None,) * len(selftest.users))
        tolerance = score_tolerance(selftest, exact=recipe.exact)
        contract = history_contract(base_contract(source, recipe, tolerance))
        provenance = provenance_of(source) | {"fold_in": dict(self.fold_in.facts)}
        graph = describe_history(contract, recipe, student, quantized, self.fold_in)
        model = draft / contract.model_file
        write_atomic(model, write_model(graph, profile_metadata(provenance, recipe, HISTORY)))
        digest = sha256_file(model)
        check_tables(model, contract, self._stored(recipe, student, quantized))
        fp32_bytes, parity, beside_table = self._measure(model, source, recipe, contract, quantized, update)
        chain = quality_chain(source, recipe, model.stat().st_size, fp32_bytes, parity)
        ending = Ending(
            name=profile_name(bundle_name(student.name, student.seed, recipe, source.file_format), HISTORY),
            contract=contract,
            provenance=provenance,
            chain=[_with_knowledge(stage) for stage in chain],
            parity=parity,
            fp32_bytes=fp32_bytes,
            quantized=quantized,
            user_ids=[],
            selftest=selftest,
            test=source.test.anonymous(),
            model_sha256=digest,
            beside_table=beside_table,
            history_gate=self.gate,
        )
        return finish(draft, source, recipe, gate, ending, force=force)

    def _reference(
        self,
        source: Source,
        recipe: Recipe,
        quantized: QuantizedTables | None,
        histories: Sequence[NDArray[np.int64]],
        *,
        plain: bool = False,
    ) -> ReferenceRuntime:
        """numpy's answers, with history b as user b; ``plain`` for the slow, obvious ones."""
        student = source.student
        if quantized is not None:
            users = with_histories(quantized, quantize_history(self.fold_in, quantized), histories)
            return plain_reference(student, recipe, users) if plain else int8_reference(users)
        rows = fold_float(*float_history(recipe, self.fold_in), histories)
        items = stored_floats(recipe, student.user_emb, student.item_emb)[1].astype(np.float64)
        return ReferenceRuntime(len(rows), len(items), lambda row: items @ rows[row], lambda _: np.float32(1))

    def _measure(
        self,
        model: Path,
        source: Source,
        recipe: Recipe,
        contract: Contract,
        quantized: QuantizedTables | None,
        update: Update,
    ) -> tuple[int, Parity, Parity]:
        """Size of the fp32 file; parity as for all users; and the file beside the user table it replaces."""
        student, valid, by = source.student, source.valid, source.yardstick
        asked = valid.anonymous()
        rows = dataclasses.replace(valid, users=np.arange(valid.users.size, dtype=np.int32))
        histories = histories_of(valid)

        def part(index: int) -> Update:
            return phase(update, index, 4)

        runtime = open_runtime(model, contract)
        found = rank(runtime, asked, part(0), "rank the written file")
        check_sound(found, valid, student.n_items)
        self._check_whole(runtime, source, recipe, quantized)
        table = rank(
            float64_reference(student.user_emb, student.item_emb), valid, part(1), "rank by the user table"
        )
        beside = compare(table, found, by, "the student's user table")
        reference = self._reference(source, recipe, quantized, histories)
        truth = rank(reference, rows, part(2), "rank in numpy")
        users = check_against(found, truth, valid, 0.0 if recipe.exact else SUM_TOLERANCE)
        if recipe.name == "fp32":
            size = model.stat().st_size
            return size, compare(truth, found, by, "numpy float64"), beside
        plain = RECIPES["fp32"]
        with tempfile.TemporaryDirectory(prefix="recpress-") as folder:
            path = Path(folder) / contract.model_file
            looser = dataclasses.replace(contract, recipe=plain.name, exact=False)
            graph = describe_history(looser, plain, student, None, self.fold_in)
            write_atomic(path, write_model(graph, profile_metadata(provenance_of(source), plain, HISTORY)))
            before = rank(open_runtime(path, looser), asked, part(3), "rank the fp32 file")
            size = path.stat().st_size
        name = "the fp32 history file of the same student"
        return size, compare(before, found, by, name, users), beside

    def _stored(
        self, recipe: Recipe, student: Student, quantized: QuantizedTables | None
    ) -> dict[str, NDArray[Any]]:
        """What the file holds: the items, and the history table where the users were."""
        tables = stored_tables(recipe, student, quantized, slice(1))
        items = {name: table for name, table in tables.items() if name not in ("user_emb", "user_scale")}
        if quantized is None:
            history_emb, prior = float_history(recipe, self.fold_in)
            return items | {"history_emb": history_emb, "prior": prior}
        made = quantize_history(self.fold_in, quantized)
        return items | {
            "history_emb": made.history_q,
            "prior": made.prior_q,
            "step": np.asarray(made.step),
        }

    def _check_rounding(self, recipe: Recipe, quantized: QuantizedTables | None) -> None:
        if quantized is None:
            history_emb, prior = float_history(recipe, self.fold_in)
            check_stored_floats(history_emb, self.fold_in.history_emb, "history row of item")
            check_stored_floats(prior[None], self.fold_in.prior[None], "prior")
            return
        made = quantize_history(self.fold_in, quantized)
        unit = quantized.item_scale.astype(np.float64) / (float(made.step) * QMAX)
        check_nearest("history row of item", made.history_q, self.fold_in.history_emb * unit)
        check_nearest("prior", made.prior_q[None], self.fold_in.prior[None] * unit)

    def _check_whole(
        self, runtime: Runtime, source: Source, recipe: Recipe, quantized: QuantizedTables | None
    ) -> None:
        """The scores of every item after nothing, and after each half of the catalogue."""
        n_items = source.student.n_items
        halves = [np.arange(start, n_items, 2) for start in (0, 1)]
        histories = [np.empty(0, np.int64), *halves]
        reference = self._reference(source, recipe, quantized, histories)
        queries = [(None, row, items.tolist()) for row, items in enumerate(histories)]
        check_whole(runtime, reference, queries, n_items, 0.0 if recipe.exact else SUM_TOLERANCE)


def _with_knowledge(stage: Mapping[str, Any]) -> dict[str, Any]:
    """A stage under the profile's name, with what it may know of the users that it is asked about."""
    if stage["stage"] not in RECIPES:
        return {**stage, "knows": "train items"}
    knows = "train items on valid, train and valid items on test"
    return {**stage, "name": profile_name(stage["name"], HISTORY), "knows": knows}

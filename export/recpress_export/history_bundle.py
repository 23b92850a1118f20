"""The history profile as a bundle: written, compared with the user table, tested by made-up histories."""

import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device_bench.runtimes.opening import open_runtime
from device_bench.runtimes.reference import ReferenceRuntime
from recpress_edge.core.contract import HISTORY, Contract
from recpress_edge.core.files import write_atomic
from recpress_edge.core.rng import stream
from recpress_export.all_users import phase, plain_reference
from recpress_export.closing import Ending, Made, finish
from recpress_export.formats import write_model
from recpress_export.history import (
    FoldIn,
    describe_history,
    float_history,
    fold_float,
    histories_of,
    history_contract,
    quantize_history,
    with_histories,
)
from recpress_export.parity import (
    Gate,
    Parity,
    Update,
    check_exact,
    compare,
    float64_reference,
    int8_reference,
    rank,
)
from recpress_export.profiles import base_contract, profile_metadata, profile_name
from recpress_export.quantize import RECIPES, QuantizedTables, Recipe, quantize, stored_floats
from recpress_export.rows import SELFTEST_USERS, answer_queries, score_tolerance
from recpress_export.source import Source, bundle_name, provenance_of, quality_chain


@dataclass(frozen=True, slots=True, eq=False)
class HistoryFill:
    """Fills a draft with the items and a fold-in; ``source``'s valid rows have seen their history only."""

    fold_in: FoldIn

    def __call__(
        self, draft: Path, source: Source, recipe: Recipe, gate: Gate, update: Update, *, force: bool
    ) -> Made:
        student = source.student
        quantized = quantize(recipe, student.user_emb, student.item_emb)
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
        fp32_bytes, parity, beside_table = self._measure(model, source, recipe, contract, quantized, update)
        chain = quality_chain(source, recipe, model.stat().st_size, fp32_bytes, parity)
        ending = Ending(
            name=profile_name(bundle_name(student.name, student.seed, recipe, source.file_format), HISTORY),
            contract=contract,
            provenance=provenance,
            chain=[
                stage | {"name": profile_name(stage["name"], HISTORY)} if stage["stage"] in RECIPES else stage
                for stage in chain
            ],
            parity=parity,
            fp32_bytes=fp32_bytes,
            quantized=quantized,
            user_ids=[],
            selftest=selftest,
            test=source.test.anonymous(),
            beside_table=beside_table,
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

        found = rank(open_runtime(model, contract), asked, part(0), "rank the written file")
        table = rank(
            float64_reference(student.user_emb, student.item_emb), valid, part(1), "rank by the user table"
        )
        beside = compare(table, found, by, "the student's user table")
        users = None
        if quantized is not None:
            exact = self._reference(source, recipe, quantized, histories)
            users = check_exact(found, rank(exact, rows, part(2), "rank in numpy integers"), valid)
        if recipe.name == "fp32":
            truth = rank(self._reference(source, recipe, None, histories), rows, part(3), "rank in float64")
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


def made_histories(n_items: int, *, in_order: bool = True) -> list[NDArray[np.int64]]:
    """Histories for the self-test, drawn at random: nobody's, so they may be shipped. The first is empty.

    By item index, or, not ``in_order``, as they were drawn.
    """
    rng = stream(0, "self-test histories")
    longest = min(n_items - 1, 200)
    sizes = np.unique(np.geomspace(1, longest + 1, SELFTEST_USERS).astype(np.int64)) - 1
    drawn = [rng.choice(n_items, int(size), replace=False) for size in sizes]
    return [np.sort(items) for items in drawn] if in_order else drawn

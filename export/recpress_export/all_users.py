"""The all-users profile as a bundle: everybody's row, for a hub; and what other profiles take from it."""

import tempfile
from pathlib import Path

from device_bench.runtimes.opening import open_runtime
from device_bench.runtimes.reference import ReferenceRuntime
from recpress_edge.core.contract import Contract
from recpress_edge.core.files import write_atomic
from recpress_export.arrays import Student
from recpress_export.closing import Ending, Made, finish
from recpress_export.formats import write_model
from recpress_export.graph import Graph, describe, describe_int8
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
from recpress_export.profiles import base_contract
from recpress_export.quantize import RECIPES, QuantizedTables, Recipe, quantize, stored_floats
from recpress_export.rows import make_selftest, score_tolerance
from recpress_export.source import Source, bundle_name, model_metadata, provenance_of, quality_chain


def fill_all_users(
    draft: Path, source: Source, recipe: Recipe, gate: Gate, update: Update, *, force: bool
) -> Made:
    """Everything that an all-users bundle holds, and its gate."""
    student = source.student
    quantized = quantize(recipe, student.user_emb, student.item_emb)
    selftest = make_selftest(plain_reference(student, recipe, quantized), source.test)
    provenance = provenance_of(source)
    graph = graph_of(source, recipe, quantized, score_tolerance(selftest, exact=recipe.exact))
    model = draft / graph.contract.model_file
    write_atomic(model, write_model(graph, model_metadata(provenance, recipe)))
    fp32_bytes, parity = measure(model, source, recipe, graph.contract, quantized, update)
    ending = Ending(
        name=bundle_name(student.name, student.seed, recipe, source.file_format),
        contract=graph.contract,
        provenance=provenance,
        chain=quality_chain(source, recipe, model.stat().st_size, fp32_bytes, parity),
        parity=parity,
        fp32_bytes=fp32_bytes,
        quantized=quantized,
        user_ids=source.user_ids,
        selftest=selftest,
        test=source.test,
    )
    return finish(draft, source, recipe, gate, ending, force=force)


def graph_of(source: Source, recipe: Recipe, quantized: QuantizedTables | None, tolerance: float) -> Graph:
    """The request of a recipe as an all-users file."""
    student = source.student
    contract = base_contract(source, recipe, tolerance)
    return (
        describe_int8(contract, quantized)
        if quantized
        else describe(contract, *stored_floats(recipe, student.user_emb, student.item_emb))
    )


def plain_reference(student: Student, recipe: Recipe, quantized: QuantizedTables | None) -> ReferenceRuntime:
    """The slow, obvious answer of a recipe's tables."""
    if quantized is None:
        return float64_reference(*stored_floats(recipe, student.user_emb, student.item_emb))
    return ReferenceRuntime.from_int8(
        quantized.user_q, quantized.item_q, quantized.user_scale, item_scale=quantized.item_row_scale
    )


def measure(
    model: Path,
    source: Source,
    recipe: Recipe,
    contract: Contract,
    quantized: QuantizedTables | None,
    update: Update,
) -> tuple[int, Parity]:
    """Size of the fp32 file, and ``model``'s parity: fp32 with numpy float64, others with the fp32 file."""
    student, valid = source.student, source.valid
    phases = 2 if quantized is None else 3
    found = rank(open_runtime(model, contract), valid, phase(update, 0, phases), "rank the written file")
    if recipe.name == "fp32":
        truth = rank(
            float64_reference(student.user_emb, student.item_emb),
            valid,
            phase(update, 1, phases),
            "rank in float64",
        )
        size = model.stat().st_size
        return size, compare(truth, found, source.yardstick, "numpy float64")
    users = None
    if quantized is not None:
        exact = rank(int8_reference(quantized), valid, phase(update, 1, phases), "rank in numpy integers")
        users = check_exact(found, exact, valid)
    plain = RECIPES["fp32"]
    with tempfile.TemporaryDirectory(prefix="recpress-") as folder:
        graph = graph_of(source, plain, None, 0.0)
        path = Path(folder) / graph.contract.model_file
        write_atomic(path, write_model(graph, model_metadata(provenance_of(source), plain)))
        before = rank(
            open_runtime(path, graph.contract), valid, phase(update, phases - 1, phases), "rank the fp32 file"
        )
        size = path.stat().st_size
    name = "the fp32 file of the same student"
    return size, compare(before, found, source.yardstick, name, users)


def phase(update: Update, index: int, count: int) -> Update:
    """One of ``count`` equal phases of a whole, so that the bar runs once."""

    def part(done: float, total: float, note: str = "") -> None:
        update(index * total + done, count * total, note)

    return part

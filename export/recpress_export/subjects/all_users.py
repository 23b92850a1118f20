"""The all-users profile as a bundle: everybody's row, for a hub; and what other profiles take from it."""

import tempfile
from pathlib import Path

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.contract import Contract
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.quantize import F32, QuantizedTables, quantize, stored_floats
from recpress_edge.artifacts.recipes import RECIPES, Recipe
from recpress_edge.core.files import sha256_file, write_atomic
from recpress_edge.device.reference import ReferenceRuntime
from recpress_edge.device.runtime import open_runtime
from recpress_export.closing import Ending, Made, finish
from recpress_export.exactness import (
    check_close,
    check_exact,
    check_rounding,
    check_sound,
    check_stored_floats,
    check_tables,
    check_whole,
    spread_users,
    stored_tables,
    whole_queries,
)
from recpress_export.graph import Graph, describe, describe_int8, write_model
from recpress_export.parity import (
    Gate,
    Lists,
    Parity,
    Update,
    compare,
    float64_reference,
    int8_reference,
    rank,
)
from recpress_export.profiles import base_contract
from recpress_export.selftest import FLOAT_TOLERANCE, make_selftest, score_tolerance
from recpress_export.student import Source, bundle_name, model_metadata, provenance_of, quality_chain


def fill_all_users(
    draft: Path, source: Source, recipe: Recipe, gate: Gate, update: Update, *, force: bool
) -> Made:
    """Everything that an all-users bundle holds, and its gate."""
    student = source.student
    quantized = checked_tables(student, recipe)
    selftest = make_selftest(plain_reference(student, recipe, quantized), source.test)
    provenance = provenance_of(source)
    graph = graph_of(source, recipe, quantized, score_tolerance(selftest, exact=recipe.exact))
    model = draft / graph.contract.model_file
    write_atomic(model, write_model(graph, model_metadata(provenance, recipe)))
    digest = sha256_file(model)
    check_tables(model, graph.contract, stored_tables(recipe, student, quantized))
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
        model_sha256=digest,
    )
    return finish(draft, source, recipe, gate, ending, force=force)


def checked_tables(student: Student, recipe: Recipe, also: F32 | None = None) -> QuantizedTables | None:
    """The integers that the recipe stores, each of them right; None where it stores floats.

    also (N, D): what asks besides the users.
    """
    quantized = quantize(recipe, student.user_emb, student.item_emb, also)
    if quantized is not None:
        check_rounding(quantized, student.user_emb, student.item_emb)
        return quantized
    users, items = stored_floats(recipe, student.user_emb, student.item_emb)
    check_stored_floats(users, student.user_emb, "user")
    check_stored_floats(items, student.item_emb, "item")
    return None


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
    phases = 2 if recipe.name == "fp32" else 3
    runtime = open_runtime(model, contract)
    found = rank(runtime, valid, phase(update, 0, phases), "rank the written file")
    check_sound(found, valid, student.n_items)
    reference, words, error = _fast_reference(student, recipe, quantized)
    truth = rank(reference, valid, phase(update, 1, phases), words)
    users = check_against(found, truth, valid, error)
    queries = whole_queries(reference, spread_users(student.n_users))
    check_whole(runtime, reference, queries, student.n_items, error)
    if recipe.name == "fp32":
        return model.stat().st_size, compare(truth, found, source.yardstick, "numpy float64")
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


def _fast_reference(
    student: Student, recipe: Recipe, quantized: QuantizedTables | None
) -> tuple[ReferenceRuntime, str, float]:
    """numpy's answers of what is stored, what that is called, and how far a file's scores may be from it."""
    if quantized is not None:
        return int8_reference(quantized), "rank in numpy integers", 0.0
    stored = stored_floats(recipe, student.user_emb, student.item_emb)
    return float64_reference(*stored), "rank in float64", FLOAT_TOLERANCE


def check_against(found: Lists, truth: Lists, users: Evaluation, error: float) -> int | None:
    """How many users were found equal; None where equal within an error is all that can be asked."""
    if not error:
        return check_exact(found, truth, users)
    check_close(found, truth, users, error)
    return None


def phase(update: Update, index: int, count: int) -> Update:
    """One of ``count`` equal phases of a whole, so that the bar runs once."""

    def part(done: float, total: float, note: str = "") -> None:
        update(index * total + done, count * total, note)

    return part

"""A student and its data to a published bundle: written, run, compared and self-tested before it appears."""

import contextlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from device_bench.runtimes.opening import open_runtime
from device_bench.runtimes.reference import ReferenceRuntime
from device_bench.selftest import check_answers
from recpress_edge.core.bundle import (
    EVALUATION_FILE,
    ITEMS_FILE,
    NOBODY,
    SELFTEST_FILE,
    USERS_FILE,
    Bundle,
    Contract,
    Evaluation,
    SelfTest,
    open_bundle,
    write_manifest,
)
from recpress_edge.core.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    GateError,
    RecPressError,
    StorageError,
)
from recpress_edge.core.files import canonical_json, new_directory, storage_errors, write_atomic
from recpress_export.arrays import Student
from recpress_export.card import write_card
from recpress_export.formats import model_file, write_model
from recpress_export.graph import Graph, contract_for, describe, describe_int8
from recpress_export.parity import (
    Gate,
    Parity,
    Update,
    check_exact,
    compare,
    float64_reference,
    gate_error,
    gate_facts,
    gate_failure,
    int8_reference,
    rank,
    silent,
)
from recpress_export.quantize import (
    RECIPES,
    ErrorStats,
    QuantizedTables,
    Recipe,
    error_stats,
    quantize,
    stored_floats,
)
from recpress_export.scales import write_scales
from recpress_export.source import Source, bundle_name, model_metadata, provenance_of, quality_chain

MODEL_FILE: Final = "model.onnx"
CARD_FILE: Final = "CARD.md"
REJECTED: Final = ".rejected"
SELFTEST_USERS: Final = 64
SELFTEST_K: Final = 50
# float32 products in another order differ by some 1e-7 of the largest score; 1e-5 leaves room for every CPU.
FLOAT_TOLERANCE: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote."""

    bundle: Bundle
    parity: Parity
    fp32_bytes: int
    """Size of the fp32 file of the same student."""
    errors: ErrorStats | None
    """Quantisation error of the tables; None for fp32."""
    unchanged: bool
    """The very same bundle was there already and was left alone."""


def check_target(target: Path, name: str, dataset: str, *, force: bool) -> None:
    """Before any work: can the target be written, and is nothing else there?

    A bundle of the same student, seed, recipe and data may be there: it will be compared, not overwritten.
    """
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)).rmdir()
    if target.exists() and not force:
        try:
            there = open_bundle(target)
            same = there.name == name and there.provenance["dataset"]["name"] == dataset
        except (RecPressError, KeyError, TypeError):
            same = False
        if not same:
            raise ConfigError(
                f"{target} exists and is not {name} of data set {dataset}. "
                "Choose another --out, or add --force to replace it."
            )


class _UnchangedError(Exception):
    """Ends the making of a bundle that is there already, so that its folder is left alone."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a finished draft holds."""

    digest: str
    parity: Parity
    fp32_bytes: int
    errors: ErrorStats | None


class Fill(Protocol):
    """Fills a draft with a bundle's files; GateError when its gate is not met and not overruled."""

    def __call__(
        self, draft: Path, source: Source, recipe: Recipe, gate: Gate, update: Update, *, force: bool
    ) -> Made: ...


def export_bundle(
    source: Source,
    recipe: Recipe,
    target: Path,
    *,
    gate: Gate,
    force: bool = False,
    update: Update = silent,
    fill: Fill | None = None,
) -> Exported:
    """Write, check and publish a bundle; of all users, or what a profile's ``fill`` makes.

    GateError: parity is below the gate and ``force`` is off, or the file is not exact where its recipe
    is; nothing is written at ``target``, the draft is kept in ``.rejected`` beside it. ConfigError:
    something else is at ``target`` and ``force`` is off. A bundle below the gate that ``force``
    published says so in its manifest and on its card.
    """
    unchanged = False
    with contextlib.suppress(_UnchangedError), new_directory(target, force=True) as draft:
        try:
            made = (fill or _fill)(draft, source, recipe, gate, update, force=force)
        except GateError as error:
            raise GateError(f"{error} {_keep_rejected(draft, target)}") from None
        reopened = open_bundle(draft)
        check_answers(
            open_runtime(reopened.model_path, reopened.contract), reopened.selftest(), reopened.contract
        )
        if target.exists() and not force:
            unchanged = _same_bundle(target, made.digest)
            if not unchanged:
                raise ConfigError(
                    f"{target} exists and differs from what would be written (model, data or versions "
                    "changed). Choose another --out, or add --force to replace it."
                )
            raise _UnchangedError
    return Exported(open_bundle(target), made.parity, made.fp32_bytes, made.errors, unchanged)


def _same_bundle(target: Path, digest: str) -> bool:
    try:
        return open_bundle(target).digest == digest
    except ArtifactError:
        return False


def _keep_rejected(draft: Path, target: Path) -> str:
    rejected = target.parent / REJECTED / target.name
    try:
        with new_directory(rejected, force=True) as folder, storage_errors(rejected):
            shutil.copytree(draft, folder, dirs_exist_ok=True)
    except StorageError as error:
        return f"Nothing was written to {target}; the draft could not be kept either: {error}"
    return f"Nothing was written to {target}; the draft is in {rejected} for inspection."


def _fill(draft: Path, source: Source, recipe: Recipe, gate: Gate, update: Update, *, force: bool) -> Made:
    """Everything a bundle holds, the manifest last, and the gate after it."""
    student = source.student
    name = bundle_name(student.name, student.seed, recipe, source.file_format)
    quantized = quantize(recipe, student.user_emb, student.item_emb)
    selftest = make_selftest(plain_reference(student, recipe, quantized), source.test)
    provenance = provenance_of(source)
    tolerance = 0.0 if recipe.exact else FLOAT_TOLERANCE * max(abs(s) for row in selftest.scores for s in row)
    graph = graph_of(student, recipe, quantized, tolerance, source.file_format)
    model = draft / graph.contract.model_file
    write_atomic(model, write_model(graph, model_metadata(provenance, recipe)))
    fp32_bytes, parity = measure(model, source, recipe, graph.contract, quantized, update)
    failure = gate_failure(parity, gate, recipe.name)
    quality = {
        "definition": dict(source.definition),
        "chain": quality_chain(source, recipe, model.stat().st_size, fp32_bytes, parity),
        "parity": parity.facts() | {"gate": gate_facts(gate, failure, overruled=force)},
    }
    if quantized:
        write_scales(draft, quantized)
    write_rows(draft, source.user_ids, source.item_ids, selftest, source.test)
    write_atomic(draft / CARD_FILE, write_card(name, graph.contract, recipe, provenance, quality).encode())
    digest = write_manifest(draft, name, graph.contract, provenance, quality)
    if failure and not force:
        raise gate_error(failure, recipe.name)
    errors = error_stats(student.user_emb, student.item_emb, quantized) if quantized else None
    return Made(digest, parity, fp32_bytes, errors)


def graph_of(
    student: Student,
    recipe: Recipe,
    quantized: QuantizedTables | None,
    tolerance: float,
    file_format: str = "onnx",
) -> Graph:
    """The request of a recipe as an all-users file."""
    contract = contract_for(
        recipe,
        model_file=model_file(file_format),
        file_format=file_format,
        n_users=student.n_users,
        n_items=student.n_items,
        dim=student.dim,
        tolerance=tolerance,
    )
    return (
        describe_int8(contract, quantized)
        if quantized
        else describe(contract, *stored_floats(recipe, student.user_emb, student.item_emb))
    )


def plain_reference(student: Student, recipe: Recipe, quantized: QuantizedTables | None) -> ReferenceRuntime:
    """The slow, obvious answer of a recipe\'s tables."""
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
    student, valid, counts = source.student, source.valid, source.item_counts
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
        return size, compare(truth, found, valid, student.seed, "numpy float64", None, counts)
    users = None
    if quantized is not None:
        exact = rank(int8_reference(quantized), valid, phase(update, 1, phases), "rank in numpy integers")
        users = check_exact(found, exact, valid)
    plain = RECIPES["fp32"]
    with tempfile.TemporaryDirectory(prefix="recpress-") as folder:
        graph = graph_of(student, plain, None, 0.0, source.file_format)
        path = Path(folder) / graph.contract.model_file
        write_atomic(path, write_model(graph, model_metadata(provenance_of(source), plain)))
        before = rank(
            open_runtime(path, graph.contract), valid, phase(update, phases - 1, phases), "rank the fp32 file"
        )
        size = path.stat().st_size
    name = "the fp32 file of the same student"
    return size, compare(before, found, valid, student.seed, name, users, counts)


def phase(update: Update, index: int, count: int) -> Update:
    """One of ``count`` equal phases of a whole, so that the bar runs once."""

    def part(done: float, total: float, note: str = "") -> None:
        update(index * total + done, count * total, note)

    return part


def make_selftest(reference: ReferenceRuntime, test: Evaluation) -> SelfTest:
    """Up to 64 users spread over all, with what the test split masks for them; the first has seen nothing."""
    users = np.unique(np.linspace(0, reference.n_users - 1, SELFTEST_USERS).astype(np.int64)).tolist()
    rows = {int(user): row for row, user in enumerate(test.users)}
    seen = [test.seen(rows[user]).tolist() if n and user in rows else [] for n, user in enumerate(users)]
    return answer_queries(reference, users, seen)


def answer_queries(reference: ReferenceRuntime, users: Sequence[int], seen: Sequence[list[int]]) -> SelfTest:
    """The reference's answers to some queries, as a self-test."""
    asked, answers = [], []
    for user, items in zip(users, seen, strict=True):
        found, scores = reference.recommend(user, items, SELFTEST_K)
        if found.size:  # a user who has seen everything has no answer to compare
            asked.append((user, tuple(items)))
            answers.append((tuple(found.tolist()), tuple(float(s) for s in scores)))
    return SelfTest(
        min(SELFTEST_K, reference.n_items),
        tuple(user for user, _ in asked),
        tuple(items for _, items in asked),
        tuple(items for items, _ in answers),
        tuple(scores for _, scores in answers),
    )


def write_rows(
    draft: Path, user_ids: Sequence[str], item_ids: Sequence[str], selftest: SelfTest, test: Evaluation
) -> None:
    """The id maps, the self-test and the evaluation rows."""
    write_atomic(draft / USERS_FILE, id_lines("user", user_ids))
    write_atomic(draft / ITEMS_FILE, id_lines("item", item_ids))
    write_atomic(draft / SELFTEST_FILE, canonical_json(selftest_facts(selftest)) + b"\n")
    write_atomic(draft / EVALUATION_FILE, test.to_bytes())


def selftest_facts(test: SelfTest) -> dict[str, Any]:
    """selftest.json."""
    users = [NOBODY if user is None else user for user in test.users]
    return {"k": test.k, "users": users, "seen": test.seen, "items": test.items, "scores": test.scores}


def id_lines(kind: str, ids: Sequence[str]) -> bytes:
    """users.txt and items.txt: one external id a line; row n is the id of index n."""
    for index, name in enumerate(ids):
        if not name or "\n" in name or "\r" in name:
            raise DataError(
                f"{kind} id {name!r} (index {index}) is empty or holds a line break; rename it in the log"
            )
    if len(set(ids)) != len(ids):
        raise DataError(f"the {kind} ids are not distinct: {len(ids)} ids, {len(set(ids))} different ones")
    return "".join(f"{name}\n" for name in ids).encode()

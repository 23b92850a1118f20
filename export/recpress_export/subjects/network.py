"""A network as a bundle: traced, written, compared with numpy or its fp32 file, and self-tested."""

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import Evaluation, SelfTest
from recpress_edge.artifacts.contract import HISTORY, Contract
from recpress_edge.artifacts.formats import FORMATS, model_file, named
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.files import sha256_file, write_atomic
from recpress_edge.device.reference import ReferenceRuntime
from recpress_edge.device.runtime import Runtime, open_runtime
from recpress_edge.device.verify import REQUANTISED_SCORE
from recpress_export.closing import Ending, Made, finish
from recpress_export.exactness import WholeQuery, check_close, check_sound, check_whole, spread_users
from recpress_export.graph import ExcludeSeen, Graph, ReadTokens, RunNetwork, SelectTop, write_model
from recpress_export.networks.recipes import NETWORK_RECIPES, PROFILE_OF
from recpress_export.networks.reference import neumf_reference, sasrec_reference
from recpress_export.networks.student import NetworkStudent
from recpress_export.package import Exported, publish
from recpress_export.parity import Gate, Lists, Parity, Update, compare, rank, silent
from recpress_export.profiles import profile_metadata, profile_name
from recpress_export.selftest import FLOAT_TOLERANCE, answer_queries, made_histories, make_selftest
from recpress_export.student import NetworkSource, bundle_name, provenance_of, quality_chain
from recpress_export.subjects.all_users import phase

I64 = NDArray[np.int64]

FLOAT_ERROR: Final = 10 * FLOAT_TOLERANCE
"""Hundreds of float32 operations follow each other: errors of 1e-5 of the largest score were seen."""


def export_network(
    source: NetworkSource,
    recipe: Recipe,
    target: Path,
    *,
    gate: Gate,
    force: bool = False,
    update: Update = silent,
) -> Exported:
    """As package.export_bundle, of a network; the same errors."""
    return publish(lambda draft: _fill(draft, source, recipe, gate, update, force=force), target, force=force)


def _fill(
    draft: Path, source: NetworkSource, recipe: Recipe, gate: Gate, update: Update, *, force: bool
) -> Made:
    student, file_format = source.student, source.file_format
    profile = PROFILE_OF[student.kind]
    name = profile_name(bundle_name(student.name, student.seed, recipe, file_format), profile)
    queries = _selftest(student, source.test)
    provenance = provenance_of(source) | {"network": _network_facts(student, file_format)}
    contract = network_contract(student, recipe, file_format, _tolerance(recipe, queries))
    metadata = profile_metadata(provenance, recipe, profile)
    model = draft / contract.model_file
    traced = trace(student, file_format)
    write_atomic(model, write_model(network_graph(contract, in_recipe(traced, contract)), metadata))
    digest = sha256_file(model)
    runtime = open_runtime(model, contract)
    fp32_bytes, parity = _measure(runtime, model, source, recipe, contract, (traced, metadata), update)
    chain = quality_chain(source, recipe, model.stat().st_size, fp32_bytes, parity)
    history = contract.profile == HISTORY
    ending = Ending(
        name=name,
        contract=contract,
        provenance=provenance,
        chain=[
            stage | {"name": profile_name(stage["name"], profile)}
            if stage["stage"] in NETWORK_RECIPES
            else stage
            for stage in chain
        ],
        parity=parity,
        fp32_bytes=fp32_bytes,
        quantized=None,
        user_ids=[] if history else source.user_ids,
        selftest=queries if recipe.name == "fp32" else _answered_by(runtime, queries),
        test=source.test.anonymous() if history else source.test,
        model_sha256=digest,
    )
    return finish(draft, source, recipe, gate, ending, force=force)


def network_contract(student: NetworkStudent, recipe: Recipe, file_format: str, tolerance: float) -> Contract:
    """What the file takes: a user where the network knows its users, else a history in its order."""
    history = PROFILE_OF[student.kind] == HISTORY
    return Contract(
        model_file=model_file(file_format),
        format=file_format,
        recipe=recipe.name,
        profile=PROFILE_OF[student.kind],
        n_users=student.n_users,
        n_items=student.n_items,
        dim=student.dim,
        exact=False,
        score_tolerance=tolerance,
        user_input="" if history else "user",
        seen_capacity=FORMATS[file_format].seen_capacity,
        history_length=max(student.history_length - 1, 0),
    )


def network_graph(contract: Contract, network: bytes) -> Graph:
    """The request: tokens or user -> the traced network -> exclusion and top-K, as for any student."""
    length = contract.history_length
    tokens = (ReadTokens(contract.n_items, length + 1),) if length else ()
    return Graph(
        contract, (*tokens, RunNetwork(network), ExcludeSeen(-np.inf, contract.retired), SelectTop())
    )


def trace(student: NetworkStudent, file_format: str) -> bytes:
    """The float32 network as a file of its own. torch is loaded here, for networks alone."""
    traced: bytes = named(FORMATS[file_format].trace)(student)
    return traced


def in_recipe(traced: bytes, contract: Contract) -> bytes:
    """The traced network as the contract's recipe stores it."""
    if contract.recipe == "fp32":
        return traced
    rounded: bytes = named(FORMATS[contract.format].trace_int8)(traced)
    return rounded


def _network_facts(student: NetworkStudent, file_format: str) -> dict[str, Any]:
    """How the network got into the file, for the provenance."""
    row = FORMATS[file_format]
    versions = {package: version(package) for package in row.trace_packages}
    facts = named(row.trace_facts) if row.trace_facts else {}
    return {"kind": student.kind, "versions": versions, **facts}


def _reference(student: NetworkStudent, histories: Sequence[I64]) -> ReferenceRuntime:
    """numpy's answers, for each user or, of a network that reads histories, with history b as user b."""
    return sasrec_reference(student, histories) if student.kind == "sasrec" else neumf_reference(student)


def _selftest(student: NetworkStudent, test: Evaluation) -> SelfTest:
    """Queries with numpy's answers: users with what the test split masks, or made-up histories."""
    if student.kind == "neumf":
        return make_selftest(neumf_reference(student), test)
    histories = made_histories(student.n_items, in_order=False)
    seen = [items.tolist() for items in histories]
    found = answer_queries(sasrec_reference(student, histories), range(len(histories)), seen)
    return dataclasses.replace(found, users=(None,) * len(found.users))


def _answered_by(runtime: Runtime, queries: SelfTest) -> SelfTest:
    """The same queries with the answers of the written file, which has passed its gate.

    No formula gives an int8-dynamic file's scores to the last digit: activations are rounded as they
    come, and a rounding that falls the other way on another CPU is seen in the scores.
    """
    answers = [
        runtime.recommend(user, seen, queries.k)
        for user, seen in zip(queries.users, queries.seen, strict=True)
    ]
    return dataclasses.replace(
        queries,
        items=tuple(tuple(items.tolist()) for items, _ in answers),
        scores=tuple(tuple(float(score) for score in scores) for _, scores in answers),
    )


def _tolerance(recipe: Recipe, queries: SelfTest) -> float:
    largest = max(abs(score) for scores in queries.scores for score in scores)
    return (FLOAT_ERROR if recipe.name == "fp32" else REQUANTISED_SCORE) * largest


@dataclass(frozen=True, slots=True)
class _Asked:
    """The validation users as the file is asked about them, and as numpy is."""

    file: Evaluation
    numpy: Evaluation
    histories: list[I64]


def _asked(student: NetworkStudent, valid: Evaluation) -> _Asked:
    if student.kind == "neumf":
        return _Asked(valid, valid, [])
    rows = dataclasses.replace(valid, users=np.arange(valid.users.size, dtype=np.int32))
    histories = [valid.seen(row).astype(np.int64) for row in range(valid.users.size)]
    return _Asked(valid.anonymous(), rows, histories)


def _whole(asked: _Asked) -> list[WholeQuery]:
    """Some of them, for their scores of every item."""
    return [
        (asked.file.user(row), int(asked.numpy.users[row]), asked.file.seen(row).tolist())
        for row in spread_users(asked.file.users.size)
    ]


def _measure(
    runtime: Runtime,
    model: Path,
    source: NetworkSource,
    recipe: Recipe,
    contract: Contract,
    made_of: tuple[bytes, Mapping[str, str]],
    update: Update,
) -> tuple[int, Parity]:
    """Size of the fp32 file, and the file's parity: fp32 with numpy float64, int8 with the fp32 file.

    ``made_of``: the traced network and the file's metadata.
    """
    student, valid = source.student, source.valid
    asked = _asked(student, valid)
    plain = recipe.name == "fp32"

    def part(index: int) -> Update:
        return phase(update, index, 2 if plain else 3)

    found = rank(runtime, asked.file, part(0), "rank the written file")
    check_sound(found, valid, student.n_items)
    reference = _reference(student, asked.histories)
    truth = rank(reference, asked.numpy, part(1), "rank in float64")

    def check_plain(answers: Lists, opened: Runtime) -> None:
        check_close(answers, truth, valid, FLOAT_ERROR)
        check_whole(opened, reference, _whole(asked), student.n_items, FLOAT_ERROR)

    if plain:
        check_plain(found, runtime)
        return model.stat().st_size, compare(truth, found, source.yardstick, "numpy float64")
    traced, metadata = made_of
    with tempfile.TemporaryDirectory(prefix="recpress-") as folder:
        path = Path(folder) / contract.model_file
        wider = dataclasses.replace(contract, recipe="fp32")
        facts = dict(metadata) | {"recpress.recipe": "fp32"}
        write_atomic(path, write_model(network_graph(wider, traced), facts))
        opened = open_runtime(path, wider)
        before = rank(opened, asked.file, part(2), "rank the fp32 file")
        check_plain(before, opened)  # else both files would be wrong alike
        name = "the fp32 file of the same student"
        return path.stat().st_size, compare(before, found, source.yardstick, name)

"""Run a written file for every validation user, check its answers and compare its rankings."""

from dataclasses import dataclass
from typing import Any

from recpress_edge.artifacts.bundle import Evaluation
from recpress_export.compare import Parity, Yardstick, compare
from recpress_export.exactness import check_close, check_exact, check_sound, check_whole
from recpress_export.gates import HistoryGate
from recpress_export.ranking import Recommends, TopLists, Update, phase, rank
from recpress_export.subjects import Encoding, Subject


@dataclass(frozen=True, slots=True, eq=False)
class OpenFile:
    """A written file in its runtime, and what it was made of."""

    runtime: Recommends
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file loses."""

    parity: Parity
    """Against the fp32 file, or numpy where it is that itself."""
    replaced: tuple[Parity, HistoryGate] | None
    """Against what the subject replaces, and the gate of that; None where it replaces nothing."""


def measure(subject: Subject[Any], file: OpenFile, plain: OpenFile, update: Update) -> Measured:
    """Check the file's answers and compare its rankings; ``plain``: the fp32 file, maybe the same one.

    GateError: a score of an exact recipe differs from numpy's integers, or one of a float recipe from its
    float64 by more than the encoding allows. Where an encoding allows no such comparison, the fp32 file is
    checked in its place.
    """
    data, replaced = subject.data, subject.replaced
    by = Yardstick(users=data.valid, item_counts=data.item_counts, cutoff=data.cutoff, seed=data.model.seed)
    asked, parts = subject.rows(data.valid), iter(range(4))
    n_parts = 2 + (file is not plain) + (replaced is not None)

    def ranked(runtime: Recommends, users: Evaluation, note: str) -> TopLists:
        return rank(runtime, users, phase(update, next(parts), n_parts), note)

    found = ranked(file.runtime, asked, "rank the written file")
    contract = file.encoding.graph.contract
    check_sound(found, data.valid, contract.n_items, contract.retired)
    lost = None
    if replaced is not None:
        table = ranked(replaced.reference, data.valid, "rank by the user table")
        lost = compare(table, found, by, replaced.name), replaced.gate
    truth = ranked(file.encoding.reference, asked, f"rank by {file.encoding.truth}")
    before = found if file is plain else ranked(plain.runtime, asked, "rank the fp32 file")
    by_numbers = file if file.encoding.error is not None else plain
    exact = _check_numbers(subject, by_numbers, found if by_numbers is file else before, truth)
    if file is plain:
        error = file.encoding.error or 0.0
        return Measured(compare(truth, found, by, file.encoding.truth, error=error), lost)
    return Measured(compare(before, found, by, subject.plain_name, exact=exact), lost)


def _check_numbers(subject: Subject[Any], file: OpenFile, found: TopLists, truth: TopLists) -> int | None:
    """Number of users whose lists are equal; None for a recipe that is not exact."""
    error, users = file.encoding.error, subject.data.valid
    assert error is not None
    exact = None
    if error:
        check_close(found, truth, users, error)
    else:
        exact = check_exact(found, truth, users)
    check_every_score(subject, file)
    return exact


def check_every_score(subject: Subject[Any], file: OpenFile) -> None:
    """Compare the scores of every item for some questions; GateError where one differs."""
    reference = file.encoding.reference
    questions = subject.whole_catalogue(reference)
    check_whole(file.runtime, reference, questions, subject.data.model.n_items, file.encoding.error or 0.0)

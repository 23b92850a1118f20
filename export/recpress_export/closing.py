"""How every bundle ends: its rows, card and manifest, and then its gate, whatever filled it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.bundle import (
    EVALUATION_FILE,
    ITEMS_FILE,
    SELFTEST_FILE,
    USERS_FILE,
    Evaluation,
    SelfTest,
    open_bundle,
    write_manifest,
)
from recpress_edge.artifacts.contract import HISTORY, Contract
from recpress_edge.artifacts.quantize import ErrorStats, QuantizedTables, error_stats
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.artifacts.scales import write_scales
from recpress_edge.core.errors import GateError
from recpress_edge.core.files import write_atomic
from recpress_export.card import write_card
from recpress_export.history_gate import HistoryGate, history_failure, history_gate_facts
from recpress_export.parity import Gate, Parity, gate_error, gate_facts, gate_failure
from recpress_export.selftest import write_rows
from recpress_export.student import NetworkSource, Source

CARD_FILE: Final = "CARD.md"


@dataclass(frozen=True, slots=True)
class Made:
    """What a finished draft holds."""

    digest: str
    parity: Parity
    fp32_bytes: int
    """Size of the fp32 file of the same student and profile."""
    errors: ErrorStats | None
    """Quantisation error of the tables; None for float recipes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ending:
    """What a profile has made, besides the model file in the draft."""

    name: str
    contract: Contract
    provenance: Mapping[str, Any]
    chain: Sequence[Mapping[str, Any]]
    parity: Parity
    fp32_bytes: int
    quantized: QuantizedTables | None
    user_ids: Sequence[str]
    selftest: SelfTest
    test: Evaluation
    model_sha256: str
    """Of the model file that was measured."""
    beside_table: Parity | None = None
    """A history file beside the user table that it replaces."""
    history_gate: HistoryGate | None = None
    """What it may lose against that."""


def finish(
    draft: Path, source: Source | NetworkSource, recipe: Recipe, gate: Gate, ending: Ending, *, force: bool
) -> Made:
    """Write the rest, the manifest last; then GateError where the gate is not met and not overruled."""
    of_file = gate_failure(ending.parity, gate, recipe.name)
    of_history = _history_failure(ending)
    failure = of_file or of_history
    quality = {
        "cutoff": source.cutoff,
        "definition": dict(source.definition),
        "chain": ending.chain,
        "parity": ending.parity.facts() | {"gate": gate_facts(gate, ending.parity, failure, overruled=force)},
    }
    if ending.beside_table is not None and ending.history_gate is not None:
        facts = history_gate_facts(ending.history_gate, ending.beside_table, of_history)
        quality["fold_in"] = ending.beside_table.facts() | {"gate": facts}
    if ending.quantized and ending.contract.profile != HISTORY:  # whose catalogue cannot be updated
        write_scales(draft, ending.quantized)
    test = ending.test if source.ships_rows else None
    write_rows(draft, ending.user_ids, source.item_ids, ending.selftest, test)
    card = write_card(ending.name, ending.contract, recipe, ending.provenance, quality, test)
    write_atomic(draft / CARD_FILE, card.encode())
    digest = write_manifest(draft, ending.name, ending.contract, ending.provenance, quality)
    _check_written(draft, source, ending, test)
    if failure and not force:
        raise gate_error(failure, recipe.name, of_history=of_file is None)
    errors = None
    if isinstance(source, Source) and ending.quantized:
        errors = error_stats(source.student.user_emb, source.student.item_emb, ending.quantized)
    return Made(digest, ending.parity, ending.fp32_bytes, errors)


def _history_failure(ending: Ending) -> str | None:
    if ending.beside_table is None or ending.history_gate is None:
        return None
    return history_failure(ending.beside_table, ending.history_gate)


def _check_written(
    draft: Path, source: Source | NetworkSource, ending: Ending, test: Evaluation | None
) -> None:
    """The draft read back: the file that was measured, every id in its place, the rows as they were made."""
    bundle = open_bundle(draft)
    users, items, rows = bundle.user_ids(), bundle.item_ids(), bundle.evaluation()
    wrong = {
        f"{ending.contract.model_file} is not the file that was measured": (
            bundle.files[ending.contract.model_file]["sha256"] != ending.model_sha256
        ),
        f"{USERS_FILE} names other users": users != list(ending.user_ids),
        f"{ITEMS_FILE} names other items": items != list(source.item_ids),
        f"{SELFTEST_FILE} asks or expects something else": bundle.selftest() != ending.selftest,
        f"{EVALUATION_FILE} holds other rows": ((rows and rows.to_bytes()) != (test and test.to_bytes())),
    }
    for what, is_so in wrong.items():
        if is_so:
            raise GateError(f"the bundle as it was written is not the one that was made: {what}.")

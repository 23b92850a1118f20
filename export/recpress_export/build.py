"""Subject and recipe to a published bundle: the only sequence, whatever the profile."""

import dataclasses
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.bundle import (
    EVALUATION_FILE,
    ITEMS_FILE,
    SELFTEST_FILE,
    USERS_FILE,
    Bundle,
    Evaluation,
    SelfTest,
    open_bundle,
    write_manifest,
)
from recpress_edge.artifacts.contract import ALL_USERS, Contract
from recpress_edge.artifacts.ids import POPULAR_FILE, encode_lines
from recpress_edge.artifacts.item_features import write_item_features
from recpress_edge.artifacts.recipes import RECIPES, Recipe
from recpress_edge.artifacts.scales import write_scales
from recpress_edge.artifacts.titles import write_titles
from recpress_edge.core.errors import GateError
from recpress_edge.core.files import sha256_bytes, write_atomic
from recpress_edge.device.runtime import open_runtime
from recpress_export import size
from recpress_export.card import CARD_FILE, write_card
from recpress_export.compare import Parity
from recpress_export.exactness import check_tables
from recpress_export.gates import Gate, gate_error, gate_failure, history_failure, with_gate
from recpress_export.options import format_files
from recpress_export.parity import Measured, OpenFile, check_every_score, measure
from recpress_export.popularity import popular_items
from recpress_export.profiles import profile_name
from recpress_export.publish import Exported, publish
from recpress_export.ranking import Update, silent
from recpress_export.selftest import answered, largest_score, write_rows
from recpress_export.student import bundle_name, provenance_of, stage
from recpress_export.subjects import Encoding, Subject

PLAIN: Final = RECIPES[size.PLAIN]
"""The recipe with which the others are compared."""


def build(
    subject: Subject[Any],
    recipe: Recipe,
    target: Path,
    *,
    gate: Gate,
    force: bool = False,
    on_update: Update = silent,
) -> Exported:
    """Write, check and publish a bundle.

    GateError: parity is below the gate and ``force`` is off, or the file is not exact where its recipe
    is; nothing is written at ``target``, the draft is kept in ``.rejected`` next to it. ConfigError:
    something else is at ``target`` and ``force`` is off. A bundle below the gate that ``force``
    published says so in its manifest and on its card.
    """
    return publish(
        lambda draft: fill(draft, subject, recipe, gate, on_update, force=force), target, force=force
    )


@dataclass(frozen=True, slots=True, eq=False)
class _File(OpenFile):
    """A model file as it was written."""

    contract: Contract
    bytes: int
    sha256: str
    order: Mapping[str, Any]
    """How it stores its items, and why; empty where there was nothing to choose."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Contents:
    """What a bundle holds besides its model."""

    name: str
    contract: Contract
    provenance: Mapping[str, Any]
    quality: Mapping[str, Any]
    selftest: SelfTest
    rows: Evaluation | None


def fill(
    draft: Path, subject: Subject[Any], recipe: Recipe, gate: Gate, on_update: Update, *, force: bool
) -> Exported:
    """Fill a draft with all that a bundle holds; GateError where its gate is not met and not overruled."""
    data, rows = subject.data, subject.rows(subject.data.test)
    encoding, questions = subject.encode(recipe), subject.questions()
    selftest = answered(encoding.reference, questions, data.model.n_items)
    with tempfile.TemporaryDirectory(prefix="recpress-") as scratch:
        file = _write(draft, subject, encoding)
        plain = _write_plain(Path(scratch) / "fp32", subject, file)
        measured = _measured(Path(scratch), subject, recipe, (file, plain), on_update)
        if encoding.error is None:  # numpy does not round activations as a runtime does
            selftest = answered(file.runtime, questions, data.model.n_items)
    tolerance = encoding.tolerance * largest_score(selftest)
    of_file = gate_failure(measured.parity, gate, recipe.name)
    of_history = history_failure(*measured.replaced) if measured.replaced else None
    failure = of_file or of_history
    contents = _Contents(
        name=_name(subject, recipe),
        contract=dataclasses.replace(file.contract, score_tolerance=tolerance),
        provenance={
            **provenance_of(data),
            **subject.provenance,
            **({"order": file.order} if file.order else {}),
        },
        quality={
            "cutoff": data.cutoff,
            "definition": dict(data.definition),
            "chain": subject.chain(_stages(subject, recipe, (file, plain), measured.parity)),
            "parity": with_gate(measured.parity, gate, failure, overruled=force),
            **({"fold_in": with_gate(*measured.replaced, of_history)} if measured.replaced else {}),
        },
        selftest=selftest,
        rows=rows if data.ships_rows else None,
    )
    bundle = _write_contents(draft, subject, recipe, encoding, contents)
    _check_written(bundle, subject, contents, file)
    if failure and not force:
        raise gate_error(failure, recipe.name, of_history=of_file is None)
    return Exported(bundle, measured.parity, plain.bytes, encoding.rounding)


def _name(subject: Subject[Any], recipe: Recipe) -> str:
    model = subject.data.model
    core = None if recipe.name == PLAIN.name else subject.data.core
    name = bundle_name(model.name, model.seed, recipe, subject.data.file_format, core)
    return profile_name(name, subject.profile)


def _write(folder: Path, subject: Subject[Any], encoding: Encoding) -> _File:
    """Write the model file, read its tables back, and open it in its runtime."""
    contract = encoding.graph.contract
    path = folder / contract.model_file
    plan = size.plan_of(subject, encoding)
    data = size.model_bytes(subject, encoding, plan)
    write_atomic(path, data)
    if encoding.tables:
        check_tables(path, contract, encoding.tables)
    return _File(open_runtime(path, contract), encoding, contract, len(data), sha256_bytes(data), plan.facts)


def _write_plain(folder: Path, subject: Subject[Any], file: _File) -> _File:
    """The fp32 file of the subject: the file itself where it is one."""
    if file.contract.recipe == PLAIN.name:
        return file
    folder.mkdir()
    return _write(folder, subject, subject.encode(PLAIN))


def _measured(
    scratch: Path, subject: Subject[Any], recipe: Recipe, files: tuple[_File, _File], update: Update
) -> Measured:
    """What the recipe costs: by the subject's own file, or by that of its ``measured`` subject."""
    shown = subject.measured
    if shown is subject:
        return measure(subject, *files, update)
    check_every_score(subject, files[0])
    folder = scratch / shown.profile
    folder.mkdir()
    file = _write(folder, shown, shown.encode(recipe))
    found = measure(shown, file, _write_plain(folder / "fp32", shown, file), update)
    words = f"{found.parity.reference}, in the {shown.profile} profile"
    return dataclasses.replace(found, parity=dataclasses.replace(found.parity, reference=words))


def _stages(
    subject: Subject[Any], recipe: Recipe, files: tuple[_File, _File], parity: Parity
) -> list[dict[str, Any]]:
    """Of the quality chain: the fp32 file and, unless it is that, the recipe's."""
    file, plain = files
    own = stage(recipe.name, _name(subject, recipe), file.bytes, {"valid": parity.metrics_after})
    if file is plain:
        return [own]
    return [stage(PLAIN.name, _name(subject, PLAIN), plain.bytes, {"valid": parity.metrics_before}), own]


def _write_contents(
    draft: Path, subject: Subject[Any], recipe: Recipe, encoding: Encoding, contents: _Contents
) -> Bundle:
    """All files but the model, the manifest last."""
    data, rows = subject.data, contents.rows
    if encoding.scales is not None:
        write_scales(draft, encoding.scales)
    write_rows(draft, subject.user_ids, data.item_ids, contents.selftest, rows)
    if contents.contract.profile == ALL_USERS:
        popular = [str(item) for item in popular_items(data.item_counts)]
        write_atomic(draft / POPULAR_FILE, encode_lines(popular))
    if data.titles is not None:
        write_titles(draft, data.titles)
    if data.item_features:
        write_item_features(draft, data.item_features)
    for name, file in format_files(draft, contents.contract, contents.selftest, data.options).items():
        write_atomic(draft / name, file)
    card = write_card(contents.name, contents.contract, recipe, contents.provenance, contents.quality, rows)
    write_atomic(draft / CARD_FILE, card.encode())
    write_manifest(draft, contents.name, contents.contract, contents.provenance, contents.quality)
    return open_bundle(draft)


def _check_written(bundle: Bundle, subject: Subject[Any], contents: _Contents, file: _File) -> None:
    """Read the draft back: it must hold the measured file, every id in its place, and the rows."""
    users, items, rows = bundle.user_ids(), bundle.item_ids(), bundle.evaluation()
    name, made = file.contract.model_file, contents.rows
    wrong = {
        f"{name} is not the file that was measured": bundle.files[name]["sha256"] != file.sha256,
        f"{USERS_FILE} names other users": users != list(subject.user_ids),
        f"{ITEMS_FILE} names other items": items != list(subject.data.item_ids),
        f"{SELFTEST_FILE} asks or expects something else": bundle.selftest() != contents.selftest,
        f"{EVALUATION_FILE} holds other rows": (rows and rows.to_bytes()) != (made and made.to_bytes()),
    }
    for what, is_so in wrong.items():
        if is_so:
            raise GateError(f"the bundle as it was written is not the one that was made: {what}.")

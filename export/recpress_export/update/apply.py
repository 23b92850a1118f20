"""A bundle with a changed catalogue: no training, no export; every index keeps its meaning."""

import contextlib
import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge import __version__
from recpress_edge.artifacts.bundle import (
    HISTORY,
    ITEMS_FILE,
    MANIFEST,
    SELFTEST_FILE,
    Bundle,
    Contract,
    SelfTest,
    open_bundle,
    write_manifest,
)
from recpress_edge.artifacts.ids import encode_ids
from recpress_edge.artifacts.item_features import FEATURES_FILE, write_item_features
from recpress_edge.artifacts.manifest import refuse_lean
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.artifacts.titles import TITLES_FILE, write_titles
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.errors import ArtifactError, ConfigError, DataError, GateError
from recpress_edge.core.files import check_ours, new_directory, write_atomic
from recpress_edge.core.metrics import recall_at_k, telling_cutoff
from recpress_edge.core.printable import printable_facts
from recpress_edge.device.apart import self_test_apart
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.device.runtime import Runtime, open_runtime
from recpress_edge.device.verify import verify_bundle
from recpress_export.card import CARD_FILE, write_card
from recpress_export.exactness import check_scores
from recpress_export.graph import write_model
from recpress_export.options import format_files, options_of
from recpress_export.ranking import rank
from recpress_export.selftest import answered, score_tolerance
from recpress_export.update.changes import Changes, Placed, place
from recpress_export.update.history import check_rows
from recpress_export.update.stored import NewRows, Stored, read_stored, store_rows
from recpress_export.update.versions import next_version, stable_path

MAX_CLIP: Final = 1.25
"""New values may be this much beyond the range of the existing scales before ``force`` is needed."""
SCORED_USERS: Final = 8
"""Users whose scores of all items are compared before and after."""


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did."""

    bundle: Bundle
    previous: str
    """Digest of the bundle before."""
    entry: Mapping[str, Any]
    """The line that the bundle's history gained."""
    compared_scores: int
    """Scores of unchanged items found equal before and after."""


def update_bundle(
    folder: Path,
    changes: Changes,
    target: Path | None = None,
    *,
    force: bool,
    guard: Guard = STANDARD,
    trust: Trust = ANYBODY,
) -> Updated:
    """Write, check and publish the bundle with the changed catalogue, at ``target`` or in place.

    In place the version before is kept in ``<folder>.previous``. DataError: the changes do not fit the
    bundle. GateError: new rows go beyond the existing scales by more than MAX_CLIP, without ``force``.
    The model runs in a worker within the ``guard``'s limits, and in this process once its graph is known to
    be the one that this version writes.
    """
    if target is None:
        folder = stable_path(folder)
    else:
        check_apart(folder, target)
    old, _ = self_test_apart(folder, guard, trust)
    before = old.selftest()
    stored, placed, rows = place_rows(old, changes, force=force)
    after = stored.with_rows(placed.rows, rows, len(placed.item_ids))
    after = after.with_metadata("recpress.updates", str(len(_updates(old)) + 1))
    contract, test = _contract(old.contract, after, placed, before)
    with _place_for(old, target, force=force) as draft:
        _copy_unchanged(old, draft)
        write_atomic(draft / contract.model_file, write_model(after.graph(contract), after.metadata))
        write_atomic(draft / ITEMS_FILE, encode_ids("item", placed.item_ids))
        if (titles := old.titles()) is not None:  # what is new has none yet
            write_titles(draft, titles + [""] * (len(placed.item_ids) - len(titles)))
        if features := old.item_features():
            more = [""] * (len(placed.item_ids) - old.contract.n_items)
            write_item_features(draft, {name: texts + more for name, texts in features.items()})
        write_atomic(draft / SELFTEST_FILE, test.to_bytes())
        was, now = (
            open_runtime(old.model_path, old.contract),
            open_runtime(draft / contract.model_file, contract),
        )
        for name, file in format_files(draft, contract, test, options_of(old.provenance)).items():
            write_atomic(draft / name, file)
        compared = _check_unchanged(was, old.contract, now, contract, placed, test)
        entry = _entry(old, changes, placed, rows) | _recall(old, contract, was, now)
        _sign(draft, old, contract, entry)
        made = verify_bundle(draft).bundle
        _check_tables(stored, after, read_stored(made), placed)
    return Updated(open_bundle(target or folder), old.digest, entry, compared)


def check_apart(folder: Path, target: Path) -> None:
    """ConfigError where the bundle itself is the target."""
    if target.resolve() == folder.resolve():
        raise ConfigError(f"--out {target} is the bundle itself. Leave --out out to update it in place.")


def place_rows(old: Bundle, changes: Changes, *, force: bool) -> tuple[Stored, Placed, NewRows]:
    """The tables of a bundle, where the changes go in them, and their rows as they are stored there.

    DataError: the changes do not fit the bundle. GateError: rows are beyond MAX_CLIP, without ``force``.
    """
    refuse_lean(old.folder, old.provenance, "an update is checked by what only a full bundle holds")
    stored = read_stored(old)
    placed = place(changes, old.item_ids(), old.contract.retired, old.contract.dim)
    check_rows(old, stored.history, placed)
    rows = store_rows(stored, placed.emb, placed.history)
    _check_clip(rows, placed, force=force)
    _check_finite_scores(stored, placed)
    if recipe_named(old.contract.recipe).bounds_scores:
        check_scores(stored.user_table, rows.values)
    return stored, placed, rows


def _place_for(old: Bundle, target: Path | None, *, force: bool) -> contextlib.AbstractContextManager[Path]:
    if target is None:
        return next_version(old)
    check_ours(target, MANIFEST)
    return new_directory(target, force=force)


def _updates(bundle: Bundle) -> list[Any]:
    return list(bundle.provenance.get("updates", []))


def _check_clip(rows: NewRows, placed: Placed, *, force: bool) -> None:
    if rows.worst > MAX_CLIP and not force:
        raise GateError(
            f"{int(rows.clipped.sum())} of {rows.clipped.size} new rows go beyond the range of the bundle's "
            f"item scales, the worst ({placed.item_ids[_worst_row(rows, placed)]!r}) by a factor of "
            f"{rows.worst:.2f} (limit {MAX_CLIP}). Were they learned with this student's user_emb? "
            "Scale them down, export the student again, or add --force to clip them."
        )


def _worst_row(rows: NewRows, placed: Placed) -> int:
    return int(placed.rows[int(np.argmax(rows.clipped))])


def _check_finite_scores(stored: Stored, placed: Placed) -> None:
    """A float32 score must not overflow; int32 scores cannot, since the dim is the same."""
    if stored.int8 is None and placed.emb.size:
        reach = np.abs(placed.emb).astype(np.float64) @ np.abs(stored.user_table).max(axis=0)
        if not (reach < np.finfo(np.float32).max).all():
            row = int(placed.rows[int(np.argmax(reach))])
            raise DataError(f"the vector of item id {placed.item_ids[row]!r} is too large: scores overflow")


def _contract(old: Contract, after: Stored, placed: Placed, test: SelfTest) -> tuple[Contract, SelfTest]:
    """The contract of the changed catalogue, and the same queries with the answers of the numpy reference."""
    n_items = len(placed.item_ids)
    questions = list(zip(test.users, test.seen, strict=True))
    fresh = answered(after.reference(placed.retired), questions, n_items)
    if not fresh.users:
        raise DataError("after that, no user of the self-test has an item left to recommend")
    tolerance = score_tolerance(fresh, exact=old.exact)
    contract = dataclasses.replace(old, n_items=n_items, retired=placed.retired, score_tolerance=tolerance)
    return contract, fresh


def _copy_unchanged(old: Bundle, draft: Path) -> None:
    """Users, evaluation and scales, and whatever a later version puts in a bundle."""
    written = {old.contract.model_file, ITEMS_FILE, SELFTEST_FILE, CARD_FILE, MANIFEST}
    written |= {TITLES_FILE, FEATURES_FILE}
    for name in old.files:
        if name not in written:
            shutil.copyfile(old.folder / name, draft / name)


def _check_unchanged(
    before: Runtime, old: Contract, after: Runtime, new: Contract, placed: Placed, test: SelfTest
) -> int:
    """Through the runtime, unchanged items must score as before. Returns how many were compared."""
    kept = np.ones(old.n_items, np.bool_)
    kept[list(new.retired)] = False  # neither version's retired items
    kept[placed.rows[placed.rows < old.n_items]] = False
    kept[list(old.retired)] = False
    asked = np.unique(np.linspace(0, len(test.users) - 1, SCORED_USERS).astype(int)).tolist()
    compared = 0
    moving = set(placed.rows.tolist())
    for n in asked:
        user = test.users[n]
        seen = [item for item in test.seen[n] if item not in moving] if old.profile == HISTORY else []
        was, now = _all_scores(before, user, seen, old.n_items), _all_scores(after, user, seen, new.n_items)
        told = kept.copy()
        told[list(seen)] = False  # in neither list
        compared += int(told.sum())
        moved = ~(np.abs(was[told] - now[: old.n_items][told]) <= new.score_tolerance)  # also catches NaN
        if moved.any():
            item = int(np.flatnonzero(told)[int(np.argmax(moved))])
            raise ArtifactError(
                f"unchanged item {item} scores {now[item]} for user {user}, {was[item]} before. "
                "Nothing was written."
            )
        gone = np.isfinite(now[list(new.retired)])
        if gone.any():
            raise ArtifactError(
                f"retired item {new.retired[int(np.argmax(gone))]} is still recommended. Nothing was written."
            )
    return compared


def _all_scores(
    runtime: Runtime, user: int | None, seen: Sequence[int], n_items: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(I,) scores of all items that can be recommended, infinity elsewhere."""
    scores = np.full(n_items, np.inf)
    items, found = runtime.recommend(user, seen, n_items)
    scores[items] = found
    return scores


def _check_tables(before: Stored, wanted: Stored, written: Stored, placed: Placed) -> None:
    """The written file read back: every byte of both tables as planned, unchanged rows as they were."""
    kept = np.setdiff1d(np.arange(len(before.item_table)), placed.rows)
    tables = (written.item_table, wanted.item_table, before.item_table)
    scales = (written.row_scale, wanted.row_scale, before.row_scale)
    made = tuple(one.history.table if one.history else None for one in (written, wanted, before))
    same = np.array_equal(written.user_table, before.user_table) and all(
        np.array_equal(now, planned) and np.array_equal(now[kept], was[kept])
        for now, planned, was in (tables, scales, made)
        if now is not None and planned is not None and was is not None
    )
    if not same:
        raise ArtifactError("the written model does not hold the planned tables. Nothing was written.")


def _entry(old: Bundle, changes: Changes, placed: Placed, rows: NewRows) -> dict[str, Any]:
    return {
        "previous": old.digest,
        "items_sha256": changes.sha256,
        "created_by": f"recpress-edge {__version__}",
        "appended": len(changes.append_ids),
        "replaced": len(changes.replace_ids),
        "retired": len(changes.retire_ids),
        "n_items": len(placed.item_ids),
        "clipped_rows": int(rows.clipped.sum()),
        "worst_clip": round(rows.worst, 6),
        "overruled": bool(rows.worst > MAX_CLIP),
    }


def _recall(old: Bundle, new: Contract, before: Runtime, after: Runtime) -> dict[str, Any]:
    """Recall@K of the bundle's evaluation users on the catalogue before and after, of the K that judges.

    Nothing where no rows travel along.
    """
    users = old.evaluation()
    if users is None:
        return {}
    relevant = [users.relevant(row).tolist() for row in range(users.users.size)]
    candidates = np.minimum(*(users.candidates(one.n_items, one.retired) for one in (old.contract, new)))
    k = telling_cutoff(old.quality, candidates)
    found = {
        when: recall_at_k(rank(runtime, users).items[:, :k], relevant)
        for when, runtime in (("before", before), ("after", after))
    }
    return {"recall": {"cutoff": k, "split": "test", **found}}


def _sign(draft: Path, old: Bundle, contract: Contract, entry: Mapping[str, Any]) -> None:
    """The card, then the manifest with every file's digest and the history."""
    provenance = {**old.provenance, "updates": [*_updates(old), dict(entry)]}
    recipe = recipe_named(contract.recipe)
    told = printable_facts((provenance, dict(old.quality)))
    write_atomic(
        draft / CARD_FILE, write_card(old.name, contract, recipe, told[0], told[1], old.evaluation()).encode()
    )
    write_manifest(draft, old.name, contract, provenance, old.quality)

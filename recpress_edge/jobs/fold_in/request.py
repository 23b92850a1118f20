"""New items in a bundle: from interactions of known users, from items that they are like, from features."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.artifacts.ids import encode_ids
from recpress_edge.artifacts.manifest import refuse_lean
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ConfigError, DataError, unknown_name
from recpress_edge.core.files import check_there, digest_of, scratch_folder, sha256_file
from recpress_edge.core.progress import OnEvent, advance, silent
from recpress_edge.data.features.table import TableForm
from recpress_edge.data.ids import FORMS, IdChoice, clean, refuse_twins
from recpress_edge.data.log import Log
from recpress_edge.data.readers.columns import ColumnChoice, parse_columns
from recpress_edge.data.readers.delimited import named_separator
from recpress_edge.data.readers.lines import parse_allowance
from recpress_edge.data.readers.read import Reading, read_log
from recpress_edge.data.readers.sources import all_files
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.jobs.fold_in.alike import alike_items
from recpress_edge.jobs.fold_in.features import ByFeatures, Recovery, by_features
from recpress_edge.jobs.fold_in.histories import history_rows
from recpress_edge.jobs.fold_in.interactions import Counted, NewPairs, users_of
from recpress_edge.jobs.fold_in.side import BundleSide, side_of
from recpress_edge.jobs.fold_in.table import AskedTables, read_item_tables
from recpress_edge.jobs.update import UpdateResult, check_target
from recpress_edge.models.new_rows import mean_of
from recpress_export.update.apply import place_rows, update_bundle
from recpress_export.update.changes import Changes
from recpress_export.update.stored import Stored, read_stored


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """New items with their vectors, as they fit the bundle."""

    changes: Changes
    counted: Counted
    per_item: tuple[int, ...]
    """Of each: interactions that it was made from; 0 of one that is like others, or made by features."""
    shrunk: int
    """Rows shortened to fit the range of the bundle's item scales."""
    n_by_features: int = 0
    """Of them made by features: the last ones."""
    recovery: Recovery | None = None
    """How well features find known items again; None where none were given."""

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        made = zip(self.changes.append_ids, self.per_item, strict=True)
        return {
            "items": [{"id": name, "interactions": count} for name, count in made],
            "interactions": self.counted.interactions,
            "of_unknown_users": self.counted.unknown_users,
            "of_known_items": self.counted.known_items,
            "left_out": list(self.counted.left_out),
            "shrunk_rows": self.shrunk,
            "by_features": self.n_by_features,
            **({"features": self.recovery.facts()} if self.recovery else {}),
        }


@dataclass(frozen=True, slots=True)
class FoldInResult:
    """A bundle with its new items."""

    folded: Folded
    updated: UpdateResult

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {**self.updated.facts(), "folded_in": self.folded.facts()}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldInRequest:
    """``recpress-edge bundle fold-in``."""

    bundle: Path
    interactions: tuple[Path, ...] = ()
    """Files of a log, read as ``data import`` reads them; rows of known items are left alone."""
    like: tuple[str, ...] = ()
    """``NEW=ID,ID``: a new item that is like these."""
    features: tuple[Path, ...] = ()
    """Tables of items, known and new, read as ``data import --items`` reads them."""
    item_id: str | None = None
    item_features: str | None = None
    """Columns of the tables, as of ``data import``; None: every column."""
    table_encoding: str | None = None
    table_separator: str | None = None
    table_header: str | None = None
    columns: str | None = None
    format: str = "auto"
    where: str | None = None
    header: str | None = None
    missing: str = ""
    """Ids of the log that stand for no value, with commas between."""
    ids: str | None = None
    """One of data.ids.FORMS, of the log and the tables; None asks where it matters."""
    skip_bad_lines: str = "0"
    """Of each file."""
    min_interactions: int = 1
    """Fewest interactions with known users that an item is folded in from."""
    out: Path | None = None
    """None: in place; the version before is kept as ``<bundle>.previous``."""
    force: bool = False
    guard: Guard = STANDARD
    trust: Trust = ANYBODY
    """Whose bundles are changed."""

    def plan(self, on_event: OnEvent = silent) -> Folded:
        """What :meth:`run` would append, or what it would raise; nothing is written."""
        self._check()
        bundle = open_bundle(self.bundle, trust=self.trust)
        folded = self._folded(bundle, on_event)
        place_rows(bundle, folded.changes, force=self.force)
        return folded

    def run(self, on_event: OnEvent = silent) -> FoldInResult:
        """Make the vectors, then write, check and publish the bundle with them."""
        self._check()
        bundle = open_bundle(self.bundle, trust=self.trust)
        folded, this = self._folded(bundle, on_event), Trust(digest=bundle.digest)
        updated = update_bundle(
            self.bundle, folded.changes, self.out, force=self.force, guard=self.guard, trust=this
        )
        return FoldInResult(folded, UpdateResult(folded.changes, updated))

    def _check(self) -> None:
        if not self.interactions and not self.like and not self.features:
            raise ConfigError(
                "fold-in of what? Name the interactions of the new items with --interactions FILE, a table "
                "of items with --features FILE, or items that they are like with --like NEW=ID,ID"
            )
        of_log = {
            "--columns": self.columns is not None,
            "--format": self.format != "auto",
            "--where": self.where is not None,
            "--header": self.header is not None,
            "--missing": self.missing != "",
            "--min-interactions": self.min_interactions != 1,
        }
        table = ("item_id", "item_features", "table_encoding", "table_separator", "table_header")
        of_table = {f"--{name.replace('_', '-')}": getattr(self, name) is not None for name in table}
        for owner, files, flags in (
            ("--interactions", self.interactions, of_log),
            ("--features", self.features, of_table),
        ):
            if not files and (idle := [flag for flag, given in flags.items() if given]):
                raise ConfigError(f"{idle[0]} is of {owner}, and none are given. Leave it out.")
        for flag, header in (("--header", self.header), ("--table-header", self.table_header)):
            if header not in (None, "yes", "no"):
                raise ConfigError(f"{flag} {header}: write yes or no")
        if self.ids is not None and self.ids not in FORMS:
            raise unknown_name("ids", self.ids, list(FORMS))
        check_target(self.bundle, self.out, force=self.force)

    def _folded(self, bundle: Bundle, on_event: OnEvent) -> Folded:
        refuse_lean(bundle.folder, bundle.provenance, "new items take the scales that only a full one holds")
        stored = read_stored(bundle)
        side, item_ids, retired = side_of(bundle, stored), bundle.item_ids(), bundle.contract.retired
        alike = alike_items(self.like, item_ids, retired)
        made = _Made(tuple(alike), mean_of(side.item_rows, list(alike.values())))
        counted, sources = Counted(), dict[str, Any]()
        if self.interactions:
            with scratch_folder("recpress-fold-in-") as scratch:
                log, sources = self._read(scratch, on_event)
            places, side = users_of(log, bundle, side, stored.history, item_ids)
            found = NewPairs.of(log, places, item_ids, self.min_interactions)
            if twice := sorted(alike.keys() & set(found.names)):
                raise ConfigError(
                    f"--like {twice[0]}=…: --interactions has interactions of it too. Leave one out."
                )
            side = side if stored.history else side.with_seen(*found.seen)
            counted = found.counted
            made = made.with_more(found.names, found.vectors(side), found.counts)
        by = self._by_features(made.names, side, item_ids)
        if by is not None:
            made = made.with_more(by.names, side.fitted(by.directions), [0] * len(by.names))
            counted = replace(counted, left_out=(*counted.left_out, *by.bare))
        counted = replace(counted, left_out=_still(counted.left_out, made.names))
        if not made.names:
            raise DataError(
                _nothing(counted, log=bool(self.interactions), histories=stored.history is not None)
            )
        if self.ids != "as-written":
            refuse_twins("item", made.names, item_ids)
        encode_ids("item", made.names)  # DataError for what is no line
        emb, shrunk = _fitted(stored, made.rows)
        history = None
        if stored.history is not None:
            history = history_rows(stored.history, side, emb, list(alike.values()))
        tables = {path.name: sha256_file(path) for path in self.features}
        asked = {"item_id": self.item_id, "columns": self.item_features, "files": tables}
        of_features = {"features": asked} if tables else {}
        digest = digest_of({"interactions": sources, "like": sorted(self.like), **of_features})
        empty = np.empty((0, 0), np.float32)
        changes = Changes(made.names, emb, (), empty, (), digest, append_history=history)
        return Folded(
            changes,
            counted,
            made.counts or (0,) * len(made.names),
            shrunk,
            len(by.names) if by else 0,
            by.recovery if by else None,
        )

    def _by_features(
        self, taken: Sequence[str], side: BundleSide, item_ids: Sequence[str]
    ) -> ByFeatures | None:
        """Items that nothing else makes a row of; None where no table is given."""
        if not self.features:
            return None
        check_there(*self.features)
        form = TableForm(
            encoding=self.table_encoding,
            separator=named_separator(self.table_separator, "--table-separator")
            if self.table_separator
            else None,
            header=None if self.table_header is None else self.table_header == "yes",
            bad_lines=parse_allowance(self.skip_bad_lines),
        )
        asked = AskedTables(
            self.features, self.item_id, self.item_features, form, clean if self.ids == "cleaned" else str
        )
        return by_features(read_item_tables(asked, item_ids), frozenset(taken), side)

    def _read(self, scratch: Path, on_event: OnEvent) -> tuple[Log, dict[str, str]]:
        """The log, and the digests of its files by name."""
        files = all_files(self.interactions, scratch)
        check_there(*files)
        choice = ColumnChoice(
            columns=parse_columns(self.columns) if self.columns else None,
            header=None if self.header is None else self.header == "yes",
        )
        reading = Reading(
            where=self.where,
            ids=IdChoice(tuple(filter(None, self.missing.split(","))), self.ids),
            bad_lines=parse_allowance(self.skip_bad_lines),
            needs_times=False,
        )
        found = read_log(files, self.format, choice, reading, progress=advance(on_event, "reading"))
        return found.log, {file.name: sha256_file(file) for file in files}


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """New items with their rows (N, D), and of how many interactions each was made."""

    names: tuple[str, ...]
    rows: F32
    counts: tuple[int, ...] = ()

    def with_more(self, names: Sequence[str], rows: F32, counts: Sequence[int]) -> "_Made":
        """With further ones behind them."""
        before = self.counts or (0,) * len(self.names)
        return _Made((*self.names, *names), np.concatenate([self.rows, rows]), (*before, *counts))


def _still(left_out: Sequence[str], made: Sequence[str]) -> tuple[str, ...]:
    """New items of which nothing made a row, each once."""
    names = set(made)
    return tuple(name for name in dict.fromkeys(left_out) if name not in names)


def _fitted(stored: Stored, emb: F32) -> tuple[F32, int]:
    """Rows shortened where a value is beyond the range of the item scales, and how many were."""
    limits = stored.item_limits
    if limits is None:
        return emb, 0
    over = np.abs(emb / limits).max(axis=1, initial=0)  # (N,)
    beyond = over > 1
    factors = np.where(beyond, 1 / np.maximum(over, 1), 1).astype(np.float32)
    return emb * factors[:, None], int(beyond.sum())


def _nothing(counted: Counted, *, log: bool, histories: bool) -> str:
    """Why there is nothing to append."""
    left = f"{len(counted.left_out):,} new items"
    if not log:
        return (
            f"--features has nothing to fold in: {left} share no value with known items, all others are there"
        )
    known = "who have known items in this log" if histories else "that the bundle knows"
    unknown = (
        "without any. A history bundle holds no users: give a log with what they consumed before, too."
        if histories
        else "that are unknown."
    )
    return (
        f"--interactions has nothing to fold in: {left} have too few interactions of users {known}, "
        f"{counted.known_items:,} interactions are with items that are there already, "
        f"{counted.unknown_users:,} of users {unknown}"
    )

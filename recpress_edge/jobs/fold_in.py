"""New items in a bundle: their vectors from interactions of known users, or from items that they are like."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.artifacts.contract import ALL_USERS
from recpress_edge.artifacts.manifest import refuse_lean
from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import ArtifactError, ConfigError, DataError
from recpress_edge.core.files import check_there, digest_of, scratch_folder, sha256_file
from recpress_edge.core.progress import OnEvent, advance, silent
from recpress_edge.data.log import Log
from recpress_edge.data.readers.columns import ColumnChoice, parse_columns
from recpress_edge.data.readers.read import Reading, read_log
from recpress_edge.data.readers.sources import all_files
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.jobs.update import UpdateResult, check_target
from recpress_edge.models.new_rows import REACH, Bags, folded_items, mean_of
from recpress_export.update.apply import place_rows, update_bundle
from recpress_export.update.changes import Changes
from recpress_export.update.stored import Stored, read_stored


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of a file of interactions."""

    interactions: int = 0
    """Of new items with known users: those that vectors are made from."""
    unknown_users: int = 0
    """Interactions of users that the bundle does not know."""
    known_items: int = 0
    """Interactions with items that are there already, retired ones included."""
    left_out: tuple[str, ...] = ()
    """New items that no known user was with, or fewer than asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """New items with their vectors, as they fit the bundle."""

    changes: Changes
    counted: Counted
    per_item: tuple[int, ...]
    """Of each: interactions that it was made from; 0 of one that is like others."""
    shrunk: int
    """Rows shortened to fit the range of the bundle's item scales."""

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
    columns: str | None = None
    format: str = "auto"
    where: str | None = None
    min_interactions: int = 1
    """Fewest interactions with known users that an item is folded in from."""
    out: Path | None = None
    """None: in place; the version before is kept as ``<bundle>.previous``."""
    force: bool = False
    guard: Guard = STANDARD

    def plan(self, on_event: OnEvent = silent) -> Folded:
        """What :meth:`run` would append, or what it would raise; nothing is written."""
        self._check()
        bundle = open_bundle(self.bundle)
        folded = self._folded(bundle, on_event)
        place_rows(bundle, folded.changes, force=self.force)
        return folded

    def run(self, on_event: OnEvent = silent) -> FoldInResult:
        """Make the vectors, then write, check and publish the bundle with them."""
        self._check()
        folded = self._folded(open_bundle(self.bundle), on_event)
        updated = update_bundle(self.bundle, folded.changes, self.out, force=self.force, guard=self.guard)
        return FoldInResult(folded, UpdateResult(folded.changes, updated))

    def _check(self) -> None:
        if not self.interactions and not self.like:
            raise ConfigError(
                "fold-in of what? Name the interactions of the new items with --interactions FILE, or items "
                "that they are like with --like NEW=ID,ID"
            )
        of_log = {
            "--columns": self.columns is not None,
            "--format": self.format != "auto",
            "--where": self.where is not None,
            "--min-interactions": self.min_interactions != 1,
        }
        if not self.interactions and (idle := [flag for flag, given in of_log.items() if given]):
            raise ConfigError(f"{idle[0]} is of --interactions, and none are given. Leave it out.")
        check_target(self.bundle, self.out, force=self.force)

    def _folded(self, bundle: Bundle, on_event: OnEvent) -> Folded:
        refuse_lean(bundle.folder, bundle.provenance, "new items take the scales that only a full one holds")
        stored = read_stored(bundle)
        item_ids = bundle.item_ids()
        alike = alike_items(self.like, item_ids, bundle.contract.retired)
        names, counts, counted, sources = list(alike), [0] * len(alike), Counted(), dict[str, Any]()
        rows = [mean_of(stored.item_rows, list(alike.values()))]
        if self.interactions:
            with scratch_folder("recpress-fold-in-") as scratch:
                log, sources = self._read(scratch, on_event)
            made = _Interactions.of(log, bundle, item_ids, self.min_interactions)
            if twice := sorted(alike.keys() & set(made.names)):
                raise ConfigError(
                    f"--like {twice[0]}=…: --interactions has interactions of it too. Leave one out."
                )
            names, counts, counted = [*names, *made.names], [*counts, *made.counts], made.counted
            rows.append(made.vectors(stored, bundle))
        if not names:
            raise DataError(_nothing(counted))
        emb, shrunk = _fitted(stored, np.concatenate(rows))
        digest = digest_of({"interactions": sources, "like": sorted(self.like)})
        empty = np.empty((0, 0), np.float32)
        changes = Changes(tuple(names), emb, (), empty, (), digest)
        return Folded(changes, counted, tuple(counts), shrunk)

    def _read(self, scratch: Path, on_event: OnEvent) -> tuple[Log, dict[str, str]]:
        """The log, and the digests of its files by name."""
        files = all_files(self.interactions, scratch)
        check_there(*files)
        choice = ColumnChoice(columns=parse_columns(self.columns)) if self.columns else None
        reading = Reading(where=self.where, needs_times=False)
        found = read_log(files, self.format, choice, reading, progress=advance(on_event, "reading"))
        return found.log, {file.name: sha256_file(file) for file in files}


def alike_items(words: tuple[str, ...], item_ids: list[str], retired: tuple[int, ...]) -> dict[str, I64]:
    """Indices of the items that each new one is like, by the new one's id; bad words are a ConfigError."""
    places, gone = {name: place for place, name in enumerate(item_ids)}, set(retired)
    found: dict[str, I64] = {}
    for word in words:
        name, equals, others = word.partition("=")
        name = name.strip()
        like = [other.strip() for other in others.split(",")]
        if not name or not equals or not all(like):
            raise ConfigError(f"--like {word!r}: write NEW=ID,ID, the new item and those that it is like")
        if "\n" in name or "\r" in name:
            raise ConfigError(f"--like {word!r}: an id is one line")
        if name in found:
            raise ConfigError(f"--like names {name!r} twice. Give each new item once.")
        if name in places:
            raise ConfigError(
                f"--like {word!r}: item {name!r} is in the bundle already (index {places[name]})"
            )
        for other in like:
            if other not in places or places[other] in gone:
                state = "retired" if other in places else "not in the bundle"
                raise ConfigError(f"--like {word!r}: item {other!r} is {state}, so nothing can be like it")
        found[name] = np.array([places[other] for other in like], np.int64)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Interactions:
    """Interactions of known users: with each new item, and with known ones."""

    names: tuple[str, ...]
    bags: Bags
    """Known users of each new item."""
    seen: tuple[I64, I64]
    """Users and items of interactions with known items."""
    counted: Counted

    @property
    def counts(self) -> list[int]:
        return [int(count) for count in np.diff(self.bags.indptr)]

    @classmethod
    def of(cls, log: Log, bundle: Bundle, item_ids: list[str], least: int) -> "_Interactions":
        if bundle.contract.profile != ALL_USERS:
            raise ArtifactError(
                f"{bundle.folder} is of profile {bundle.contract.profile}, and new items are folded in "
                f"against the vectors of many users, which a bundle of profile {ALL_USERS} holds. Name "
                "items that they are like with --like NEW=ID,ID."
            )
        users = _indices(log.user_ids, bundle.user_ids())[log.users]
        items = _indices(log.item_ids, item_ids)[log.items]
        there, new = items >= 0, (items < 0) & (users >= 0)
        pairs = np.unique(np.stack([log.items[new].astype(np.int64), users[new]]), axis=1)
        counts = np.bincount(pairs[0], minlength=len(log.item_ids))
        kept = np.flatnonzero(counts >= max(least, 1))
        place = np.full(len(log.item_ids), -1)
        place[kept] = np.arange(kept.size)
        chosen = place[pairs[0]] >= 0
        bags = Bags.of_pairs(place[pairs[0][chosen]], pairs[1][chosen], kept.size)
        is_new = np.zeros(len(log.item_ids), np.bool_)
        is_new[log.items[~there]] = True
        is_new[kept] = False
        counted = Counted(
            interactions=int(chosen.sum()),
            unknown_users=int((users < 0).sum()),
            known_items=int(there.sum()),
            left_out=tuple(log.item_ids[item] for item in np.flatnonzero(is_new)),
        )
        both = there & (users >= 0)
        return cls(tuple(log.item_ids[item] for item in kept), bags, (users[both], items[both]), counted)

    def vectors(self, stored: Stored, bundle: Bundle) -> F32:
        """(N, D) in the numbers of the bundle's own items."""
        users, items = stored.user_rows, stored.item_rows
        if not self.names:
            return np.empty((0, items.shape[1]), np.float32)
        usual = min(REACH / len(items), 1.0) * len(users)
        return folded_items(self.bags, users, items, usual, self._seen(bundle))

    def _seen(self, bundle: Bundle) -> Bags | None:
        """What users have consumed: by the bundle's evaluation rows and the file."""
        users, items = self.seen
        rows = bundle.evaluation()
        if rows is not None and bundle.contract.n_users:
            of_rows = np.repeat(rows.users.astype(np.int64), np.diff(rows.seen_indptr))
            users = np.concatenate([users, of_rows])
            items = np.concatenate([items, rows.seen_indices.astype(np.int64)])
        return Bags.of_pairs(users, items, bundle.contract.n_users) if users.size else None


def _indices(names: tuple[str, ...], known: list[str]) -> I64:
    """The index of each name (N,); -1 of one that is not known."""
    places: Mapping[str, int] = {name: place for place, name in enumerate(known)}
    return np.array([places.get(name, -1) for name in names], np.int64)


def _fitted(stored: Stored, emb: F32) -> tuple[F32, int]:
    """Rows shortened where a value is beyond the range of the item scales, and how many were."""
    limits = stored.item_limits
    if limits is None:
        return emb, 0
    over = np.abs(emb / limits).max(axis=1, initial=0)  # (N,)
    beyond = over > 1
    factors = np.where(beyond, 1 / np.maximum(over, 1), 1).astype(np.float32)
    return emb * factors[:, None], int(beyond.sum())


def _nothing(counted: Counted) -> str:
    """Why there is nothing to append."""
    left = f"{len(counted.left_out):,} new items have too few interactions of users that the bundle knows"
    return (
        f"--interactions has nothing to fold in: {left}, {counted.known_items:,} interactions are with items "
        f"that are there already, {counted.unknown_users:,} of users that are unknown."
    )

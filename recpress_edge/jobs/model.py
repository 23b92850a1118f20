"""A model of another program as a model folder: vectors in, every command of a student or teacher after."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from recpress_edge.artifacts.fold_in import MEANS
from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.core.files import digest_of, sha256_bytes, sha256_file
from recpress_edge.core.progress import Note, OnEvent, silent
from recpress_edge.data.holdout import dataset_cutoff
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.vectors.arrays import parted
from recpress_edge.data.vectors.libraries import FLAG, recognised
from recpress_edge.data.vectors.placing import (
    Missing,
    PlacedVectors,
    absent_in_lists,
    check_products,
    mean_of_items,
    place,
    score_tables,
    unit,
)
from recpress_edge.data.vectors.sides import Vectors as Vectors
from recpress_edge.data.vectors.sides import checked, read_ids, read_vectors, refuse_both
from recpress_edge.jobs.data import load_data
from recpress_edge.models.outputs import Tables
from recpress_edge.training.store import TrainedModel, model_folder, save_model

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
MEAN: Final = "mean"
"""In place of a file of user vectors: a user is the mean of the vectors of what the user consumed."""
_MOST_ABSENT: Final = 0.1
"""Share of the users who may get items without a vector before it is said."""


@dataclass(frozen=True, slots=True)
class ModelImportResult:
    """A model folder, and what became of the vectors."""

    model: TrainedModel
    users: PlacedVectors
    items: PlacedVectors
    written: bool

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        known = self.model.metadata
        return {
            "model": str(self.model.folder),
            "dry_run": not self.written,
            **{key: known[key] for key in ("name", "dim", "metrics", "imported")},
        }


@dataclass(frozen=True, slots=True)
class _Given:
    """Both sides before they are placed."""

    users: Vectors | None
    """None for the mean of what a user consumed."""
    items: Vectors
    cosine: bool
    library: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelImportRequest:
    """``recpress-edge model import``: user and item vectors whose product is the score."""

    name: str
    source: Path | None = None
    """A file of implicit, LightFM, LensKit, RecBole or gensim, in place of ``users`` and ``items``."""
    users: str | Path | Vectors | None = None
    """The user vectors (U, D) as FILE, FILE:NAME or ``Vectors`` in memory; ``mean``: of the items'."""
    items: str | Path | Vectors | None = None
    """The item vectors (I, D)."""
    user_ids: str | None = None
    """FILE or FILE:NAME of the user of each row, where the file of the vectors does not say it."""
    item_ids: str | None = None
    user_bias: str | None = None
    item_bias: str | None = None
    cosine: bool = False
    """Whether the score is the cosine, so that rows are brought to length one."""
    in_order: bool = False
    """Whether rows without ids are in the order of the data set's ids."""
    missing: Missing = "error"
    """What a user or item of the data set gets that has no vector."""
    data: str = "synthetic"
    threads: int = 1
    work: Path = Path()

    def plan(self, on_event: OnEvent = silent) -> ModelImportResult:
        """Read, place and evaluate; nothing is written."""
        return self._made(on_event, write=False)

    def run(self, on_event: OnEvent = silent) -> ModelImportResult:
        """Read, place, evaluate and write; ConfigError or DataError where something does not fit."""
        return self._made(on_event, write=True)

    def _made(self, on_event: OnEvent, *, write: bool) -> ModelImportResult:
        self._check()
        given = self._given(on_event)
        data = load_data(self.data, self.work, on_event)
        items = place(checked(given.items, "item"), data.item_ids, self.missing)
        items = unit(items) if given.cosine else items
        users = self._users(given, items, data)
        tables = Tables(*score_tables(users, items))
        check_products(users, items, (tables.user_emb, tables.item_emb), data.user_ids)
        if items.without:
            self._say_absent(items, tables, data, on_event)
        facts = self._facts(given, data, users, items) | _judged(tables, data, self, on_event)
        return self._saved(facts, tables, users, items, write=write)

    def _say_absent(self, items: PlacedVectors, tables: Tables, data: Dataset, on_event: OnEvent) -> None:
        """Zeros are not the least score: beside negative ones, what nothing is known of comes first."""
        found, users = absent_in_lists(items, (tables.user_emb, tables.item_emb), data.train)
        if found > _MOST_ABSENT * users:
            on_event(
                Note(
                    f"warning    {found} of {users} users get items without a vector in their first 10: with "
                    f"--missing {self.missing} these score higher than what is known. Give them vectors, try "
                    f"--missing {'mean' if self.missing == 'zero' else 'zero'}, or import a log without them"
                )
            )

    def _check(self) -> None:
        """What the flags alone tell; a flag that would not matter is refused."""
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"--name {self.name!r}: a letter, then letters, digits and _ . -")
        if self.missing not in get_args(Missing):
            raise unknown_name("missing", self.missing, get_args(Missing))
        in_memory = [one for one in (self.users, self.items) if isinstance(one, Vectors)]
        biased = self.user_bias or self.item_bias or any(one.biases is not None for one in in_memory)
        if self.cosine and biased:
            raise ConfigError("--cosine has no biases: a cosine is the product of two rows of length one")
        if self.source is not None:
            for flag in ("users", "items", "user_bias", "item_bias", "cosine"):
                if getattr(self, flag):
                    raise ConfigError(
                        f"{FLAG} says what the vectors are and how they are scored: leave "
                        f"--{flag.replace('_', '-')} out, or give --users and --items without {FLAG}"
                    )
        elif self.items is None:
            raise ConfigError(f"give {FLAG} FILE of a library, or --users FILE and --items FILE")
        elif self.users is None:
            raise ConfigError(
                "who are the users? Give their vectors with --users FILE, or --users mean if a user is "
                "the mean of the vectors of what the user consumed"
            )
        for side, vectors in (("user", self.users), ("item", self.items)):
            flags = [f"--{side}-{what}" for what in ("ids", "bias") if getattr(self, f"{side}_{what}")]
            if flags and (isinstance(vectors, Vectors) or _is_mean(vectors)):
                raise ConfigError(f"{flags[0]} belongs to a file of {side} vectors, and none is given")

    def _given(self, on_event: OnEvent) -> _Given:
        """Both sides, each with ids or, with --in-order, without."""
        if self.source is None:
            items = self._side("item", self.items)
            users = None if _is_mean(self.users) else self._side("user", self.users)
            given = _Given(users, items, self.cosine, None)
        else:
            found = recognised(self.source)
            names = f": {', '.join(found.arrays)}" if found.arrays else ""
            on_event(Note(f"read as    {found.library}{names}"))
            users = None if found.users is None else self._named(found.users, "user", self.source)
            items = self._named(found.items, "item", self.source)
            if users is None and self.user_ids:
                raise ConfigError(f"{self.source} holds no vectors of users: leave --user-ids out")
            given = _Given(users, items, found.cosine, found.library)
        there = {"user": given.users, "item": given.items}
        without = [side for side, one in there.items() if one is not None and one.ids is None]
        if without and not self.in_order:
            raise ConfigError(
                f"whose are the {without[0]} vectors? Say so with --{without[0]}-ids FILE, or with "
                f"--in-order if row n belongs to line n of the data set's {without[0]}s.txt."
            )
        if self.in_order and not without:
            raise ConfigError("--in-order is for rows without ids, and all have theirs: leave it out")
        return given

    def _side(self, kind: str, given: str | Path | Vectors | None) -> Vectors:
        if isinstance(given, Vectors):
            return given
        if not isinstance(given, str | Path):
            raise ConfigError(
                f"{kind}s is of the type {type(given).__name__}: write Vectors({kind}s, ids=…), or a FILE"
            )
        return read_vectors(kind, str(given), getattr(self, f"{kind}_ids"), getattr(self, f"{kind}_bias"))

    def _named(self, found: Vectors, kind: str, path: Path) -> Vectors:
        ids: str | None = getattr(self, f"{kind}_ids")
        if ids is None:
            return found
        if found.ids is not None:
            refuse_both(kind, path, ids)
        return dataclasses.replace(found, ids=read_ids(ids, kind))

    def _users(self, given: _Given, items: PlacedVectors, data: Dataset) -> PlacedVectors:
        if given.users is not None:
            users = place(checked(given.users, "user"), data.user_ids, self.missing)
            return unit(users) if given.cosine else users
        users = mean_of_items(items, data.train)
        if users.without and self.missing == "error":
            raise ConfigError(
                f"{users.without:,} users consumed nothing that has a vector, so they have no mean. Say what "
                "they get with --missing mean or --missing zero."
            )
        if users.without and self.missing == "mean":
            users.rows[users.absent] = users.rows[~users.absent].mean(axis=0)
        return users

    def _facts(
        self, given: _Given, data: Dataset, users: PlacedVectors, items: PlacedVectors
    ) -> dict[str, Any]:
        named = ("source", "users", "items", "user_ids", "item_ids", "user_bias", "item_bias")
        texts = {name: value for name in named if isinstance(value := getattr(self, name), str | Path)}
        files = {name: parted(str(text))[0] for name, text in texts.items() if text != MEAN}
        imported = {
            "library": given.library,
            "files": {name: sha256_file(path) for name, path in files.items()},
            "cosine": given.cosine,
            "users_are": MEANS if given.users is None else "vectors",
            "biases": [kind for kind, side in (("user", users), ("item", items)) if side.biases is not None],
            "in_order": self.in_order,
            "missing": self.missing,
            "users_without_vector": users.without,
            "items_without_vector": items.without,
            "vectors_left_out": users.left_out + items.left_out,
        }
        return {
            "name": self.name,
            "method": "imported",
            "seed": 0,
            "n_users": data.n_users,
            "n_items": data.n_items,
            "cutoff": dataset_cutoff(data),
            "dataset": data.facts(),
            "teacher": None,
            "chosen_epoch": 0,
            "seconds": 0.0,
            "imported": imported,
        }

    def _saved(
        self,
        facts: dict[str, Any],
        tables: Tables,
        users: PlacedVectors,
        items: PlacedVectors,
        *,
        write: bool,
    ) -> ModelImportResult:
        numbers = sha256_bytes(tables.user_emb.tobytes() + tables.item_emb.tobytes())
        made_of = {key: facts[key] for key in ("name", "imported", "dataset")}
        key = digest_of(made_of | {"numbers": numbers})
        facts |= {"key": key, "dim": tables.user_emb.shape[1]}
        folder = model_folder(self.work / "models", self.name, 0, key)
        if not write:
            return ModelImportResult(TrainedModel(folder, facts, tables), users, items, written=False)
        folder.mkdir(parents=True, exist_ok=True)
        return ModelImportResult(save_model(folder, facts, tables), users, items, written=True)


def _is_mean(users: object) -> bool:
    return isinstance(users, str) and users == MEAN


def _judged(tables: Tables, data: Dataset, request: ModelImportRequest, on_event: OnEvent) -> dict[str, Any]:
    """Metrics, and what speaks against the order of the rows, said and recorded."""
    from recpress_edge.training.judge import judged_tables  # torch only from here on
    from recpress_edge.training.plausibility import plausibility

    facts = judged_tables(tables, data, request.threads)
    beside = plausibility(tables, data, facts["metrics"])
    if beside is None:
        return facts
    asked = (
        "are the rows in the order of the data set's users.txt and items.txt?"
        if request.in_order
        else "do the ids belong to these rows, in this order, and is the score the product?"
    )
    for doubt in beside.doubts:
        on_event(Note(f"warning    {doubt}: {asked}"))
    return facts | {"plausibility": beside.facts()}

"""A log read, split and stored as a data set."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.core.files import check_there, scratch_folder
from recpress_edge.core.progress import OnEvent, advance, silent
from recpress_edge.data.events import parse_only
from recpress_edge.data.features.encode import FeatureSpec
from recpress_edge.data.features.labels import USUAL_SPLIT
from recpress_edge.data.filter import Filters
from recpress_edge.data.frames import in_python
from recpress_edge.data.ids import FORMS, IdChoice
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.prepare import Preparation, Prepared, prepare, read_files
from recpress_edge.data.public.fetch import how_to_have
from recpress_edge.data.public.table import PUBLIC_SETS
from recpress_edge.data.readers.columns import ColumnChoice, parse_columns
from recpress_edge.data.readers.delimited import named_separator
from recpress_edge.data.readers.lines import parse_allowance
from recpress_edge.data.readers.names import ROLES
from recpress_edge.data.readers.read import Reading, ReadResult
from recpress_edge.data.readers.sources import all_files
from recpress_edge.data.resolve import SYNTHETIC
from recpress_edge.data.store import check_new, save_dataset
from recpress_edge.data.strangers import CHOICES
from recpress_edge.data.times import BY_SIZE, DATE_ORDERS, DAYS, UNITS, date_text
from recpress_edge.data.weights import weight_spec
from recpress_edge.jobs.data_tables import TableOptions, with_tables

TIME_UNITS: Final = (*UNITS, BY_SIZE, DAYS)
PREVIEWED: Final = 8
"""Rows that a preview shows."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """A data set that was read and split."""

    prepared: Prepared
    target: Path
    written: bool

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        dataset = self.prepared.dataset
        return {
            "target": str(self.target),
            "dry_run": not self.written,
            **counts(dataset),
            "digest": dataset.digest(),
            **({} if dataset.labelled is None else {"labelled": dataset.labelled.facts()}),
            **self.prepared.record,
        }


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """A log that was read, and no more."""

    read: ReadResult

    def rows(self) -> list[dict[str, Any]]:
        """The first rows as they are understood: ids, and rating and time where the log has them."""
        log = self.read.log
        found = []
        for row in range(min(PREVIEWED, len(log))):
            one: dict[str, Any] = {"user": log.user_ids[log.users[row]], "item": log.item_ids[log.items[row]]}
            if log.ratings is not None:
                one["rating"] = float(log.ratings[row])
            if log.times is not None:
                one["time"] = date_text(float(log.times[row]), clock=True)
            found.append(one)
        return found

    def facts(self) -> dict[str, Any]:
        """What ``--preview --json`` prints."""
        return {
            "rows": self.rows(),
            "count": len(self.read.log),
            "read": list(self.read.notes),
            "left_out": self.read.left_out,
            "ignored_columns": list(self.read.ignored_columns),
            "questions": list(self.read.questions),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest(TableOptions):
    """``recpress-edge data import``."""

    paths: tuple[Path, ...] = ()
    """The log, of one file or several alike: files, globs, folders of parts, ``-`` for standard input; with
    ``test_file``, its training part.
    """
    frame: Any = None
    """A table in memory, in place of ``paths``: what ``Dataset.from_frame`` takes."""
    name: str
    format: str = "auto"
    columns: str | None = None
    user: str | None = None
    """Header name or position from 1 of a column, as are the next three."""
    item: str | None = None
    rating: str | None = None
    time: str | None = None
    member: str | None = None
    """The file to take out of a zip archive."""
    weight: str | None = None
    """The column of how often or how long, kept with each interaction."""
    where: str | None = None
    query: str | None = None
    separator: str | None = None
    header: str | None = None
    """``yes`` or ``no``."""
    encoding: str | None = None
    only: tuple[str, ...] = ()
    missing: str = ""
    ids: str | None = None
    time_unit: str | None = None
    date_order: str | None = None
    skip_bad_lines: str = "0"
    valid_file: Path | None = None
    test_file: Path | None = None
    strangers: str | None = None
    split: str | None = None
    min_rating: float | None = None
    min_user: int = 1
    min_item: int = 1
    seed: int | None = None
    licence: str = "not stated"
    force: bool = False
    work: Path = Path()

    def plan(self, on_event: OnEvent = silent) -> ImportResult:
        """Read and split the log; nothing is written."""
        if self.name == SYNTHETIC:
            raise ConfigError(f"--name {self.name} is built in. Choose another name.")
        if self.name in PUBLIC_SETS:
            raise ConfigError(
                f"--name {self.name} names a public set, whose files are known. Choose another name. To have "
                f"the public set: {how_to_have(self.name)}"
            )
        how, tables = self._preparation(), self.choices(self.skip_bad_lines)
        target = check_new(self.work, self.name, force=self.force)
        with self._found_files() as (files, parts), in_python(self.frame is not None):
            update = advance(on_event, f"reading {self.name}")
            prepared = prepare(self.name, files, how, parts=parts, progress=update)
        prepared = with_tables(prepared, tables, self.ids)
        return ImportResult(prepared, target, written=False)

    def preview(self, on_event: OnEvent = silent) -> ImportPreview:
        """Read the log and show its first rows as they are understood; nothing is split or written."""
        asked = self._preparation()
        how = replace(asked, reading=replace(asked.reading, preview=True))
        with self._found_files() as (files, parts), in_python(self.frame is not None):
            update = advance(on_event, f"reading {self.name}")
            return ImportPreview(read_files(files, how, parts, update))

    def run(self, on_event: OnEvent = silent) -> ImportResult:
        """Read, split and store the log."""
        prepared = self.plan(on_event).prepared
        return ImportResult(prepared, save_dataset(prepared, self.work, force=self.force), written=True)

    @contextmanager
    def _found_files(self) -> Iterator[tuple[list[Path], list[int]]]:
        """The files of the log, and the part of each."""
        with scratch_folder("recpress-import-") as scratch:
            groups = [all_files(paths, scratch) for paths in self._parts()]
            files = [file for group in groups for file in group]
            check_there(*files)
            yield files, [part for part, group in enumerate(groups) for _ in group]

    def _parts(self) -> list[tuple[Path, ...]]:
        """The paths of train, validation and test; half a given split is a ConfigError."""
        if not self.paths and self.query is None and self.frame is None:
            raise ConfigError("which log? Name a file: recpress-edge data import PATH --name NAME")
        if self.query is not None and (self.where or self.only or self.test_file):
            raise ConfigError(
                "--query says which rows count: write what --where, --only or --test-file say in it"
            )
        if self.query is not None and self.format != "auto":
            raise ConfigError(f"--format {self.format}: --query reads tables alone. Leave --format out.")
        if self.valid_file and not self.test_file:
            raise ConfigError(
                "--valid-file needs --test-file too: the split is either given or made, not half of each"
            )
        if self.test_file and self.split not in (None, "given"):
            raise ConfigError(
                f"--test-file gives the split: remove --split {self.split}, or write --split given"
            )
        return [self.paths, *((path,) for path in (self.valid_file, self.test_file) if path)]

    def _specs(self) -> tuple[FeatureSpec, ...]:
        """The columns of --context and --weight."""
        weight = weight_spec(self.weight)
        return (*self.context_specs(), *((weight,) if weight else ()))

    def _choice(self) -> ColumnChoice | None:
        """What the user said of the columns; None where nothing."""
        named = {role: value for role in ROLES if (value := getattr(self, role)) is not None}
        columns = parse_columns(self.columns) if self.columns else {}
        if twice := named.keys() & columns.keys():
            role = min(twice)
            raise ConfigError(f"--columns and --{role} both say which column is the {role}. Remove one.")
        context = (*(spec.column for spec in self._specs()), *filter(None, [self.label]))
        if self.weight is not None and self.weight in (*named.values(), *columns.values()):
            raise ConfigError(f"--weight {self.weight}: that column has another role already.")
        if not (named or columns or self.separator or self.header or context):
            return None
        return ColumnChoice(
            separator=named_separator(self.separator) if self.separator else None,
            columns=columns | named or None,
            header=None if self.header is None else self.header == "yes",
            context=context,
            others=not columns,
        )

    def _preparation(self) -> Preparation:
        known = {
            "header": ("yes", "no"),
            "ids": FORMS,
            "time_unit": TIME_UNITS,
            "date_order": DATE_ORDERS,
            "strangers": CHOICES,
        }
        if isinstance(self.only, str):
            raise ConfigError(f"only={self.only!r} is one text: write only=({self.only!r},)")
        for field, values in known.items():
            if (value := getattr(self, field)) is not None and value not in values:
                raise unknown_name(field, value, list(values))
        label = self.label_rule()
        reading = Reading(
            encoding=self.encoding,
            member=self.member,
            where=self.where,
            query=self.query,
            frame=self.frame,
            only=tuple(map(parse_only, self.only)),
            ids=IdChoice(tuple(word for word in self.missing.split(",") if word), self.ids),
            bad_lines=parse_allowance(self.skip_bad_lines),
            time_unit=self.time_unit,
            date_order=self.date_order,
        )
        return Preparation(
            fmt=self.format,
            columns=self._choice(),
            reading=reading,
            split=self.split or ("given" if self.test_file else USUAL_SPLIT if label else "loo-random"),
            seed=self.seed,
            context=self._specs(),
            time_features=self.time_names(),
            label=label,
            weight=self.weight,
            filters=Filters(min_rating=self.min_rating, min_user=self.min_user, min_item=self.min_item),
            licence=self.licence,
            strangers=self.strangers,
        )


def counts(dataset: Dataset) -> dict[str, Any]:
    """Users, items, interactions of each part, and the share of all pairs that they are."""
    total = len(dataset.train) + len(dataset.valid) + len(dataset.test)
    return {
        "name": dataset.name,
        "n_users": dataset.n_users,
        "n_items": dataset.n_items,
        "interactions": {"train": len(dataset.train), "valid": len(dataset.valid), "test": len(dataset.test)},
        "items_never_in_train": int((dataset.train.item_counts() == 0).sum()),
        "density": total / (dataset.n_users * dataset.n_items),
    }

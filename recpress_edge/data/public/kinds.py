"""What is known of a public data set: its files, their digests, how they become ours."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.data.features.attach import TableChoice
from recpress_edge.data.features.encode import parse_specs
from recpress_edge.data.features.table import TableForm
from recpress_edge.data.prepare import Preparation

MOVIELENS: Final = "GroupLens terms: research use, no redistribution without permission, cite the data set"


@dataclass(frozen=True, slots=True)
class PublicFile:
    """One file, the same wherever it comes from."""

    path: str
    """Below the folder that RECPRESS_DATA_DIR names."""
    digest: str
    """'sha256:…'."""
    url: str | None = None
    """Where exactly this file is published; None where no such address is known."""
    member: str | None = None
    """The one file to take out of it, where it is a zip archive."""


@dataclass(frozen=True, slots=True)
class Made:
    """How the files of a set are made, where they are published in another form."""

    source: PublicFile
    contents: Callable[[bytes], tuple[bytes, ...]]
    """The files' contents, in their order, from the source's."""


@dataclass(frozen=True, slots=True)
class PublicTable:
    """A table of users or items, and what is taken of it."""

    file: PublicFile
    side: str
    """user or item."""
    features: str
    """Its columns, as ``data import`` takes them."""

    def choice(self, path: Path) -> TableChoice:
        """What is taken from the table, which is at ``path``."""
        specs = parse_specs(f"--{self.side}-features", self.features)
        return TableChoice(side=self.side, path=path, features=specs, form=TableForm())


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSet:
    """A public data set and how it becomes ours."""

    about: str
    published: str
    """Who publishes it, and where."""
    lines: str
    """What a line of its files holds."""
    files: tuple[PublicFile, ...]
    how: Preparation
    """Its licence line is shown before anything is downloaded."""
    tables: tuple[PublicTable, ...] = ()
    """Of its users and items."""
    made: Made | None = None
    digest: str | None
    """Of the data set; None where we have none of its files."""
    labels_digest: str | None = None
    """Of its rows with labels, where it has labels."""
    features_digest: str | None = None
    """Of its feature columns, where it has any."""
    used: tuple[str, ...]
    """Pages of docs/ with figures on it."""

    def every_file(self) -> tuple[PublicFile, ...]:
        """Those of the log, then those of the tables."""
        return (*self.files, *(table.file for table in self.tables))

    def sources(self) -> tuple[PublicFile, ...]:
        """What is published: the files, or the one that the log's are made from."""
        return self.every_file() if self.made is None else (self.made.source,)

    def fetchable(self) -> bool:
        """Whether every source has a known address."""
        return all(file.url for file in self.sources())

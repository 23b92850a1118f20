"""A log imported as a user does it, by ``recpress-edge data import``, and what the stored data set holds."""

import argparse
import contextlib
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.cli import data as command
from recpress_edge.cli.common import request_of
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.store import open_dataset
from recpress_edge.jobs.data_import import ImportRequest


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import wrote and said."""

    dataset: Dataset
    said: Mapping[str, Any]
    """What ``--json`` prints."""

    def pairs(self) -> set[tuple[str, str]]:
        """Every pair of the data set, of all its parts."""
        return set(self.ranks())

    def ranks(self) -> dict[tuple[str, str], int]:
        """Each pair with its place in its user's log; -1 where the log has no order."""
        found = {}
        for part in (self.dataset.train, self.dataset.valid, self.dataset.test):
            ranks = np.full(len(part), -1) if part.ranks is None else part.ranks
            for user, item, rank in zip(part.users(), part.indices, ranks, strict=True):
                found[self.dataset.user_ids[user], self.dataset.item_ids[item]] = int(rank)
        return found

    def in_order(self) -> dict[str, list[str]]:
        """The items of each user, earliest first."""
        found: dict[str, list[str]] = {}
        for (user, item), _ in sorted(self.ranks().items(), key=lambda pair: pair[1]):
            found.setdefault(user, []).append(item)
        return found

    def parts(self) -> list[set[tuple[str, str]]]:
        """The pairs of train, validation and test."""
        ids = self.dataset.user_ids, self.dataset.item_ids
        return [
            {(ids[0][user], ids[1][item]) for user, item in zip(part.users(), part.indices, strict=True)}
            for part in (self.dataset.train, self.dataset.valid, self.dataset.test)
        ]

    def talk(self) -> str:
        """The notes on what was read, one a line."""
        return "\n".join(self.said["read"])


def parsed(path: Path, *flags: str) -> argparse.Namespace:
    """The arguments of an import into a work folder beside the file, which a query names itself."""
    parser = argparse.ArgumentParser()
    command.add_options(parser)
    fixed = ["--name", "x", "--work", str(path.parent / "work"), "--json"]
    files = [] if "--query" in flags else [str(path)]
    return parser.parse_args(["import", *files, *flags, *fixed])


def import_log(path: Path, *flags: str) -> Imported:
    """Import one file and read what is stored; what is refused is a RecPressError."""
    args = parsed(path, *flags)
    shutil.rmtree(args.work, ignore_errors=True)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = args.func(args)
    assert code == 0
    return Imported(open_dataset(args.work / "data" / "x"), json.loads(out.getvalue()))


def plan_log(path: Path, *flags: str) -> Imported:
    """The same without storing, which is most of the time of a small log."""
    result = request_of(ImportRequest, parsed(path, *flags)).plan()
    return Imported(result.prepared.dataset, result.facts())


def import_files(folder: Path, files: Mapping[str, bytes], flags: Sequence[str] = ()) -> Imported:
    """Write the files into a folder and import the first of them, from there."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with contextlib.chdir(folder):
        return import_log(Path(next(iter(files))), *flags)

"""Named sets in the folder of RECPRESS_DATA_DIR, and how each becomes a data set."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import DataError
from recpress_edge.data.filter import Filters
from recpress_edge.data.prepare import Preparation

VARIABLE: Final = "RECPRESS_DATA_DIR"


@dataclass(frozen=True, slots=True)
class LocalSet:
    """Files below the data folder, and their preparation."""

    files: tuple[str, ...]
    how: Preparation
    source: str
    """What it is and where it comes from."""
    lines: str
    """What a line of its files holds."""


_NO_LICENCE: Final = "no licence stated by its authors; for research"
_MOVIELENS: Final = "GroupLens terms: research use, no redistribution without permission, cite the data set"

LOCAL_SETS: Final[Mapping[str, LocalSet]] = {
    "citeulike": LocalSet(
        ("citeulike/train.tsv", "citeulike/valid.tsv", "citeulike/test.tsv"),
        Preparation(fmt="delimited", split="given", licence=_NO_LICENCE),
        source="CiteULike-t in the split that the authors of Topology Distillation (KDD 2021) ship",
        lines="user and item with a tab between, after a header line",
    ),
    "gowalla": LocalSet(
        ("gowalla/train.txt", "gowalla/valid.txt", "gowalla/test.txt"),
        Preparation(fmt="adjacency", split="given", licence=_NO_LICENCE),
        source="Gowalla in LightGCN's split (github.com/kuandeng/LightGCN, Data/gowalla), some train items "
        "put aside as valid.txt",
        lines="a user and its items: user item item …",
    ),
    # Implicit feedback from stars: 4 and 5 count as liked, the usual threshold on MovieLens.
    "ml-100k": LocalSet(
        ("ml-100k/ml-100k.inter",),
        Preparation(fmt="inter", split="loo-time", filters=Filters(min_rating=4.0), licence=_MOVIELENS),
        source="MovieLens 100K as RecBole's atomic file",
        lines="user, item, rating and timestamp after a typed header",
    ),
    "foursquare": LocalSet(
        ("foursquare/users.dat",),
        Preparation(fmt="counted-adjacency", split="loo-random", licence=_NO_LICENCE),
        source="Foursquare check-ins",
        lines="a user's count and its items: n item item …",
    ),
    # The lines hold no times, but each is in the order of time.
    "beauty": LocalSet(
        ("beauty/sequences.txt",),
        Preparation(fmt="adjacency", split="loo-order", licence=_NO_LICENCE),
        source="Amazon Beauty as sequences, as S3-Rec ships it",
        lines="a user and its items in the order of time: user item item …",
    ),
}


def local_folder() -> Path | None:
    """The folder that RECPRESS_DATA_DIR names, or None where it is unset."""
    where = os.environ.get(VARIABLE)
    if not where:
        return None
    if not Path(where).is_dir():
        raise DataError(f"{VARIABLE} is {where!r}, which is not a folder. Correct it, or unset it.")
    return Path(where)


def local_files(name: str, folder: Path) -> list[Path] | None:
    """The files of a named set, or None when its folder is not there; one missing file is an error."""
    files = [folder / file for file in LOCAL_SETS[name].files]
    if not files[0].parent.is_dir():
        return None
    missing = next((path for path in files if not path.is_file()), None)
    if missing is not None:
        raise DataError(f"{missing} is missing: {name} needs {', '.join(path.name for path in files)}")
    return files


def how_to_have(name: str) -> str:
    """What a named set is, where it comes from, and how its files are laid out for RECPRESS_DATA_DIR."""
    known = LOCAL_SETS[name]
    return (
        f"It is {known.source}. Lay it out as {', '.join(f'DIR/{file}' for file in known.files)}, each line "
        f"{known.lines}, and set {VARIABLE}=DIR; or run: recpress-edge data import PATH --name {name}"
    )

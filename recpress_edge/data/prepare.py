"""From files to a data set: read, filter, split, and write down what was done."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.files import sha256_file
from recpress_edge.data.columns import ColumnChoice
from recpress_edge.data.filter import Filters, apply_filters
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.read import read_log
from recpress_edge.data.split import parse_protocol, split_log


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Everything that turns given files into one and the same data set."""

    fmt: str = "auto"
    """One of read.FORMATS, or auto."""
    columns: ColumnChoice | None = None
    split: str = "loo-random"
    """One of split.PROTOCOLS; 'given' takes train, valid and test, or train and test."""
    seed: int | None = None
    """For a split that draws; None is 0."""
    filters: Filters = field(default_factory=Filters)
    licence: str = "not stated"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set and the record of how it was made."""

    dataset: Dataset
    record: dict[str, Any]
    """JSON: sources with SHA-256, what was read, filters, rows removed, split."""


def prepare(name: str, files: Sequence[Path], how: Preparation) -> Prepared:
    """Read ``files`` and split them; combinations that make no sense are a ConfigError."""
    protocol = parse_protocol(how.split)
    if protocol.kind == "given" and len(files) not in (2, 3):
        raise ConfigError(
            f"--split given needs train, valid and test, or train and test; got {len(files)} file"
        )
    if protocol.kind != "given" and len(files) != 1:
        raise ConfigError(f"--split {how.split} takes one file, got {len(files)}; for ready splits use given")
    if protocol.kind == "given" and how.filters.any():
        raise ConfigError("a given split is taken as it is: remove --min-rating, --min-user and --min-item")
    if how.seed is not None and not protocol.draws(len(files)):
        raise ConfigError(f"--split {how.split} draws nothing at random: remove --seed")
    if how.seed is not None and how.seed < 0:
        raise ConfigError(f"--seed must not be negative, got {how.seed}")
    seed = how.seed or 0
    read = read_log(files, how.fmt, how.columns)
    log, removed = apply_filters(read.log, how.filters)
    for kind, ids in (("user", log.user_ids), ("item", log.item_ids)):
        if len(ids) < 2:
            raise DataError(f"only one {kind} ({ids[0]!r}): nothing can be learnt from this log")
    split = split_log(log, protocol, seed)
    for part, interactions in (("train", split.train), ("validation", split.valid), ("test", split.test)):
        if not len(interactions):
            raise DataError(f"no {part} interaction: no user has enough items for the split {how.split!r}")
    parts = (split.train, split.valid, split.test)
    dataset = Dataset(name, *parts, log.user_ids, log.item_ids, split.protocol, how.licence, split.ties)
    record = {
        "sources": [{"file": path.name, "sha256": sha256_file(path)} for path in files],
        "read": list(read.notes),
        "filters": asdict(how.filters),
        "rows": {
            "read": len(read.log),
            "kept": len(log),
            **{f"removed_{k}": v for k, v in asdict(removed).items()},
        },
        "split": {
            "kind": how.split,
            "seed": seed if protocol.draws(len(files)) else None,
            "users_not_held_out": split.users_not_held_out,
            "tied_users": split.tied_users,
        },
    }
    return Prepared(dataset, record)

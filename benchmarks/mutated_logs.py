"""Mutated logs: each is read right, or refused; none is silently different.

    python benchmarks/mutated_logs.py --count 100000 --out benchmarks/results/mutated-logs.json

Each case is a small log in one of 18 dialects with one to three seeded accidents (``_mutated_files.py``),
planned as ``recpress-edge data import`` plans it: every other time with all flags that its dialect has, else
with none.

*Read right* is: the distinct pairs, and the order of each user's items in time, are those of a reading of
the file by Python's own csv, json and containers (``_independent_readers.py``) in which every row has as
many fields as the first, a user and an item. With the flags, which ask for a split by time, also a number
or date as rating and time; without them an unreadable time leaves the order open. A file that keeps to its
standard has one reading; of one that does not, any that the standard leaves open is right. A file without
such a reading must be refused. With no flags the separator is the one that gives all lines the same number
of fields: a tab, '::', or the one that gives most of them. What is read otherwise is a finding, and so is
an error that is not one of ours. The engine is opened once: each import has a database of its own in it.
Parquet is left out: its pages carry no checksum, so that nobody can notice a value that changed.
"""

import argparse
import contextlib
import hashlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import duckdb
from _bench import options, run
from _independent_readers import Seen, readings
from _mutated_files import DIALECTS, Written, mutated

from recpress_edge.cli.common import request_of
from recpress_edge.cli.data import add_options
from recpress_edge.core.errors import GateError, RecPressError
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Dataset
from recpress_edge.jobs.data_import import ImportRequest

SHOWN: Final = 40
"""Findings that the record keeps whole."""


def case(number: int, seed: int = 0) -> tuple[Written, bool, bytes]:
    """The dialect of a case, whether its flags are given, and its bytes."""
    rng = stream(seed, "mutated logs", number)
    how = DIALECTS[number % len(DIALECTS)]
    return how, number // len(DIALECTS) % 2 == 0, mutated(rng, how)


@contextlib.contextmanager
def one_engine() -> Iterator[None]:
    """Let every import use one instance of DuckDB, with an empty database: opening is half of the time."""
    opened = count()
    connect = duckdb.connect
    with connect(":memory:") as base:

        @contextlib.contextmanager
        def in_turn(*_: Any, **__: Any) -> Iterator[duckdb.DuckDBPyConnection]:
            name = f"turn{next(opened)}"
            cursor = base.cursor()
            cursor.execute(f"SET TimeZone = 'UTC'; ATTACH ':memory:' AS {name}; USE {name}")
            try:
                yield cursor
            finally:
                cursor.execute(f"USE memory; DETACH {name}")
                cursor.close()

        duckdb.connect = in_turn  # type: ignore[assignment]
        try:
            yield
        finally:
            duckdb.connect = connect


def judged(how: Written, declared: bool, data: bytes, folder: Path) -> tuple[str, str]:
    """What became of a file: 'right', 'refused', 'different' or 'crashed'; and the error or what was read."""
    (folder / how.file).write_bytes(data)
    flags = how.flags() if declared else ()
    parser = argparse.ArgumentParser()
    add_options(parser)
    timed = ("--split", "loo-time") if declared else ()
    fixed = ("--name", "x", "--work", str(folder), "--ids", "as-written")
    args = parser.parse_args(["import", str(folder / how.file), *flags, *timed, *fixed])
    try:
        found = _seen(request_of(ImportRequest, args).plan().prepared.dataset)
    except RecPressError as error:
        return "refused", type(error).__name__
    except Exception as error:
        return "crashed", repr(error)[:200]
    right = readings(data, how, declared=declared)
    if any(_same(found, one) for one in right):
        return "right", ""
    return (
        "different",
        f"read {sorted(found.pairs)[:4]}, right {[sorted(one.pairs)[:4] for one in right[:2]]}",
    )


def _seen(dataset: Dataset) -> Seen:
    """The pairs of all parts, and each user's items by their ranks."""
    ranks: dict[tuple[str, str], int] = {}
    ordered = True
    for part in (dataset.train, dataset.valid, dataset.test):
        ordered = ordered and part.ranks is not None
        places = part.indices * 0 if part.ranks is None else part.ranks
        for user, item, rank in zip(part.users(), part.indices, places, strict=True):
            ranks[dataset.user_ids[user], dataset.item_ids[item]] = int(rank)
    order: dict[str, list[str]] = {}
    for user, item in sorted(ranks, key=lambda pair: ranks[pair]):
        order.setdefault(user, []).append(item)
    whole = tuple(sorted((user, tuple(items)) for user, items in order.items()))
    return Seen(frozenset(ranks), whole if ordered else None)


def _same(found: Seen, right: Seen) -> bool:
    timed = found.order is not None and right.order is not None
    return found.pairs == right.pairs and (not timed or found.order == right.order)


def _measure(args: argparse.Namespace) -> dict[str, Any]:
    """Judge cases until they are done or the time is over."""
    began = time.perf_counter_ns()
    outcomes: dict[str, Counter[str]] = {}
    findings, digest, done = [], hashlib.sha256(), 0
    with tempfile.TemporaryDirectory() as name, one_engine():
        for number in range(args.first, args.first + args.count):
            if args.minutes and (time.perf_counter_ns() - began) > args.minutes * 60e9:
                break
            how, declared, data = case(number, args.seed)
            outcome, said = judged(how, declared, data, Path(name))
            digest.update(f"{number} {outcome}\n".encode())
            outcomes.setdefault(how.name, Counter())[outcome] += 1
            done += 1
            if outcome in ("different", "crashed"):
                findings.append({"case": number, "dialect": how.name, "declared": declared, "what": outcome})
                findings[-1] |= {"said": said, "bytes": repr(data)[:1500]}
                print(f"{number} {how.name} declared={declared}: {outcome}: {said}", file=sys.stderr)
    return {
        "schema": "recpress.mutated-logs/1",
        "cases": done,
        "first": args.first,
        "seed": args.seed,
        "seconds": (time.perf_counter_ns() - began) / 1e9,
        "outcomes": {name: dict(sorted(found.items())) for name, found in sorted(outcomes.items())},
        "outcomes_sha256": digest.hexdigest(),
        "findings": findings[:SHOWN],
        "n_findings": len(findings),
    }


def _show(record: dict[str, Any]) -> str:
    total: Counter[str] = Counter()
    for found in record["outcomes"].values():
        total.update(found)
    words = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(total.items()))
    return f"{record['cases']:,} files in {record['seconds']:.0f} s: {words}"


def _gate(record: dict[str, Any]) -> None:
    if record["n_findings"]:
        raise GateError(f"{record['n_findings']:,} files are silently different or crash the reader")


def main() -> int:
    """Judge, write the record, and fail on any finding."""
    parser = options(__doc__)
    parser.add_argument("--count", type=int, default=1_000, help="cases; default: %(default)s")
    parser.add_argument("--first", type=int, default=0, help="number of the first case; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--minutes", type=float, help="stop after so many")
    return run(parser, _measure, _show, _gate)


if __name__ == "__main__":
    raise SystemExit(main())

"""Recall of items that were folded in, by how many interactions they had, against training with them.

    python benchmarks/folded_items.py --log ml-1m --work work/folded --out folded-items-ml-1m.json
    python benchmarks/folded_items.py --log ml-100k --items 50 --teacher als_dim16 --student soft_dim8

(with RECPRESS_DATA_DIR set). --items of those with enough users are taken out of the log, and a student is
trained without them. Then each is given n of its users: it is folded into that student's tables
(``bundle fold-in``), and another student is trained from the start on the log with these interactions. Where
the log has a table of its items, they are made from their features too, without any interaction.
Recall@K is of the item's other users: is it among their first K, all new items competing? ``others`` is the
test Recall@50 of the known items, before and after the new ones are there.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import options, run, table
from _nights import Rows, add_model_options, rows_of, student

from recpress_edge.core.arrays import F32, I64, places_among
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.data.features.table import TableForm
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.jobs.fold_in.features import by_features
from recpress_edge.jobs.fold_in.side import BundleSide
from recpress_edge.jobs.fold_in.table import AskedTables, read_item_tables
from recpress_edge.models.new_rows import REACH, Bags, folded_items
from recpress_edge.models.outputs import Tables
from recpress_edge.models.ranking import product_rows, top_unobserved
from recpress_edge.training.store import TrainedModel

SCHEMA: Final = "recpress.folded-items/1"
GIVEN: Final = (1, 2, 5, 10)
CUTOFFS: Final = (10, 50)
LEAST_USERS: Final = 20
"""Of an item that is taken out: the most that are given, and as many to ask."""


FEATURES: Final[Mapping[str, tuple[str, str, str]]] = {
    "ml-100k": ("ml-100k/ml-100k.item", "movie_title:words,release_year,class:words", ""),
    "ml-1m": ("ml-1m/movies.dat", "title=2:words,genres=3:many", "ml-1m/item_ids.txt"),
}
"""Of a log: its table of items, columns of it, and whose ids are whose where they differ."""


def lists_of(tables: Tables, train: Interactions, length: int) -> I64:
    """Each user's first items among those not consumed (U, length)."""
    import torch  # noqa: PLC0415

    users, items = (torch.from_numpy(table) for table in (tables.user_emb, tables.item_emb))
    return top_unobserved(product_rows(users, items), train, length).items.astype(np.int64)


def recall(lists: I64, users: I64, items: I64) -> dict[str, float]:
    """Share of pairs (n,) whose item is among the user's first K."""
    hits = lists[users] == items[:, None]
    return {f"recall@{k}": float(hits[:, :k].any(axis=1).mean()) for k in CUTOFFS}


def of_known(lists: I64, data: Dataset) -> float:
    """Test Recall@50 of a data set's own held-out items."""
    users = np.repeat(np.arange(data.n_users), data.test.counts())
    return float((lists[users, :50] == data.test.indices[:, None]).any(axis=1).mean())


def rows_of_users(model: TrainedModel, data: Dataset, given: tuple[I64, I64], n: int) -> F32:
    """Items (n, D) from pairs with the data's users."""
    assert model.tables
    tables, seen = model.tables, Bags(data.train.indptr, data.train.indices.astype(np.int64))
    usual = min(REACH / data.n_items, 1.0) * data.n_users
    bags = Bags.of_pairs(given[1], given[0], n)
    return folded_items(bags, tables.user_emb, tables.item_emb, usual, seen)


def rows_of_features(log: str, model: TrainedModel, data: Dataset, chosen: I64) -> F32 | None:
    """Items (n, D) from the log's table of them; the mean vector's direction of one that is not in it."""
    if log not in FEATURES:
        return None
    assert model.tables
    file, columns, ids = FEATURES[log]
    folder = Path(os.environ["RECPRESS_DATA_DIR"])
    lines = (folder / ids).read_text().split() if ids else []
    names = dict(zip(lines[::2], lines[1::2], strict=True))
    asked = AskedTables((folder / file,), "1", columns, TableForm(encoding="latin1" if ids else None))
    table = read_item_tables(asked, [names.get(name, name) for name in data.item_ids])
    none = np.empty(0, np.int64)
    side = BundleSide(model.tables.item_emb, model.tables.user_emb, (none, none), (none, none), many=True)
    side = side.with_seen(data.train.users().astype(np.int64), data.train.indices.astype(np.int64))
    made = by_features(table, frozenset(), side)
    places = {name: place for place, name in enumerate(made.names)}
    mean = side.item_rows.mean(axis=0, dtype=np.float64)
    rows = [
        made.directions[places[name]] if name in places else mean
        for name in (names.get(name, name) for name in texts(chosen))
    ]
    return side.fitted(np.array(rows))


def folded(
    model: TrainedModel, data: Dataset, rows: F32, given: tuple[I64, I64], asked: tuple[I64, I64]
) -> dict[str, Any]:
    """Figures of items with these rows (n, D) beside a model's tables; pairs by the data's user index."""
    assert model.tables
    tables, n = model.tables, len(rows)
    both = Tables(tables.user_emb, np.concatenate([tables.item_emb, rows]))
    users, items = data.train.users().astype(np.int64), data.train.indices.astype(np.int64)
    train = Interactions.from_pairs(
        np.concatenate([users, given[0]]),
        np.concatenate([items, data.n_items + given[1]]),
        data.n_users,
        data.n_items + n,
    )
    lists = lists_of(both, train, max(CUTOFFS))
    reach = float((lists >= data.n_items).sum(axis=1).mean())
    return {
        **recall(lists, asked[0], data.n_items + asked[1]),
        "others_recall@50": of_known(lists, data),
        "new_in_50": reach,
    }


def retrained(
    args: argparse.Namespace,
    rows: Rows,
    base: Dataset,
    asked: tuple[list[str], list[str]],
    n: int,
) -> dict[str, Any]:
    """Figures of a student that is trained from the start with these interactions."""
    data = rows.dataset(f"{args.log}-given-{n}")
    model = student(args, data, args.work)
    assert model.tables
    users, items = places_among(asked[0], data.user_ids), places_among(asked[1], data.item_ids)
    lists = lists_of(model.tables, data.train, max(CUTOFFS))
    known = set(base.item_ids)
    is_new = np.array([name not in known for name in data.item_ids])
    told = recall(lists, users, items)
    return {
        **told,
        "others_recall@50": of_known(lists, data),
        "new_in_50": float(is_new[np.maximum(lists, 0)].sum(axis=1).mean()),
    }


def texts(numbers: I64) -> list[str]:
    """Ids as a data set has them (n,)."""
    return [str(number) for number in numbers.tolist()]


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Folded in and trained with, for each number of interactions."""
    rows = rows_of(args.log)
    counts = np.bincount(rows.items)
    enough = np.flatnonzero(counts >= LEAST_USERS)
    if not 0 < args.items <= enough.size // 2:
        raise ConfigError(f"--items must be from 1 to {enough.size // 2}, half of those with users enough")
    chosen = np.sort(stream(args.seed, "folded items").choice(enough, args.items, replace=False))
    without = np.flatnonzero(~np.isin(rows.items, chosen))
    base = rows.take(without).dataset(f"{args.log}-without")
    model = student(args, base, args.work)
    by_table = rows_of_features(args.log, model, base, chosen)
    told = []
    for n in GIVEN:
        given, asked = drawn(rows, chosen, base, n)
        pairs = [
            (
                places_among(texts(rows.users[part]), base.user_ids),
                np.searchsorted(chosen, rows.items[part]),
            )
            for part in (given, asked)
        ]
        names = texts(rows.users[asked]), texts(rows.items[asked])
        with_given = rows.take(np.sort(np.concatenate([without, given])))
        told.append(
            {
                "interactions": n,
                "pairs": int(asked.size),
                "folded_in": folded(
                    model, base, rows_of_users(model, base, pairs[0], args.items), pairs[0], pairs[1]
                ),
                **({} if by_table is None else {"features": folded(model, base, by_table, *pairs)}),
                "trained": retrained(args, with_given, base, names, n),
            }
        )
    return {
        "schema": SCHEMA,
        "log": args.log,
        "student": args.student,
        "teacher": args.teacher or "usual",
        "items": args.items,
        "seed": args.seed,
        "others_recall@50": model.metadata["metrics"]["test"]["recall@50"],
        "results": told,
    }


def drawn(rows: Rows, chosen: I64, base: Dataset, n: int) -> tuple[I64, I64]:
    """Rows of the chosen items with users whom the base knows: n of each item, and the others to ask."""
    known = places_among(texts(rows.users), base.user_ids) >= 0
    there = np.flatnonzero(np.isin(rows.items, chosen) & known)
    order = stream(0, "given users").permutation(there)
    order = order[np.argsort(rows.items[order], kind="stable")]
    items = rows.items[order]
    begins = np.searchsorted(items, items)
    first = np.arange(items.size) - begins < n
    return order[first], order[~first]


def show(record: dict[str, Any]) -> str:
    """A row for each number of interactions and side."""
    lines = [
        [
            str(one["interactions"]),
            side.replace("_", " "),
            *(f"{one[side][name]:.4f}" for name in ("recall@10", "recall@50", "others_recall@50")),
            f"{one[side]['new_in_50']:.2f}",
        ]
        for one in record["results"]
        for side in ("features", "folded_in", "trained")
        if side in one
    ]
    without = ["–", "without them", "–", "–", f"{record['others_recall@50']:.4f}", "–"]
    return table(
        ["interactions", "items are", "Recall@10", "Recall@50", "others' Recall@50", "new in 50"],
        [without, *lines],
    )


def parser() -> argparse.ArgumentParser:
    """The flags."""
    found = options(__doc__, work=Path("work/folded"))
    add_model_options(found)
    found.add_argument("--items", type=int, default=200, help="taken out; default: %(default)s")
    return found


if __name__ == "__main__":
    raise SystemExit(run(parser(), measure, show))

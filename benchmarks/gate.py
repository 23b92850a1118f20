"""What the gate of an export refuses: files that lose nothing, and files that lose something.

    python benchmarks/gate.py --work work --set synthetic --set synthetic:1 --set six-ml-100k --out gate.json

Models that are computed at once, of many widths, in each recipe. The gate reads validation users, as it does
in an export. What a file truly loses is the mean of the paired differences over validation and test together;
then users are drawn from those with replacement, as many as a small or a large log has, and the gate is asked
again: its answer must depend on the loss and not on the draw. An int4-item file is held to the limits of
int8-dim too: a loss that is there.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import options, run, table
from _models import made

from recpress_edge.core.arrays import F64
from recpress_edge.core.metrics import shown_metrics
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import Interval, paired_bootstrap
from recpress_edge.data.holdout import dataset_cutoff
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.data.synthetic import synthetic
from recpress_edge.models.outputs import Tables
from recpress_edge.training.record import stored_metrics
from recpress_export.compare import Change
from recpress_export.gates import Gate, allowed_losses, load_gate

SCHEMA: Final = "recpress.gate/1"
METHODS: Final = ("als", "puresvd", "svd")
DIMS: Final = (5, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64)
HELD_TO: Final = (
    ("int8-dim", "int8-dim"),
    ("int8-item", "int8-item"),
    ("int4-item", "int4-item"),
    ("int4-item", "int8-dim"),
)
"""A recipe, and that whose limits its file is held to."""
USERS: Final = (500, 1000, 2000, 5000)
DRAWS: Final = 400
BANDS: Final = ((-np.inf, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, np.inf))
"""The worst true loss, as a multiple of its limit."""
BAND_TITLES: Final = ("no loss", "0 to 1/2", "1/2 to 1", "1 to 2", "2 to 4", "4 to 8", "over 8")
Differences = Mapping[str, tuple[F64, F64]]
"""Of each metric its values by user before and after."""


def parser() -> argparse.ArgumentParser:
    found = options(__doc__, work=Path("work"))
    found.add_argument("--set", action="append", required=True, metavar="NAME", help="may be repeated")
    found.add_argument("--methods", default=",".join(METHODS), metavar="A,B", help="default: %(default)s")
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """A record of every file."""
    files = [one for name in args.set for one in _files(name, args.methods.split(","), args.work)]
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "files": [{key: value for key, value in one.items() if key != "drawn"} for one in files],
        "rates": {
            str(users): {title: _rate(files, users, band) for title, band in _bands()} for users in USERS
        },
        "refused": [_refused(files, *held) for held in HELD_TO],
    }


def _bands() -> Iterator[tuple[str, tuple[float, float]]]:
    return zip(BAND_TITLES, BANDS, strict=True)


def _data(name: str, work: Path) -> Dataset:
    set_name, _, seed = name.partition(":")
    return synthetic(int(seed)) if set_name == "synthetic" and seed else load_dataset(set_name, work)


def _files(name: str, methods: list[str], work: Path) -> Iterator[dict[str, Any]]:
    data = _data(name, work)
    metrics = tuple(dict.fromkeys((*shown_metrics(dataset_cutoff(data)), f"ndcg@{dataset_cutoff(data)}")))
    for method in methods:
        for dim in DIMS:
            print(f"{name} {method}_dim{dim}", file=sys.stderr, flush=True)
            model = made(f"{method}_dim{dim}", data, work)
            tables = Tables(model.user_emb, model.item_emb)
            found = {recipe: _of(tables, recipe, data) for recipe in ("fp32", *dict(HELD_TO))}
            for recipe, limits in HELD_TO:
                splits = {
                    split: {m: (found["fp32"][split][m], found[recipe][split][m]) for m in metrics}
                    for split in ("valid", "test")
                }
                yield {"set": name, "model": model.name, "recipe": recipe, "limits": limits} | _judged(
                    splits, load_gate(limits)
                )


def _of(tables: Tables, recipe: str, data: Dataset) -> dict[str, Mapping[str, F64]]:
    return {split: stored_metrics(tables, recipe, data, split).by_user for split in ("valid", "test")}


def _judged(splits: Mapping[str, Differences], gate: Gate) -> dict[str, Any]:
    """A file on validation, its true loss, and what the gate says of draws from all users."""
    valid = splits["valid"]
    both = {
        m: tuple(np.concatenate([split[m][at] for split in splits.values()]) for at in (0, 1)) for m in valid
    }
    changes = {
        m: Change(float(a.mean()), float(b.mean()), paired_bootstrap(a, b, stream(0, f"parity {m}")))
        for m, (a, b) in valid.items()
    }
    n_users = next(iter(valid.values()))[0].size
    allowed = allowed_losses(changes, n_users, gate)
    lost = {m: -change.delta.mean for m, change in changes.items()}
    true = {m: float((a - b).mean()) for m, (a, b) in both.items()}
    limits = {m: gate.max_recall_loss if m.startswith("recall") else gate.max_ndcg_loss for m in true}
    return {
        "users": n_users,
        "before": {m: change.before for m, change in changes.items()},
        "loss": lost,
        "allowed": allowed,
        "refused": [m for m in lost if lost[m] > allowed[m]],
        "above_the_limit": [m for m in lost if lost[m] > limits[m]],
        "true_loss": true,
        "excess": max(true[m] / limits[m] for m in true),
        "drawn": {users: _drawn(both, users, gate) for users in USERS},
    }


def _drawn(both: Mapping[str, Any], users: int, gate: Gate) -> float:
    """Share of draws of so many users that are refused."""
    before, after = (np.stack([pair[at] for pair in both.values()], axis=1) for at in (0, 1))  # (B, M)
    change, rng, refused = after - before, stream(0, f"users {users}"), 0
    for _ in range(DRAWS):
        rows = rng.integers(0, len(change), users)
        mean, error = change[rows].mean(axis=0), change[rows].std(axis=0, ddof=1) / np.sqrt(users)
        had = before[rows].mean(axis=0)
        changes = {
            m: Change(float(had[at]), float(had[at] + mean[at]), _interval(float(mean[at]), float(error[at])))
            for at, m in enumerate(both)
        }
        allowed = allowed_losses(changes, users, gate)
        refused += any(-changes[m].delta.mean > allowed[m] for m in changes)
    return refused / DRAWS


def _interval(mean: float, error: float) -> Interval:
    return Interval(mean, mean - 1.96 * error, mean + 1.96 * error)


def _rate(files: list[dict[str, Any]], users: int, band: tuple[float, float]) -> dict[str, Any]:
    """Of files whose worst true loss is in the band: how many, and the mean and largest share refused."""
    shares = [one["drawn"][users] for one in files if band[0] < one["excess"] <= band[1]]
    return {
        "files": len(shares),
        "refused": float(np.mean(shares)) if shares else None,
        "most": max(shares, default=None),
    }


def _refused(files: list[dict[str, Any]], recipe: str, limits: str) -> dict[str, Any]:
    """Of the files of a recipe: how many are refused, and how many the limits alone would refuse."""
    here = [one for one in files if (one["recipe"], one["limits"]) == (recipe, limits)]
    within = [one for one in here if one["excess"] <= 1]
    return {
        "recipe": recipe,
        "limits": limits,
        "files": len(here),
        "refused": sum(bool(one["refused"]) for one in here),
        "above_a_limit": sum(bool(one["above_the_limit"]) for one in here),
        "truly_within": len(within),
        "truly_within_refused": sum(bool(one["refused"]) for one in within),
        "truly_within_above_a_limit": sum(bool(one["above_the_limit"]) for one in within),
    }


def show(record: dict[str, Any]) -> str:
    """Both tables."""
    rates = [
        [title, str(record["rates"][str(USERS[0])][title]["files"])]
        + [_share(record["rates"][str(users)][title]["refused"]) for users in USERS]
        for title in BAND_TITLES
    ]
    refused = [[str(value) for value in one.values()] for one in record["refused"]]
    return "\n\n".join(
        [
            table(["true loss / limit", "files", *(f"{users:,} users" for users in USERS)], rates),
            table(list(record["refused"][0]), refused),
        ]
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))

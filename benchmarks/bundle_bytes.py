"""Bytes of whole, lean and order-only bundles, and of a night's patches: new items, retrained, trained anew.

    python benchmarks/bundle_bytes.py --log ml-1m --work work/nightly --out bundle-bytes-ml-1m.json
    python benchmarks/bundle_bytes.py --log ml-100k --teacher als_dim16 --student soft_dim8

(with RECPRESS_DATA_DIR set). The models are those of benchmarks/nightly.py, found in its --work or trained
there: the first one, and those of the next night that go on from it (warm) and start anew (cold). Patches are
between bundles as devices have them: whole, and lean. New items are folded in from the night's own log.
"""

import argparse
import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import options, run, table
from _nights import NIGHTS, SHARE, Rows, add_model_options, nights, rows_of, student

from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.artifacts.contract import ALL_USERS
from recpress_edge.artifacts.formats import DEFAULT
from recpress_edge.artifacts.manifest import MANIFEST
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.core.progress import silent
from recpress_edge.data.features.shown import Shown
from recpress_edge.data.interactions import Dataset
from recpress_edge.jobs.bundles.patching import DiffRequest
from recpress_edge.jobs.fold_in.request import FoldInRequest
from recpress_edge.jobs.lean import StripRequest
from recpress_edge.jobs.subject import SubjectSource
from recpress_edge.training.store import TrainedModel
from recpress_export.build import build
from recpress_export.gates import load_gate

SCHEMA: Final = "recpress.bundle-bytes/1"
RECIPES: Final = ("int8-dim", "int4-item")


def exported(model: TrainedModel, data: Dataset, recipe: str, folder: Path) -> Bundle:
    """A model as a bundle for all users."""
    source = SubjectSource(
        folder=model.folder,
        network=None,
        profile=ALL_USERS,
        user=None,
        file_format=DEFAULT,
        core="",
        command="benchmarks/bundle_bytes.py",
        ships_rows=True,
        shown=Shown(None, {}),
        threads=1,
    )
    subject = source.load(data, silent)
    return build(subject, recipe_named(recipe), folder, gate=load_gate(recipe)).bundle


def stripped(bundle: Path, out: Path, *, order_only: bool = False) -> Bundle:
    """The lean form of a bundle."""
    StripRequest(bundle=bundle, out=out, order_only=order_only).run()
    return open_bundle(out)


def size(bundle: Bundle) -> int:
    """Bytes of every file of a bundle, its manifest too."""
    return bundle.total_bytes + (bundle.folder / MANIFEST).stat().st_size


def sizes(bundle: Bundle, folder: Path) -> dict[str, int]:
    """A bundle and its lean forms."""
    lean = stripped(bundle.folder, folder / f"{bundle.folder.name}-lean")
    order = stripped(bundle.folder, folder / f"{bundle.folder.name}-order", order_only=True)
    return {
        "model_bytes": bundle.model_bytes,
        "bundle_bytes": size(bundle),
        "lean_bytes": size(lean),
        "order_only_bytes": size(order),
    }


def patches(first: Bundle, new: Bundle, folder: Path) -> dict[str, Any]:
    """What a device is sent that has the first bundle, whole or lean."""
    found = {}
    for form in ("whole", "lean"):
        old, now = (
            one.folder if form == "whole" else folder / f"{one.folder.name}-lean" for one in (first, new)
        )
        if not now.exists():
            stripped(new.folder, now)
        facts = DiffRequest(old=old, new=now, out=folder / f"{now.name}.patch", force=True).run().facts()
        found[form] = {name: facts[name] for name in ("bytes", "new_bytes", "new_packed_bytes")}
    return found


def with_new_items(bundle: Bundle, rows: Rows, folder: Path) -> tuple[Bundle, dict[str, int]]:
    """The bundle with the new items of a night's log, and what they were made from."""
    log = folder / "night.csv"
    with log.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id"])
        writer.writerows(zip(rows.users.tolist(), rows.items.tolist(), strict=True))
    out = folder / f"{bundle.folder.name}-items"
    done = FoldInRequest(bundle=bundle.folder, interactions=(log,), out=out).run()
    counted = {"items": len(done.folded.per_item), "interactions": done.folded.counted.interactions}
    return done.updated.updated.bundle, counted


def of_recipe(
    recipe: str, models: dict[str, tuple[TrainedModel, Dataset]], night: Rows, folder: Path
) -> dict[str, Any]:
    """Sizes of the first model's bundle, and patches to each of the next night's."""
    bundles = {
        side: exported(model, data, recipe, folder / f"{side}-{recipe}")
        for side, (model, data) in models.items()
    }
    first = bundles["first"]
    found = {"recipe": recipe, **sizes(first, folder)}
    sent = {}
    if np.isin(night.items.astype(str), models["first"][1].item_ids, invert=True).any():
        grown, counted = with_new_items(first, night, folder)
        sent["new items"] = counted | patches(first, grown, folder)
    for side in ("warm", "cold"):
        sent[side] = patches(first, bundles[side], folder)
    return {**found, "patches": sent}


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every recipe, on the nights that benchmarks/nightly.py cuts by default."""
    logs = nights(rows_of(args.log), NIGHTS, SHARE)
    before, after = (logs[night].dataset(f"{args.log}-night-{night}") for night in (0, 1))
    first = student(args, before, args.work / "night-0")
    models = {
        "first": (first, before),
        "warm": (student(args, after, args.work / "warm", first), after),
        "cold": (student(args, after, args.work / "cold-1"), after),
    }
    night = logs[1].since(logs[0])
    with tempfile.TemporaryDirectory() as folder:
        results = [of_recipe(recipe, models, night, Path(folder)) for recipe in RECIPES]
    counts = {"users": before.n_users, "items": before.n_items}
    return {
        "schema": SCHEMA,
        "log": args.log,
        "student": args.student,
        "teacher": args.teacher or "usual",
        "seed": args.seed,
        "share": SHARE,
        **counts,
        "new_users": after.n_users - before.n_users,
        "new_items": after.n_items - before.n_items,
        "results": results,
    }


def show(record: dict[str, Any]) -> str:
    """The bundles, then the patches."""
    return (
        f"{table(['recipe', 'model', 'bundle', 'lean', 'order only'], list(_bundles(record)))}\n\n"
        + table(["recipe", "night", "patch", "of lean", "lean bundle, xz"], list(_patches(record)))
    )


def _bundles(record: dict[str, Any]) -> Iterator[list[str]]:
    for one in record["results"]:
        names = ("model_bytes", "bundle_bytes", "lean_bytes", "order_only_bytes")
        yield [one["recipe"], *(f"{one[name]:,}" for name in names)]


def _patches(record: dict[str, Any]) -> Iterator[list[str]]:
    for one in record["results"]:
        for side, found in one["patches"].items():
            whole, lean = found["whole"], found["lean"]
            yield [
                one["recipe"],
                side,
                *(f"{number:,}" for number in (whole["bytes"], lean["bytes"], lean["new_packed_bytes"])),
            ]


def parser() -> argparse.ArgumentParser:
    """The flags."""
    found = options(__doc__, work=Path("work/nightly"))
    add_model_options(found)
    return found


if __name__ == "__main__":
    raise SystemExit(run(parser(), measure, show))

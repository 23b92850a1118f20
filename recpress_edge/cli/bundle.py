"""recpress-edge bundle: change a bundle's catalogue, or take the last change back."""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.common import common_options, emit, next_steps, say
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.units import format_bytes, format_share
from recpress_edge.device.guard import add_guard_options, guard_of

if TYPE_CHECKING:
    from recpress_export.update.apply import Updated
    from recpress_export.update.changes import Changes


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its two verbs."""
    bundle = subparsers.add_parser("bundle", help="update the catalogue of a bundle, or roll that back")
    verbs = bundle.add_subparsers(dest="verb", required=True, metavar="VERB")
    update = verbs.add_parser(
        "update",
        parents=[common_options()],
        help="append, replace or retire items without training",
        description="Rewrites the item table and re-checks the whole bundle before it takes the old one's "
        "place, which is kept as BUNDLE.previous. Item indices never change; a retired item keeps its index "
        "and is never recommended.",
    )
    update.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    update.add_argument(
        "--items",
        type=Path,
        required=True,
        metavar="FILE",
        help="npz with any of append_ids + append_emb, replace_ids + replace_emb, retire_ids: ids as text, "
        "vectors as float32 (n, dim) that fit the bundle's users",
    )
    update.add_argument("--out", type=Path, metavar="DIR", help="write there and leave BUNDLE alone")
    update.add_argument(
        "--force",
        action="store_true",
        help="clip new rows however far they go beyond the int8 range, and replace what is at --out",
    )
    add_guard_options(update)
    update.set_defaults(func=_update)
    rollback = verbs.add_parser(
        "rollback",
        parents=[common_options()],
        help="put the version before the last update back",
        description="Exchanges BUNDLE with BUNDLE.previous after that passed its self-test. "
        "Once more undoes it.",
    )
    rollback.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    add_guard_options(rollback)
    rollback.set_defaults(func=_rollback)


def _update(args: argparse.Namespace) -> int:
    from recpress_edge.artifacts.bundle import MANIFEST
    from recpress_edge.core.files import check_free, check_ours
    from recpress_export.update.apply import update_bundle
    from recpress_export.update.changes import place, read_changes
    from recpress_export.update.stored import read_stored, store_rows

    if args.out is not None:
        check_ours(args.out, MANIFEST)
        check_free(args.out, force=args.force)
    changes = read_changes(args.items)
    if args.dry_run:
        from recpress_edge.artifacts.bundle import open_bundle

        bundle = open_bundle(args.bundle)
        contract = bundle.contract
        placed = place(changes, bundle.item_ids(), contract.retired, contract.dim)
        clipped = int(store_rows(read_stored(bundle), placed.emb).clipped.sum())
        say(args, f"would      {_counts(changes)}; {clipped} of {len(placed.emb)} new rows clipped")
        emit(args, {"dry_run": True, "n_items": len(placed.item_ids), "clipped_rows": clipped})
        return 0
    updated = update_bundle(args.bundle, changes, args.out, force=args.force, guard=guard_of(args))
    _report(args, changes, updated)
    emit(args, _facts(updated))
    return 0


def _counts(changes: "Changes") -> str:
    return (
        f"append {len(changes.append_ids):,}, replace {len(changes.replace_ids):,}, "
        f"retire {len(changes.retire_ids):,} items"
    )


def _report(args: argparse.Namespace, changes: "Changes", updated: "Updated") -> None:
    bundle, entry = updated.bundle, updated.entry
    contract = bundle.contract
    say(args, f"changed    {_counts(changes)}")
    say(args, f"catalogue  {contract.n_items:,} items, {len(contract.retired):,} retired; indices unchanged")
    if entry["clipped_rows"]:
        overruled = ", accepted by --force" if entry["overruled"] else ""
        say(
            args,
            f"clipped    {entry['clipped_rows']:,} new rows at the int8 range, "
            f"the worst was {entry['worst_clip']:.2f} times it{overruled}",
        )
    say(args, f"same       {updated.compared_scores:,} scores of unchanged items are what they were")
    say(args, _recall_line(entry.get("recall")))
    say(args, f"wrote      {bundle.model_path}   {format_bytes(bundle.model_bytes)}")
    say(
        args,
        f"bundle     {bundle.folder}/   sha256 {bundle.digest[:16]}…   (was {updated.previous[:16]}…)   "
        f"self-test: {len(bundle.selftest().users)} users, passed",
    )
    back = [] if args.out else [f"recpress-edge bundle rollback {shlex.quote(str(args.bundle))}"]
    next_steps(args, [f"device_bench run {shlex.quote(str(bundle.folder))}", *back])


def _recall_line(recall: Mapping[str, Any] | None) -> str:
    if recall is None:
        return "recall     not measured: the bundle carries no evaluation rows (export --with-evaluation)"
    figures = " → ".join(format_share(recall[when]) for when in ("before", "after"))
    return f"{'recall@' + str(recall['cutoff']):<9}  {figures}   ({recall['split']} users)"


def _facts(updated: "Updated") -> dict[str, Any]:
    bundle = updated.bundle
    return {
        "bundle": str(bundle.folder),
        "name": bundle.name,
        "sha256": bundle.digest,
        "previous_sha256": updated.previous,
        "n_items": bundle.contract.n_items,
        "retired_items": len(bundle.contract.retired),
        "file_bytes": bundle.model_bytes,
        "compared_scores": updated.compared_scores,
        "update": dict(updated.entry),
    }


def _rollback(args: argparse.Namespace) -> int:
    from recpress_export.update.versions import previous_path, roll_back

    if args.dry_run:
        where = previous_path(args.bundle)
        if not where.is_dir():
            raise ConfigError(f"there is no version before {args.bundle}: {where} does not exist")
        say(args, f"would      exchange {args.bundle} and {where}")
        emit(args, {"dry_run": True, "bundle": str(args.bundle), "previous": str(where)})
        return 0
    bundle, was = roll_back(args.bundle, guard_of(args))
    say(args, f"bundle     {bundle.folder}/   sha256 {bundle.digest[:16]}…   self-test passed")
    say(args, f"set aside  {previous_path(bundle.folder)}/" + (f"   sha256 {was[:16]}…" if was else ""))
    emit(args, {"bundle": str(bundle.folder), "sha256": bundle.digest, "set_aside_sha256": was})
    return 0

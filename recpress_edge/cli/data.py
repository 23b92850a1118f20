"""``recpress-edge data``: list, fetch, stats, import."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.common import common_options, emit, next_steps, progress, say, table
from recpress_edge.core.errors import ArtifactError, ConfigError

if TYPE_CHECKING:
    from recpress_edge.data.interactions import Dataset
    from recpress_edge.data.prepare import Preparation, Prepared
    from recpress_edge.data.read import Reading


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its four verbs."""
    data = subparsers.add_parser("data", help="list, fetch, inspect and import interaction logs")
    verbs = data.add_subparsers(dest="verb", required=True, metavar="VERB")
    common = [common_options()]
    listing = verbs.add_parser(
        "list", parents=common, help="data sets that are here, and those that can be fetched"
    )
    listing.set_defaults(func=_list)
    fetch = verbs.add_parser("fetch", parents=common, help="download a public set, check it, split it")
    fetch.add_argument("name", metavar="NAME", help="see 'recpress-edge data list'")
    fetch.add_argument("--force", action="store_true", help="replace the data set of this name")
    fetch.set_defaults(func=_fetch)
    stats = verbs.add_parser("stats", parents=common, help="counts of one data set")
    stats.add_argument("name", metavar="NAME", help="see 'recpress-edge data list'")
    stats.set_defaults(func=_stats)
    importing = verbs.add_parser("import", parents=common, help="bring your own log")
    _add_import_options(importing)
    importing.set_defaults(func=_import)


def _add_import_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="the log; with --test-file, its training part"
    )
    parser.add_argument("--name", required=True, help="what to call the data set")
    parser.add_argument(
        "--format",
        default="auto",
        help="delimited, inter, json, adjacency, counted-adjacency (default: auto, where it can be told)",
    )
    _add_reading_options(parser)
    parser.add_argument("--valid-file", type=Path, metavar="PATH", help="ready validation part")
    parser.add_argument("--test-file", type=Path, metavar="PATH", help="ready test part")
    parser.add_argument(
        "--split",
        help="loo-random, loo-time, loo-order (of the lines), ratio:60/20/20, or given (default: loo-random; "
        "with --test-file, given)",
    )
    parser.add_argument("--min-rating", type=float, metavar="R", help="drop rows rated lower")
    parser.add_argument("--min-user", type=int, default=1, metavar="N", help="fewest items a user must have")
    parser.add_argument("--min-item", type=int, default=1, metavar="N", help="fewest users an item must have")
    parser.add_argument("--seed", type=int, help="of a split that draws (default: 0)")
    parser.add_argument(
        "--licence", default="not stated", metavar="TEXT", help="terms of the data, for the model card"
    )
    parser.add_argument("--force", action="store_true", help="replace the data set of this name")


def _add_reading_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--columns", metavar="SPEC", help="for example user=buyer,item=sku,rating=3,time=ts")
    parser.add_argument(
        "--separator",
        metavar="MARK",
        help="tab, comma, semicolon, pipe, space, ::, or the mark itself (default: found in the first lines)",
    )
    parser.add_argument(
        "--header", choices=("yes", "no"), help="default: yes if the first line names known columns"
    )
    parser.add_argument(
        "--encoding", metavar="NAME", help="for example gbk (default: by its mark, else utf-8)"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="COLUMN=VALUES",
        help="count only rows with these values, for example event=purchase,addtocart; event=* takes all",
    )
    parser.add_argument(
        "--missing", default="", metavar="WORDS", help="ids that stand for no value, for example NULL,nan"
    )
    parser.add_argument(
        "--ids",
        choices=("as-written", "cleaned"),
        help="keep ids to the letter, or take out .0 and what does not show (default: ask where it matters)",
    )
    parser.add_argument(
        "--time-unit",
        choices=("s", "ms", "us", "ns", "by-size"),
        help="of the times (default: by their size, if it is one for all)",
    )
    parser.add_argument(
        "--skip-bad-lines",
        default="0",
        metavar="N|P%",
        help="leave out lines that cannot be read, up to a number or a share of each file (default: 0)",
    )


def _list(args: argparse.Namespace) -> int:
    from recpress_edge.data.fetch import REGISTRY
    from recpress_edge.data.local import LOCAL_SETS, local_files, local_folder
    from recpress_edge.data.resolve import SYNTHETIC
    from recpress_edge.data.store import dataset_path, read_manifest, stored_names

    entries: list[dict[str, Any]] = [
        {"name": SYNTHETIC, "state": "built in", "about": "small, for trying things out"}
    ]
    for name in stored_names(args.work):
        try:
            manifest = read_manifest(dataset_path(args.work, name))
            counts = {"users": manifest["n_users"], "items": manifest["n_items"]}
            entries.append({"name": name, "state": "ready", **counts, "about": manifest["protocol"]})
        except (ArtifactError, KeyError):
            entries.append(
                {"name": name, "state": "damaged", "about": "import or fetch it again with --force"}
            )
    seen = {entry["name"] for entry in entries}
    folder = local_folder()
    for name in LOCAL_SETS:
        if name not in seen and folder is not None and local_files(name, folder):
            entries.append({"name": name, "state": "local", "about": f"in {folder}; imported on first use"})
            seen.add(name)
    for name, public in REGISTRY.items():
        if name not in seen:
            entries.append(
                {"name": name, "state": "fetch", "about": f"{public.about} ({public.how.licence})"}
            )
    keys = ("name", "state", "users", "items", "about")
    heading = {"name": "data set", "state": "state", "users": "users", "items": "items", "about": "what"}
    for entry in [heading, *entries]:
        name, state, users, items, about = (_text(entry.get(key)) for key in keys)
        say(args, f"{name:<16}  {state:<8}  {users:>9}  {items:>9}  {about}")
    say(args)
    next_steps(args, ["recpress-edge data fetch NAME", "recpress-edge data import PATH --name NAME"])
    emit(args, {"datasets": entries})
    return 0


def _fetch(args: argparse.Namespace) -> int:
    from recpress_edge.data.fetch import fetch_set, public_set
    from recpress_edge.data.store import check_new, save_dataset

    chosen = public_set(args.name)
    target, downloads = check_new(args.work, args.name, force=args.force), args.work / "downloads"
    say(args, f"licence    {chosen.how.licence}")
    for file in chosen.files:
        say(args, f"download   {file.url}")
        say(args, f"           must be {file.digest}")
    if args.dry_run:
        say(args, f"dry run    would write {downloads / args.name} and {target}")
        emit(args, {"dry_run": True, "target": str(target), "urls": [file.url for file in chosen.files]})
        return 0
    with progress(args, f"fetching {args.name}") as bar:
        prepared = fetch_set(args.name, chosen, downloads, bar)
    _report(args, prepared, save_dataset(prepared, args.work, force=args.force))
    return 0


def _stats(args: argparse.Namespace) -> int:
    from recpress_edge.data.resolve import load_dataset

    if args.dry_run:
        raise ConfigError("data stats only reads: remove --dry-run")
    dataset = load_dataset(args.name, args.work, lambda text: say(args, text))
    counts = _counts(dataset)
    say(args, f"data       {dataset.name}: {dataset.n_users:,} users × {dataset.n_items:,} items")
    say(args, f"split      {dataset.protocol}")
    if dataset.ties:
        say(args, f"ties       {dataset.ties}")
    say(args, f"licence    {dataset.licence}")
    say(args)
    say(args, _parts_table(dataset))
    say(args)
    say(args, f"unseen     {counts['items_never_in_train']:,} items never occur in train")
    say(args, f"density    {100 * counts['density']:.3f} % of all pairs")
    say(args, f"digest     {dataset.digest()}")
    emit(
        args,
        {
            **counts,
            "protocol": dataset.protocol,
            "ties": dataset.ties,
            "licence": dataset.licence,
            "digest": dataset.digest(),
        },
    )
    return 0


def _import(args: argparse.Namespace) -> int:
    from recpress_edge.data.fetch import REGISTRY
    from recpress_edge.data.local import LOCAL_SETS
    from recpress_edge.data.prepare import prepare
    from recpress_edge.data.resolve import SYNTHETIC
    from recpress_edge.data.store import check_new, save_dataset

    if args.name == SYNTHETIC or (args.name in {*REGISTRY, *LOCAL_SETS} and not args.force):
        taken = "is built in" if args.name == SYNTHETIC else "names a public set; use --force if this is it"
        raise ConfigError(f"--name {args.name} {taken}. Choose another name.")
    how, files = _preparation(args), _given_files(args)
    target = check_new(args.work, args.name, force=args.force)
    prepared = prepare(args.name, files, how)
    if args.dry_run:
        say(args, f"dry run    would write {target}")
    else:
        save_dataset(prepared, args.work, force=args.force)
    _report(args, prepared, target)
    return 0


def _given_files(args: argparse.Namespace) -> list[Path]:
    if args.valid_file and not args.test_file:
        raise ConfigError(
            "--valid-file needs --test-file too: the split is either given or made, not half of each"
        )
    if args.test_file and args.split not in (None, "given"):
        raise ConfigError(f"--test-file gives the split: remove --split {args.split}, or write --split given")
    return [path for path in (args.path, args.valid_file, args.test_file) if path]


def _preparation(args: argparse.Namespace) -> "Preparation":
    from recpress_edge.data.columns import ColumnChoice, parse_columns
    from recpress_edge.data.delimited import named_separator
    from recpress_edge.data.filter import Filters
    from recpress_edge.data.prepare import Preparation

    choice = None
    if args.columns or args.separator or args.header:
        choice = ColumnChoice(
            separator=named_separator(args.separator) if args.separator else None,
            columns=parse_columns(args.columns) if args.columns else None,
            header=None if args.header is None else args.header == "yes",
        )
    return Preparation(
        fmt=args.format,
        columns=choice,
        reading=_reading(args),
        split=args.split or ("given" if args.test_file else "loo-random"),
        seed=args.seed,
        filters=Filters(min_rating=args.min_rating, min_user=args.min_user, min_item=args.min_item),
        licence=args.licence,
    )


def _reading(args: argparse.Namespace) -> "Reading":
    from recpress_edge.data.events import parse_only
    from recpress_edge.data.ids import IdChoice
    from recpress_edge.data.lines import parse_allowance
    from recpress_edge.data.read import Reading

    return Reading(
        encoding=args.encoding,
        only=tuple(map(parse_only, args.only)),
        ids=IdChoice(tuple(word for word in args.missing.split(",") if word), args.ids),
        bad_lines=parse_allowance(args.skip_bad_lines),
        time_unit=args.time_unit,
    )


def _report(args: argparse.Namespace, prepared: "Prepared", target: Path) -> None:
    dataset, record = prepared.dataset, prepared.record
    for note in record["read"]:
        say(args, f"read       {note}")
    for note in record["strangers"]:
        say(args, f"careful    {note}")
    rows = record["rows"]
    left_out = {
        "that cannot be read": rows["left_out_bad_lines"],
        "by --only": rows["left_out_not_chosen"],
        "without an id": rows["left_out_missing"],
    }
    texts = [f"{count:,} {reason}" for reason, count in left_out.items() if count]
    if texts:
        say(args, f"left out   {', '.join(texts)}")
    removed = {
        "rated too low": rows["removed_low_ratings"],
        "duplicates": rows["removed_duplicates"],
        "of rare users or items": rows["removed_rare"],
    }
    texts = [f"{count:,} {reason}" for reason, count in removed.items() if count]
    say(args, f"removed    {', '.join(texts) or 'nothing'}; {rows['kept']:,} of {rows['read']:,} rows stay")
    say(args, f"data       {dataset.name}: {dataset.n_users:,} users × {dataset.n_items:,} items")
    alone = record["split"]["users_not_held_out"]
    say(
        args,
        f"split      {dataset.protocol}"
        + (f"; {alone:,} users with too few items train only" if alone else ""),
    )
    if dataset.ties:
        say(args, f"ties       {dataset.ties}")
    say(args)
    say(args, _parts_table(dataset))
    say(args)
    if not args.dry_run:
        say(args, f"wrote      {target}")
        commands = [
            f"recpress-edge export --data {dataset.name} --student htd_dim10 --int8{_work_option(args)}",
            f"recpress-edge data stats {dataset.name}{_work_option(args)}",
        ]
        next_steps(args, commands)
    emit(
        args,
        {
            "target": str(target),
            "dry_run": args.dry_run,
            **_counts(dataset),
            "digest": dataset.digest(),
            **record,
        },
    )


def _parts_table(dataset: "Dataset") -> str:
    parts = {"train": dataset.train, "valid": dataset.valid, "test": dataset.test}
    rows = [
        [
            name,
            f"{len(part):,}",
            f"{int((part.counts() > 0).sum()):,}",
            f"{int((part.item_counts() > 0).sum()):,}",
        ]
        for name, part in parts.items()
    ]
    return table(["part", "interactions", "users", "items"], rows)


def _counts(dataset: "Dataset") -> dict[str, Any]:
    total = len(dataset.train) + len(dataset.valid) + len(dataset.test)
    return {
        "name": dataset.name,
        "n_users": dataset.n_users,
        "n_items": dataset.n_items,
        "interactions": {"train": len(dataset.train), "valid": len(dataset.valid), "test": len(dataset.test)},
        "items_never_in_train": int((dataset.train.item_counts() == 0).sum()),
        "density": total / (dataset.n_users * dataset.n_items),
    }


def _work_option(args: argparse.Namespace) -> str:
    return "" if args.work == Path() else f" --work {args.work}"


def _text(value: object) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)

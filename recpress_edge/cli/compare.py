"""``recpress-edge compare``: two models on the same users, tested."""

import argparse
from pathlib import Path

from recpress_edge.cli.common import (
    add_common_options,
    emit,
    only_reads,
    positive_int,
    request_of,
    say,
    seed_number,
    table,
)
from recpress_edge.cli.events import print_events
from recpress_edge.cli.tables import add_table_options, check_tables, write_tables, write_text
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.units import format_change, format_share
from recpress_edge.jobs.compare import CompareRequest, ComparisonResult, Contender, format_p


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Both are measured on every held-out user, and the difference is tested by a paired bootstrap over "
        "users; where both have several seeds, over seeds too. What is not comparable is refused: other "
        "data, another split, users or masked items. Bundles answer by their own files."
    )
    parser.epilog = (
        "example: recpress-edge compare bpr_dim20 soft_dim20 --data mine --csv soft-against-bpr.csv"
    )
    add_common_options(parser)
    parser.add_argument(
        "models",
        nargs=2,
        metavar="MODEL",
        help="a name, which means all its seeds; or a model's or bundle's folder, several seeds with commas",
    )
    parser.add_argument("--data", metavar="NAME", help="data set of models that are given by name")
    parser.add_argument("--split", choices=("test", "valid"), default="test", help="default: test")
    parser.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="NAME",
        help="recall@K or ndcg@K; may be given again (default: recall@10, ndcg@10, recall@50)",
    )
    parser.add_argument(
        "--samples", type=positive_int, default=10_000, metavar="N", help="resamples (default: 10000)"
    )
    parser.add_argument(
        "--seed", type=seed_number, default=0, metavar="S", help="of the resampling (default: 0)"
    )
    parser.add_argument(
        "--per-user", type=Path, metavar="FILE", help="every metric of every user and run, as CSV"
    )
    add_table_options(parser, latex="means, differences, intervals and p values")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when both were compared, whichever is better."""
    only_reads(args)
    check_tables(args)
    if args.per_user and args.per_user == args.csv:
        raise ConfigError("--csv and --per-user name one file: give each its own")
    with print_events(args) as on_event:
        result = request_of(CompareRequest, args).run(on_event)
    _say(args, result)
    write_tables(args, result.table, result.latex)
    if args.per_user:
        write_text(args, args.per_user, result.per_user.to_csv())
    emit(args, result.facts())
    return 0


def _say(args: argparse.Namespace, result: ComparisonResult) -> None:
    dataset = result.first.runs[0].dataset
    say(args, f"data       {dataset.get('name')}, {result.split}: {result.users.size:,} users")
    for which, one in (("first", result.first), ("second", result.second)):
        say(args, f"{which:<10} {_described(one)}")
    headers = ["metric", "first", "second", "second − first", "95 % interval", "p"]
    rows = [
        [
            row["metric"],
            format_share(row["first_mean"]),
            format_share(row["second_mean"]),
            format_change(row["difference"]),
            f"{format_change(row['low'])} to {format_change(row['high'])}",
            format_p(row["p"], result.samples),
        ]
        for row in result.table.rows()
    ]
    say(args)
    say(args, table(headers, rows))
    say(args)
    over = "users and seeds" if result.over_seeds else "users"
    say(args, f"tested     paired bootstrap over {over}, {result.samples:,} resamples, seed {result.seed}")
    both = (result.first, result.second)
    for name in dict.fromkeys(one.name for one in both if len(one.runs) == 1 and not one.runs[0].seedless):
        say(args, f"careful    one seed of {name}: another may differ by more than the interval")
    if result.knows:
        say(args, f"careful    {result.knows}")
    for row in result.table.rows():
        say(args, f"{'verdict':<10} {_verdict(row, result)}")


def _described(one: Contender) -> str:
    folders = ", ".join(str(run.folder) for run in one.runs)
    seeds = "seed" if len(one.runs) == 1 else "seeds"
    return f"{one.name}  {seeds} {', '.join(str(run.seed) for run in one.runs)}  {folders}"


def _verdict(row: dict[str, object], result: ComparisonResult) -> str:
    low, high = float(str(row["low"])), float(str(row["high"]))
    if low <= 0 <= high:
        return f"{row['metric']}: level, the interval holds 0"
    better = "second" if low > 0 else "first"
    name = result.second.name if low > 0 else result.first.name
    return f"{row['metric']}: the {better} is better, {name}"

"""recpress-edge model: bring a model that another program trained."""

import argparse
import shlex
from pathlib import Path

from recpress_edge.cli.common import (
    add_common_options,
    add_training_options,
    emit,
    flags_again,
    next_steps,
    request_of,
    say,
)
from recpress_edge.cli.events import print_events
from recpress_edge.cli.model.wrap import add_wrap
from recpress_edge.cli.train import say_metrics
from recpress_edge.core.errors import ConfigError
from recpress_edge.jobs.model import ModelImportRequest, ModelImportResult


def add_options(model: argparse.ArgumentParser) -> None:
    """Add the verb."""
    verbs = model.add_subparsers(dest="verb", required=True, metavar="VERB")
    parser = verbs.add_parser(
        "import",
        help="user and item vectors as a model folder",
        description="Takes vectors whose product is the score (or the cosine), places them by the ids of a "
        "data set that was imported before, measures them on its held-out items and writes a model folder: "
        "export and distill take it as they take a model trained here. Pickled files are never opened.",
    )
    add_common_options(parser)
    add_training_options(parser)
    parser.add_argument("--name", required=True, help="what to call the model, for example als_dim64")
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help="a file of implicit, LightFM or LensKit (.npz), RecBole (.pth), gensim (word2vec's format), in "
        "place of --users and --items",
    )
    for side in ("user", "item"):
        mean = "; mean: of the vectors of what a user consumed" if side == "user" else ""
        parser.add_argument(
            f"--{side}s",
            metavar="FILE[:NAME]",
            help=f"{side} vectors (rows, dim): .npy, .npz, .safetensors, .pt, .parquet or word2vec's .txt, "
            f"NAME where it holds several{mean}",
        )
        parser.add_argument(
            f"--{side}-ids",
            metavar="FILE[:NAME]",
            help="the id of each row, where the vectors' file does not say: .txt (a line each), .json (a "
            "list, or a dict from id to row), .npy, .npz or .parquet",
        )
        parser.add_argument(
            f"--{side}-bias", metavar="FILE[:NAME]", help=f"a number for each {side}, added to the score"
        )
    parser.add_argument("--cosine", action="store_true", help="the score is the cosine: rows get length one")
    parser.add_argument(
        "--in-order",
        action="store_true",
        help="rows without a file of ids are in the order of the data set's users.txt and items.txt",
    )
    parser.add_argument(
        "--missing",
        choices=("error", "mean", "zero"),
        default="error",
        help="what a user or item of the data set gets that has no vector (default: it is an error)",
    )
    parser.set_defaults(func=run)
    add_wrap(verbs)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the model folder is there, or could be."""
    if args.device != "cpu":
        raise ConfigError("model import computes nothing on a device: leave --device out")
    request = request_of(ModelImportRequest, args)
    with print_events(args) as on_event:
        result = request.plan(on_event) if args.dry_run else request.run(on_event)
    _report(args, result)
    if result.written:
        folder, again = shlex.quote(str(result.model.folder)), flags_again(args)
        next_steps(
            args,
            [
                f"recpress-edge export --student {folder} --int8{again}",
                f"recpress-edge distill --student soft_dim10 --teacher {folder}{again}",
            ],
        )
    emit(args, result.facts())
    return 0


def _report(args: argparse.Namespace, result: ModelImportResult) -> None:
    for kind, placed in (("users", result.users), ("items", result.items)):
        notes = []
        if placed.without:
            given = "the mean" if args.missing == "mean" else "zeros"
            notes.append(f"{placed.without:,} without a vector got {given}")
        if placed.left_out:
            notes.append(f"{placed.left_out:,} vectors of others left out")
        say(args, f"{kind:<10} {len(placed.rows):,}" + "".join(f"; {note}" for note in notes))
    say_metrics(args, [result.model])
    beside = result.model.metadata.get("plausibility")
    say(args)
    if beside:
        say(
            args,
            f"beside     recall@{beside['cutoff']} on {beside['split']}: this model {beside['recall']:.4f}, "
            f"the most popular items {beside['popular']:.4f}, random ones {beside['random']:.4f}",
        )
    say(args, f"{'wrote' if result.written else 'would be':<10} {result.model.folder}")

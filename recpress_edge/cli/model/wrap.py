"""recpress-edge model wrap: bring a network that another program trained."""

import argparse
import shlex
from pathlib import Path
from typing import Any

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
from recpress_edge.cli.train import say_metrics
from recpress_edge.core.errors import ConfigError
from recpress_edge.jobs.network import NetworkImportRequest, NetworkImportResult


def add_wrap(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "wrap",
        help="a network (an ONNX file or a torch module) as a model folder",
        description="Takes a network that scores items after a history or for a user, asks it about held-out "
        "users, refuses one that is not sound and writes a model folder: export and distill take it as they "
        "take a network trained here. An ONNX file is not trusted: it is tried in a process of its own, and "
        "may name no files outside its folder and no operators but ONNX's own. --module runs the Python file "
        "that you name, with all that it does: give only your own.",
    )
    add_common_options(parser)
    add_training_options(parser)
    _add_source(parser.add_argument_group("the network"))
    _add_ids(parser.add_argument_group("its items and users"))
    _add_history(parser.add_argument_group("its history"))
    parser.set_defaults(func=run)


def _add_source(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--name", required=True, help="what to call the model, for example bert4rec_dim64")
    group.add_argument("--onnx", type=Path, metavar="FILE", help="the network as ONNX, opset 13 to 22")
    group.add_argument(
        "--module",
        metavar="FILE.py:FUNCTION",
        help="a function of your own code that returns a torch module; the file is run",
    )
    group.add_argument(
        "--weights", type=Path, metavar="FILE", help="the module's parameters, .safetensors (never pickle)"
    )
    group.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="ROLE=NAME",
        help="which input takes what: history, length, mask or user (may be repeated; a module's "
        "arguments of these names need none)",
    )
    group.add_argument(
        "--output",
        default="scores",
        metavar="ROLE=NAME",
        help="scores=NAME, or vector=NAME with --items (default: scores, of the only output)",
    )
    group.add_argument(
        "--items", metavar="FILE[:NAME]", help="with a vector: the item table, .npy, .npz or .safetensors"
    )


def _add_ids(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--item-ids",
        type=Path,
        required=True,
        metavar="FILE",
        help="the items in the network's order: .txt, .json (a list, or id -> place) or .npy",
    )
    group.add_argument(
        "--item-offset", type=int, default=0, metavar="N", help="place of the first id: 1 where 0 is padding"
    )
    group.add_argument(
        "--output-offset",
        type=int,
        metavar="N",
        help="which score belongs to the first id (default: as --item-offset)",
    )
    group.add_argument("--user-ids", type=Path, metavar="FILE", help="the users in the network's order")
    group.add_argument("--user-offset", type=int, default=0, metavar="N", help="place of the first user")


def _add_history(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--history-length",
        type=int,
        metavar="N",
        help="items that the network reads, the last ones (default: what the ONNX file's input says)",
    )
    group.add_argument(
        "--pad",
        choices=("left", "right", "none"),
        help="where a short history is filled up; none: the network takes any length",
    )
    group.add_argument("--pad-value", type=int, default=0, metavar="N", help="with what (default: 0)")
    group.add_argument("--start-token", type=int, metavar="N", help="in front of every history")
    group.add_argument(
        "--end-token", type=int, metavar="N", help="behind every history: a BERT4Rec's mask token"
    )
    group.add_argument(
        "--empty",
        choices=("popular", "network"),
        default="popular",
        help="who answers an empty history: the most popular items, or the network with nothing but padding "
        "(default: popular)",
    )
    group.add_argument(
        "--padding-counts",
        action="store_true",
        help="take a network whose scores depend on its padding, because it was trained so",
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the model folder is there."""
    if args.dry_run:
        raise ConfigError("model wrap reads and writes in one go: leave --dry-run out")
    if args.device != "cpu":
        raise ConfigError("model wrap computes nothing on a device: leave --device out")
    with print_events(args) as on_event:
        result = request_of(NetworkImportRequest, args).run(on_event)
    _report(args, result)
    folder = shlex.quote(str(result.model.folder))
    next_steps(args, [f"recpress-edge export --student {folder} --int8{flags_again(args)}"])
    emit(args, result.facts())
    return 0


def _report(args: argparse.Namespace, result: NetworkImportResult) -> None:
    known = result.model.metadata["imported"]
    n_items = result.model.metadata["n_items"]
    say(args, f"network    {known['source']}, opset {known['opset']}")
    notes = [f"{n_items - known['items_unknown']:,} of {n_items:,} items known"]
    if known["items_unknown"]:
        notes.append("the others are never recommended")
    if known["items_left_out"]:
        notes.append(f"{known['items_left_out']:,} ids of others left out")
    if known["scores_without_id"]:
        notes.append(f"{known['scores_without_id']:,} scores belong to none of them")
    say(args, f"items      {'; '.join(notes)}")
    for line in result.checks():
        say(args, f"checked    {line}")
    say_metrics(args, [result.model])
    beside = result.against_popular()
    if beside is not None:
        metric, own, popular = beside
        words = "" if own > popular else "; is it trained, and are the ids in its order?"
        say(args)
        say(args, f"{metric}: {own:.4f}, of the most popular items {popular:.4f}{words}")
    say(args)
    say(args, f"wrote      {result.model.folder}")

"""recpress-edge export --profile: what the command does differently for one user, or for none."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recpress_edge.artifacts.contract import ALL_USERS, HISTORY, SINGLE_USER
from recpress_edge.cli.common import say

if TYPE_CHECKING:
    from recpress_edge.artifacts.bundle import Bundle, Evaluation
    from recpress_edge.cli.export import Request
    from recpress_edge.data.holdout import Split
    from recpress_edge.data.interactions import Dataset
    from recpress_export.package import Fill
    from recpress_export.student import Source


def add_profile_options(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="whose vectors are inside: all-users (default), single-user, or history: nobody's, the file "
        "makes them from the consumed items",
    )
    parser.add_argument("--user", metavar="ID", help="whose single-user bundle: an id of the log")
    parser.add_argument(
        "--with-evaluation",
        action="store_true",
        help="put the test users' rows into a single-user or history bundle, so that device_bench can "
        "measure its recall; an all-users bundle always holds them",
    )


def with_profile(command: str, request: "Request") -> str:
    """The command with the flags of a profile; as it is for all users."""
    if request.profile == ALL_USERS:
        return command
    user = "" if request.user is None else f" --user {shlex.quote(request.user)}"
    rows = " --with-evaluation" if request.with_evaluation else ""
    return f"{command} --profile {request.profile}{user}{rows}"


def check_user(request: "Request", data: "Dataset") -> None:
    """Before anything is trained: is the user in the log?"""
    if request.user is not None:
        from recpress_export.profiles import user_index

        user_index(request.user, data.user_ids)


def evaluation_rows(request: "Request", data: "Dataset", split: "Split") -> "Evaluation":
    """Held-out rows; for a history file, the masked items are exactly what the user vector is made from."""
    from recpress_edge.data.holdout import history_holdout, holdout, sequence_holdout

    if request.network and request.profile == HISTORY:
        return sequence_holdout(data, split)
    return (history_holdout if request.profile == HISTORY else holdout)(data, split)


def evaluation_rule(request: "Request", data: "Dataset", split: "Split") -> str:
    """:func:`evaluation_rows` in words."""
    from recpress_edge.data.holdout import history_rule, masking_rule

    if request.profile != HISTORY:
        return masking_rule(data, split)
    return history_rule(split) + (", in the order of time" if request.network else "")


def fill_of(
    request: "Request", args: argparse.Namespace, data: "Dataset", folder: Path, source: "Source"
) -> "Fill | None":
    """What fills the bundle; the fold-in of a history bundle is learned first, if it is missing."""
    if request.user is not None:
        from recpress_export.subjects.single_user import SingleUserFill

        return SingleUserFill(request.user)
    if request.profile != HISTORY:
        return None
    from recpress_edge.artifacts.fold_in import read_fold_in
    from recpress_edge.training.fold_in import ensure_fold_in
    from recpress_export.history_gate import load_history_gate
    from recpress_export.subjects.history import HistoryFill

    student = source.student
    if ensure_fold_in(folder, student, data.train, data.digest(), args.threads):
        say(args, f"learned    a history table for {student.name}   {folder / 'fold_in.safetensors'}")
    return HistoryFill(read_fold_in(folder, student), load_history_gate())


def say_profile(args: argparse.Namespace, bundle: "Bundle") -> None:
    """What a reader must know about a profile; nothing for all users."""
    profile = bundle.contract.profile
    if profile == SINGLE_USER:
        say(args, "profile    single-user: one vector, one id; the parity below is that of the recipe")
        say(args, "           a size of its own kind: do not quote it beside an all-users bundle's")
    if bundle.contract.history_length:
        say(args, f"profile    history: the last {bundle.contract.history_length} consumed items, in order")
    elif profile == HISTORY:
        k = bundle.quality["fold_in"]["cutoff"]
        change = bundle.quality["fold_in"]["change"][f"recall@{k}"]
        delta = change["delta"]
        say(args, "profile    history: nobody's vector; the file sums rows of the consumed items")
        say(
            args,
            f"             {f'recall@{k}':<12} {change['before']:.4f} by the user table → "
            f"{change['after']:.4f} from the train items, all that both know   "
            f"Δ {delta['mean']:+.4f}  [{delta['low']:+.4f}, {delta['high']:+.4f}]",
        )


def say_rows(args: argparse.Namespace, bundle: "Bundle") -> None:
    """Whose interactions travel in a bundle that is meant for people's devices; nothing for all users."""
    if bundle.contract.profile != ALL_USERS:
        say(args, f"inside     {rows_inside(bundle)}")


def rows_inside(bundle: "Bundle") -> str:
    """Whose interactions travel in a bundle."""
    rows = bundle.evaluation()
    if rows is None:
        return "no evaluation rows; --with-evaluation brings them, to measure recall on the device"
    return f"what {rows.users.size:,} test users consumed, to measure recall; no application needs it"


def audience(n_users: int) -> str:
    """For whom a file answers."""
    if n_users == 1:
        return "1 user"
    return f"{n_users:,} users" if n_users else "any history"


def profile_facts(bundle: "Bundle") -> dict[str, Any]:
    """For --json."""
    return {"profile": bundle.contract.profile, "fold_in": bundle.quality.get("fold_in")}

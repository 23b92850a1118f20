"""``export --lean``: the lean bundle beside the full one, which holds the proof."""

import argparse
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.contract import ALL_USERS
from recpress_edge.artifacts.manifest import MANIFEST
from recpress_edge.cli.bundle.strip import ORDER_ONLY_HELP, say_stripped
from recpress_edge.cli.common import say
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import check_ours
from recpress_edge.jobs.export import ExportPlan
from recpress_edge.jobs.lean import StripRequest
from recpress_export.lean.strip import lean_path


def add_lean_options(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    group = parser.add_argument_group("lean bundles")
    group.add_argument(
        "--lean",
        action="store_true",
        help="write a second bundle beside the first, with -lean behind its name, that holds what an "
        "application needs: model, ids, titles and a short self-test. The first one keeps the proof, and the "
        "lean one states its digest (as recpress-edge bundle strip does)",
    )
    group.add_argument("--order-only", action="store_true", help=f"with --lean: {ORDER_ONLY_HELP}")


def check_lean(args: argparse.Namespace, target: Path | None, *, scaled: bool) -> None:
    """ConfigError for flags that contradict each other, or a target that is not ours, before any training.

    ``scaled``: whether the model file holds a scale of each user.
    """
    if args.order_only and not args.lean:
        raise ConfigError("--order-only goes with --lean: the full bundle keeps the model's scores.")
    if args.order_only and not scaled:
        raise ConfigError(
            "--order-only leaves out the scale of each user, which integer files of all users hold "
            "(--profile all-users, --recipe int8-dim, score16, int8-item or int4-item). Leave it out."
        )
    if args.lean and target is not None:
        check_ours(lean_path(target), MANIFEST)


def has_scales(plan: ExportPlan) -> bool:
    """Whether the file holds a scale of each user."""
    tables = not plan.student.network
    return tables and plan.profile == ALL_USERS and plan.recipe.user_extra_bytes > 0


def strip_exported(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Strip what was exported, where --lean asks for it. Returns the facts for ``--json``."""
    if not args.lean:
        return {}
    say(args)
    result = StripRequest(bundle=folder, order_only=args.order_only, force=args.force).run()
    say_stripped(args, result)
    return {"lean": result.facts()}

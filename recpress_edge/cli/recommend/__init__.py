"""recpress-edge recommend: ask a bundle for one person, by the same code as ``device_bench ask``.

A click bundle is asked with the values of a request instead.
"""

import argparse
from pathlib import Path
from typing import Final

from device_bench.ask import add_ask_options, ask_bundle, question_of
from recpress_edge.artifacts.manifest import is_click_bundle, is_two_stage_bundle
from recpress_edge.artifacts.trust.options import trust_of
from recpress_edge.artifacts.trust.policy import ANYBODY
from recpress_edge.cli.common import add_common_options, emit, say
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.registry import named

_ASK_CLICKS: Final = "recpress_edge.cli.recommend.clicks:ask_clicks"
_ASK_TWO_STAGES: Final = "recpress_edge.cli.recommend.two_stages:ask_two_stages"
_OPEN: Final = "recpress_edge.device.opening:open_any"
"""All need numpy, which a board that answers from a bundle of format c may lack."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Verifies the bundle, runs its self-test and prints the best unseen items with their "
        "scores, as a device would answer. Seen items that the bundle does not know are left out and named. "
        "A click bundle is asked with --value, and answers with the chance of each item. A bundle of two "
        "stages is asked with --user, --seen (oldest first, for its last items are read) and --value."
    )
    add_common_options(parser)
    add_ask_options(parser)
    group = parser.add_argument_group("click bundles, and those of two stages")
    group.add_argument(
        "--value",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="what a request states of user or context, such as hour=20; of a field of many values A|B; "
        "may be given again. A field that is not given is missing",
    )
    group.add_argument(
        "--candidates",
        metavar="A,B",
        help="of a click bundle: item ids to rank (default: the whole catalogue but --seen)",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the bundle answered."""
    if args.dry_run:
        question_of(args)
        if (trust := trust_of(args)) != ANYBODY:
            named(_OPEN)(args.bundle, trust)
        whom = "whoever consumed what is seen" if args.user is None else args.user
        say(args, f"would ask  {args.bundle} for {whom}")
        emit(args, {"dry_run": True, "bundle": str(args.bundle), "user": args.user})
        return 0
    if (args.or_popular or args.or_history) and _ranks_by_fields(args.bundle):
        flag = "--or-popular" if args.or_popular else "--or-history"
        raise ConfigError(
            f"{flag} is for bundles of tables and networks, and {args.bundle} is none. Leave it out."
        )
    if is_click_bundle(args.bundle):
        code: int = named(_ASK_CLICKS)(args)
        return code
    if is_two_stage_bundle(args.bundle):
        answered: int = named(_ASK_TWO_STAGES)(args)
        return answered
    if (args.value or args.candidates) and args.bundle.is_dir():
        flag = "--value" if args.value else "--candidates"
        raise ConfigError(
            f"{flag} is for click bundles and those of two stages, and {args.bundle} is none. Leave it out."
        )
    return ask_bundle(args)


def _ranks_by_fields(folder: Path) -> bool:
    return is_click_bundle(folder) or is_two_stage_bundle(folder)

"""recpress-edge recommend: ask a bundle for one person, by the same code as ``device_bench ask``.

A click bundle is asked with the values of a request instead.
"""

import argparse
from typing import Any

from device_bench.ask import add_ask_options, ask_bundle, question_of
from recpress_edge.artifacts.clicks.bundle import open_click_bundle
from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.manifest import is_click_bundle
from recpress_edge.cli.common import add_common_options, emit, names_of, say, table
from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.core.units import format_share
from recpress_edge.device.clicks.apart import ClickRequest, rank_apart
from recpress_edge.device.guard import guard_of


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Verifies the bundle, runs its self-test and prints the best unseen items with their "
        "scores, as a device would answer. Seen items that the bundle does not know are left out and named. "
        "A click bundle is asked with --value, and answers with the chance of each item."
    )
    add_common_options(parser)
    add_ask_options(parser)
    group = parser.add_argument_group("click bundles")
    group.add_argument(
        "--value",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="what a request states of user or context; of a field of many values A|B; may be given again. A "
        "field that is not given is missing",
    )
    group.add_argument(
        "--candidates", metavar="A,B", help="item ids to rank (default: the whole catalogue but --seen)"
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when the bundle answered."""
    if args.dry_run:
        question_of(args)
        whom = "whoever consumed what is seen" if args.user is None else args.user
        say(args, f"would ask  {args.bundle} for {whom}")
        emit(args, {"dry_run": True, "bundle": str(args.bundle), "user": args.user})
        return 0
    if is_click_bundle(args.bundle):
        return _ask_clicks(args)
    if args.value or args.candidates:
        flag = "--value" if args.value else "--candidates"
        raise ConfigError(f"{flag} is for click bundles, and {args.bundle} is none. Leave it out.")
    return ask_bundle(args)


def _ask_clicks(args: argparse.Namespace) -> int:
    if args.user is not None:
        raise ConfigError(f"{args.bundle} knows users as a field: write --value user={args.user}")
    seen = question_of(args).seen
    fields = {field.name: field for field in open_click_bundle(args.bundle).contract.fields}
    values = dict(_value(text, fields) for text in args.value)
    candidates = tuple(names_of("candidates", args.candidates)) if args.candidates else None
    question = ClickRequest(values, candidates, args.k, seen)
    bundle, found = rank_apart(args.bundle, question, guard_of(args))
    if args.strict and found.unknown:
        raise ConfigError(f"unknown item {found.unknown[0]!r}. Leave it out, or ask without --strict.")
    chances = [format_share(chance) for chance in found.chances.tolist()]
    rows = [[str(rank), *pair] for rank, pair in enumerate(zip(found.items, chances, strict=True), start=1)]
    say(args, table(("rank", "item", "chance"), rows))
    if found.unknown:
        say(args, f"unknown    {', '.join(found.unknown[:5])}: left out")
    answer = [
        {"item": item, "logit": float(logit), "chance": float(chance)}
        for item, logit, chance in zip(found.items, found.logits, found.chances, strict=True)
    ]
    emit(args, {"bundle": bundle.name, "items": answer, "unknown": list(found.unknown)})
    return 0


def _value(text: str, fields: dict[str, FeatureField]) -> tuple[str, Any]:
    """``FIELD=VALUE`` as the field reads it."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--value {text!r}: write FIELD=VALUE, such as hour=13")
    if name not in fields:
        raise unknown_name("field", name, list(fields))
    if fields[name].kind == "many":
        return name, value.split("|")
    if fields[name].kind not in ("integer", "numeric"):
        return name, value
    try:
        return name, float(value) if value else None
    except ValueError:
        raise ConfigError(f"--value {text!r}: {name} is a number") from None

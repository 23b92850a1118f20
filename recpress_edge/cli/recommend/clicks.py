"""recpress-edge recommend of a click bundle: the values of a request in, the chance of each item out."""

import argparse
from typing import Any

from device_bench.ask import question_of
from recpress_edge.artifacts.clicks.bundle import open_click_bundle
from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.trust.options import trust_of
from recpress_edge.cli.common import emit, names_of, say, table
from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.core.units import format_share
from recpress_edge.device.clicks.apart import ClickRequest, rank_apart
from recpress_edge.device.guard import guard_of


def ask_clicks(args: argparse.Namespace) -> int:
    """Exit code 0 when the bundle answered."""
    if args.user is not None:
        raise ConfigError(f"{args.bundle} knows users as a field: write --value user={args.user}")
    seen, trust = question_of(args).seen, trust_of(args)
    fields = {field.name: field for field in open_click_bundle(args.bundle, trust).contract.fields}
    values = dict(stated_value(text, fields) for text in args.value)
    candidates = tuple(names_of("candidates", args.candidates)) if args.candidates else None
    question = ClickRequest(values, candidates, args.k, seen)
    bundle, found = rank_apart(args.bundle, question, guard_of(args), trust)
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


def stated_value(text: str, fields: dict[str, FeatureField]) -> tuple[str, Any]:
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

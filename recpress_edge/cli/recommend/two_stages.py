"""recpress-edge recommend of a bundle of two stages: a user, what was seen and the moment in, items out."""

import argparse

from device_bench.ask import question_of
from recpress_edge.artifacts.trust.options import trust_of
from recpress_edge.artifacts.two_stages.bundle import open_two_stage_bundle
from recpress_edge.cli.common import emit, say, table
from recpress_edge.cli.recommend.clicks import stated_value
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.guard import guard_of
from recpress_edge.device.two_stages.apart import StagedQuestion, recommend_two_stages_apart
from recpress_edge.device.two_stages.recommender import fields_of


def ask_two_stages(args: argparse.Namespace) -> int:
    """Exit code 0 when the bundle answered."""
    if args.candidates:
        raise ConfigError("--candidates is for click bundles: the first stage of this one finds its own.")
    trust = trust_of(args)
    opened = open_two_stage_bundle(args.bundle, trust)
    if args.user is None and opened.contract.n_users:
        raise ConfigError(
            f"{args.bundle} serves many users: say which one with --user. users.txt lists them."
        )
    if args.user is not None and not opened.contract.n_users:
        raise ConfigError(f"{args.bundle} knows no users: leave --user out, and say with --seen who asks.")
    seen, fields = question_of(args).seen, fields_of(opened)
    values = dict(stated_value(text, fields) for text in args.value)
    question = StagedQuestion(args.user, seen, values, args.k)
    bundle, found = recommend_two_stages_apart(args.bundle, question, guard_of(args), trust)
    if args.strict and found.unknown:
        raise ConfigError(f"unknown item {found.unknown[0]!r}. Leave it out, or ask without --strict.")
    places = {item: place for place, item in enumerate(found.first, start=1)}
    rows = [
        [str(rank), item, f"{score:#.6g}", str(places[item])]
        for rank, (item, score) in enumerate(zip(found.items, found.scores.tolist(), strict=True), start=1)
    ]
    say(args, table(("rank", "item", "score", "rank of first stage"), rows))
    if not seen:
        say(args, "note       a bundle knows no history: --seen names it, oldest first")
    missing = [name for name in fields if name not in values]
    if missing:
        say(args, f"missing    {', '.join(missing)}: not stated with --value")
    if found.unknown:
        say(args, f"unknown    {', '.join(found.unknown[:5])}: left out")
    answer = [
        {"item": item, "score": float(score), "first_rank": places[item]}
        for item, score in zip(found.items, found.scores, strict=True)
    ]
    emit(args, {"bundle": bundle.name, "user": args.user, "items": answer, "unknown": list(found.unknown)})
    return 0

"""One person's recommendations from a bundle: ``device_bench ask`` and ``recpress-edge recommend``."""

import argparse
import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.artifacts.contract import HISTORY as HISTORY_PROFILE
from recpress_edge.artifacts.trust.options import add_trust_options, trust_of
from recpress_edge.artifacts.trust.policy import Trust
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import check_there
from recpress_edge.core.layout import columns, wrap_lines
from recpress_edge.core.printable import json_text, printable_facts, printable_lines
from recpress_edge.core.terminal import stdout_encoding, text_width
from recpress_edge.device.apart import Question, recommend_apart
from recpress_edge.device.guard import add_guard_options, guard_of
from recpress_edge.device.recommender import HISTORY, MODEL, POPULAR, Recommendations

MOST_NAMED = 5
"""Unknown items that are named; the others are counted."""


def add_ask_options(parser: argparse.ArgumentParser) -> None:
    """The flags of a question."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    parser.add_argument(
        "--user", metavar="ID", help="whose: an id of the log; not for a history bundle, which holds no users"
    )
    parser.add_argument(
        "--seen",
        default="",
        metavar="A,B",
        help="item ids never to recommend; of a history bundle what was consumed, oldest first",
    )
    parser.add_argument(
        "--seen-from", type=Path, metavar="FILE", help="the same from a file, one id a line; - reads stdin"
    )
    parser.add_argument(
        "--or-popular",
        action="store_true",
        help="a --user whom the bundle does not know gets its popular items (popular.txt), without --seen",
    )
    parser.add_argument(
        "--or-history",
        type=Path,
        metavar="BUNDLE",
        help="a --user whom the bundle does not know gets what this history bundle makes of --seen; with "
        "--or-popular where anything is seen",
    )
    parser.add_argument("-k", type=int, default=10, metavar="N", help="how many (default: 10)")
    parser.add_argument(
        "--strict", action="store_true", help="a seen item that the bundle does not know is an error"
    )
    add_guard_options(parser)
    add_trust_options(parser)


def ask_bundle(args: argparse.Namespace) -> int:
    """Verify, self-test, ask and print. ``args``: see :func:`add_ask_options`, and ``json``."""
    question = question_of(args)
    bundle, found = _answer(args, question)
    scored = not bundle.contract.scores and found.source != POPULAR
    if args.json:
        facts = {
            "bundle": bundle.name,
            "user": args.user,
            "items": [_facts(found, rank, scored=scored) for rank in range(len(found))],
            **({"scores": bundle.contract.scores} if bundle.contract.scores else {}),
            "source": found.source,
            "unknown": list(found.unknown),
        }
        print(json_text(facts, indent=2, encoding=stdout_encoding()))
        return 0
    lines, notes = answer_lines(found, args.k, scored=scored), list[str]()
    if found.source != MODEL:
        notes.append(_stand_in(args, bundle, found))
    elif not scored:
        notes.append(
            f"{'scores':<9}  not in this bundle: it keeps the order alone (bundle strip --order-only)"
        )
    if args.user is not None and not question.seen and found.source == MODEL:
        notes.append(f"{'note':<9}  a bundle knows no history: --seen names what is never to come")
    print(wrap_lines(printable_lines("\n".join([*lines, *notes])), text_width()))
    return 0


def _answer(args: argparse.Namespace, question: Question) -> tuple[Bundle, Recommendations]:
    """The bundle that answered, and its answer: that of --or-history for a user whom the other lacks."""
    guard, trust = guard_of(args), trust_of(args)
    if args.or_history is None or question.user is None or (args.or_popular and not question.seen):
        return recommend_apart(args.bundle, question, guard, trust)
    check_there(args.or_history)
    if args.expect_digest is not None and args.trusted is None:
        raise ConfigError(
            f"--expect-digest names {args.bundle} alone, and --or-history {args.or_history} would be taken "
            "from anybody. Add --trusted FILE, or leave one of the two out."
        )
    same_keys = Trust(args.trusted)  # --expect-digest names the other one
    other = open_bundle(args.or_history, trust=same_keys)
    if other.contract.profile != HISTORY_PROFILE:
        raise ConfigError(
            f"--or-history {args.or_history} is a bundle of profile {other.contract.profile}, which answers "
            "for its own users alone. Name one that was exported with --profile history."
        )
    if question.user in set(open_bundle(args.bundle, trust=trust).user_ids()):
        return recommend_apart(args.bundle, question, guard, trust)
    asked = dataclasses.replace(question, user=None)
    bundle, found = recommend_apart(args.or_history, asked, guard, same_keys)
    return bundle, dataclasses.replace(found, source=HISTORY)


def _stand_in(args: argparse.Namespace, bundle: Bundle, found: Recommendations) -> str:
    """What answered for a user whom the bundle does not know."""
    what = f"by {bundle.name} from what is seen"
    if found.source == POPULAR:
        what = "the items of most train interactions, which have no scores"
    return f"{'unknown':<9}  user {args.user!r} is not in {args.bundle}: {what}"


def question_of(args: argparse.Namespace) -> Question:
    """The question that the flags ask; ConfigError where they ask none."""
    if args.k < 1:
        raise ConfigError(f"-k must be at least 1, got {args.k}")
    check_there(args.bundle)
    if args.user is None and (args.or_popular or args.or_history):
        flag = "--or-popular" if args.or_popular else "--or-history"
        raise ConfigError(f"{flag} is for a --user whom the bundle may not know. Name one, or leave it out.")
    return Question(args.user, _seen(args), args.k, args.strict, args.or_popular)


def _facts(found: Recommendations, rank: int, *, scored: bool) -> dict[str, Any]:
    titled = {} if found.titles is None else {"title": found.titles[rank]}
    known = {name: texts[rank] for name, texts in found.features.items()}
    more = {"features": known} if known else {}
    score = {"score": float(found.scores[rank])} if scored else {}
    return {"item": found.items[rank], **titled, **score, **more}


def _seen(args: argparse.Namespace) -> tuple[str, ...]:
    if args.seen_from is None:
        return tuple(name for name in args.seen.split(",") if name)
    if args.seen:
        raise ConfigError("--seen and --seen-from both say what was seen. Leave one out.")
    if str(args.seen_from) == "-":
        text = sys.stdin.read()
    else:
        try:
            text = args.seen_from.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--seen-from {args.seen_from}: {error}") from None
    # An id may hold any line end but these, such as U+2028.
    return tuple(line for line in re.split(r"\r\n|\n|\r", text) if line)


def answer_lines(found: Recommendations, k: int, *, scored: bool = True) -> list[str]:
    """A table of ranks, items, titles and scores; then what was left out, and why fewer than ``k`` came.

    Without scores where the bundle does not hold those of its model.
    """
    headers = ["rank", "item"] + ["score"] * scored
    table = [
        [str(rank) for rank in range(1, len(found) + 1)],
        list(printable_facts(found.items)),
        *([[f"{score:#.6g}" for score in found.scores.tolist()]] if scored else []),
    ]
    if found.titles is not None:
        headers.insert(2, "title")
        table.insert(2, list(printable_facts(found.titles)))
    for name, texts in printable_facts(found.features).items():
        headers.append(name)
        table.append(texts)
    rows = list(zip(*table, strict=True))
    lines = [columns(headers, rows, text_width())] if rows else []
    if len(rows) < k:
        lines.append(f"{'left':<9}  {len(rows):,} items: all that are neither seen nor retired")
    if found.unknown:
        named = ", ".join(printable_facts(found.unknown[:MOST_NAMED]))
        more = len(found.unknown) - MOST_NAMED
        noun = "item" if len(found.unknown) == 1 else "items"
        lines.append(
            f"{'left out':<9}  {len(found.unknown):,} seen {noun} that the bundle does not know: {named}"
            + (f" and {more:,} more" if more > 0 else "")
        )
    return lines

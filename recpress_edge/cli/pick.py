"""recpress-edge pick: the best variant within a budget, its margins, and the nearest misses."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recpress_edge.cli.common import common_options, emit, say
from recpress_edge.cli.report import budget_of, budget_options
from recpress_edge.core.budget import Budget, Check, checks
from recpress_edge.core.errors import ConfigError, GateError

if TYPE_CHECKING:
    from recpress_edge.report.front import Section


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "pick",
        parents=[common_options(), budget_options()],
        help="the best variant within a budget",
        description="Names the variant with the highest Recall@50 that keeps every limit, "
        "per device and data set. Exit code 3 where nothing fits.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUNS", help="record files, or folders of them")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print winners and near misses. Exit code 0, or 3 when one of the sections has no winner."""
    from recpress_edge.report.front import sections as sort_sections
    from recpress_edge.report.rows import read_files, read_runs

    budget = budget_of(args)
    if not budget.limited:
        raise ConfigError("pick needs a budget: --max-bytes 2MiB, --max-p95 5ms or --max-memory 64MiB")
    runs, unreadable = read_runs(read_files(args.runs))
    answers = [_answer(args, section, budget) for section in sort_sections(runs, budget)]
    for file in unreadable:
        say(args, f"no record  {file.path}: {file.reason}")
    emit(args, {"budget": str(budget), "sections": answers})
    without = [str(answer["section"]) for answer in answers if answer["winner"] is None]
    if without:
        raise GateError(
            f"nothing fits the budget ({budget}) for {'; '.join(without)}. Loosen a limit or add variants."
        )
    return 0


def _answer(args: argparse.Namespace, section: "Section", budget: Budget) -> dict[str, Any]:
    from recpress_edge.report.html import title_of
    from recpress_edge.report.verdict import choose, nearest_misses, recall

    winner, near = choose(section, budget), nearest_misses(section, budget)
    title = title_of(section)
    say(args, title)
    if winner is None:
        say(args, f"pick       nothing fits: {budget}")
    else:
        point = winner.point
        say(args, f"pick       {point.label}: Recall@50 {recall(point.recall.mean)} ({point.first.basis})")
        for check in checks(point.cost, budget):
            say(args, f"             {check}")
    for placed, check in near:
        say(args, f"near miss  {placed.point.label}: Recall@50 {recall(placed.point.recall.mean)}, {check}")
    say(args)
    return {
        "section": title,
        "winner": winner.point.label if winner else None,
        "recall@50": winner.point.recall.mean if winner else None,
        "margins": [_check(check) for check in checks(winner.point.cost, budget)] if winner else [],
        "nearest_misses": [{"name": placed.point.label, **_check(check)} for placed, check in near],
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "constraint": check.constraint,
        "limit": check.limit,
        "found": check.found,
        "margin": check.margin,
    }

"""recpress-edge pick: the best variant within a budget, its margins, and the nearest misses."""

import argparse
from pathlib import Path
from typing import Any

from recpress_edge.cli.common import add_common_options, emit, say
from recpress_edge.cli.report import (
    add_budget_options,
    add_choice_option,
    budget_of,
    rival_facts,
    say_baseline,
    say_end,
)
from recpress_edge.core.errors import ConfigError, GateError, InvalidRunError
from recpress_edge.core.metrics import metric_title
from recpress_edge.core.terminal import hanging
from recpress_edge.core.units import format_recall
from recpress_edge.records.budget import Budget, Check, checks
from recpress_edge.report.files import read_files
from recpress_edge.report.front import Section
from recpress_edge.report.front import sections as sort_sections
from recpress_edge.report.runs import read_runs
from recpress_edge.report.verdict import nearest_misses, rule, verdict, what_to_do


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Names the variant to ship among those that keep every limit, by the report's rule, "
        "per device, data set and profile. Exit code 3 where nothing fits, 4 where no run is valid."
    )
    add_common_options(parser)
    add_budget_options(parser)
    add_choice_option(parser)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUNS", help="record files, or folders of them")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print winners and near misses. Exit code 3 when nothing fits in a section, 4 when no run is valid."""
    budget = budget_of(args)
    if not budget.limited:
        raise ConfigError(
            "pick needs a budget: --max-bytes 2MiB (the model file), --max-bundle 3MiB (all files), "
            "--max-p95 5ms, --max-paced-p95 5ms, --max-memory 64MiB, --max-flash 256KB or --max-ram 16KB"
        )
    runs, unreadable = read_runs(read_files(args.runs))
    sections = sort_sections(runs, budget, args.choose_by)
    answers = [_answer(args, section, budget) for section in sections]
    say_end(args, unreadable, budget)
    emit(args, {"budget": str(budget), "rule": rule(budget, args.choose_by), "sections": answers})
    without = [
        section.title
        for section, answer in zip(sections, answers, strict=True)
        if section.judged and section.placed and answer["winner"] is None
    ]
    if without:
        raise GateError(
            f"nothing fits the budget ({budget}) for {'; '.join(without)}. Loosen a limit or add variants."
        )
    invalid = [section.title for section in sections if not section.placed]
    if invalid:
        raise InvalidRunError(f"no run is valid for {'; '.join(invalid)}. Measure again on a quiet machine.")
    if not any(section.judged for section in sections):
        reason = sections[0].placed[0].status.removeprefix("no choice: ")
        raise GateError(f"nothing can be picked: {reason}. {what_to_do(sections[0])}")
    return 0


def _answer(args: argparse.Namespace, section: Section, budget: Budget) -> dict[str, Any]:
    found, near = verdict(section, budget), nearest_misses(section, budget)
    say(args, hanging("", section.title, 0))
    say(args, hanging("pick", found.sentence.removeprefix("Ship ")))
    say_baseline(args, found)
    kept = checks(found.winner.point.cost, budget) if found.winner else ()
    for check in kept:
        say(args, hanging("", str(check), 13))
    for placed, missed in near:
        of = ", ".join(
            f"{metric_title(name)} {format_recall(placed.point.value(name).mean)}" for name in section.shown
        )
        say(args, hanging("near miss", f"{placed.point.label}: {of}, {missed}"))
    for line in found.runtimes:
        say(args, hanging("runtime", line))
    for note in found.notes:
        say(args, hanging("note", note))
    say(args)
    return {
        "section": section.title,
        "cutoff": section.cutoff,
        "winner": found.winner.point.label if found.winner else None,
        "metrics": found.winner.point.quality_facts() if found.winner else None,
        "rival": rival_facts(found.rival),
        "next": found.next_command,
        "verdict": found.sentence,
        "margins": [_check(check) for check in kept],
        "nearest_misses": [{"name": placed.point.label, **_check(check)} for placed, check in near],
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "constraint": check.constraint,
        "limit": check.limit,
        "found": check.found,
        "margin": check.margin,
        "basis": "estimated" if check.estimated else "measured",
    }

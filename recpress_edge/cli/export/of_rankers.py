"""``recpress-edge export`` of models that rank by the fields of a request: what a dry run and a run say."""

import argparse
from collections.abc import Callable
from typing import TypeVar

from recpress_edge.cli.common import emit, say, say_costs
from recpress_edge.cli.events import print_events
from recpress_edge.cli.export.lean import check_lean, strip_exported
from recpress_edge.jobs.rankers.request import ExportedRanker, RankerExportRequest

R = TypeVar("R", bound=ExportedRanker)


def run_ranker(
    args: argparse.Namespace,
    request: RankerExportRequest[R],
    report: Callable[[argparse.Namespace, R], None],
) -> int:
    """Exit code 0 when the bundle is there, whether written now or before."""
    check_lean(args, args.out, scaled=False)
    if args.dry_run:
        with print_events(args) as on_event:
            steps = request.steps(on_event)
        for step in steps:
            which = f"{step.name}  seed {step.seed}{step.left_out}"
            say(args, f"{step.action:<9}  {which}  {step.folder or ''}".rstrip())
            say_costs(args, step, 10)
        emit(args, {"dry_run": True, "models": [{"name": s.name, "action": s.action} for s in steps]})
        return 0
    with print_events(args) as on_event:
        result = request.run(on_event)
    report(args, result)
    emit(args, result.facts() | strip_exported(args, result.folder))
    return 0

"""Files of two stages beside their own first stage: what the second adds, and what each takes."""

from statistics import fmean
from typing import Any

from recpress_edge.artifacts.two_stages.contract import TWO_STAGES
from recpress_edge.core.metrics import metric_title
from recpress_edge.core.units import enumerated, format_change, format_recall
from recpress_edge.records.bench import HEADLINE, MEDIAN, RERANK, RETRIEVE, figure
from recpress_edge.report.front import Section
from recpress_edge.report.points import Point, work_form
from recpress_edge.report.runs import BenchRun


def stage_lines(section: Section) -> tuple[str, ...]:
    """One sentence for each variant of two stages; none in other sections."""
    if section.first.profile != TWO_STAGES:
        return ()
    return tuple(_line(row.point) for row in section.rows)


def _line(point: Point) -> str:
    """'rerank_dim8-int8: its first stage alone, soft_dim32, has NDCG@10 .0732; the second adds …'."""
    names = {_first_name(run) for run in point.runs}
    whose = f", {names.pop()}," if len(names) == 1 else ""
    told = [text for name in point.shown if (text := _metric(point, name))]
    worth = f" has {enumerated(told)}" if told else " was not judged: the bundle holds no evaluation rows"
    return f"{point.label}: its first stage alone{whose}{worth}.{_times(point)}"


def _first_name(run: BenchRun) -> str:
    known: Any = run.record["artifact"]["provenance"].get("first_stage")
    return str(known.get("name", "")) if isinstance(known, dict) else ""


def _metric(point: Point, name: str) -> str:
    """'NDCG@10 .0732 (+.0276 with the second)', means over seeds; empty where it is not known."""
    first: list[float | None] = [
        (run.record["quality"].get("first_stage") or {}).get(name) for run in point.runs
    ]
    if any(value is None for value in first):
        return ""
    alone = fmean(value for value in first if value is not None)
    change = format_change(point.figure(name).mean - alone)
    return f"{metric_title(name)} {format_recall(alone)} ({change} with the second)"


def _times(point: Point) -> str:
    """' It takes 43 µs, the second 104 µs, both 151 µs (p50).', means over seeds; empty where one is not
    known.
    """
    medians = []
    for series in (RETRIEVE, RERANK, HEADLINE):
        found = [figure(run.record, series, MEDIAN) for run in point.runs]
        if any(value is None for value in found):
            return ""
        medians.append(fmean(value for value in found if value is not None))
    form = work_form(counted=point.first.counted)
    first, second, both = map(form, medians)
    return f" It takes {first}, the second {second}, both {both} (p50)."

"""What a student must beat to be worth its training: cheap factorisations of the same bytes."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from recpress_edge.artifacts.contract import ALL_USERS
from recpress_edge.artifacts.formats import DEFAULT
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.artifacts.two_stages.contract import TWO_STAGES
from recpress_edge.core.metrics import metric_title
from recpress_edge.core.units import enumerated, format_recall
from recpress_edge.data.resolve import SYNTHETIC
from recpress_edge.records.baseline_methods import BASELINES, TAUGHT_BASELINE
from recpress_edge.report.front import Section
from recpress_edge.report.place import PlacedPoint, accuracy
from recpress_edge.report.points import FILE_RESOLUTION_BYTES, SAME_BYTES, Point, Standing, standing

_OF_ITS_BYTES: Final = 0.9
"""A baseline of fewer bytes than this share of a student's says little of the student when it loses."""
_INTEGER: Final = "int8-dim"


@dataclass(frozen=True, slots=True)
class Rival:
    """The best baseline of no more bytes than a student, or the best student of no more than a baseline."""

    point: Point
    found: Standing
    """How the chosen variant stands to it, metric by metric."""
    of_its_bytes: bool
    """Whether it takes about as many bytes, not far fewer."""

    @property
    def verdict(self) -> str:
        """ahead, level, behind, or mixed: ahead in one metric and behind in another."""
        if self.found.better and self.found.worse:
            return "mixed"
        return "ahead" if self.found.better else "behind" if self.found.worse else "level"


def is_baseline(point: Point) -> bool:
    """Whether its method is one of the baselines."""
    return point.first.method in BASELINES


def same_bytes(n_bytes: float, smallest: float) -> bool:
    """Whether a file costs no more than another that is as small or smaller."""
    return n_bytes <= max(smallest * (1 + SAME_BYTES), smallest + FILE_RESOLUTION_BYTES)


def rival_of(section: Section, point: Point, rows: Sequence[PlacedPoint]) -> Rival | None:
    """The best of the other kind with a file no larger, among those that keep every limit."""
    others = [
        row.point
        for row in rows
        if is_baseline(row.point) != is_baseline(point)
        and not row.missed
        and same_bytes(row.point.file_bytes.mean, point.file_bytes.mean)
    ]
    if not others:
        return None
    best = max(others, key=lambda other: other.value(section.by).mean)
    largest = max(other.file_bytes.mean for other in others)
    return Rival(best, standing(accuracy(point, best)), largest >= _OF_ITS_BYTES * point.file_bytes.mean)


def lacks_baseline(point: Point, rival: Rival | None) -> bool:
    """Whether no baseline of about a student's bytes is there; two stages have their first stage as one."""
    if point.first.profile == TWO_STAGES:
        return False
    return not is_baseline(point) and (rival is None or not rival.of_its_bytes)


def baseline_sentences(point: Point, rival: Rival | None) -> tuple[str, ...]:
    """How the chosen variant stands to the rival, or that there is none to speak of."""
    if is_baseline(point):
        return (_against_students(point, rival),)
    told = [f"{_sentence(point, rival, 'the best baseline')}."] if rival else []
    if lacks_baseline(point, rival):
        told.append(
            "No baseline of its bytes is among these records, so nothing shows that it is worth its training."
        )
    return tuple(told)


def _against_students(point: Point, rival: Rival | None) -> str:
    if rival is None:
        return "No student of its bytes is among these records."
    return f"No student of its bytes is worth more. {_sentence(point, rival, 'the best student')}."


def _sentence(point: Point, rival: Rival, what: str) -> str:
    """'It is behind svd_dim10-int8, the best baseline of no more bytes, in NDCG@10 (.0550 to .0700) …'"""
    figures = {metric_title(name): _figures(point, rival.point, name) for name in point.shown}
    of = "of no more bytes" if rival.of_its_bytes else _share_of_bytes(point, rival.point)
    whom = f"{rival.point.label}, {what} {of}"
    level = [name for name in figures if name not in {*rival.found.better, *rival.found.worse}]
    groups = {"behind": rival.found.worse, "ahead of": rival.found.better, "level with": level}
    parts: list[str] = []
    for words, names in groups.items():
        if names:
            told = enumerated([f"{name} ({figures[name]})" for name in names])
            parts.append(f"{words} {'it' if parts else f'{whom},'} in {told}")
    return f"It is {enumerated(parts)}{_spread(point, rival.point)}"


def _figures(point: Point, rival: Point, name: str) -> str:
    return " to ".join(format_recall(one.value(name).mean) for one in (point, rival))


def _share_of_bytes(point: Point, rival: Point) -> str:
    return f"of fewer bytes ({100 * rival.file_bytes.mean / point.file_bytes.mean:.0f} % of its)"


def _spread(point: Point, rival: Point) -> str:
    """By what a difference was judged."""
    seeds = {len(one.runs) for one in (point, rival)}
    return " (one seed of each: their spread is not known)" if seeds == {1} else " (by the seeds' spread)"


def baseline_command(point: Point) -> str:
    """What makes a baseline of the same bytes."""
    run = point.first
    network = bool(run.record["artifact"]["provenance"].get("network"))
    recipe, dim = (_INTEGER, _dim_of(point)) if network else (run.recipe, run.dim)
    words = ["recpress-edge", "export", "--student", f"{TAUGHT_BASELINE}_dim{dim}"]
    words += {"fp32": [], _INTEGER: ["--int8"]}.get(recipe, ["--recipe", recipe])
    words += [] if run.format == DEFAULT else ["--format", run.format]
    words += [] if run.profile == ALL_USERS else ["--profile", run.profile]
    words += [] if run.dataset == SYNTHETIC else ["--data", run.dataset]
    return shlex.join(words)


def _dim_of(point: Point) -> int:
    """The dim of two int8 tables that take as many bytes as a network."""
    artifact, stored = point.first.record["artifact"], RECIPES[_INTEGER]
    n_users, n_items = int(artifact["n_users"]), int(artifact["n_items"])
    empty, one = (
        (n_users or n_items) * stored.user_row_bytes(dim) + n_items * stored.item_row_bytes(dim)
        for dim in (0, 1)
    )
    return max(int(point.file_bytes.mean - empty) // (one - empty), 1)

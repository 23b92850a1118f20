"""The sentence a reader takes away, and the rule that chose its subject."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.manifest import full_of
from recpress_edge.core.metrics import BALANCED, choice_title
from recpress_edge.core.units import format_bytes
from recpress_edge.records.bench import BASES
from recpress_edge.records.budget import Budget, Check, checks, misses
from recpress_edge.records.search import SearchRecord
from recpress_edge.report import sentence
from recpress_edge.report.baselines import (
    Rival,
    baseline_command,
    baseline_sentences,
    is_baseline,
    lacks_baseline,
    rival_of,
    same_bytes,
)
from recpress_edge.report.chain import notes
from recpress_edge.report.claims import quantised_line, quantised_lines, runtime_lines
from recpress_edge.report.clicks import ClickSection, read_click_sections
from recpress_edge.report.files import Unreadable, read_files, read_searches
from recpress_edge.report.front import CERTAIN, Section, sections
from recpress_edge.report.place import PlacedPoint, place
from recpress_edge.report.points import SAME_BYTES
from recpress_edge.report.robustness import Survival, read_survivals
from recpress_edge.report.runs import read_runs
from recpress_edge.report.two_stages import stage_lines

WITHIN: Final = 0.02
RULE: Final = (
    "Chosen, by report and pick alike: of the variants that keep every limit, the smallest file whose "
    f"worth is within {100 * WITHIN:.0f} % (relative) of the best of them; sizes within "
    f"{100 * SAME_BYTES:.0f} % are equal, and settled by worth, then by p95 latency, or by p50 where a "
    "variant has no p95 to rely on. Baselines are chosen like any other."
)
_WORTH: Final = "Worth is {by} (--choose-by)."
_BALANCE: Final = (
    "Worth is the geometric mean of Recall@K, at the K that judges, and NDCG@10, or NDCG@K where K is "
    "smaller (--choose-by balanced)."
)
_LIMITS: Final = (
    "Limits: peak memory is that of the whole process (VmHWM); with several seeds the largest file and peak "
    "count, and the mean p95."
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What to ship from one section."""

    winner: PlacedPoint | None
    rival: Rival | None
    """The best baseline of no more bytes than a student; of a baseline, the best student."""
    next_command: str
    """What makes a baseline of the winner's bytes where there is none; else empty."""
    sentence: str
    notes: tuple[str, ...]
    """Which K judges where it is not 50, what a file of this profile may know, and of each file of two stages
    what its first alone is worth and takes."""
    int8: tuple[str, ...]
    """One honest line per variant that has an fp32 file beside it."""
    own_int8: str
    """The winner's own line among them, or empty."""
    runtimes: tuple[str, ...]
    """One line per student and recipe that several runtimes answered for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was read, compared and chosen: all that the page says."""

    budget: Budget
    choose_by: str
    sections: tuple[Section, ...]
    choices: tuple[Choice, ...]
    """One per section."""
    clicks: tuple[ClickSection, ...] = ()
    """Of click models, by AUC: nothing is chosen among them."""
    survivals: tuple[Survival, ...]
    searches: tuple[SearchRecord, ...]
    """Each with every candidate."""
    unreadable: tuple[Unreadable, ...]

    @property
    def pairs(self) -> tuple[tuple[Section, Choice], ...]:
        """Each section with its choice."""
        return tuple(zip(self.sections, self.choices, strict=True))

    @property
    def drawn(self) -> tuple[tuple[Section, PlacedPoint | None], ...]:
        """The sections of which there is a picture, with what is chosen: valid runs, and a known Recall."""
        return tuple((one, choice.winner) for one, choice in self.pairs if one.placed and one.judged)


def read_report(paths: Sequence[Path], budget: Budget, choose_by: str = BALANCED) -> Report:
    """Read files and folders; ArtifactError where none is a record of a bench, a limit or a search."""
    files = read_files(paths)
    survivals, damaged = read_survivals(files)
    searches, no_searches = read_searches(files)
    clicks, no_clicks = read_click_sections(files)
    runs, others = read_runs(files, required=not (survivals or searches or clicks))
    found = sections(runs, budget, choose_by)
    return Report(
        budget=budget,
        choose_by=choose_by,
        sections=found,
        choices=tuple(verdict(section, budget) for section in found),
        clicks=clicks,
        survivals=survivals,
        searches=searches,
        unreadable=(*others, *no_clicks, *damaged, *no_searches),
    )


def verdict(section: Section, budget: Budget) -> Choice:
    """Choose, and say so in words."""
    winner = choose(section)
    rival = rival_of(section, winner.point, candidates(section)) if winner else None
    fp32 = section.fp32_of(winner.point) if winner else None
    own = quantised_line(winner.point, fp32) if winner and fp32 and fp32 is not winner.point else ""
    return Choice(
        winner,
        rival,
        baseline_command(winner.point) if winner and lacks_baseline(winner.point, rival) else "",
        _sentence(section, winner, rival, budget),
        (*notes(section), *stage_lines(section)),
        quantised_lines(section),
        own,
        runtime_lines(section),
    )


def rule(budget: Budget, choose_by: str = BALANCED) -> str:
    """How :func:`choose` chooses, in words."""
    by = _BALANCE if choose_by == BALANCED else _WORTH.format(by=choice_title(choose_by))
    return " ".join([RULE, by, *([_LIMITS] if budget.limited else [])])


def candidates(section: Section) -> tuple[PlacedPoint, ...]:
    """Measured points; only where there are none, the emulated, then the estimated ones."""
    for basis in BASES:
        found = tuple(p for p in section.placed if p.point.first.basis == basis)
        if found:
            return found
    return ()


def choose(section: Section) -> PlacedPoint | None:
    """The variant to ship by :data:`RULE`; None when nothing fits, or when nothing says which is better."""
    rows = [placed for placed in candidates(section) if not placed.missed] if section.judged else []
    if not rows:
        return None
    worth = {placed.point.label: placed.point.value(section.by).mean for placed in rows}
    least = (1 - WITHIN) * max(worth.values())
    close = [placed for placed in rows if worth[placed.point.label] >= least]
    smallest = min(placed.point.file_bytes.mean for placed in close)

    def order(placed: PlacedPoint) -> tuple[float, float, str]:
        work = placed.point.span(section.axes[1].key)
        return -worth[placed.point.label], work.mean, placed.point.label

    return min((one for one in close if same_bytes(one.point.file_bytes.mean, smallest)), key=order)


def nearest_misses(section: Section, budget: Budget) -> tuple[tuple[PlacedPoint, Check], ...]:
    """Per limit, the variant that breaks it by least, with that check; limits nobody breaks are left out."""
    broken: dict[str, list[tuple[PlacedPoint, Check]]] = {}
    for placed in candidates(section):
        for check in misses(placed.point.cost, budget):
            broken.setdefault(check.constraint, []).append((placed, check))

    def overshoot(pair: tuple[PlacedPoint, Check]) -> tuple[float, float]:
        margin = pair[1].margin
        return (float("inf") if margin is None else -margin), -pair[0].point.value(section.by).mean

    order = (
        [check.constraint for check in checks(section.placed[0].point.cost, budget)] if section.placed else []
    )
    return tuple(min(broken[name], key=overshoot) for name in order if name in broken)


def what_to_do(section: Section) -> str:
    """What gives a section whose Recall tells nothing one that does."""
    if section.placed and section.placed[0].status == CERTAIN:
        return "Judge by a log that leaves each user more items."
    if full := next(
        filter(None, (full_of(run.record["artifact"]["provenance"]) for run in section.runs)), None
    ):
        return f"Measure the full bundle, {full.told}: a lean one carries no evaluation rows."
    return "Export with --with-evaluation, and measure again."


def _sentence(section: Section, winner: PlacedPoint | None, rival: Rival | None, budget: Budget) -> str:
    if not section.placed:
        return f"Nothing to ship: no run is valid.{_without_times(section, budget)}"
    if not section.judged:
        status = section.placed[0].status
        return f"{status[0].upper()}{status[1:]}. {what_to_do(section)}"
    if winner is None:
        near = [f"{placed.point.label}: {check}" for placed, check in nearest_misses(section, budget)]
        return f"Nothing fits the budget ({budget}). Nearest: {'; '.join(near)}."
    point = winner.point
    sentences = [
        f"Ship {'the baseline ' * is_baseline(point)}{point.label}: {sentence.figures(section, point)}.",
        *baseline_sentences(point, rival),
        sentence.against_teacher(section, point),
        sentence.costs(section, point),
        sentence.against_fp32(section, point),
        sentence.against_undistilled(section, point),
    ]
    return " ".join(one for one in sentences if one)


def _without_times(section: Section, budget: Budget) -> str:
    """What the runs still tell where none is valid: load moves times, but neither Recall nor bytes."""
    alike = [row.point for row in section.disturbed if row.point.first.basis == section.first.basis]
    if not section.judged or not alike:
        return ""
    bytes_alone = Budget(max_file_bytes=budget.max_file_bytes, max_bundle_bytes=budget.max_bundle_bytes)
    placed = place(alike, bytes_alone, section.axes, section.measures)
    untimed = dataclasses.replace(section, placed=placed)
    chosen = choose(untimed)
    if chosen is None:
        return " Of bytes, which are known all the same, none is within the limit."
    point = chosen.point
    told = [
        f"by these {point.label} is the choice, {sentence.figures(untimed, point)} in "
        f"{format_bytes(point.file_bytes.mean)}.",
        *baseline_sentences(point, rival_of(untimed, point, candidates(untimed))),
        sentence.against_teacher(untimed, point),
        "Measure its latency again on a quiet machine.",
    ]
    return f" Known all the same are Recall and bytes: {' '.join(one for one in told if one)}"

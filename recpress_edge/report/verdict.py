"""The sentence a reader takes away, and the rule that chose its subject."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from recpress_edge.core.budget import Budget, Check, checks, misses
from recpress_edge.core.results import BASES
from recpress_edge.core.units import format_bytes
from recpress_edge.report.axes import work_form
from recpress_edge.report.chain import chains, teacher_of
from recpress_edge.report.front import Placed, Point, Section

WITHIN: Final = 0.02
RULE_WITHOUT_BUDGET: Final = (
    "No budget was given: chosen is the smallest file among the variants whose Recall@50 is within 2 % "
    "(relative) of the best; equal sizes are settled by Recall@50, then p95 latency. "
    "Give the report limits for bytes, p95 or memory to choose by what your device can spare."
)
RULE_WITH_BUDGET: Final = (
    "Chosen is the highest Recall@50 among the variants that keep every limit; equal Recall@50 is settled by "
    "file size, then p95 latency. Peak memory is that of the whole process (VmHWM). "
    "With several seeds the largest file and peak count, and the mean p95."
)
_SAME_SPEED: Final = 0.05
_RECALL_NOTICE: Final = 0.002


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to ship from one section."""

    winner: Placed | None
    sentence: str
    rule: str
    int8: tuple[str, ...]
    """One honest line per variant that has an fp32 file beside it."""
    own_int8: str
    """The winner's own line among them, or empty."""


def verdict(section: Section, budget: Budget) -> Verdict:
    """Choose, and say so in words."""
    winner = choose(section, budget)
    rule = RULE_WITH_BUDGET if budget.limited else RULE_WITHOUT_BUDGET
    fp32 = sibling(section, winner.point) if winner else None
    own = int8_line(winner.point, fp32) if winner and fp32 and fp32 is not winner.point else ""
    return Verdict(winner, _sentence(section, winner, budget), rule, int8_lines(section), own)


def candidates(section: Section) -> tuple[Placed, ...]:
    """Measured points; only where there are none, the emulated, then the estimated ones."""
    for basis in BASES:
        found = tuple(p for p in section.placed if p.point.first.basis == basis)
        if found:
            return found
    return ()


def choose(section: Section, budget: Budget) -> Placed | None:
    """The variant to ship by the stated rule; None when nothing fits."""
    rows = [placed for placed in candidates(section) if not placed.missed]
    if not rows:
        return None

    def by_recall(placed: Placed) -> tuple[float, float, float, str]:
        point = placed.point
        return -point.recall.mean, point.file_bytes.mean, point.p95_ns.mean, point.label

    if budget.limited:
        return min(rows, key=by_recall)
    best = max(placed.point.recall.mean for placed in rows)
    close = [placed for placed in rows if placed.point.recall.mean >= (1 - WITHIN) * best]
    return min(close, key=lambda placed: (placed.point.file_bytes.mean, *by_recall(placed)))


def nearest_misses(section: Section, budget: Budget) -> tuple[tuple[Placed, Check], ...]:
    """Per limit, the variant that breaks it by least, with that check; limits nobody breaks are left out."""
    broken: dict[str, list[tuple[Placed, Check]]] = {}
    for placed in candidates(section):
        for check in misses(placed.point.cost, budget):
            broken.setdefault(check.constraint, []).append((placed, check))

    def overshoot(pair: tuple[Placed, Check]) -> tuple[float, float]:
        margin = pair[1].margin
        return (float("inf") if margin is None else -margin), -pair[0].point.recall.mean

    order = (
        [check.constraint for check in checks(section.placed[0].point.cost, budget)] if section.placed else []
    )
    return tuple(min(broken[name], key=overshoot) for name in order if name in broken)


def _sentence(section: Section, winner: Placed | None, budget: Budget) -> str:
    if not section.placed:
        return "Nothing to ship: no run is valid."
    if winner is None:
        near = [f"{placed.point.label}: {check}" for placed, check in nearest_misses(section, budget)]
        return f"Nothing fits the budget ({budget}). Nearest: {'; '.join(near)}."
    point = winner.point
    device = point.first.record["device"]
    where = device.get("model") or device["id"]
    p95 = work_form(counted=point.first.counted)(point.p95_ns.mean)
    seeds = f" (mean of {len(point.runs)} seeds)" if len(point.runs) > 1 else ""
    sentences = [
        f"Ship {point.label}: Recall@50 {recall(point.recall.mean)}{seeds} "
        f"in {format_bytes(point.file_bytes.mean)}, p95 {p95} "
        f"on {where} ({point.first.basis}).",
        _against_fp32(section, point),
        _against_undistilled(section, point),
        _against_teacher(section, point),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _against_fp32(section: Section, point: Point) -> str:
    fp32 = sibling(section, point)
    if fp32 is None or fp32 is point or not fp32.recall.mean:
        return ""
    kept, size = point.recall.mean / fp32.recall.mean, point.file_bytes.mean / fp32.file_bytes.mean
    return f"It keeps {100 * kept:.1f} % of its fp32 student's Recall@50 at {size:.2f}× the bytes."


def _against_undistilled(section: Section, point: Point) -> str:
    """What distillation bought at equal bytes, when the same size without a teacher was benchmarked."""
    if not point.first.teacher:
        return ""
    plain = [
        placed.point
        for placed in section.placed
        if not placed.point.first.teacher
        and (
            placed.point.first.dim,
            placed.point.first.recipe,
            placed.point.first.format,
            placed.point.first.basis,
        )
        == (point.first.dim, point.first.recipe, point.first.format, point.first.basis)
    ]
    if not plain:
        return ""
    best = max(plain, key=lambda p: p.recall.mean)
    gain = point.recall.mean - best.recall.mean
    verb = "adds" if gain >= 0 else "costs"
    return f"Distillation {verb} {recall(abs(gain))} against {best.label}, which had no teacher."


def _against_teacher(section: Section, point: Point) -> str:
    own = next((c for c in chains(section) if c.title.startswith(f"{point.first.student},")), None)
    teacher = own.step("teacher") if own else None
    teacher = teacher if teacher and teacher.test is not None else teacher_of(section)
    if teacher is None or teacher.test is None or not point.first.teacher:
        return ""
    size = (
        f"needs {times(teacher.n_bytes / point.file_bytes.mean)} the bytes"
        if teacher.n_bytes
        else "has unknown size"
    )
    return f"The teacher {size} for {recall(teacher.test)}."


def int8_lines(section: Section) -> tuple[str, ...]:
    """fp32 against each smaller recipe of the same student: bytes, latency, Recall, and what follows."""
    lines = []
    for placed in section.placed:
        point = placed.point
        fp32 = sibling(section, point)
        if point.first.recipe != "fp32" and fp32 is not None:
            lines.append(int8_line(point, fp32))
    return tuple(sorted(lines))


def int8_line(point: Point, fp32: Point) -> str:
    """One honest sentence about a quantised file."""
    smaller = fp32.file_bytes.mean / point.file_bytes.mean
    latency = point.p50_ns / fp32.p50_ns
    delta = point.recall.mean - fp32.recall.mean
    if latency <= 1 - _SAME_SPEED:
        follows = "choose it for size and speed" if smaller > 1 else "choose it for speed, not size"
    elif latency <= 1 + _SAME_SPEED:
        follows = "choose it for size, it is no faster"
    else:
        follows = "choose it for size, not speed: it is slower here"
    if delta < -_RECALL_NOTICE:
        follows += f", and it loses more than {recall(_RECALL_NOTICE)} Recall@50"
    work = "instructions" if point.first.counted else "latency"
    size = f"{times(smaller)} smaller" if smaller >= 1 else f"{times(1 / smaller)} larger"
    return (
        f"{point.label}: {size} than fp32, {latency:.2f}× its {work} (p50), "
        f"Recall@50 {signed(delta)}: {follows}."
    )


def sibling(section: Section, point: Point) -> Point | None:
    """The fp32 point of the same student, teacher, format, profile and basis."""

    def identity(p: Point) -> Sequence[str]:
        run = p.first
        return run.student, run.teacher, run.format, run.profile, run.basis

    same = [p.point for p in section.placed if identity(p.point) == identity(point)]
    return next((p for p in same if p.first.recipe == "fp32"), None)


def recall(value: float) -> str:
    """0.27512 -> '.2751', as the literature prints it; 1 stays '1.0000'."""
    text = f"{value:.4f}"
    return text[1:] if text.startswith("0.") else text


def signed(value: float) -> str:
    """A difference with its sign: '−.0002', '+.0010', '±0'."""
    if abs(value) < 0.00005:
        return "±0"
    return f"{'+' if value > 0 else '−'}{recall(abs(value))}"


def times(ratio: float) -> str:
    """A factor: '3.7×', '12×'."""
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.1f}×"

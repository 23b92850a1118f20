"""Pareto panels: Recall against bytes, latency and memory. One SVG per panel, one PNG of all."""

import io
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from recpress_edge.core.arrays import F64
from recpress_edge.core.units import format_bytes, format_recall
from recpress_edge.report.chain import ChainStep, teacher_of
from recpress_edge.report.devices import DeviceComparison
from recpress_edge.report.devices_plot import devices_inches, draw_devices
from recpress_edge.report.drawing import INK, STYLE, Panel, drawing, freeze, scale_costs, to_panel
from recpress_edge.report.front import PlacedPoint, Section
from recpress_edge.report.labels import Label, place_labels
from recpress_edge.report.points import WORK_KEYS, Axis
from recpress_edge.report.verdict import candidates

# Okabe and Ito's palette: told apart by people with any form of colour blindness. Markers say it again.
_LOOKS: Final = {
    "bpr": ("#6b6b6b", "o"),
    "ftd": ("#0072b2", "s"),
    "htd": ("#d55e00", "^"),
    "soft": ("#009e73", "D"),
}
_MORE_LOOKS: Final = (("#cc79a7", "v"), ("#e69f00", "P"), ("#56b4e9", "X"), ("#000000", "<"))
_MAX_LABELS: Final = 10
_PANELS: Final = 3
_ROW_INCHES: Final = 5.2
_FRONT: Final = "front"


def panels(section: Section, winner: PlacedPoint | None, name: str) -> tuple[Panel, ...]:
    """One SVG per cost axis. name: makes the ids inside the SVGs unique on the page."""
    made = []
    for index, axis in enumerate(section.axes):
        with drawing(f"{name}-{axis.key}", 4.6, 4.0) as figure:
            axes = figure.subplots()
            _draw(axes, section, index, winner)
            figure.legend(
                handles=_legend(section, winner),
                loc="outside lower center",
                ncols=4,
                frameon=False,
                fontsize=8,
            )
            freeze(figure)
            _name_points(axes, section, index, winner)
            front = [p.point.label for p in candidates(section) if p.panels[index]]
            title = f"{section.metric} against {axis.title.lower()}"
            made.append(to_panel(figure, title, f"{title}; on the front: {', '.join(front)}"))
    return tuple(made)


def png(
    sections: Sequence[tuple[Section, PlacedPoint | None]], devices: Sequence[DeviceComparison] = ()
) -> bytes:
    """All panels in one image: a row per section, given with its winner; then all devices."""
    with mpl.rc_context(STYLE):
        buffer = io.BytesIO()
        overview(sections, devices).savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def overview(
    sections: Sequence[tuple[Section, PlacedPoint | None]], devices: Sequence[DeviceComparison] = ()
) -> Figure:
    """The drawn figure of :func:`png`. The panels of a row share their Recall axis, named once."""
    heights = [*(_ROW_INCHES for _ in sections), *(devices_inches(found) + 0.5 for found in devices)]
    figure = Figure(figsize=(15, sum(heights)), dpi=150, layout=ConstrainedLayoutEngine(wspace=0.04))
    FigureCanvasAgg(figure)
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, found in zip(parts[len(sections) :], devices, strict=True):
        part.suptitle(found.title, fontsize=11, color=INK)
        draw_devices(part, found)
    rows = [part.subplots(1, _PANELS, sharey=True) for part in parts[: len(sections)]]
    for part, row, (section, winner) in zip(parts, rows, sections, strict=False):
        part.suptitle(section.title, fontsize=11, color=INK)
        part.legend(handles=_legend(section, winner), loc="outside lower center", ncols=8, frameon=False)
        for index, axes in enumerate(row):
            _draw(axes, section, index, winner)
            axes.label_outer()
    freeze(figure)
    for row, (section, winner) in zip(rows, sections, strict=True):
        for index, axes in enumerate(row):
            _name_points(axes, section, index, winner)
    return figure


def _look(method: str, methods: Sequence[str]) -> tuple[str, str]:
    others = [m for m in methods if m not in _LOOKS]
    return _LOOKS[method] if method in _LOOKS else _MORE_LOOKS[others.index(method) % len(_MORE_LOOKS)]


def _methods(section: Section) -> list[str]:
    return sorted({placed.point.first.method for placed in section.placed})


def _draw(axes: Axes, section: Section, index: int, winner: PlacedPoint | None) -> None:
    axis, methods = section.axes[index], _methods(section)
    spans = [placed.point.span(axis.key) for placed in section.placed]
    shown = [value for span in spans for value in (span.mean, *((span.low, span.high) if index == 1 else ()))]
    scale_costs(axes, axis, shown)
    _families(axes, section, axis, methods)
    for placed in section.placed:
        _mark(axes, placed, axis, _look(placed.point.first.method, methods), chosen=placed is winner)
    axes.set_xlabel(axis.title)
    axes.set_ylabel(section.metric)
    axes.margins(y=0.14)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:.3f}".removeprefix("0") if value >= 0 else "")
    )
    axes.grid(axis="y", color="#e8e8e8", lw=0.7)
    axes.set_axisbelow(True)
    axes.autoscale_view()
    teacher = teacher_of(section)
    if teacher is not None:
        _teacher_line(axes, teacher)
    _front_line(axes, section, index)


def _families(axes: Axes, section: Section, axis: Axis, methods: Sequence[str]) -> None:
    """Join the dims of one method and recipe."""
    families: dict[tuple[str, ...], list[PlacedPoint]] = defaultdict(list)
    for placed in section.placed:
        run = placed.point.first
        families[(run.method, run.teacher, run.recipe, run.format, run.profile, run.basis)].append(placed)
    for (method, *_rest, _basis), members in families.items():
        ordered = sorted(members, key=lambda p: p.point.first.dim)
        axes.plot(
            [p.point.span(axis.key).mean for p in ordered],
            [p.point.recall.mean for p in ordered],
            color=_look(method, methods)[0],
            lw=1.0,
            alpha=0.45,
            ls="-" if members[0].point.first.recipe != "fp32" else ":",
            zorder=2,
        )


def _mark(axes: Axes, placed: PlacedPoint, axis: Axis, look: tuple[str, str], *, chosen: bool) -> None:
    point, (colour, marker) = placed.point, look
    cost, basis = point.span(axis.key), point.first.basis
    x, y = cost.mean, point.recall.mean
    if len(point.runs) > 1:
        axes.plot([x, x], [point.recall.low, point.recall.high], color=colour, lw=1.2, zorder=3)
    if axis.key in WORK_KEYS:
        estimated = basis == "estimated"
        axes.plot(
            [cost.low, cost.high],
            [y, y],
            color=colour,
            lw=5 if estimated else 1.2,
            alpha=0.35 if estimated else 1,
            zorder=3,
        )
    hollow = basis != "measured"
    axes.plot(
        [x],
        [y],
        marker=marker,
        ms=7,
        mec=colour,
        mfc="white" if hollow else colour,
        mew=1.4,
        ls="none",
        zorder=4,
        alpha=1.0,
    )
    if chosen:
        axes.plot([x], [y], marker="o", ms=15, mec=INK, mfc="none", mew=1.3, ls="none", zorder=5)


def _teacher_line(axes: Axes, teacher: ChainStep) -> None:
    assert teacher.test is not None
    size = f" · {format_bytes(teacher.n_bytes)}" if teacher.n_bytes else ""
    axes.axhline(teacher.test, color="#777777", lw=0.9, ls=(0, (5, 3)), zorder=1)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, teacher.test), max(high, teacher.test + 0.07 * (high - low)))
    axes.annotate(
        f"teacher {teacher.name}: {format_recall(teacher.test)}{size}",
        (0, teacher.test),
        xycoords=("axes fraction", "data"),
        xytext=(4, 3),
        textcoords="offset points",
        fontsize=7.5,
        color="#555555",
        va="bottom",
    )


def _front_line(axes: Axes, section: Section, index: int) -> None:
    """The front of the most trustworthy basis there is: the one that the choice is made from."""
    on = [p.point for p in candidates(section) if p.panels[index]]
    corners = sorted((p.span(section.axes[index].key).mean, p.recall.mean) for p in on)
    left, right = axes.get_xlim()
    xs, ys = [corners[0][0]], [corners[0][1]]
    for x, y in [*corners[1:], (right, corners[-1][1])]:  # to the right, then up
        xs += [x, x]
        ys += [ys[-1], y]
    axes.plot(xs, ys, color=INK, lw=1.1, alpha=0.75, zorder=2.5, label=_FRONT)
    axes.set_xlim(left, right)


def _name_points(axes: Axes, section: Section, index: int, winner: PlacedPoint | None) -> None:
    """Labels for all points, or for the front alone where all would not fit."""
    methods, axis = _methods(section), section.axes[index]
    crowded = len(section.placed) > _MAX_LABELS
    labels = [
        Label(
            placed.point.label,
            placed.point.span(axis.key).mean,
            placed.point.recall.mean,
            _look(placed.point.first.method, methods)[0],
            placed is winner,
        )
        for placed in section.placed
        if not crowded or placed.panels[index] or placed is winner
    ]
    markers = [(placed.point.span(axis.key).mean, placed.point.recall.mean) for placed in section.placed]
    lines = [
        spot
        for line in axes.get_lines()
        if line.get_transform() == axes.transData and line.get_linestyle() != "None"
        for spot in _along(np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float))
    ]
    place_labels(axes, labels, markers, [*lines, *along_levels(axes)], size=7.5)


def along_levels(axes: Axes) -> list[tuple[float, float]]:
    """Points along the lines that go from edge to edge, as the teacher's does."""
    to_data = axes.transAxes + axes.transData.inverted()
    xs = [float(to_data.transform((share, 0.0))[0]) for share in np.linspace(0, 1, 60)]
    levels = [line for line in axes.get_lines() if line.get_transform() == axes.get_yaxis_transform()]
    return [(x, float(np.asarray(line.get_ydata())[0])) for line in levels for x in xs]


def _along(xs: F64, ys: F64) -> list[tuple[float, float]]:
    """Points along a line, close enough to keep text off it."""
    corners = zip(xs, ys, xs[1:], ys[1:], strict=False)
    return [
        (float(x), float(y))
        for x0, y0, x1, y1 in corners
        for x, y in zip(np.linspace(x0, x1, 24), np.linspace(y0, y1, 24), strict=True)
    ]


def _legend(section: Section, winner: PlacedPoint | None) -> list[Line2D]:
    methods, bases = _methods(section), {p.point.first.basis for p in section.placed}
    handles = [
        Line2D([], [], ls="none", marker=_look(m, methods)[1], color=_look(m, methods)[0], ms=6, label=m)
        for m in methods
    ]
    handles.append(Line2D([], [], color=INK, lw=1.1, alpha=0.75, label=_FRONT))
    if winner is not None:
        handles.append(Line2D([], [], ls="none", marker="o", mfc="none", mec=INK, ms=9, label="chosen"))
    if bases - {"measured"}:
        handles.append(Line2D([], [], ls="none", marker="o", color="#555555", ms=6, label="measured"))
        handles += [
            Line2D([], [], ls="none", marker="o", mfc="white", mec="#555555", ms=6, label=basis)
            for basis in sorted(bases - {"measured"})
        ]
    return handles

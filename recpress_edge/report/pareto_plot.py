"""Pareto panels: a metric against bytes, latency and memory. One SVG per panel, one PNG of all."""

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
from matplotlib.ticker import FuncFormatter, MaxNLocator

from recpress_edge.core.arrays import F64
from recpress_edge.core.units import format_bytes, format_recall
from recpress_edge.report.chain import ChainStep, teacher_of
from recpress_edge.report.devices import DeviceComparison
from recpress_edge.report.devices_plot import devices_inches, draw_devices
from recpress_edge.report.drawing import INK, STYLE, Panel, drawing, freeze, scale_costs, to_panel
from recpress_edge.report.front import Section
from recpress_edge.report.labels import Label, place_labels
from recpress_edge.report.place import PlacedPoint
from recpress_edge.report.points import WORK_KEYS, Axis
from recpress_edge.report.views import FRONT, View, legend, size_of

_MAX_LABELS: Final = 10
_PANELS: Final = 3
_ROW_INCHES: Final = 5.2


def panels(view: View, name: str) -> tuple[Panel, ...]:
    """One SVG per cost axis. name: makes the ids inside the SVGs unique on the page."""
    made = []
    for index, axis in enumerate(view.section.axes):
        with drawing(f"{name}-{view.measure}-{axis.key}", 4.6, 4.0) as figure:
            axes = figure.subplots()
            _draw(axes, view, index)
            figure.legend(
                handles=legend(view),
                loc="outside lower center",
                ncols=4,
                frameon=False,
                fontsize=8,
            )
            freeze(figure)
            _name_points(axes, view, index)
            front = [p.point.label for p in view.on_front(index)]
            title = f"{view.title} against {axis.title.lower()}"
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
    """The drawn figure of :func:`png`. The panels of a row share their upright axis, named once."""
    heights = [*(_ROW_INCHES for _ in sections), *(devices_inches(found) + 0.5 for found in devices)]
    figure = Figure(figsize=(15, sum(heights)), dpi=150, layout=ConstrainedLayoutEngine(wspace=0.04))
    FigureCanvasAgg(figure)
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, found in zip(parts[len(sections) :], devices, strict=True):
        part.suptitle(found.title, fontsize=11, color=INK)
        draw_devices(part, found)
    rows = [part.subplots(1, _PANELS, sharey=True) for part in parts[: len(sections)]]
    views = [View(section, winner, section.by) for section, winner in sections]
    for part, row, view in zip(parts, rows, views, strict=False):
        part.suptitle(view.section.title, fontsize=11, color=INK)
        part.legend(handles=legend(view), loc="outside lower center", ncols=8, frameon=False)
        for index, axes in enumerate(row):
            _draw(axes, view, index)
            axes.label_outer()
    freeze(figure)
    for row, view in zip(rows, views, strict=True):
        for index, axes in enumerate(row):
            _name_points(axes, view, index)
    return figure


def _draw(axes: Axes, view: View, index: int) -> None:
    section, axis = view.section, view.section.axes[index]
    spans = [placed.point.span(axis.key) for placed in section.placed]
    shown = [value for span in spans for value in (span.mean, *((span.low, span.high) if index == 1 else ()))]
    scale_costs(axes, axis, shown)
    _families(axes, view, axis)
    for placed in section.placed:
        _mark(axes, view, placed, axis)
    axes.set_xlabel(axis.title)
    axes.set_ylabel(view.title)
    axes.margins(y=0.14)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:.3f}".removeprefix("0") if value >= 0 else "")
    )
    axes.grid(axis="y", color="#e8e8e8", lw=0.7)
    axes.set_axisbelow(True)
    axes.autoscale_view()
    teacher = teacher_of(section, view.measure)
    if teacher is not None:
        _teacher_line(axes, *teacher)
    _front_line(axes, view, index)


def _families(axes: Axes, view: View, axis: Axis) -> None:
    """Join the dims of one method and recipe."""
    families: dict[tuple[str, ...], list[PlacedPoint]] = defaultdict(list)
    for placed in view.section.placed:
        run = placed.point.first
        families[(run.method, run.teacher, run.recipe, run.format, run.profile, run.basis)].append(placed)
    for (method, *_rest, _basis), members in families.items():
        ordered = sorted(members, key=lambda p: p.point.first.dim)
        axes.plot(
            [p.point.span(axis.key).mean for p in ordered],
            [view.value(p).mean for p in ordered],
            color=view.look(method)[0],
            lw=1.0,
            alpha=0.45,
            ls="-" if members[0].point.first.recipe != "fp32" else ":",
            zorder=2,
        )


def _mark(axes: Axes, view: View, placed: PlacedPoint, axis: Axis) -> None:
    point, value = placed.point, view.value(placed)
    colour, marker = view.look(point.first.method)
    cost, basis = point.span(axis.key), point.first.basis
    x, y = cost.mean, value.mean
    if len(point.runs) > 1:
        axes.plot([x, x], [value.low, value.high], color=colour, lw=1.2, zorder=3)
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
        ms=size_of(marker),
        mec=colour,
        mfc="white" if hollow else colour,
        mew=1.4,
        ls="none",
        zorder=4,
        alpha=1.0,
    )
    if placed is view.winner:
        axes.plot([x], [y], marker="o", ms=15, mec=INK, mfc="none", mew=1.3, ls="none", zorder=5)


def _teacher_line(axes: Axes, teacher: ChainStep, value: float) -> None:
    size = f" · {format_bytes(teacher.n_bytes)}" if teacher.n_bytes else ""
    axes.axhline(value, color="#777777", lw=0.9, ls=(0, (5, 3)), zorder=1)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, value), max(high, value + 0.07 * (high - low)))
    axes.annotate(
        f"teacher {teacher.name}: {format_recall(value)}{size}",
        (0, value),
        xycoords=("axes fraction", "data"),
        xytext=(4, 3),
        textcoords="offset points",
        fontsize=7.5,
        color="#555555",
        va="bottom",
    )


def _front_line(axes: Axes, view: View, index: int) -> None:
    key = view.section.axes[index].key
    corners = sorted((p.point.span(key).mean, view.value(p).mean) for p in view.on_front(index))
    left, right = axes.get_xlim()
    xs, ys = [corners[0][0]], [corners[0][1]]
    for x, y in [*corners[1:], (right, corners[-1][1])]:  # to the right, then up
        xs += [x, x]
        ys += [ys[-1], y]
    axes.plot(xs, ys, color=INK, lw=1.1, alpha=0.75, zorder=2.5, label=FRONT)
    axes.set_xlim(left, right)


def _name_points(axes: Axes, view: View, index: int) -> None:
    """Labels for all points, or for the front alone where all would not fit."""
    section, axis = view.section, view.section.axes[index]
    crowded = len(section.placed) > _MAX_LABELS
    labels = [
        Label(
            placed.point.label,
            placed.point.span(axis.key).mean,
            view.value(placed).mean,
            view.look(placed.point.first.method)[0],
            placed is view.winner,
        )
        for placed in section.placed
        if not crowded or placed.panels[view.measure][index] or placed is view.winner
    ]
    markers = [(placed.point.span(axis.key).mean, view.value(placed).mean) for placed in section.placed]
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

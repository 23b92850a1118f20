"""Devices in rows, variants in colours: filled marks are measured, hollow ones emulated, bars estimated."""

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D

from recpress_edge.report.devices import ESTIMATED, MEASURED, DeviceComparison, Mark
from recpress_edge.report.drawing import INK, Panel, drawing, scale_costs, to_panel
from recpress_edge.report.points import COUNTED, TIMED, Axis

# Okabe and Ito's palette, then markers: neither is needed to tell the other apart.
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b6b6b", "#000000")
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "<")
_ROW_INCHES: Final = 0.17


def devices_panel(found: DeviceComparison, name: str) -> Panel:
    """Time on one axis, instructions on another: they are never the same thing."""
    with drawing(name, 10.0, devices_inches(found)) as figure:
        draw_devices(figure, found)
        return to_panel(figure, found.title, _told(found))


def devices_inches(found: DeviceComparison) -> float:
    """How high the figure is: so much a device and variant, and the legend."""
    variants, parts = _variants(found), _parts(found)
    row_inches = max(_ROW_INCHES * len(variants), 0.45)
    devices = sum(len({mark.device for mark in marks}) for marks, _, _ in parts)
    return row_inches * devices + 0.75 * len(parts) + 0.3 * (len(variants) // 4 + 2)


def draw_devices(figure: FigureBase, found: DeviceComparison) -> None:
    """Draw into a new figure, or into a part of one."""
    variants, parts = _variants(found), _parts(found)
    rows = [len({mark.device for mark in marks}) for marks, _, _ in parts]
    grid = figure.subplots(len(parts), 1, squeeze=False, height_ratios=rows)[:, 0]
    for axes, (marks, axis, title) in zip(grid, parts, strict=True):
        _draw(axes, marks, axis, variants)
        axes.set_title(title, fontsize=9, loc="left", color=INK)
    figure.legend(
        handles=_legend(found, variants), loc="outside lower center", ncols=4, frameon=False, fontsize=8
    )


def _variants(found: DeviceComparison) -> list[str]:
    return sorted({mark.variant for mark in (*found.times, *found.counts)})


def _parts(found: DeviceComparison) -> list[tuple[Sequence[Mark], Axis, str]]:
    return [
        (marks, axis, title)
        for marks, axis, title in (
            (found.times, TIMED, "Time of a query, median"),
            (found.counts, COUNTED, "Instructions of a query, median: counted, no time"),
        )
        if marks
    ]


def _draw(axes: Axes, marks: Sequence[Mark], axis: Axis, variants: Sequence[str]) -> None:
    devices = list(dict.fromkeys(mark.device for mark in marks))
    scale_costs(axes, axis, [end for mark in marks for end in (mark.low, mark.high)])
    for index in range(1, len(devices)):
        axes.axhline(index - 0.5, color="#dddddd", lw=0.8, zorder=1)
    step = 0.8 / max(len(variants), 1)
    for mark in marks:
        place = variants.index(mark.variant)
        y = devices.index(mark.device) + (place - (len(variants) - 1) / 2) * step
        colour, marker = _look(place)
        if mark.basis == ESTIMATED:
            axes.plot(
                [mark.low, mark.high], [y, y], color=colour, lw=6, alpha=0.4, solid_capstyle="butt", zorder=3
            )
            continue
        fill = colour if mark.basis == MEASURED else "white"
        axes.plot([mark.low], [y], marker=marker, ms=6.5, mec=colour, mfc=fill, mew=1.4, ls="none", zorder=4)
    bases = {mark.device: mark.basis for mark in marks}
    axes.set_yticks(range(len(devices)), [f"{device}\n{bases[device]}" for device in devices])
    axes.set_ylim(len(devices) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.grid(axis="x", color="#eeeeee", lw=0.7)
    axes.set_axisbelow(True)


def _look(place: int) -> tuple[str, str]:
    return _COLOURS[place % len(_COLOURS)], _MARKERS[(place + place // len(_COLOURS)) % len(_MARKERS)]


def _legend(found: DeviceComparison, variants: Sequence[str]) -> list[Line2D]:
    handles = []
    for place, variant in enumerate(variants):
        colour, marker = _look(place)
        handles.append(Line2D([], [], ls="none", marker=marker, color=colour, ms=6, label=variant))
    bases = {mark.basis for mark in (*found.times, *found.counts)}
    grey = "#555555"
    if MEASURED in bases:
        handles.append(Line2D([], [], ls="none", marker="o", color=grey, ms=6, label="filled: measured"))
    if "emulated" in bases:
        handles.append(
            Line2D([], [], ls="none", marker="o", mec=grey, mfc="white", ms=6, label="hollow: emulated")
        )
    if ESTIMATED in bases:
        label = f"bar: {', '.join(found.labels)}"
        handles.append(Line2D([], [], color=grey, lw=6, alpha=0.4, solid_capstyle="butt", label=label))
    return handles


def _told(found: DeviceComparison) -> str:
    """The figure in words, for a person who does not see it."""
    said = []
    for marks, axis in ((found.times, TIMED), (found.counts, COUNTED)):
        for mark in marks:
            value = axis.form(mark.low)
            value = value if mark.low == mark.high else f"{value} to {axis.form(mark.high)}"
            said.append(f"{mark.variant} on {mark.device}: {value}, {mark.basis}")
    return "; ".join(said)

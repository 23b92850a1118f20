"""Latency, temperature and clock over minutes, from runs with --sustained."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from recpress_edge.core.units import format_ns
from recpress_edge.report.drawing import Panel, drawing, to_panel
from recpress_edge.report.front import Section
from recpress_edge.report.runs import BenchRun

_LATENCY: Final = "#0072b2"
_HEAT: Final = "#d55e00"
_CLOCK: Final = "#009e73"


def over_time(section: Section, name: str) -> tuple[Panel, ...]:
    """One panel per run that kept asking."""
    runs = [run for placed in section.placed for run in placed.point.runs if run.record.get("sustained")]
    return tuple(_panel(run, f"{name}-sustained{number}") for number, run in enumerate(runs))


def _panel(run: BenchRun, salt: str) -> Panel:
    found = run.record["sustained"]
    minutes = [at_s / 60 for at_s in found["at_s"]]
    extra = [
        (key, title, colour, scale)
        for key, title, colour, scale in (
            ("temp_c", "temperature, °C", _HEAT, 1.0),
            ("clock_khz", "clock, MHz", _CLOCK, 1e-3),
        )
        if any(value is not None for value in found[key])
    ]
    with drawing(salt, 4.6, 2.6 + 1.1 * len(extra)) as figure:
        grid = figure.subplots(
            1 + len(extra), 1, squeeze=False, sharex=True, height_ratios=[2, *[1] * len(extra)]
        )[:, 0]
        _latency(grid[0], minutes, found)
        for axes, (key, title, colour, scale) in zip(grid[1:], extra, strict=True):
            pairs = [(m, v * scale) for m, v in zip(minutes, found[key], strict=True) if v is not None]
            axes.plot(*zip(*pairs, strict=True), color=colour, lw=1.4)
            axes.set_ylabel(title, fontsize=8)
            axes.margins(y=0.3)
        for axes in grid:
            axes.grid(axis="y", color="#e8e8e8", lw=0.7)
            axes.yaxis.set_major_locator(MaxNLocator(4))
            _shade(axes, minutes, found["throttled"])
        grid[0].set_title(run.name, fontsize=9, loc="left")
        grid[-1].set_xlabel("minutes")
        grid[-1].set_xlim(0, minutes[-1])
        return to_panel(figure, f"{run.name} over time", _told(run.name, found))


def _latency(axes: Axes, minutes: Sequence[float], found: Mapping[str, Any]) -> None:
    axes.plot(minutes, found["p95_ns"], color=_LATENCY, lw=1.0, alpha=0.45, label="p95")
    axes.plot(minutes, found["p50_ns"], color=_LATENCY, lw=1.6, label="p50")
    axes.set_ylim(0, max(found["p95_ns"]) * 1.15)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_ns(value).replace(".0 ", " ")))
    axes.set_ylabel("a query", fontsize=8)
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower right")


def _shade(axes: Axes, minutes: Sequence[float], throttled: Sequence[str | None]) -> None:
    """Grey where the firmware says that it throttles now."""
    before = 0.0
    for at, bits in zip(minutes, throttled, strict=True):
        if bits is not None and int(bits, 16) & 0xF:
            axes.axvspan(before, at, color="#999999", alpha=0.25, lw=0)
        before = at


def _told(name: str, found: Mapping[str, Any]) -> str:
    first, last = format_ns(found["p50_ns"][0]), format_ns(found["p50_ns"][-1])
    heat = [value for value in found["temp_c"] if value is not None]
    warm = f"; temperature {heat[0]:.0f} to {heat[-1]:.0f} °C" if heat else ""
    minutes = f"{found['seconds'] / 60:g} minutes without a pause"
    return f"{name}, {minutes}: p50 {first} at first, {last} at the end{warm}"

"""What all figures of the page share: style, axes with round ticks, and the way to an inline SVG."""

import contextlib
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from recpress_edge.report.points import Axis

INK: Final = "#222222"
PAPER: Final = "#ffffff"
"""Behind a panel, and inside hollow marks."""
# Every colour of a figure, and what takes its place on a dark page.
_DARK: Final = {
    INK: "#e6e8ea",
    PAPER: "#202327",
    "#000000": "#f2f3f4",
    "#555555": "#b4bcc4",
    "#777777": "#9aa3ac",
    "#888888": "#7d868f",
    "#999999": "#7d868f",
    "#dddddd": "#43494f",
    "#e8e8e8": "#343a40",
    "#eeeeee": "#31363b",
    # Okabe and Ito's palette, and its grey
    "#6b6b6b": "#b0b0b0",
    "#0072b2": "#58b4ee",
    "#d55e00": "#ff8f4d",
    "#009e73": "#35cfa3",
    "#cc79a7": "#e9a3c9",
    "#e69f00": "#f5b93a",
    "#56b4e9": "#9bd6fb",
}
STYLE: Final[dict[Any, Any]] = {
    "font.size": 9.0,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "text.parse_math": False,
    "svg.fonttype": "path",
}
_LOG_FROM: Final = 6.0
"""Largest over smallest from which an axis is logarithmic."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawn panel for the page."""

    title: str
    description: str
    """What a person who does not see it should hear."""
    svg: str


@contextlib.contextmanager
def drawing(salt: str, width: float, height: float) -> Iterator[Figure]:
    """A figure of so many inches, in the page's style. salt: makes the ids in its SVG unique on the page."""
    clear: dict[Any, Any] = {
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
    }
    with mpl.rc_context({**STYLE, **clear, "svg.hashsalt": salt}):
        figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def to_panel(figure: Figure, title: str, description: str) -> Panel:
    """The drawn figure. Inside its ``drawing`` block: the style belongs to the SVG too."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return Panel(title, description, _inline(buffer.getvalue()))


def freeze(figure: Figure) -> None:
    """Settle the layout, so that what is placed by pixels afterwards stays where it is put."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def _inline(svg: str) -> str:
    """The <svg> element alone, sized and coloured by the page."""
    element = re.sub("#[0-9a-f]{6}", _themed, svg[svg.index("<svg ") :])
    return re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', r"\1", element, count=1).replace(
        "<svg ", '<svg aria-hidden="true" ', 1
    )


def _themed(colour: re.Match[str]) -> str:
    return f"var({_variable(colour[0])}, {colour[0]})" if colour[0] in _DARK else colour[0]


def _variable(colour: str) -> str:
    return f"--fig-{colour.removeprefix('#')}"


def theme_css() -> str:
    """The colours of all figures, for a light page, for a dark one, and for paper."""
    light = " ".join(f"{_variable(colour)}: {colour};" for colour in _DARK)
    dark = " ".join(f"{_variable(colour)}: {other};" for colour, other in _DARK.items())
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"


def scale_costs(axes: Axes, axis: Axis, values: Sequence[float]) -> None:
    """Limits with room for labels, a log axis for bytes and for wide ranges, and round ticks."""
    low, high = min(values), max(values)
    binary, form = axis.binary, axis.form
    log = low > 0 and (axis.key == "file_bytes" or high / low > _LOG_FROM)
    low, high = limits(low, high, log=log)
    if log:
        axes.set_xscale("log", base=2 if binary else 10)
        ticks = log_ticks(low, high, binary=binary)
    else:
        ticks = linear_ticks(low, high, binary=binary)
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: form(value).replace(".0 ", " ")))


def limits(low: float, high: float, *, log: bool) -> tuple[float, float]:
    """Ends of an axis: 20 % more on both sides, and never so narrow that noise fills it."""
    if log:
        ratio = high / low
        factor = max(ratio**0.2, 2 / ratio**0.5)
        return low / factor, high * factor
    room = max(0.2 * (high - low), 0.5 * (0.2 * max(abs(low), abs(high), 1.0) - (high - low)))
    return low - room, high + room


def linear_ticks(low: float, high: float, *, binary: bool) -> list[float]:
    """Four to eight multiples of a round step within [low, high]; of KiB or MiB when binary."""
    unit = (2.0**20 if high >= 2**20 else 2.0**10) if binary else 1.0
    step = _nice_step((high - low) / 6 / unit) * unit
    return [step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _nice_step(rough: float) -> float:
    """The next of 1, 2, 5 × 10^n at or above ``rough``."""
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(power * digit for digit in (1.0, 2.0, 5.0, 10.0) if power * digit >= rough * 0.999)


def log_ticks(low: float, high: float, *, binary: bool) -> list[float]:
    """At most seven round values within [low, high]: powers of two, or 1-2-5 steps."""
    if binary:
        exponents = range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)
        ticks = [2.0**e for e in exponents]
    else:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [digit * 10.0**d for d in decades for digit in (1, 2, 5) if low <= digit * 10.0**d <= high]
    stride = math.ceil(len(ticks) / 7)
    return ticks[::stride]

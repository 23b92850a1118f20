"""What all figures of the page share: one style, one way to become an inline SVG."""

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

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

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
STYLE: Final[dict[Any, Any]] = {
    "font.size": 9.0,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
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
    with mpl.rc_context({**STYLE, "svg.hashsalt": salt}):
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
    """The <svg> element alone, sized by the page."""
    element = svg[svg.index("<svg ") :]
    return re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', r"\1", element, count=1).replace(
        "<svg ", '<svg aria-hidden="true" ', 1
    )

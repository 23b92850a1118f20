"""Names beside plotted points, moved until none covers another."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

from recpress_edge.core.arrays import F64

_ANGLES: Final = (0, 180, 45, -45, 135, -135, 90, -90, 22, -22, 158, -158)
_DISTANCES: Final = (11, 20, 32, 46, 62)
_LEADER_FROM: Final = 18
_GAP: Final = 5
"""Points between two names that lie side by side."""
# What a covered pixel costs, in points that the name might rather move away.
_ON_LINE: Final = 0.6
_ON_MARKER: Final = 1.5
_ON_TEXT: Final = 4.0
_CROSSED: Final = 20.0
_RING: Final = 4
"""How much further a bold label stays away: its point has a ring around it."""


@dataclass(frozen=True, slots=True)
class Label:
    """Text for a point in data coordinates."""

    text: str
    x: float
    y: float
    colour: str
    bold: bool


def place_labels(
    axes: Axes,
    labels: Sequence[Label],
    markers: Sequence[tuple[float, float]],
    lines: Sequence[tuple[float, float]],
    size: float,
) -> None:
    """Draw each label at the first free spot around its point; a leader line where it had to move far.

    markers: every marker, and lines: points along every line, in data coordinates; text should cover neither.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    scale = figure.dpi / 72
    frame = axes.get_window_extent(renderer)

    def to_pixels(spot: tuple[float, float]) -> tuple[float, float]:
        x, y = axes.transData.transform(spot)
        return float(x), float(y)

    points = [to_pixels((label.x, label.y)) for label in labels]
    blocked = [_weighed(_square(to_pixels(marker), 7 * scale), _ON_MARKER) for marker in markers]
    blocked += [_weighed(_square(to_pixels(spot), scale), _ON_LINE) for spot in lines]
    blocked += [_weighed(_apart(text.get_window_extent(renderer), scale), _ON_TEXT) for text in axes.texts]
    for label, (x, y) in sorted(
        zip(labels, points, strict=True), key=lambda pair: (not pair[0].bold, -pair[1][1])
    ):
        weight = "bold" if label.bold else "normal"
        text = axes.text(label.x, label.y, label.text, fontsize=size, weight=weight)
        extent = text.get_window_extent(renderer)
        text.remove()
        spots = [(distance + _RING * label.bold, angle) for distance in _DISTANCES for angle in _ANGLES]
        boxes = {spot: _box(x, y, extent, spot, scale) for spot in spots}
        leads = {spot: _leader((x, y), boxes[spot]) if _is_far(spot, label) else () for spot in spots}
        taken = np.array(blocked).reshape(-1, 5)
        costs = [_cost(boxes[spot], taken, frame) + _crossed(leads[spot], taken) + spot[0] for spot in spots]
        best = spots[int(np.argmin(costs))]
        box = boxes[best]
        blocked.append(_weighed(_apart(box, scale), _ON_TEXT))
        blocked += [_weighed(_square(at, scale), _ON_LINE) for at in leads[best]]
        leader = {"arrowstyle": "-", "color": "#999999", "lw": 0.6, "shrinkA": 0, "shrinkB": 4}
        axes.annotate(
            label.text,
            (label.x, label.y),
            xytext=((box.x0 - x) / scale, (box.y0 - y) / scale),
            textcoords="offset points",
            fontsize=size,
            weight=weight,
            color=label.colour,
            va="bottom",
            ha="left",
            arrowprops=leader if _is_far(best, label) else None,
            zorder=6,
        )


def _is_far(spot: tuple[int, int], label: Label) -> bool:
    """Whether a line must say whose name it is."""
    return spot[0] > _LEADER_FROM + _RING * label.bold


def _leader(point: tuple[float, float], box: Bbox) -> tuple[tuple[float, float], ...]:
    """Points along the line from a marker to its name."""
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    shares = [step / 12 for step in range(2, 12)]
    ways = [(point[0] + share * (x - point[0]), point[1] + share * (y - point[1])) for share in shares]
    return tuple(way for way in ways if not box.contains(*way))


def _weighed(box: Bbox, weight: float) -> tuple[float, ...]:
    """Left, lower, right and upper edge, and what a covered pixel costs: a row of what is taken (N, 5)."""
    return (*box.extents, weight)


def _crossed(leader: Sequence[tuple[float, float]], taken: F64) -> float:
    """What it costs that a line runs through other names."""
    x0, y0, x1, y1 = taken[taken[:, 4] == _ON_TEXT, :4].T
    return _CROSSED * sum(bool(((x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)).any()) for x, y in leader)


def _apart(text: Bbox, scale: float) -> Bbox:
    """The text with room around it: names that touch read as one."""
    return text.padded(_GAP * scale, _GAP * scale / 3)


def _square(centre: tuple[float, float], half: float) -> Bbox:
    return Bbox.from_bounds(centre[0] - half, centre[1] - half, 2 * half, 2 * half)


def _box(x: float, y: float, extent: Bbox, spot: tuple[int, int], scale: float) -> Bbox:
    """Where the text lies when its nearest edge is ``distance`` points away at ``angle`` degrees."""
    distance, angle = spot
    dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    centre_x = x + dx * (distance * scale + extent.width / 2 * abs(dx) ** 0.5)
    centre_y = y + dy * (distance * scale + extent.height / 2)
    return Bbox.from_bounds(
        centre_x - extent.width / 2, centre_y - extent.height / 2, extent.width, extent.height
    )


def _cost(box: Bbox, taken: F64, frame: Bbox) -> float:
    outside = float(
        max(frame.x0 - box.x0, 0)
        + max(box.x1 - frame.x1, 0)
        + max(frame.y0 - box.y0, 0)
        + max(box.y1 - frame.y1, 0)
    )
    left, lower, right, upper = box.extents
    width = np.minimum(right, taken[:, 2]) - np.maximum(left, taken[:, 0]) + 2
    height = np.minimum(upper, taken[:, 3]) - np.maximum(lower, taken[:, 1]) + 2
    return 20 * outside + float(taken[:, 4] @ (np.maximum(width, 0) * np.maximum(height, 0)))

"""What a row of panels shows, how its methods look, and its legend."""

from dataclasses import dataclass
from typing import Final

from matplotlib.lines import Line2D

from recpress_edge.core.metrics import choice_title
from recpress_edge.core.stats import Interval
from recpress_edge.records.baseline_methods import BASELINES
from recpress_edge.report.drawing import INK
from recpress_edge.report.front import Section
from recpress_edge.report.place import PlacedPoint
from recpress_edge.report.verdict import candidates

# Okabe and Ito's palette: told apart by people with any form of colour blindness. Markers say it again.
_LOOKS: Final = {
    "bpr": ("#6b6b6b", "o"),
    "ftd": ("#0072b2", "s"),
    "htd": ("#d55e00", "^"),
    "soft": ("#009e73", "D"),
}
_BASELINE: Final = "*"
"""Baselines are stars, told apart by colour: each is what a student must beat."""
_BASELINE_LOOKS: Final = dict(zip(BASELINES, ("#cc79a7", "#56b4e9", "#e69f00", "#555555"), strict=True))
_MORE_LOOKS: Final = (("#cc79a7", "v"), ("#e69f00", "P"), ("#56b4e9", "X"), ("#000000", "<"))
FRONT: Final = "front"


@dataclass(frozen=True, slots=True)
class View:
    """What a row of panels shows."""

    section: Section
    winner: PlacedPoint | None
    measure: str
    """One of the section's measures."""

    @property
    def title(self) -> str:
        """The measure in words."""
        return choice_title(self.measure, self.section.cutoff)

    @property
    def methods(self) -> list[str]:
        """Of all its points."""
        return sorted({placed.point.first.method for placed in self.section.placed})

    def value(self, placed: PlacedPoint) -> Interval:
        """How high a point lies."""
        return placed.point.value(self.measure)

    def look(self, method: str) -> tuple[str, str]:
        """Colour and marker."""
        if method in BASELINES:
            return _BASELINE_LOOKS[method], _BASELINE
        others = [m for m in self.methods if m not in _LOOKS and m not in BASELINES]
        return _LOOKS.get(method) or _MORE_LOOKS[others.index(method) % len(_MORE_LOOKS)]

    def on_front(self, index: int) -> list[PlacedPoint]:
        """Of the most trustworthy basis there is: the one that the choice is made from."""
        return [p for p in candidates(self.section) if p.panels[self.measure][index]]


def size_of(marker: str) -> float:
    """Points across; a star's arms are thin."""
    return 11 if marker == _BASELINE else 7


def legend(view: View) -> list[Line2D]:
    """Its handles: methods, baselines last, then what lines and marks mean."""
    bases = {p.point.first.basis for p in view.section.placed}
    handles = []
    for method in sorted(view.methods, key=lambda name: (name in BASELINES, name)):
        colour, marker = view.look(method)
        label = f"{method} (baseline)" if method in BASELINES else method
        handles.append(
            Line2D([], [], ls="none", marker=marker, color=colour, ms=size_of(marker) - 1, label=label)
        )
    handles.append(Line2D([], [], color=INK, lw=1.1, alpha=0.75, label=FRONT))
    if view.winner is not None:
        handles.append(Line2D([], [], ls="none", marker="o", mfc="none", mec=INK, ms=9, label="chosen"))
    if bases - {"measured"}:
        handles.append(Line2D([], [], ls="none", marker="o", color="#555555", ms=6, label="measured"))
        handles += [
            Line2D([], [], ls="none", marker="o", mfc="white", mec="#555555", ms=6, label=basis)
            for basis in sorted(bases - {"measured"})
        ]
    return handles

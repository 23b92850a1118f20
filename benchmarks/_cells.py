"""Cells beside each other: those that are compared, what a transformer multiplies, and the verdicts."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import mean
from typing import Any, Final

from recpress_edge.artifacts.cell import OPERATIONS, Cell, edges_of
from recpress_edge.core.rng import stream
from recpress_edge.models.sequences.settings import TransformerConfig

Row = Mapping[str, Any]
SEARCHED: Final = "searched"
RANDOM: Final = "random"
NARROW: Final = "narrow transformer"
GAIN: Final = 0.003
"""NDCG@10 that a search must be worth over the mean of random cells."""
KEPT: Final = 0.85
"""Of the teacher's NDCG@10."""
SHARE: Final = 0.25
"""Of the teacher's MACs a token, embeddings apart, that a cell may take."""


def random_cells(count: int, nodes: int, cells: int) -> list[Cell]:
    """Cells of which each operation of each edge is as likely."""
    names, edges = tuple(OPERATIONS), len(edges_of(nodes))
    rows = [stream(number, "random cell").integers(len(names), size=edges) for number in range(count)]
    return [Cell(tuple(names[at] for at in row), nodes, cells) for row in rows]


def uniform_cell(name: str, nodes: int, cells: int) -> Cell:
    """The same operation on every edge."""
    return Cell((name,) * len(edges_of(nodes)), nodes, cells)


def transformer_macs(dim: int, config: TransformerConfig) -> int:
    """Multiplications and additions of a token, the embeddings and the item table apart."""
    each = (4 + 2 * config.widening) * dim * dim + 2 * config.history_length * dim
    return config.layers * each


def of_kind(rows: Sequence[Row], kind: str, weight: float | None = None) -> list[Row]:
    """The rows of a kind, of searches those with this weight of the cost."""
    return [row for row in rows if row["kind"] == kind and (weight is None or row["cost_weight"] == weight)]


def ndcg(rows: Sequence[Row]) -> float:
    """Mean test NDCG@10."""
    return float(mean(row["test"]["ndcg@10"] for row in rows))


def verdicts(rows: Sequence[Row], teacher: Row, usual_weight: float) -> list[dict[str, Any]]:
    """What the figures say of the search, of its cells and of the narrow transformer.

    ``usual_weight``: of the cost, of the searches that are judged; the others make the curve.
    """
    searched = of_kind(rows, SEARCHED, usual_weight)
    drawn, narrow = (of_kind(rows, kind) for kind in (RANDOM, NARROW))
    found, best = ndcg(searched), teacher["test"]["ndcg@10"]
    said = []
    if drawn:
        gained = found - ndcg(drawn)
        holds = gained >= GAIN
        what = f"the search is worth {gained:+.4f} NDCG@10" if holds else "search brought nothing"
        said.append(
            {
                "claim": f"a searched cell is above the mean of {len(drawn)} random ones by {GAIN} NDCG@10",
                "holds": holds,
                "evidence": f"{what}: {found:.4f} against {ndcg(drawn):.4f}",
            }
        )
    share = mean(row["macs_per_token"] for row in searched) / teacher["macs_per_token"]
    said.append(
        {
            "claim": f"a searched cell keeps {KEPT} of its teacher's NDCG@10 at {SHARE} of its MACs or less",
            "holds": found >= KEPT * best and share <= SHARE,
            "evidence": f"{found / best:.2f} of {best:.4f} at {share:.3f} of the MACs",
        }
    )
    if narrow:
        said.append(
            {
                "claim": f"the narrow transformer keeps {KEPT} of its teacher's NDCG@10",
                "holds": ndcg(narrow) >= KEPT * best,
                "evidence": f"{ndcg(narrow) / best:.2f} of {best:.4f}",
            }
        )
    curve = _curve(rows)
    if len(curve) > 1:
        said.append(
            {
                "claim": "the heavier the cost, the fewer MACs a found cell takes",
                "holds": all(after[1] <= before[1] for before, after in pairwise(curve)),
                "evidence": ", ".join(f"β {weight:g}: {macs:,.0f}" for weight, macs in curve),
            }
        )
    return said


def _curve(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Mean MACs a token by the weight of the cost, ascending, of searches with the same seeds."""
    weights = sorted({row["cost_weight"] for row in of_kind(rows, SEARCHED)})
    seeds = [{row["seed"] for row in of_kind(rows, SEARCHED, weight)} for weight in weights]
    shared = set.intersection(*seeds) if seeds else set()
    kept = {w: [row for row in of_kind(rows, SEARCHED, w) if row["seed"] in shared] for w in weights}
    return [(weight, mean(row["macs_per_token"] for row in found)) for weight, found in kept.items()]

"""What the benchmark of cells says of its figures."""

import sys
from pathlib import Path

import pytest

from recpress_edge.artifacts.cell import OPERATIONS, Cell
from recpress_edge.models.sequences.settings import SASRecConfig

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import _cells

TEACHER = {"test": {"ndcg@10": 0.1}, "macs_per_token": 1000}


def row(kind: str, found: float, seed: int = 0, macs: int = 100, **more: float) -> dict:
    return {"kind": kind, "seed": seed, "test": {"ndcg@10": found}, "macs_per_token": macs, **more}


def searched(found: float, seed: int = 0, macs: int = 100, weight: float = 0.1) -> dict:
    return row("searched", found, seed, macs, cost_weight=weight)


@pytest.mark.parametrize(
    ("found", "holds", "words"),
    [(0.0931, True, "the search is worth +0.0031"), (0.0929, False, "search brought nothing")],
)
def test_a_search_is_held_against_the_mean_of_random_cells(found, holds, words):
    rows = [searched(found), row("random", 0.08), row("random", 0.10)]
    (verdict, *_) = _cells.verdicts(rows, TEACHER, 0.1)
    assert verdict["holds"] is holds
    assert verdict["evidence"].startswith(words)
    assert "2 random" in verdict["claim"]


@pytest.mark.parametrize(
    ("found", "macs", "holds"), [(0.085, 250, True), (0.0849, 250, False), (0.085, 251, False)]
)
def test_a_cell_keeps_a_share_of_its_teacher_at_a_share_of_its_macs(found, macs, holds):
    (verdict,) = _cells.verdicts([searched(found, macs=macs)], TEACHER, 0.1)
    assert verdict["holds"] is holds


def test_the_narrow_transformer_is_judged_alone_and_over_its_seeds():
    rows = [searched(0.09), row("narrow transformer", 0.08), row("narrow transformer", 0.092, 1)]
    verdict = _cells.verdicts(rows, TEACHER, 0.1)[-1]
    assert verdict["claim"].startswith("the narrow transformer")
    assert verdict["holds"] is True
    assert verdict["evidence"] == "0.86 of 0.1000"


def test_the_curve_compares_the_seeds_that_all_weights_have():
    rows = [
        searched(0.09, 0, 50),
        searched(0.09, 1, 900),
        searched(0.09, 0, 80, 0.0),
        searched(0.09, 0, 20, 1.0),
    ]
    verdict = _cells.verdicts(rows, TEACHER, 0.1)[-1]
    assert verdict["holds"] is True
    assert verdict["evidence"] == "β 0: 80, β 0.1: 50, β 1: 20"
    rows[-1]["macs_per_token"] = 60
    assert _cells.verdicts(rows, TEACHER, 0.1)[-1]["holds"] is False


def test_random_cells_are_drawn_once_and_for_all():
    cells = _cells.random_cells(5, 2, 2)
    assert cells == _cells.random_cells(5, 2, 2)
    assert cells[:3] == _cells.random_cells(3, 2, 2)
    assert len(set(cells)) == 5
    assert {name for cell in _cells.random_cells(60, 2, 2) for name in cell.operations} == set(OPERATIONS)
    assert _cells.uniform_cell("conv3", 2, 2) == Cell(("conv3",) * 3, 2, 2)


def test_a_transformer_multiplies_its_matrices_and_its_tokens():
    config = SASRecConfig(layers=2, history_length=10, widening=4)
    attention, forward = 4 * 8 * 8 + 2 * 10 * 8, 2 * 8 * 32
    assert _cells.transformer_macs(8, config) == 2 * (attention + forward)

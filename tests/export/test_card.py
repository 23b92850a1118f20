"""The model card says where a bundle comes from, what it lost and what it must not be used for."""

import pytest
from exports import make_source

from recpress_edge.artifacts.recipes import RECIPES
from recpress_export.build import build
from recpress_export.gates import load_gate
from recpress_export.subjects.all_users import AllUsers


@pytest.fixture
def card(tmp_path):
    def write(recipe="int8-dim", **facts):
        source = make_source(tmp_path / "m", **facts)
        build(AllUsers(source), RECIPES[recipe], tmp_path / recipe, gate=load_gate(recipe))
        return (tmp_path / recipe / "CARD.md").read_text()

    return write


def test_card_of_a_distilled_int8_student(card):
    text = card()
    assert text.startswith("# htd_dim6-int8\n")
    for fact in (
        "best unseen of 120 items to 70 known users",
        "method htd, dim 6, seed 0",
        "distilled from `bpr_dim200`",
        "- licence: public domain",
        "- split: leave-one-out at random, seed 0",
        "- bytes per item row: 6",
        "- bytes per user row: 10",
        "| teacher: bpr_dim200 | 148.4 KiB |  |  | 0.4500 |  |  | 0.3500 |",
        "| student: htd_dim6 | 4.5 KiB |  |  | 0.2500 |  |  | 0.1500 |",
        "equal the integer reference for all 70",
        "lower item index first",
        "Privacy: this is an all-users bundle",
    ):
        assert fact in text, fact


def test_card_of_an_fp32_student_without_teacher(card):
    text = card("fp32", teacher=None)
    assert "trained without a teacher" in text
    assert "| teacher" not in text
    assert "against numpy float64" in text
    assert "integer reference" not in text

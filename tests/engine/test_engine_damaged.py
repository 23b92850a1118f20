"""Damaged files: the engine refuses, or audits and answers, and never touches what is not its own."""

import struct

import pytest
from engine_damage import models, mutated, refused_wrongly, surprises
from engine_models import kinds
from test_engine_answers import engine_or_skip

TURNS = 100_000


@pytest.mark.parametrize("name", ["gcc-plain-sanitized", "gcc-avx2-sanitized"])
def test_damaged_files_are_refused_or_audited_and_answered_within_memory(name, engines):
    found = mutated(engine_or_skip(name).compiled(engines, "mutate.c"), 0, TURNS)
    assert sum(found.opened.values()) == TURNS
    assert surprises(found) == []
    assert found.opened[0] > TURNS // 20, "too few files open for the answers to be tested"


def test_each_field_is_checked(engines):
    assert refused_wrongly(engine_or_skip("gcc-plain-sanitized").compiled(engines)) == []


def test_the_models_to_start_from_are_of_every_kind():
    found = {struct.unpack_from("<5I", model, 16) for model in models()}
    assert found == {(kind.recipe, kind.profile, kind.order, kind.layout, kind.flags) for kind in kinds()}

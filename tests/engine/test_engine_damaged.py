"""Damaged files: the engine refuses or answers, and never touches what is not its own."""

import dataclasses
import re
import struct

import pytest
from engine_cases import cases
from engine_damage import models, mutated
from engine_models import kinds
from engine_programs import SOURCES, answers
from test_engine_answers import build_or_skip

from recpress_edge.device.c.model_bin import Header

TURNS = 100_000
CODES = {
    name: int(value)
    for name, value in re.findall(r"(RP_\w+) = (-\d+|0),", (SOURCES / "recpress.h").read_text())
}


@pytest.mark.parametrize("name", ["gcc-plain-sanitized", "gcc-avx2-sanitized"])
def test_damaged_files_are_refused_or_answered_within_memory(name, tmp_path):
    found = mutated(build_or_skip(name).compiled(tmp_path, "mutate.c"), 0, TURNS)
    assert sum(found.opened.values()) == TURNS
    wanted = ["RP_OK", "RP_NOT_A_MODEL", "RP_OTHER_VERSION", "RP_DAMAGED", "RP_UNALIGNED"]
    assert set(found.opened) == {CODES[code] for code in wanted}
    assert found.opened[0] > TURNS // 20, "too few files open for the answers to be tested"
    wanted = ["RP_OK", "RP_DAMAGED", "RP_BAD_USER", "RP_BAD_ITEM", "RP_BAD_K"]
    assert set(found.answered) == {1, *(CODES[code] for code in wanted)}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return build_or_skip("gcc-plain-sanitized").compiled(tmp_path_factory.mktemp("engine"))


def code_of(program, model):
    """What the engine says to a file, asked for one item."""
    asked = struct.pack("<2I", 1, len(model)) + model + struct.pack("<4I", 1, 0, 1, 0)
    return struct.unpack_from("<i", answers(program, asked))[0]


_NAMES = [field.name for field in dataclasses.fields(Header) if field.name not in ("magic", "reserved")]
FIELDS = {name: 8 + 4 * place for place, name in enumerate(_NAMES)} | {"reserved": 88, "last_reserved": 124}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("version", 2, "RP_OTHER_VERSION"),
        ("file_bytes", 0, "RP_DAMAGED"),
        ("file_bytes", 0xFFFFFFFF, "RP_DAMAGED"),
        ("recipe", 4, "RP_DAMAGED"),
        ("profile", 3, "RP_DAMAGED"),
        ("profile", 1, "RP_DAMAGED"),
        ("order", 3, "RP_DAMAGED"),
        ("layout", 1, "RP_DAMAGED"),
        ("layout", 2, "RP_DAMAGED"),
        ("flags", 2, "RP_DAMAGED"),
        ("n_users", 0, "RP_DAMAGED"),
        ("n_items", 0, "RP_DAMAGED"),
        ("n_items", 0x1000000, "RP_DAMAGED"),
        ("dim", 0, "RP_DAMAGED"),
        ("dim", 1025, "RP_DAMAGED"),
        ("n_retired", 0xFFFFFFFF, "RP_DAMAGED"),
        ("user_at", 0, "RP_DAMAGED"),
        ("user_at", 64, "RP_DAMAGED"),
        ("user_at", 130, "RP_DAMAGED"),
        ("items_at", 0xFFFFFFC0, "RP_DAMAGED"),
        ("prior_at", 128, "RP_DAMAGED"),
        ("reserved", 1, "RP_DAMAGED"),
        ("last_reserved", 1, "RP_DAMAGED"),
    ],
)
def test_each_field_is_checked(field, value, code, program):
    model = bytearray(next(cases(0, [0])).model)  # fp32, all users
    assert code_of(program, model) >= 0
    struct.pack_into("<I", model, FIELDS[field], value)
    assert code_of(program, model) == CODES[code]


def test_a_cut_file_is_refused(program):
    model = next(cases(0, [0])).model
    for size in (0, 1, 127, 128, 192, len(model) - 1):
        assert code_of(program, model[:size]) == CODES["RP_NOT_A_MODEL" if size < 128 else "RP_DAMAGED"]


def test_the_models_to_start_from_are_of_every_kind():
    found = {struct.unpack_from("<5I", model, 16) for model in models()}
    assert found == {(kind.recipe, kind.profile, kind.order, kind.layout, kind.flags) for kind in kinds()}

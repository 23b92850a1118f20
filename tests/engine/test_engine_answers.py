"""The C engine against numpy: every kind of model, every kernel, on emulated cores too."""

import pytest
from engine_cases import cases, findings, to_program
from engine_models import Kind, kinds
from engine_programs import BUILDS, QUICK, WASM, answers, in_ci
from engine_special import special

from recpress_edge.device.c import model_bin as mb

MODELS = 180
ONE_KIND = 20
ALONE = [
    Kind(mb.INT8_DIM, flags=mb.FITS_16, dim=10),
    Kind(mb.INT8_DIM, mb.HISTORY, dim=7),
    Kind(mb.INT4_ITEM, dim=34),
]
"""Kinds for which an engine is compiled alone."""

AUDITING = ("gcc-plain-sanitized", "gcc-avx2-sanitized", "gcc-a53", "gcc-a76")


@pytest.fixture(scope="session")
def asked():
    return [*special(), *cases(0, range(MODELS))]


def build_or_skip(name):
    build = BUILDS[name]
    missing = build.missing()
    if missing and in_ci() and not build.of_processor:
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    return build


@pytest.mark.parametrize("name", QUICK)
def test_every_kind_of_model_is_answered_as_numpy_answers(name, asked, engines):
    program = build_or_skip(name).compiled(engines)
    assert findings(asked, answers(program, to_program(asked))) == []


def test_webassembly_answers_as_numpy_answers(asked, tmp_path):
    program = build_or_skip(WASM).compiled(tmp_path)
    assert findings(asked, answers(program, to_program(asked))) == []


@pytest.mark.parametrize("name", AUDITING)
def test_right_files_keep_what_they_promise(name, asked, tmp_path):
    program = build_or_skip(name).compiled(tmp_path, defines=["-DRP_AUDIT"])
    assert findings(asked, answers(program, to_program(asked))) == []


@pytest.mark.parametrize("kind", ALONE, ids=str)
def test_an_engine_for_one_kind_answers_it_and_refuses_others(kind, tmp_path):
    program = build_or_skip("gcc-plain-sanitized").compiled(tmp_path, defines=kind.defines)
    own = list(cases(1, range(ONE_KIND), kind))
    assert findings(own, answers(program, to_program(own))) == []
    others = [
        case for case, other in zip(cases(1, range(len(kinds()))), kinds(), strict=True) if other != kind
    ]
    said = answers(program, to_program(others))
    refused = (-5).to_bytes(4, "little", signed=True)
    assert said == refused * sum(len(case.questions) for case in others)

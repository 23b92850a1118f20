"""The C engine against numpy: every kind of model, every kernel, on emulated cores too."""

import pytest
from engine_cases import cases, findings, to_program
from engine_models import Kind, kinds
from engine_newcomers import Newcomer, compiled, newcomers, of_c, of_python, pair, popular_text
from engine_programs import BUILDS, QUICK, WASM, answers, in_ci
from engine_special import special

from recpress_edge.artifacts.ids import read_popular
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.c import model_bin as mb

MODELS = 180
ONE_KIND = 20
ALONE = [
    Kind(mb.INT8_DIM, flags=mb.FITS_16, dim=10),
    Kind(mb.INT8_DIM, mb.HISTORY, dim=7),
    Kind(mb.INT4_ITEM, dim=34),
]
"""Kinds for which an engine is compiled alone."""

AUDITED = ("gcc-plain-sanitized", "gcc-avx2-sanitized", "gcc-a53", "gcc-a76")
"""Compiled with ``rp_audit``, by which every right file keeps what it promises; the others are without."""


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


def engine_or_skip(name):
    """The build whose engine all tests share: with ``rp_audit`` where one of them needs it."""
    build = build_or_skip(name)
    return build.audited if name in AUDITED else build


@pytest.mark.parametrize("name", QUICK)
def test_every_kind_of_model_is_answered_as_numpy_answers(name, asked, engines):
    program = engine_or_skip(name).compiled(engines)
    assert findings(asked, answers(program, to_program(asked))) == []


def test_webassembly_answers_as_numpy_answers(asked, tmp_path):
    program = build_or_skip(WASM).compiled(tmp_path)
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


NEWCOMERS = ("gcc-plain-sanitized", "gcc-avx2", "gcc-a53", "gcc-a7", "gcc-riscv64")
"""Of 64 and of 32 bits."""


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return pair(tmp_path_factory.mktemp("newcomers"))


@pytest.fixture(scope="module")
def sanitized(engines):
    return compiled(engine_or_skip("gcc-plain-sanitized"), engines)


@pytest.mark.parametrize("name", NEWCOMERS)
def test_a_user_whom_a_bundle_does_not_know_gets_what_python_gives(name, both, engines):
    program, asked = compiled(engine_or_skip(name), engines), newcomers(60)
    questions, text = b"".join(one.to_bytes() for one in asked), popular_text(both.users)
    for with_history in (False, True):
        listed, found = of_c(program, both.asked_of(text, with_history=with_history) + questions)
        assert listed == text.count(b"\n") == 117
        assert found == of_python(both, asked, with_history=with_history)


def test_what_is_no_question_is_refused_and_a_list_may_end(both, sanitized):
    program, text = sanitized, b"2\n1\n3\n"
    asked = [Newcomer(0, []), Newcomer(121, []), Newcomer(3, [120]), Newcomer(3, [1]), Newcomer(1, [1, 3])]
    questions = b"".join(one.to_bytes() for one in asked)
    alone = both.asked_of(text, with_history=False)
    assert of_c(program, alone + questions) == (3, [-8, -8, -7, [3], []])
    assert of_c(program, both.asked_of(b"", with_history=False) + Newcomer(3, []).to_bytes()) == (0, [[]])


@pytest.mark.parametrize(
    ("lines", "room", "wanted"),
    [(300, 300, 300), (300, 299, -9), (10_000, 10_000, 10_000), (10_001, 20_000, -3)],
)
def test_a_list_fits_its_memory_and_the_model(lines, room, wanted, both, sanitized):
    text = "".join(f"{item}\n" for item in range(119, 119 + lines)).encode()
    asked = both.asked_of(text, with_history=False)
    assert of_c([*sanitized, "20000", str(room)], asked)[0] == wanted
    if wanted > 0:  # of another catalogue: the model has no item 120
        questions = Newcomer(1, []).to_bytes() + Newcomer(2, []).to_bytes()
        assert of_c([*sanitized, "20000", str(room)], asked + questions)[1] == [[119], -3]


TEXTS = (
    "x",
    "1\n1\n",
    "120\n",
    "119\n",
    "-1\n",
    "1 \n",
    "１\n",
    "9" * 30 + "\n",
    "1",
    "\n",
    "1\n\n",
    "1\r\n",
    "",
)
MORE_TEXTS = (
    "007\n7\n",
    "007\n8\n",
    "0000000001\n",
    "00000000001\n",
    "9999999999\n",
    "4294967297\n",
    "1\n" * 121,
)


@pytest.mark.parametrize("text", [*TEXTS, *MORE_TEXTS, "".join(f"{item}\n" for item in range(120))])
def test_a_list_of_popular_items_is_read_or_refused_as_in_python(text, both, sanitized, tmp_path):
    (tmp_path / "popular.txt").write_text(text)
    try:
        wanted = len(read_popular(tmp_path / "popular.txt", 120))
    except ArtifactError:
        wanted = -3
    assert of_c(sanitized, both.asked_of(text.encode(), with_history=False))[0] == wanted

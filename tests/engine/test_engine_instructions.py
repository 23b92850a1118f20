"""Instructions of a query on Cortex-A53 and A76 against the committed figures, to 2 %."""

import json
from pathlib import Path

import pytest
from engine_counts import alone, compiled_plugin, gated, instructions, synthetic
from engine_programs import BUILDS, in_ci
from test_engine_answers import build_or_skip

FIGURES = json.loads(Path(__file__).with_name("instructions.json").read_text())
QUESTIONS = FIGURES["questions"]
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    return compiled_plugin(tmp_path_factory.mktemp("plugin"))


@pytest.mark.parametrize(("name", "kind"), gated().items(), ids=list(gated()))
def test_a_query_executes_no_more_instructions(name, kind, tmp_path, plugin):
    build = build_or_skip(name.split()[0])
    if build.version() != FIGURES["compiler"]:
        reason = f"the figures are of {FIGURES['compiler']}, this is {build.version()}"
        pytest.fail(reason) if in_ci() else pytest.skip(reason)
    own, defines = alone(build, kind)
    found = instructions(own, synthetic(kind, QUESTIONS), tmp_path, plugin, defines)
    assert found == pytest.approx(FIGURES["instructions"][name], rel=TOLERANCE)


def test_every_figure_is_checked():
    assert set(gated()) == set(FIGURES["instructions"])
    assert {name.split()[0] for name in gated()} <= set(BUILDS)

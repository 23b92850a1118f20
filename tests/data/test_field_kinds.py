"""Every kind of fault from the field, in several forms: read right, or refused with what to say."""

import re
from collections import Counter

import pytest
from field_kinds import TEXTS, VALUES
from front_door import import_files

from recpress_edge.core.errors import ConfigError, DataError

CASES = (*TEXTS, *VALUES)


def marked():
    """The cases as parameters; those that wait for something must fail until it is there."""
    numbers, found = Counter(), []
    for case in CASES:
        numbers[case.kind] += 1
        marks = [pytest.mark.xfail(strict=True, reason=case.waits)] * bool(case.waits)
        found.append(pytest.param(case, id=f"{case.kind}-{numbers[case.kind]}", marks=marks))
    return found


def test_each_kind_has_three_others():
    few = {kind: count for kind, count in Counter(case.kind for case in CASES).items() if count < 4}
    assert few == {}


@pytest.mark.parametrize("case", marked())
def test_a_case_is_read_right_or_refused(case, tmp_path):
    found, refusal = None, ""
    try:
        found = import_files(tmp_path, {case.name: case.content}, case.flags)
    except (ConfigError, DataError) as error:
        refusal = str(error)
    if found is None:
        assert case.asks, f"refused: {refusal}"
        assert re.search(case.asks, refusal), refusal
    else:
        assert found.pairs() == case.pairs
        assert re.search(case.says, found.talk())

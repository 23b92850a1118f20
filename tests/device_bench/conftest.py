"""Fixtures shared by tests of the bench."""

import pytest
from bundles import make_bundle


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("pristine") / "tiny").folder

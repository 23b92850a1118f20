"""A bundle that a test may spoil."""

import shutil
from pathlib import Path

import pytest
from bundles import make_bundle


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("evil") / "tiny", recipe="fp32").folder


@pytest.fixture
def folder(pristine, tmp_path):
    """A fresh copy that a test may spoil."""
    return Path(shutil.copytree(pristine, tmp_path / "tiny"))

"""Where the engine is compiled: once for each build, whichever tests use it."""

import os

import pytest


@pytest.fixture(scope="session")
def engines(tmp_path_factory):
    """The folder of the builds' own programs, one for all processes of a run; an engine with defines is
    compiled elsewhere.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "engines"
    folder.mkdir(exist_ok=True)
    return folder

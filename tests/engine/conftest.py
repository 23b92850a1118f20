"""Where the engine is compiled: once for each build, whichever tests use it."""

import pytest


@pytest.fixture(scope="session")
def engines(tmp_path_factory):
    """The folder of the builds' own programs; an engine with defines is compiled elsewhere."""
    return tmp_path_factory.mktemp("engines")

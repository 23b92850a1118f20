"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real data sets; without it a test skips, in CI it fails."""
    where = os.environ.get("RECPRESS_DATA_DIR")
    if where and Path(where).is_dir():
        return Path(where).resolve()
    reason = f"real data needed: RECPRESS_DATA_DIR is {where!r}, not a folder"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)

"""Tests of this folder import thousands of small logs: they share one instance of DuckDB."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

try:
    import duckdb
except ImportError:  # the tests that need it skip with a reason of their own
    duckdb = None


@pytest.fixture(autouse=True, scope="session")
def one_engine() -> Iterator[None]:
    """Each import has an empty database of its own in one instance: to open one takes half of an import."""
    if duckdb is None:
        yield
        return
    opened, connect = count(), duckdb.connect
    base = connect(":memory:")

    @contextmanager
    def in_turn(name: str) -> Iterator[Any]:
        with base.cursor() as cursor:
            cursor.execute(f"SET TimeZone = 'UTC'; ATTACH ':memory:' AS {name}; USE {name}")
            try:
                yield cursor
            finally:
                cursor.execute(f"USE memory; DETACH {name}")

    def opening(*said: Any, **more: Any) -> Any:
        return in_turn(f"turn{next(opened)}") if "config" in more else connect(*said, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duckdb, "connect", opening)
        yield
    base.close()

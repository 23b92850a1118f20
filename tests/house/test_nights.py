"""Logs cut into nights, for benchmarks/nightly.py and benchmarks/folded_items.py."""

import sys
from pathlib import Path

import numpy as np
import pytest

from recpress_edge.core.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import _nights as nights

USERS = np.repeat(np.arange(40), 10)
TIMES = nights._drawn_times(USERS)
ORDER = np.argsort(TIMES)
ROWS = nights.Rows("made", USERS[ORDER], np.tile(np.arange(10), 40)[ORDER], TIMES[ORDER])


def test_moments_are_drawn_in_the_order_of_each_user():
    for user in range(40):
        assert (np.diff(TIMES[user == USERS]) > 0).all()
    assert TIMES.min() >= 0
    assert TIMES.max() < 1
    assert (ROWS.items[ROWS.users == 7] == np.arange(10)).all()


def test_each_night_adds_the_same_share_and_the_last_has_all():
    logs = nights.nights(ROWS, 3, 0.1)
    assert [log.users.size for log in logs] == [280, 320, 360, 400]
    assert all((later.users[:280] == logs[0].users).all() for later in logs)
    with pytest.raises(ConfigError, match="not below a half"):
        nights.nights(ROWS, 5, 0.1)


def test_a_night_holds_out_what_came_last():
    data = ROWS.dataset("made")
    last = ROWS.items[ROWS.users == 7][-1]
    assert data.item_ids[data.test.of(data.user_index(7))[0]] == str(last)
    assert ", seed " not in data.protocol  # nothing is drawn: a warm start takes it


def test_an_unknown_log_is_named():
    with pytest.raises(ConfigError, match="ml-1n"):
        nights.rows_of("ml-1n")

"""Public layouts in small: read at once, read with the flags of the table, or refused with the reason."""

from datetime import UTC, datetime

import pytest
from front_door import import_files
from zoo_films import FILMS
from zoo_media import MEDIA
from zoo_shops import SHOPS

from recpress_edge.core.errors import ConfigError, DataError, RecPressError

ZOO = (*FILMS, *SHOPS, *MEDIA)
READ = [one for one in ZOO if not one.refused]


def marked(formats):
    """Rows of the table as parameters; those that wait for something must fail until it is there."""
    return [
        pytest.param(
            one, id=one.name, marks=[pytest.mark.xfail(strict=True, reason=one.waits)] * bool(one.waits)
        )
        for one in formats
    ]


def by_time(events):
    """The items of each user in the order of times; equal times keep the order of the file."""
    found = {}
    for event in sorted(events, key=lambda event: event.time):
        found.setdefault(event.user, []).append(event.item)
    return found


def test_there_are_forty_and_more():
    assert len(ZOO) >= 40
    assert len({one.name for one in ZOO}) == len(ZOO)


@pytest.mark.parametrize("one", marked(READ))
def test_what_is_read_is_right(one, tmp_path):
    timed = one.events[0].time is not None
    split = ("--split", "loo-time") if timed else ()
    found = import_files(tmp_path, one.files, (*one.flags, *split))
    assert found.pairs() == {(event.user, event.item) for event in one.events}
    if timed:
        assert found.in_order() == by_time(one.events)
        ends = [f(event.time for event in one.events) for f in (min, max)]
        first, last = (f"{datetime.fromtimestamp(end, UTC):%Y-%m-%d}" for end in ends)
        assert f"times from {first} to {last}" in found.talk()


@pytest.mark.parametrize("one", marked(one for one in READ if one.events[0].rating is not None))
def test_ratings_are_right(one, tmp_path):
    least = sorted({event.rating for event in one.events})[1]
    found = import_files(tmp_path, one.files, (*one.flags, "--min-rating", str(least)))
    kept = {(event.user, event.item) for event in one.events if event.rating >= least}
    assert found.pairs() == kept


@pytest.mark.parametrize(
    "one", [one for one in READ if one.flags and not one.at_once], ids=lambda one: one.name
)
def test_what_needs_flags_says_so_without_them(one, tmp_path):
    with pytest.raises((ConfigError, DataError), match=one.asks):
        import_files(tmp_path, one.files)


@pytest.mark.parametrize("one", marked(one for one in READ if one.at_once))
def test_flags_that_only_add_a_time_are_not_needed_for_the_pairs(one, tmp_path):
    found = import_files(tmp_path, one.files)
    assert found.pairs() == {(event.user, event.item) for event in one.events}
    assert "ignored: " in found.talk()


@pytest.mark.parametrize("one", marked(one for one in ZOO if one.refused))
def test_what_is_not_read_is_refused_with_the_reason(one, tmp_path):
    with pytest.raises(RecPressError, match=one.refused) as error:
        import_files(tmp_path, one.files)
    assert error.value.exit_code in (1, 2)
    assert one.why

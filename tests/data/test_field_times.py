"""Kinds of fault in times and splits: dates, units, ties, strangers; the field's case first, then others."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from front_door import import_files, import_log
from test_zoo import by_time
from zoo import events, lines

from recpress_edge.core.errors import ConfigError, DataError

ROWS = events("u{}", "i{}")
HEAD = "user_id\titem_id\ttimestamp"
TIMED = ("--split", "loo-time")
SPAN = "times from 2018-04-03 to 2018-04-22"


def timed(form, rows=ROWS):
    return lines(rows, lambda row: f"{row.user}\t{row.item}\t{form(row)}", HEAD)


def seconds_of(form):
    """Times that a form of the date keeps: those without a clock keep the day, which no two rows share."""
    return lambda row: row.date.strftime(form)


@pytest.mark.parametrize(
    "form",
    [
        seconds_of("%Y-%m-%dT%H:%M:%SZ"),  # the field's, Gowalla
        seconds_of("%Y-%m-%d %H:%M:%S"),
        seconds_of("%Y-%m-%dT%H:%M:%S.000Z"),
        seconds_of("%Y-%m-%d %H:%M:%S.123456"),
        seconds_of("%Y%m%dT%H%M%SZ"),
        seconds_of("%Y-%m-%d"),
        seconds_of("%Y/%m/%d %H:%M"),
        seconds_of("%d.%m.%Y %H:%M:%S"),
        seconds_of("%d-%b-%Y"),
        seconds_of("%a %b %d %H:%M:%S +0000 %Y"),
        seconds_of("%a, %d %b %Y %H:%M:%S GMT"),
        seconds_of("%d/%b/%Y:%H:%M:%S +0000"),
        seconds_of("%d/%m/%Y %H:%M"),
        seconds_of("%m/%d/%Y %I:%M:%S %p"),
        lambda row: row.date.astimezone(timezone(timedelta(hours=-9 + row.n))).isoformat(),
        lambda row: f"{row.time:.0f}",
        lambda row: f"{row.time:.0f}000",
        lambda row: f"{row.time:.0f}000000",
        lambda row: f"{row.time:.0f}000000000",
        lambda row: f"{row.time:.3f}",
    ],
)
def test_times_in_many_forms_are_one(form, tmp_path):
    found = import_files(tmp_path, {"log.csv": timed(form)}, TIMED)
    assert found.in_order() == by_time(ROWS)
    assert SPAN in found.talk()


@pytest.mark.parametrize(
    ("form", "asks"),
    [
        (lambda row: f"{row.time:.0f}{'000' * (row.n % 4 > 0)}", "--time-unit"),  # the field's
        (lambda row: f"{row.time:.0f}{'000000' * (row.n % 4 > 0)}", "--time-unit"),
        (lambda row: f"{row.time:.0f}000{'000' * (row.n == 7)}", "--time-unit"),
        (seconds_of("%Y%m%d"), "--time-unit"),
        (lambda row: f"{row.n % 12 + 1}/{row.n % 11 + 1}/2018", "--date-order"),
        (lambda row: f"{13 + row.n}/2/2018" if row.n < 9 else f"2/{13 + row.n % 9}/2018", "--date-order"),
        (lambda row: "soon" if row.n == 7 else f"{row.time:.0f}", "line 9|--time"),
        (lambda row: "" if row.n == 7 else f"{row.time:.0f}", "line 9|--time"),
        (lambda row: "nan" if row.n == 7 else f"{row.time:.0f}", "line 9|--time"),
        (lambda row: "0000-00-00" if row.n == 7 else f"{row.date:%Y-%m-%d}", "line 9|--time"),
        (lambda row: "2018-02-30" if row.n == 7 else f"{row.date:%Y-%m-%d}", "line 9|--time"),
        (lambda row: '15220714"05' if row.n == 7 else f"{row.time:.0f}", "line 9|--time"),
    ],
)
def test_times_that_can_be_read_in_two_ways_or_not_at_all_are_a_question(form, asks, tmp_path):
    with pytest.raises((ConfigError, DataError), match=asks):
        import_files(tmp_path, {"log.csv": timed(form)}, TIMED)


@pytest.mark.parametrize(
    ("form", "flags"),
    [
        (lambda row: f"{row.time:.0f}{'000' * (row.n % 4 > 0)}", ("--time-unit", "by-size")),
        (seconds_of("%Y%m%d"), ("--time-unit", "yyyymmdd")),
        (seconds_of("%m/%d/%Y"), ("--date-order", "mdy")),
    ],
)
def test_the_flags_that_are_named_settle_the_times(form, flags, tmp_path):
    found = import_files(tmp_path, {"log.csv": timed(form)}, (*TIMED, *flags))
    assert found.in_order() == by_time(ROWS)
    assert SPAN in found.talk()


@pytest.mark.parametrize(
    ("odd", "says"),
    [("0", "1 before 1973"), ("-5", "1 before 1973"), ("9999999999", "1 more than a year from now")],
)
def test_odd_times_are_noted(odd, says, tmp_path):
    content = timed(lambda row: odd if row.n == 7 else f"{row.time:.0f}")
    assert says in import_files(tmp_path, {"log.csv": content}, TIMED).talk()


def tied(order, users=40, items=10):
    """Users whose rows all have one time, in the order of the file that ``order(user, items)`` gives."""
    text = f"{HEAD}\n"
    for user in range(users):
        text += "".join(f"u{user}\t{item}\t1700000000\n" for item in order(user, list(range(1, items + 1))))
    return text.encode()


def mixed(user, items):
    return sorted(items, key=lambda item: (item * 7 + user * 3) % 11)


@pytest.mark.parametrize(
    "order",
    [
        lambda user, items: items,
        lambda user, items: items[::-1],
        lambda user, items: sorted(items, key=str),
        lambda user, items: items[:-1] + items[-1:] if user % 20 else mixed(user, items),
    ],
)
def test_a_tie_in_the_order_of_ids_is_no_function_of_the_id(order, tmp_path):
    found = import_files(tmp_path, {"log.csv": tied(order)}, TIMED)
    held_out = [item for _, item in found.parts()[2]]
    assert len(held_out) == 40
    assert len(set(held_out)) > 5
    assert found.said["split"]["tied_users"] == 40


def test_a_tie_in_another_order_keeps_that_of_the_file(tmp_path):
    found = import_files(tmp_path, {"log.csv": tied(mixed)}, TIMED)
    assert found.parts()[2] == {(f"u{user}", str(mixed(user, list(range(1, 11)))[-1])) for user in range(40)}
    assert found.said["split"]["tied_users"] == 40


TRAIN = "".join(f"{user},{item}\n" for user in range(1, 5) for item in range(20, 35))


def given(tmp_path, test, train=TRAIN, flags=()):
    (tmp_path / "test.csv").write_text("user_id,item_id\n" + test)
    (tmp_path / "train.csv").write_text("user_id,item_id\n" + train)
    return import_log(tmp_path / "train.csv", "--test-file", str(tmp_path / "test.csv"), *flags)


@pytest.mark.parametrize(
    ("test", "asks"),
    [
        ("1.0,7\n2.0,7\n", "--ids"),  # the field's
        ("u1,20\nu2,21\n", "no user of test.csv is in train.csv"),
        ("001,20\n002,21\n", "no user of test.csv is in train.csv"),
        ("101,20\n102,21\n", "no user of test.csv is in train.csv"),
        ("20,1\n21,2\n", "no (user|item) of test.csv is in train.csv"),  # swapped
        ("1,B20\n2,B21\n", "no item of test.csv is in train.csv"),
    ],
)
def test_a_given_split_of_strangers_is_refused(test, asks, tmp_path):
    with pytest.raises((ConfigError, DataError), match=asks):
        given(tmp_path, test)


def test_a_given_split_with_some_strangers_says_so(tmp_path):
    train = TRAIN + "5,20\n5,21\n1,37\n"
    found = given(tmp_path, "5,22\n5,23\n1,36\n9,24\n", train)
    assert found.parts()[2] == {("5", "22"), ("5", "23"), ("1", "36"), ("9", "24")}
    said = " ".join(found.said["strangers"])
    assert "1 of 3 users of test.csv are not in train.csv" in said
    assert "1 of 4 items of test.csv are not in train.csv" in said
    cleaned = given(tmp_path, "5.0,22\n2.0,37\n3.0,37\n", train, flags=("--ids", "cleaned"))
    assert cleaned.parts()[2] == {("5", "22"), ("2", "37"), ("3", "37")}


def test_a_given_split_of_mostly_strangers_asks_what_to_do_with_them(tmp_path):
    test = "1,36\n2,37\n3,38\n9,20\n5,22\n"
    train = TRAIN + "5,20\n5,21\n"
    with pytest.raises(ConfigError, match="--strangers"):
        given(tmp_path, test, train)
    assert given(tmp_path, test, train, ("--strangers", "drop")).parts()[2] == {("5", "22")}
    assert len(given(tmp_path, test, train, ("--strangers", "keep")).parts()[2]) == 5


def test_a_pair_in_two_parts_is_refused(tmp_path):
    with pytest.raises(DataError, match="more than one of the given files"):
        given(tmp_path, "1,20\n2,37\n")


def test_the_span_is_that_of_the_rows():
    assert [f"{f(row.date for row in ROWS):%Y-%m-%d}" for f in (min, max)] == re.findall(r"[\d-]{10}", SPAN)
    assert min(row.date for row in ROWS) == datetime(2018, 4, 3, 0, 10, tzinfo=UTC)

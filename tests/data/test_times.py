"""Times in the forms that logs have them, against seconds worked out by hand."""

from collections import Counter

import numpy as np
import pytest

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.readers.read import Reading, read_log
from recpress_edge.data.times import (
    date_order,
    date_text,
    in_seconds,
    is_date,
    read_date,
    read_number,
    read_time,
)

NOON = 1_333_476_006
"""2012-04-03 18:00:06 UTC."""
DAY = 1_333_411_200
"""2012-04-03 00:00 UTC."""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2012-04-03T18:00:06Z", NOON),
        ("2012-04-03 18:00:06 UTC", NOON),
        ("2012-04-03T20:00:06+02:00", NOON),
        ("2012/04/03 18:00:06", NOON),
        ("2012/04/03", DAY),
        ("03.04.2012", DAY),
        ("03.04.2012 18:00:06", NOON),
        ("03-Apr-2012", DAY),
        ("Apr 3, 2012", DAY),
        ("April 3, 2012", DAY),
        ("3 April 2012", DAY),
        ("04 3, 2012", DAY),  # Amazon's reviewTime
        ("Tue Apr 03 18:00:06 +0000 2012", NOON),  # Foursquare
        ("Tue, 03 Apr 2012 18:00:06 +0000", NOON),
        ("Tue, 03 Apr 2012 18:00:06 GMT", NOON),
        ("03/Apr/2012:18:00:06 +0000", NOON),
        ("03/04/2012", None),
        ("yesterday", None),
        ("2012-13-03", None),
        ("31.02.2012", None),
    ],
)
def test_dates(text, seconds):
    assert read_date(text) == seconds


def test_slashed_dates_need_an_order():
    assert read_date("03/04/2012", "dmy") == DAY
    assert read_date("04/03/2012", "mdy") == DAY
    assert read_date("4/3/2012 6:00:06 PM", "mdy") == NOON
    assert read_date("13/04/2012", "mdy") is None
    assert read_time("1333476006", "mdy") == NOON
    assert is_date("03/04/2012")
    assert not is_date("30/40/2012")


def order_of(path, texts, chosen):
    return date_order(path, Counter(texts), len(texts), chosen)


def test_the_order_is_found_in_the_numbers_or_asked_for(tmp_path):
    assert order_of(tmp_path, ["1/2/2012", "13/2/2012"], None) == "dmy"
    assert order_of(tmp_path, ["1/2/2012", "1/13/2012"], None) == "mdy"
    assert order_of(tmp_path, ["1/2/2012"], "mdy") == "mdy"
    assert order_of(tmp_path, ["2012-04-03", "17"], None) is None
    with pytest.raises(
        ConfigError, match=r"'1/2/2012' may be .* no number in them is above 12.*--date-order mdy"
    ):
        order_of(tmp_path, ["1/2/2012", "3/4/2012"], None)
    with pytest.raises(ConfigError, match="some have a first number above 12 and some a second"):
        order_of(tmp_path, ["13/2/2012", "3/14/2012"], None)
    with pytest.raises(ConfigError, match=r"no time of .* is a date such as 3/4/2024"):
        order_of(tmp_path, ["2012-04-03"], "dmy")


def test_a_log_with_slashed_dates(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,time\nu,a,03/04/2012\nu,b,13/04/2012\nv,a,03/04/2012 18:00:06\n")
    assert read_log([path]).log.times.tolist() == [DAY, DAY + 10 * 86_400, NOON]
    path.write_text("user,item,time\nu,a,03/04/2012\nu,b,12/04/2012\n")
    with pytest.raises(ConfigError, match="--date-order dmy or --date-order mdy"):
        read_log([path])
    assert (
        read_log([path], reading=Reading(date_order="mdy")).log.times.tolist()[0] == 1_330_819_200
    )  # 4 March


def test_decimal_commas_are_no_thousands():
    assert [read_number(text) for text in ("4,5", "-0,25", " 3,0 ", "4,500", "1,2,3", "4.5")] == [
        4.5,
        -0.25,
        3.0,
        None,
        None,
        4.5,
    ]


def test_date_text():
    assert date_text(NOON, clock=True) == "2012-04-03 18:00:06 UTC"
    assert date_text(NOON) == "2012-04-03"
    assert date_text(17) == "17"


def test_a_date_order_without_times_is_refused(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item\nu,a\nv,b\n")
    with pytest.raises(ConfigError, match="--date-order: this log has no times"):
        read_log([path], reading=Reading(date_order="dmy"))


def test_days_as_numbers_are_asked_about():
    times = np.array([20240501.0, 20240502.0, 20231231.0])
    asked = r"3 times are numbers such as 20240501, .*--time-unit yyyymmdd .*--time-unit s"
    with pytest.raises(ConfigError, match=asked):
        in_seconds(times, None)
    seconds, note = in_seconds(times, "yyyymmdd")
    assert seconds.tolist() == [1_714_521_600, 1_714_608_000, 1_703_980_800]
    assert note == "times from 2023-12-31 to 2024-05-02"
    assert in_seconds(times, "s")[0].tolist() == times.tolist()
    mixed, dated = np.array([20240501.0, 1_714_608_000.0]), np.array([False, True])
    with pytest.raises(ConfigError, match="1 times are numbers"):
        in_seconds(mixed, None, dated)
    assert in_seconds(mixed, "yyyymmdd", dated)[0].tolist() == [1_714_521_600, 1_714_608_000]
    for wrong in ([20240230.0], [20240501.0, 17.0], [1_714_608_000.0]):
        with pytest.raises(ConfigError, match="no day"):
            in_seconds(np.array(wrong), "yyyymmdd")
    assert in_seconds(np.array([20240501.0, 17.0]), None)[0].tolist() == [20240501.0, 17.0]
    assert in_seconds(np.array([1.0, 2.0, 3.0]), None)[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("unit", [None, "ms", "by-size"])
def test_a_unit_is_of_numbers_and_never_of_dates(tmp_path, unit):
    path = tmp_path / "log.csv"
    path.write_text("user,item,time\nu,a,2023-11-14 22:00:00\nu,b,1700000000001\nv,a,9999-12-31\n")
    found = read_log([path], reading=Reading(time_unit=unit)).log.times.tolist()
    assert found == [1_699_999_200.0, 1_700_000_000.001, 253_402_214_400.0]


def test_a_unit_of_dates_alone_is_refused(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,time\nu,a,2023-11-14\nv,b,2023-11-15\n")
    with pytest.raises(ConfigError, match="--time-unit ms: the times are dates"):
        read_log([path], reading=Reading(time_unit="ms"))

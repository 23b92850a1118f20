"""Data sets from tables in memory: pandas, Polars, Arrow, DuckDB, numpy; pair for pair, time for time."""

from datetime import UTC, datetime

import numpy as np
import pytest

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.filter import Filters
from recpress_edge.data.ids import IdChoice
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.prepare import Preparation, prepare
from recpress_edge.data.readers.columns import ColumnChoice
from recpress_edge.data.readers.read import Reading, read_log
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.data_import import ImportRequest

NEW_YEAR = 1_704_067_200  # 2024-01-01 UTC


def columns(n=60):
    """Every user has ten items, rated and in order of time."""
    row = np.arange(n)
    return {
        "user_id": row // 10 + 17850,
        "item_id": np.array([f"B00{at % 10 * 7:04}" for at in row]),
        "rating": row % 5 + 1.0,
        "timestamp": NEW_YEAR + row * 3600,
    }


def of_pandas(n=60):
    return pytest.importorskip("pandas", reason="needs pandas").DataFrame(columns(n))


def of_polars(n=60):
    return pytest.importorskip("polars", reason="needs Polars").DataFrame(columns(n))


def of_polars_lazily(n=60):
    return of_polars(n).lazy()


def of_arrow(n=60):
    return pytest.importorskip("pyarrow", reason="needs pyarrow").table(columns(n))


def of_duckdb(n=60):
    connection = pytest.importorskip("duckdb").connect()
    connection.register("made", columns(n))
    return connection.sql("SELECT * FROM made")


FRAMES = [columns, of_pandas, of_polars, of_polars_lazily, of_arrow, of_duckdb]


def rows_of(frame, **said):
    """(user, item, rating, time) of each row, in order."""
    choice = ColumnChoice(columns=said.pop("columns"), others=True) if "columns" in said else None
    log = read_log([], choice=choice, reading=Reading(frame=frame, **said)).log
    none = [None] * len(log)
    ratings = none if log.ratings is None else log.ratings.tolist()
    times = none if log.times is None else log.times.tolist()
    users = [log.user_ids[at] for at in log.users]
    return list(zip(users, [log.item_ids[at] for at in log.items], ratings, times, strict=True))


@pytest.mark.parametrize("make", FRAMES)
def test_every_kind_of_frame_is_read_row_for_row(make):
    expected = columns()
    users = map(str, expected["user_id"])
    rest = [expected[name].tolist() for name in ("item_id", "rating", "timestamp")]
    assert rows_of(make()) == list(zip(users, *rest, strict=True))


@pytest.mark.parametrize("make", FRAMES)
def test_a_frame_gives_the_data_set_of_the_same_file(make, tmp_path):
    file, table = tmp_path / "log.csv", columns()
    lines = zip(*(map(str, table[name].tolist()) for name in table), strict=True)
    file.write_text("\n".join(",".join(line) for line in [tuple(table), *lines]) + "\n")
    of_file = prepare("mine", [file], Preparation(split="loo-time")).dataset
    of_frame = Dataset.from_frame(make(), name="mine", split="loo-time")
    assert of_frame.digest() == of_file.digest()
    assert of_frame.order_digest() == of_file.order_digest()


def test_integer_ids_are_known_as_integers_and_as_their_text():
    made = Dataset.from_frame(columns())
    assert made.user_ids[:2] == ("17850", "17851")
    assert made.user_index(17851) == made.user_index("17851") == made.user_index(np.int64(17851)) == 1
    assert made.item_index("B000007") == 1
    with pytest.raises(ConfigError, match="unknown user 5"):
        made.user_index(5)
    with pytest.raises(ConfigError, match="is a float"):
        made.user_index(17851.0)


def test_integers_of_any_size_stay_exact():
    large = [2**53 + 1, 2**53 + 2, 2**63 - 1]
    assert [row[0] for row in rows_of({"user": np.array(large), "item": ["a", "b", "c"]})] == [
        *map(str, large)
    ]
    huge = np.array([2**70, 2**70 + 1, 5], object)
    assert [row[0] for row in rows_of({"user": huge, "item": ["a", "b", "c"]})] == [*map(str, huge)]
    unsigned = np.array([2**63 + 1, 1, 2], np.uint64)
    assert [row[0] for row in rows_of({"user": unsigned, "item": ["a", "b", "c"]})] == [*map(str, unsigned)]


@pytest.mark.parametrize("odd", ["7", 7.0])
def test_ids_of_several_types_in_one_column_are_refused(odd):
    mixed = np.array([7, odd, 8], object)
    with pytest.raises(ConfigError, match="7 and '7' would be one id"):
        rows_of({"user": mixed, "item": np.array(["a", "b", "c"])})
    with pytest.raises(ConfigError, match="7 and '7' would be one id"):
        rows_of({"user": [7, odd, 8], "item": ["a", "b", "c"]})
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    frame = pandas.DataFrame({"user": pandas.Series(mixed), "item": ["a", "b", "c"]})
    with pytest.raises(ConfigError, match=r"frame\['user'\].astype\(str\)"):
        rows_of(frame)
    with pytest.raises(ConfigError, match="7 and '7' would be one id"):
        rows_of(frame, query="SELECT user, item FROM log")


def test_categories_of_several_types_are_refused():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    frame = pandas.DataFrame({"user": pandas.Categorical([7, "7", 8]), "item": ["a", "b", "c"]})
    with pytest.raises(ConfigError, match="duplicate value 7"):
        rows_of(frame)


def test_a_mixed_column_that_nobody_needs_is_no_trouble():
    table = {"user": ["a", "b"], "item": ["x", "y"], "note": np.array([7, "seven"], object)}
    assert rows_of(table) == [("a", "x", None, None), ("b", "y", None, None)]


def test_whole_numbers_with_a_point_are_a_question():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    gaps = pandas.DataFrame({"user": [7, None, 8], "item": ["a", "b", "c"]})
    assert gaps["user"].dtype == float
    with pytest.raises(DataError, match="row 2: the user is missing"):
        rows_of(gaps)
    whole = gaps.dropna()
    with pytest.raises(ConfigError, match=r"'7.0'.*--ids cleaned"):
        rows_of(whole)
    assert [row[0] for row in rows_of(whole, ids=IdChoice(form="cleaned"))] == ["7", "8"]


@pytest.mark.parametrize("missing", [None, float("nan"), "NULL", "nan", ""])
def test_missing_ids_are_never_ids(missing):
    users = np.array(["a", missing, "b"], object)
    with pytest.raises((ConfigError, DataError), match="missing"):
        rows_of({"user": users, "item": ["x", "y", "z"]})


def test_a_rating_that_is_missing_is_told_with_its_row():
    with pytest.raises(DataError, match="row 2: the rating is not a finite number"):
        rows_of({"user": ["a", "b"], "item": ["x", "y"], "rating": np.array([1.0, np.nan])})


@pytest.mark.parametrize("unit", ["D", "s", "ms", "us", "ns"])
def test_numpy_dates_of_any_unit_are_times(unit):
    times = np.array(["2024-01-01", "2024-01-02"], f"datetime64[{unit}]")
    read = rows_of({"user": ["a", "b"], "item": ["x", "y"], "time": times})
    assert [row[3] for row in read] == [NEW_YEAR, NEW_YEAR + 86_400]


def test_time_zones_are_honoured():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    there = pandas.to_datetime([NEW_YEAR, NEW_YEAR + 1], unit="s", utc=True).tz_convert("Asia/Tokyo")
    frame = pandas.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "time": there})
    assert [row[3] for row in rows_of(frame)] == [NEW_YEAR, NEW_YEAR + 1]
    polars = pytest.importorskip("polars", reason="needs Polars")
    times = [datetime.fromtimestamp(NEW_YEAR, UTC)] * 2
    series = polars.Series("time", times).dt.convert_time_zone("America/New_York")
    frame = polars.DataFrame({"user": ["a", "b"], "item": ["x", "y"]}).with_columns(series)
    assert [row[3] for row in rows_of(frame)] == [NEW_YEAR] * 2


@pytest.mark.parametrize("scale", [1, 1000, 10**6, 10**9])
def test_numbers_are_times_in_the_unit_of_their_size(scale):
    times = np.array([NEW_YEAR, NEW_YEAR + 1], np.int64) * scale
    read = rows_of({"user": ["a", "b"], "item": ["x", "y"], "time": times})
    assert [row[3] for row in read] == [NEW_YEAR, NEW_YEAR + 1]


def test_questions_of_files_are_questions_of_frames():
    table = columns() | {"event": np.array(["view", "purchase"] * 30)}
    with pytest.raises(ConfigError, match="--only event=purchase"):
        rows_of(table)
    table = columns()
    table["customer_id"] = table["user_id"][::-1]
    with pytest.raises(ConfigError, match="2 columns may be the user"):
        rows_of(table)
    assert rows_of(table, columns={"user": "user_id"}) == rows_of(columns())
    with pytest.raises(ConfigError, match="no such column"):
        rows_of(table, columns={"user": "buyer"})


def test_conditions_and_queries_work_on_frames():
    assert len(rows_of(columns(), where="rating >= 4")) == 24
    query = "SELECT user_id, item_id FROM log WHERE rating = 5"
    assert len(rows_of(columns(), query=query)) == 12


def test_words_of_the_split_and_of_ratings():
    made = Dataset.from_frame(columns(), split="time:80/10/10", min_rating=2, user="user_id")
    assert made.protocol.startswith("one cut in time")
    assert sum(map(len, (made.train, made.valid, made.test))) == 48
    rare = Preparation(filters=Filters(min_item=7))
    with pytest.raises(DataError):
        Dataset.from_frame(columns(), how=rare)
    with pytest.raises(ConfigError, match="weight"):
        Dataset.from_frame(columns(), weight="rating")


def test_columns_must_be_called_by_distinct_texts():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    with pytest.raises(ConfigError, match="several columns called 'user'"):
        rows_of(pandas.DataFrame([["a", "b", "x"]] * 2, columns=["user", "User", "item"]))
    with pytest.raises(ConfigError, match="columns without names"):
        rows_of(pandas.DataFrame([["a", "x"]] * 2))
    with pytest.raises(ConfigError, match=r"reset_index"):
        rows_of(of_pandas().set_index("user_id"))


def test_what_is_no_frame_is_refused():
    with pytest.raises(ConfigError, match=r"found builtins.list"):
        rows_of([("a", "x")])
    with pytest.raises(ConfigError, match=r"found builtins.NoneType"):
        Dataset.from_frame(None)
    with pytest.raises(ConfigError, match="not of one length: user 2, item 3"):
        rows_of({"user": ["a", "b"], "item": ["x", "y", "z"]})
    with pytest.raises(ConfigError, match=r"shape \(2, 2\)"):
        rows_of({"user": np.zeros((2, 2)), "item": ["x", "y"]})
    with pytest.raises(ConfigError, match="holds bytes"):
        rows_of({"user": np.array([b"a", b"b"]), "item": ["x", "y"]})
    with pytest.raises(ConfigError, match="not one value a row"):
        rows_of(pytest.importorskip("pyarrow").table({"user": [[1], [2]], "item": ["x", "y"]}))


def test_strange_layouts_of_arrays_are_read_as_they_are():
    wide = np.arange(12).reshape(4, 3)
    read = rows_of({"user": wide[:, 1], "item": np.arange(8)[::2].astype(">i8")})
    assert [row[:2] for row in read] == [("1", "0"), ("4", "2"), ("7", "4"), ("10", "6")]


@pytest.mark.parametrize("make", FRAMES)
def test_many_rows_stay_in_order(make):
    log = read_log([], reading=Reading(frame=make(400_000))).log
    assert (log.times == NEW_YEAR + np.arange(400_000) * 3600).all()
    assert (log.users == np.arange(400_000) // 10).all()


def test_a_frame_is_stored_by_a_request(tmp_path):
    request = ImportRequest(frame=columns(), name="mine", split="loo-time", work=tmp_path)
    facts = request.run().facts()
    assert facts["sources"] == [{"frame": "dict"}]
    assert load_data("mine", tmp_path, lambda event: None).digest() == facts["digest"]
    for said in ({"separator": "comma"}, {"format": "json"}, {"encoding": "gbk"}, {"header": "yes"}):
        with pytest.raises(ConfigError, match="one table in memory: remove"):
            ImportRequest(frame=columns(), name="other", work=tmp_path, **said).run()
    file = tmp_path / "log.csv"
    file.write_text("user,item\n")
    with pytest.raises(ConfigError, match=r"remove the file .*log\.csv"):
        ImportRequest(frame=columns(), paths=(file,), name="other", work=tmp_path).run()

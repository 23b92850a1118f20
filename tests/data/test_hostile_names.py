"""Names, folders and columns that an engine may take for something else, and logs in several streams."""

import bz2
import lzma
import sqlite3

import duckdb
import pytest

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.ids import IdChoice
from recpress_edge.data.readers.read import Reading, read_log
from recpress_edge.jobs.data_import import ImportRequest

ROWS = "user,item\nu1,i1\nu1,i2\nu2,i1\nu2,i3\n"
OTHER = "user,item\nv1,j1\nv2,j1\n"


def users(path, **reading):
    return read_log([path] if not isinstance(path, list) else path, reading=Reading(**reading)).log.user_ids


@pytest.mark.parametrize("name", ["g[1].csv", "g*.csv", "g?.csv"])
def test_a_name_is_no_pattern_once_it_is_a_file(tmp_path, name):
    (tmp_path / "g1.csv").write_text(OTHER)
    (tmp_path / name).write_text(ROWS)
    assert users(tmp_path / name) == ("u1", "u2")
    duckdb.sql(f"SELECT * FROM read_csv('{tmp_path / 'g1.csv'}')").write_parquet(str(tmp_path / "g1.parquet"))
    (tmp_path / "g[1].parquet").write_bytes((tmp_path / "g1.parquet").read_bytes())
    (tmp_path / "g1.parquet").unlink()
    assert users(tmp_path / "g[1].parquet") == ("v1", "v2")


def test_neither_folder_nor_ending_says_what_a_file_holds(tmp_path):
    folder = tmp_path / "user=77"
    folder.mkdir()
    (folder / "plain.csv.gz").write_text(ROWS)
    assert users(folder / "plain.csv.gz") == ("u1", "u2")
    duckdb.sql(
        f"SELECT * FROM read_csv('{folder / 'plain.csv.gz'}', compression='none', hive_partitioning=false)"
    ).write_parquet(str(folder / "a.parquet"))
    assert users(folder / "a.parquet") == ("u1", "u2")


def test_a_query_joins_files_by_the_names_of_their_columns(tmp_path):
    (tmp_path / "a.csv").write_text("user,item\nu1,i1\n")
    (tmp_path / "b.csv").write_text("item,user\ni2,u2\n")
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    log = read_log(paths, reading=Reading(query="SELECT user, item FROM log")).log
    assert (log.user_ids, log.item_ids) == (("u1", "u2"), ("i1", "i2"))
    (tmp_path / "b.csv").write_text("item,user,more\ni2,u2,x\n")
    with pytest.raises(ConfigError, match=r"b\.csv has the columns item, more, user"):
        read_log(paths, reading=Reading(query="SELECT user, item FROM log"))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT user, item::INT AS item FROM log", "cannot be read: Conversion Error"),
        ("SELECT 1; SELECT user, item FROM log", "several SELECTs"),
        ("SELEC user", "--query: Parser Error"),
        ("", "--query is empty"),
    ],
)
def test_a_query_that_fails_says_so(tmp_path, query, message):
    (tmp_path / "a.csv").write_text(ROWS)
    with pytest.raises((ConfigError, DataError), match=message):
        read_log([tmp_path / "a.csv"], reading=Reading(query=query))


def test_a_query_may_end_in_a_comment(tmp_path):
    (tmp_path / "a.csv").write_text(ROWS)
    assert users(tmp_path / "a.csv", query="SELECT * FROM log; -- done") == ("u1", "u2")


def test_a_condition_is_not_a_column_of_the_log(tmp_path):
    path = tmp_path / "k.parquet"
    duckdb.sql(
        "SELECT 'u' || (i // 6) AS user_id, 'i' || (i % 6) AS item_id, i % 6 < 3 AS kept FROM range(24) t(i)"
    ).write_parquet(str(path))
    reading = Reading(where="item_id IN ('i3', 'i4') OR kept AND false")
    assert read_log([path], reading=reading).log.item_ids == ("i3", "i4")
    assert read_log([path], reading=Reading(where="kept")).log.item_ids == ("i0", "i1", "i2")


@pytest.mark.parametrize("where", ["item", " ", "'perhaps'"])
def test_a_condition_that_is_no_truth_value_is_refused(tmp_path, where):
    (tmp_path / "a.csv").write_text(ROWS)
    with pytest.raises(ConfigError, match=r"--where .* does not fit"):
        users(tmp_path / "a.csv", where=where)


def test_column_names_that_differ_in_capitals_alone_are_refused_where_sql_reads_them(tmp_path):
    (tmp_path / "a.csv").write_text("user,item,Item\nu1,i1,x1\nu2,i2,x2\n")
    with pytest.raises(ConfigError, match="no capitals"):
        read_log([tmp_path / "a.csv"], reading=Reading(query="SELECT user, Item AS item FROM log"))


def test_the_log_of_writes_of_an_sqlite_file_is_read(tmp_path):
    path = tmp_path / "w.db"
    live = sqlite3.connect(path)
    live.execute("PRAGMA journal_mode = wal")
    live.execute("CREATE TABLE t (user_id TEXT, item_id TEXT)")
    live.executemany("INSERT INTO t VALUES (?, ?)", [("u1", "i1"), ("u2", "i2"), ("u3", "i1")])
    live.commit()
    assert (tmp_path / "w.db-wal").stat().st_size
    assert users(path, query="SELECT * FROM t") == ("u1", "u2", "u3")
    live.close()


@pytest.mark.parametrize(("name", "compress"), [("bz2", bz2.compress), ("xz", lzma.compress)])
def test_streams_after_the_first_are_read_or_refused(tmp_path, name, compress):
    path = tmp_path / f"log.csv.{name}"
    path.write_bytes(compress(ROWS.encode()) + compress(b"u9,i9\n"))
    assert users(path) == ("u1", "u2", "u9")
    path.write_bytes(compress(ROWS.encode()) + b"junk" + compress(b"u9,i9\n"))
    with pytest.raises(DataError, match="damaged or cut short"):
        users(path)


def test_a_folder_with_folders_is_a_question(tmp_path):
    (tmp_path / "log" / "sub").mkdir(parents=True)
    (tmp_path / "log" / "a.csv").write_text(ROWS)
    with pytest.raises(ConfigError, match="holds folders"):
        ImportRequest(paths=(tmp_path / "log",), name="x", work=tmp_path).plan()


EVENTS = "user,item,event\n" + "".join(
    f"u{n % 5},i{n % 7},{('view', 'cart', 'buy')[n % 3]}\n" for n in range(60)
)


@pytest.mark.parametrize(
    ("only", "message"),
    [
        (("event=view", "event=buy"), "write --only event=view,buy"),
        (("event=view", "3=buy"), "write --only 3=view,buy"),
        (("event=view,purchase",), "no row of .* holds purchase"),
    ],
)
def test_no_part_of_only_is_lost(tmp_path, only, message):
    (tmp_path / "a.csv").write_text(EVENTS)
    with pytest.raises(ConfigError, match=message):
        ImportRequest(paths=(tmp_path / "a.csv",), name="x", work=tmp_path, only=only).plan()


@pytest.mark.parametrize("where", ["item <> 'event'", "item <> 'i1' -- event", "item_event = 'x'"])
def test_a_condition_settles_the_events_that_it_names_and_no_others(tmp_path, where):
    text = EVENTS.replace("\n", ",x\n").replace("event,x", "event,item_event")
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ConfigError, match="the column event tells rows apart"):
        users(tmp_path / "a.csv", where=where)
    assert users(tmp_path / "a.csv", where="Event <> 'view'")


def test_a_query_takes_columns_of_any_name(tmp_path):
    (tmp_path / "a.csv").write_text("buyer,sku\nb1,s1\nb2,s2\n")
    assert users(tmp_path / "a.csv", query="SELECT buyer AS user, sku AS item FROM log") == ("b1", "b2")
    (tmp_path / "b.csv").write_text(ROWS + "u9,i9,\n")
    with pytest.raises(DataError, match="line 6: expected 2 fields, found 3"):
        users(tmp_path / "b.csv", query="SELECT * FROM log")


def test_one_file_by_two_names_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text(ROWS)
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")
    with pytest.raises(ConfigError, match="named twice"):
        ImportRequest(paths=(tmp_path / "a.csv", tmp_path / "b.csv"), name="x", work=tmp_path).plan()


def test_a_condition_leaves_the_order_of_the_file_alone(tmp_path):
    (tmp_path / "a.csv").write_text("user,item\n" + "".join(f"u{n % 3},i{(n * 7) % 11}\n" for n in range(60)))
    whole = read_log([tmp_path / "a.csv"]).log
    chosen = read_log(
        [tmp_path / "a.csv"], reading=Reading(where="item IN (SELECT 'i' || n FROM range(11) t(n))")
    ).log
    assert (chosen.users.tolist(), chosen.items.tolist()) == (whole.users.tolist(), whole.items.tolist())
    with pytest.raises(ConfigError, match="window functions"):
        users(tmp_path / "a.csv", where="row_number() OVER (PARTITION BY item) >= 1")


def test_a_query_takes_the_lists_of_json_apart(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"uid": "u1", "items": ["i1", "i2"]}\n{"uid": "u2", "items": ["i1"]}\n'
    )
    query = "SELECT uid AS user, unnest(items) AS item FROM log"
    assert users(tmp_path / "a.jsonl", query=query) == ("u1", "u2")


def test_parts_are_in_the_order_of_their_numbers(tmp_path):
    (tmp_path / "log").mkdir()
    for part in (1, 2, 10):
        (tmp_path / f"log/part-{part}.csv").write_text(
            "user,item\n" + f"u1,i{part}\nu2,i{part}\nu3,i{part}\n"
        )
    request = ImportRequest(paths=(tmp_path / "log",), name="x", split="loo-order", work=tmp_path)
    dataset = request.plan().prepared.dataset
    assert {dataset.item_ids[item] for item in dataset.test.indices} == {"i10"}


def test_an_empty_field_is_a_text_like_any_other(tmp_path):
    (tmp_path / "a.csv").write_text("user,item,event\nu1,i1,\nu2,i1,remove\nu3,i2,buy\n")
    assert users(tmp_path / "a.csv", where="event <> 'remove'") == ("u1", "u3")


def test_cleaning_ids_makes_no_id_of_a_missing_one(tmp_path):
    (tmp_path / "a.csv").write_text("user,item\nu1,1.0\nu2,2.0\nu1,nan\n")
    with pytest.raises(ConfigError, match="item 'nan', which often stands for no value"):
        users(tmp_path / "a.csv", ids=IdChoice(form="cleaned"))


def test_a_key_that_is_first_met_late_is_a_column(tmp_path):
    rows = [f'{{"user": "u{n % 7}", "item": "i{n % 11}"}}' for n in range(3000)]
    rows += ['{"user": "u1", "item": "i1", "event": "remove"}', '{"user": "\\ud800", "item": "i1"}']
    (tmp_path / "a.jsonl").write_text("\n".join(rows[:-1]))
    with pytest.raises(ConfigError, match="the column event tells rows apart"):
        users(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text("\n".join([*rows[:2], rows[-1]]))
    assert "U+FFFD" in " ".join(read_log([tmp_path / "a.jsonl"]).notes)


@pytest.mark.parametrize("form", ["2024010{}1230", "2024010{}123059"])
def test_days_with_clocks_as_numbers_are_asked_about(tmp_path, form):
    rows = "".join(f"u{n % 2},i{n},{form.format(n % 9 + 1)}\n" for n in range(12))
    (tmp_path / "a.csv").write_text("user,item,time\n" + rows)
    with pytest.raises(ConfigError, match="may be a day and a clock"):
        users(tmp_path / "a.csv")

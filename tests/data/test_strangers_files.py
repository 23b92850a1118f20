"""Files of strangers: each kind that was once misread is read rightly, or is a question with its flags."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.events import parse_only
from recpress_edge.data.filter import Filters
from recpress_edge.data.ids import IdChoice, clean
from recpress_edge.data.prepare import Preparation, prepare
from recpress_edge.data.readers.columns import ColumnChoice, parse_columns
from recpress_edge.data.readers.lines import Allowance, parse_allowance
from recpress_edge.data.readers.read import Reading, read_log

PAIRS = [("u1", "i3"), ("u1", "i5"), ("u1", "i1"), ("u2", "i1"), ("u2", "i6"), ("u2", "i4"), ("u3", "i5")]
FIRST = 1_700_165_037  # 2023-11-16T20:03:57Z


@pytest.fixture
def read(tmp_path):
    def read(content, name="log.txt", fmt="auto", columns=None, header=None, separator=None, **reading):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        choice = None
        if columns or separator or header is not None:
            choice = ColumnChoice(separator, parse_columns(columns) if columns else None, header)
        return read_log([path], fmt, choice, Reading(**reading))

    return read


def named(result):
    log = result.log
    return [(log.user_ids[u], log.item_ids[i]) for u, i in zip(log.users, log.items, strict=True)]


def rows(form, head="", pairs=PAIRS):
    """One line a pair; {n} counts from 0, {t} are hours from FIRST on."""
    lines = [form.format(u=u, i=i, n=n, t=FIRST + 3600 * n, r=1 + n % 5) for n, (u, i) in enumerate(pairs)]
    return head + "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize(
    "content",
    [
        rows("{u};{i}"),
        rows("{u};{i}\x1a").replace("\x1a\n", "\n") + "\x1a",
        rows('"{u}";"{i}";"{r}"', '"User-ID";"ISBN";"Book-Rating"\n'),
        rows('"{u}" ; "{i}" ; "{r}"', '"User-ID" ; "ISBN" ; "Book-Rating"\n'),
        rows("{u} | {i} | {r}"),
        rows("{u};{i};x y", "user;item;remark\n"),
        rows("{u}, {i}, {r}"),
        rows('"{u}", "{i}"'),
        rows('"{u}"\t"{i}"', '"user_id"\t"item_id"\n'),
        rows('"{u}"::"{i}"::{r}'),
        rows('{u}\t{i}\t"Weird Al" Y', "user\titem\tartist\n"),
        rows('{u}\t{i}\t7" single', "user\titem\tformat\n"),
        rows("{n}    {u}   {i}", "   user item\n"),
        rows('"{n}","{u}","{i}",{r}', '"","user","item","rating"\n'),
        "% bip weighted\n% 7 3 5\n" + rows("{u} {i} {r} {t}"),
        "# Nodes: 3\n# FromNodeId\tToNodeId\n" + rows("{u}\t{i}"),
        "#item_id\tuser_id\n" + rows("{i}\t{u}"),
        "sep=;\n" + rows("{u};{i}", "user;item\n"),
        rows('{u},{i},"Great.\nCooked, on high"', "user_id,recipe_id,review\n"),
        rows("{u},{i}", "user_id,business_id\n"),
        rows("{u},{i}", "\u200buser_id,item_id\u00a0\n"),
        rows('{{"user_id": "{u}", "item_id": "{i}"}}'),
        json.dumps([{"user_id": u, "item_id": i} for u, i in PAIRS], indent=1),
        rows("{u},{i}").replace("\n", "\r"),
        rows("{u},{i}", "user,item\n").encode("utf-16"),
        rows("{u},{i}", "user,item\n").encode("utf-32"),
        b"\xef\xbb\xbf" + rows('"{u}","{i}"', '"user","item"\n').encode(),
        gzip.compress(rows("{u},{i}", "user,item\n").encode(), mtime=0),
        gzip.compress(rows("{u},{i}", "user,item\n").encode("utf-16"), mtime=0),
    ],
)
def test_forms_that_are_read(read, content):
    assert named(read(content)) == PAIRS


def test_rs_row_numbers_are_no_column_of_the_header(read):
    content = '"user" "item" "rating"\n"1" "u1" "i3" 5\n"2" "u1" "i5" 4\n"3" "u2" "i3" 1\n'
    result = read(content)
    assert named(result) == [("u1", "i3"), ("u1", "i5"), ("u2", "i3")]
    assert result.log.ratings.tolist() == [5, 4, 1]
    assert "row numbers without a name" in result.notes[0]


def test_numbers_between_tabs_and_blanks_are_fields_alike(read):
    log = read("% bip\n1 12\t5\t1700165037\n2 12\t4\t1700165038\n").log
    assert (log.user_ids, log.item_ids) == (("1", "2"), ("12",))
    assert log.ratings.tolist() == [5, 4]


def test_titles_with_blanks_are_whole_after_a_semicolon(read):
    content = "u1;Item 3\nu1;Item 5\nu2;Item 3\n"
    assert named(read(content)) == [("u1", "Item 3"), ("u1", "Item 5"), ("u2", "Item 3")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        # which separator
        (rows("{u};Title, {n}"), "--separator semicolon or --separator comma"),
        # which line is the header, which columns are meant
        (rows("k{n}Q,b{n}Z", "account,sku\n"),
         "--columns user=account,item=sku --header yes; or --header no"),
        (rows("k{n}Q,b{n}Z", "Kunde,Artikel\n"), "looks like a header.*--header no"),
        ("uid2\tsku\n1\t2\n3\t4\n", "looks like a header"),
        (rows("{n},{u},{i}", "uid,user,item\n"), r"--columns user=uid,item=item or --columns user=user,item"),
        (rows("{u},{i},{i}", "user_id,asin,parent_asin\n"), "2 columns may be the item"),
        (rows("{u},{u},{i}", "user,user,item\n"), "--columns user=1,item=item or --columns user=2,item=item"),
        (rows("{n},2023-11-16T20:03:57.000Z,{n}7,0"),
         "item column holds times.*--columns user=1,item=3,time=2"),
        (rows("{n},{t},{n}7,0"), "item column holds times.*--columns user=1,item=3,time=2"),
        (rows("{t},{u},{i}"), "user column holds times.*--columns user=2,item=3,time=1"),
        (rows("B00{n},A1{n}XQ,5.0,{t}"), "product codes.*--columns user=2,item=1,rating=3,time=4"),
        (rows("000501{n}{n}{n}{n},ADZPIG9Q{n},5.0,{t}"), "product codes"),
        (rows("{i},{u},{r}"), "what look like items.*--columns user=2,item=1,rating=3"),
        (rows("{u},{i},{t},{r}"), "column 3 holds times, not ratings"),
        (rows("{u},{i},view"), "--columns user=1,item=2 --only 3=view"),
        (rows("1{n},3,{n}{n}7{n}", pairs=PAIRS * 2), "column 2 holds few values, like ratings"),
        ("".join(f"{n},{n % 4},{n % 5}\n" for n in range(20)), "counts the rows.*--columns user=2,item=3"),
        ("a,b,c,d,e\n", "5 columns and no known header"),
        ("1,2,5\n1,3,1600000000\n2,3,4\n", "a rating or a time.*rating=3 or --columns user=1,item=2,time=3"),
        ('u1,"i1\nu2,i2\n', "first line .* is not two fields"),
        ('"u1,i1"\n"u2,i2"\n', "first line .* is not two fields"),
        ("abc\n", "it looks like none of them.*--format"),
        # which ids
        (rows("{u},{i}", "user,item\n") + "NULL,i1\nNULL,i2\n",
         "2 rows have the user 'NULL'.*--missing NULL"),
        (rows("{u},{i}", "user,item\n") + "u1,nan\n", "1 rows have the item 'nan'.*--ids as-written"),
        (rows("1785{n}.0,{i}", "user,item\n"), r"'17850\.0'.*'17850'.*--ids cleaned.*--ids as-written"),
        (rows("{u},{i}", "user,item\n") + "u1,1.23457E+11\n", "a spreadsheet has rounded them"),
        (rows("'{u}','{i}'"), "every user id stands in quotes.*--ids cleaned"),
        (rows("{u},{i}", "user,item\n") + "u1\u00a0,i1\n", r"'u1' and 'u1\\xa0'.*--ids cleaned.*as-written"),
        (rows("{u},{i}", "user,item\n") + "u1\u200b,i1\n", r"u1\\u200b"),
        (rows("{u},{i}", "user,item\n") + "\ufeffu1,i1\n", r"\\ufeffu1"),
        (rows("{u},{i}", "user,item\n") + "caf\u00e9,i1\ncafe\u0301,i1\n", r"caf\\xe9"),
        (rows("{u},{i}", "user,item\n") + "u1\ufe0f,i1\n", r"u1\\ufe0f"),
        (rows("{u}|{i}", "user|item\n---|---\n"), "'---', which often stands for no value.*--missing=---"),
        (rows("{u},1 2 {n}", "user,item\n"), "are lists, such as '1 2 0'"),
        # what counts
        (rows("{u},{i},view", "user,item,event\n") + "u1,i9,remove\n",
         r"view 7, remove 1.*--only event=view"),
        (rows("{u},{i},1", "user,item,label\n") + "u1,i9,0\n", r"--only label=1; or --only 'label=\*'"),
        (rows("{u},{i},1", "user,item,rating\n") + "u1,i9,0\n", "--only rating=1"),
        (rows("{u}\t{i}\t1", "user_id:token\titem_id:token\tclick:float\n") + "u1\ti9\t0\n",
         "--only click=1"),
        (rows('{{"user": "{u}", "item": "{i}", "action": "a{n}"}}', pairs=PAIRS[:2]),
         "the column action tells"),
        (rows("{u},{i},1", "user,item,rating\n", PAIRS * 200) + "u1,i9,0\n", "1 1,400, 0 1.*--only rating=1"),
        (rows("{u},{i},view", "user,item,kind\n", PAIRS * 200) + "u1,i9,remove\n",
         "remove 1.*--only kind=view"),
        # which unit
        (rows("{u},{i},{t}000", "user,item,timestamp\n") + f"u1,i9,{FIRST}\n",
         "1 in seconds, 7 in milli.*by-size"),
        # what is no table
        (rows("{u}\t1 2 3\t{i}", "user_id:token\titem_id_list:token_seq\titem_id:token\n"),
         "item_id_list holds a list"),
        ("product/productId: B03\nreview/userId: A1\nreview/score: 5.0\n\n" * 3, "holds blocks"),
        ("1:\n1488844,2005-09-06\n", "holds blocks"),
        ("{'reviewerID': 'A1', 'asin': 'B3'}\n", "Python dictionaries, not JSON"),
        ('{"u1": ["i1", "i2"], "u2": ["i1"]}\n', "one JSON object"),
        ("[1, 2]\n[1, 3]\n", "lists or tuples"),
        ("<?xml version='1.0'?>\n", "XML or HTML"),
        ("%%MatrixMarket matrix coordinate\n3 3 3\n1 2 3\n", "a MatrixMarket file"),
        ("INSERT INTO t VALUES (1,2);\n", "an SQL dump"),
        # what is no text, or of which encoding
        (b"\x80\x04....", "a Python pickle"),
        (b"a" * 257 + b"ustar", "a tar archive.*tar -xOf"),
        (rows("{u},{i}").encode("utf-16-le"), "--encoding utf-16-le.*iconv"),
        (rows("{u},\u5546\u54c1{n}").encode("gbk"),
         r"line 1 is not UTF-8.*--encoding, such as gb18030.*iconv"),
        (rows("{u},\u00e9{n}").encode("latin1"), "--encoding, such as cp1252"),
        (b"1,2\n\xff,3\n", r"line 2 is not UTF-8: .*xff.*iconv"),
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_a_question(read, content, message):
    with pytest.raises(ConfigError, match=message) as error:
        read(content, "x.inter" if isinstance(content, str) and ":token" in content else "log.txt")
    assert error.value.exit_code == 2
    assert len(str(error.value)) < 800


@pytest.mark.parametrize(
    ("content", "how", "expected"),
    [
        (rows("{u};{i}, x"), {"separator": "semicolon"}, [(u, f"{i}, x") for u, i in PAIRS]),
        (rows("{u},{i}", "account,sku\n"), {"columns": "user=account,item=sku"}, PAIRS),
        (rows("{u},{i}", "account,sku\n"), {"columns": "user=1,item=2", "header": True}, PAIRS),
        (rows("{u},{i}", "a,b\n"), {"header": False}, [("a", "b"), *PAIRS]),
        (rows("{n},{u},{i}", "uid,user,item\n"), {"columns": "user=user,item=item"}, PAIRS),
        (rows("{u},2023-11-16T20:03:57.000Z,{i},0"), {"columns": "user=1,item=3,time=2"}, PAIRS),
        (rows("{i},{u},5.0"), {"columns": "user=2,item=1"}, PAIRS),
        (rows("{u},{i}", "user,item\n") + "NULL,i1\n", {"ids": IdChoice(("NULL",))}, PAIRS),
        (
            rows("{u},{i}", "user,item\n") + "NULL,i1\n",
            {"ids": IdChoice(form="as-written")},
            [*PAIRS, ("NULL", "i1")],
        ),
        (rows("{u}\u00a0,{i}\u200b", "user,item\n"), {"ids": IdChoice(form="cleaned")}, PAIRS),
        (rows("'{u}','{i}'"), {"ids": IdChoice(form="cleaned")}, PAIRS),
        ("17850.0,1\n17850,2\n", {"ids": IdChoice(form="cleaned")}, [("17850", "1"), ("17850", "2")]),
        (rows("{u},{i},buy,x") + "u1,i9,view,x\n",
         {"columns": "user=1,item=2", "only": (parse_only("3=buy"),)}, PAIRS),
        (rows("{u},{i},1", "user,item,label\n") + "u1,i9,0\n", {"only": (parse_only("label=1.0"),)}, PAIRS),
        (
            rows("{u},{i},1", "user,item,label\n") + "u1,i9,0\n",
            {"only": (parse_only("label=*"),)},
            [*PAIRS, ("u1", "i9")],
        ),
        (rows("{u},{i},1", "user,item,rating\n") + "u1,i9,0\n", {"bounded": True}, [*PAIRS, ("u1", "i9")]),
        (rows("{u},\u5546{i}", "user,item\n").encode("gbk"),
         {"encoding": "gbk"}, [(u, f"\u5546{i}") for u, i in PAIRS]),
        (rows("{u},{i}").encode("utf-16-le"), {"encoding": "utf-16-le"}, PAIRS),
        (
            rows("{u}\t1 2\t{i}", "user_id:token\titem_id_list:token_seq\titem_id:token\n"),
            {"columns": "user=user_id,item=item_id"},
            PAIRS,
        ),
        (rows("{u}\t\t{n}\n{u}\t{i}\t{n}"), {"columns": "user=1,item=2", "bad_lines": Allowance(7)}, PAIRS),
    ],
)  # fmt: skip
def test_the_flags_that_are_named_settle_it(read, content, how, expected):
    assert named(read(content, **how)) == expected


def test_pairs_are_a_table_and_lists_alike(read):
    content = "".join(f"{user} {user % 5}\n" for user in range(1200)) + "7 3\n"
    result = read(content)
    assert named(result)[-1] == ("7", "3")
    assert ": delimited, " in result.notes[0]
    assert len(result.log) == 1201


def test_dates_and_units_become_seconds_and_their_range_is_told(read):
    iso = read("u,i,2023-11-16T20:03:57Z\nu,j,2023-11-17 20:03:57\nv,j,2023-11-18\n")
    assert iso.log.times.tolist() == [FIRST, FIRST + 86_400, 1_700_265_600]
    assert iso.notes[-1] == "times from 2023-11-16 to 2023-11-18"
    milliseconds = read(rows("{u},{i},{t}500", "user,item,timestamp\n"))
    assert milliseconds.log.times[:2].tolist() == [FIRST + 0.5, FIRST + 3600.5]
    mixed = rows("{u},{i},{t}000", "user,item,timestamp\n") + f"u3,i6,{FIRST + 60}\n"
    by_size = read(mixed, time_unit="by-size").log.times
    assert by_size[[0, 1, 7]].tolist() == [FIRST, FIRST + 3600, FIRST + 60]
    with pytest.raises(ConfigError, match="this log has no times"):
        read("1,2\n", time_unit="s")
    assert "1 before 1973" in read("a,b,4,1600000000\na,c,4,0\n").notes[-1]


def test_the_order_in_time_is_right_across_units(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        f"user_id,item_id,timestamp\nu,a,{FIRST}000\nu,b,{FIRST + 1}\nu,c,{FIRST + 2}000\n"
        f"v,a,{FIRST + 9}\nv,b,{FIRST}000\nv,c,{FIRST + 5}000\n"
    )
    how = Preparation(split="loo-time", reading=Reading(time_unit="by-size"))
    data = prepare("x", [path], how).dataset
    assert [data.item_ids[item] for item in data.test.indices] == ["c", "a"]


def test_skipped_lines_are_counted_up_to_what_is_allowed(read):
    content = rows("{u},{i}") + "u4,\n,i4\n"
    with pytest.raises(DataError) as error:
        read(content)
    assert str(error.value).partition(": ")[2].partition(" Correct")[0] == (
        "cannot read 2 lines: line 8: the item is missing: 'u4,'; line 9: the user is missing: ',i4'."
    )
    assert str(error.value).endswith("To leave them out: --skip-bad-lines 2")
    result = read(content, bad_lines=Allowance(2))
    assert named(result) == PAIRS
    assert result.left_out == {"bad_lines": 2, "not_chosen": 0, "missing": 0}
    assert "2 bad lines skipped, the first: line 8: the item is missing: 'u4,'" in result.notes[0]
    with pytest.raises(DataError, match="more than the 1 that --skip-bad-lines allows"):
        read(content, bad_lines=Allowance(1))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("user_id,item_id", "a header among the rows"),
        ("\u200b,i1", "the user is missing"),
        ("u1,\u00a0", "the item is missing"),
        ('u1,"[1, 2]"', "the item is a list or an object"),
        ('u1,"i\n1"', "the item id holds a line end"),
        ("u1,i2\ru2,i3", "expected 2 fields, found 3"),
    ],
)
def test_lines_that_are_no_interaction_are_named(read, line, reason):
    content = rows("{u},{i}", "user_id,item_id\n") + line + "\n"
    with pytest.raises(DataError, match=f"line 9: {reason}"):
        read(content)
    assert named(read(content, bad_lines=Allowance(1))) == PAIRS


@pytest.mark.parametrize(
    ("text", "total", "allowed"), [("0", 1000, 0), ("100", 50, 100), ("0.5%", 1000, 5), ("100%", 7, 7)]
)
def test_allowances(text, total, allowed):
    assert parse_allowance(text).of(total) == allowed


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "101%", "%", "1/2", "nan", "-1%", "1/0"])
def test_allowances_that_make_no_sense(text):
    with pytest.raises(ConfigError, match="--skip-bad-lines"):
        parse_allowance(text)


@pytest.mark.parametrize("text", ["event", "=x", "event=", "event=a,,b"])
def test_only_that_makes_no_sense(text):
    with pytest.raises(ConfigError, match="--only"):
        parse_only(text)


def test_only_and_missing_must_meet_something(read):
    log = rows("{u},{i},view", "user,item,event\n")
    with pytest.raises(ConfigError, match=r"no row of .* holds purchase. Found: view 7"):
        read(log, only=(parse_only("event=purchase"),))
    with pytest.raises(ConfigError, match=r"--only kind: no such column .* Found: user, item, event"):
        read(log, only=(parse_only("kind=x"),))
    with pytest.raises(ConfigError, match="no user or item is called so"):
        read(log, ids=IdChoice(("NULL",)))
    with pytest.raises(ConfigError, match="not adjacency"):
        read("a x y z w\nb x\n", only=(parse_only("1=a"),))


def test_quotes_that_do_not_close_take_one_line_and_not_the_rest(read):
    content = (
        rows("{u},{i},ok", "user,item,text\n", PAIRS[:3])
        + 'u9,i9,"open\n'
        + rows("{u},{i},ok", "", PAIRS[3:])
    )
    with pytest.raises(DataError, match="line 5: a quote opens and does not close"):
        read(content)
    assert named(read(content, bad_lines=Allowance(1))) == PAIRS


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("u1", "u1"), ("17850.0", "17850"), ("17850.", "17850"), ("1.5", "1.5"), ("v2.0.0", "v2.0.0"),
        ("u1\u00a0", "u1"), ("a\u3000 b", "a b"), ("\ufeffu1\u200b", "u1"), ("\uff551", "u1"),
        ("cafe\u0301", "caf\u00e9"), ("'u1'", "u1"), ("'", "'"), ("\u200b", "\u200b"), ("-3.0", "-3"),
    ],
)  # fmt: skip
def test_clean(name, cleaned):
    assert clean(name) == cleaned


def test_ids_that_are_merely_odd_are_kept_and_told(read):
    result = read(rows("{u}\u00a0,{i}", "user,item\n"))
    assert result.log.user_ids[0] == "u1\u00a0"
    assert "3 user ids hold invisible characters" in result.notes[1]


def test_a_rating_column_that_was_not_taken_is_named(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(rows("{u},{i},{r}", "User-ID,ISBN,Book-Rating\n"))
    with pytest.raises(ConfigError, match=r"Is it Book-Rating\? .*--rating Book-Rating"):
        prepare("x", [path], Preparation(filters=Filters(min_rating=2)))


def given(tmp_path, train, test):
    for name, text in (("train.csv", train), ("test.csv", test)):
        (tmp_path / name).write_text("user_id,item_id\n" + text)
    return [tmp_path / "train.csv", tmp_path / "test.csv"]


def test_strangers_in_a_given_split(tmp_path):
    train = "".join(f"{user},{item}\n" for user in range(4) for item in range(20, 35))
    how = Preparation(split="given")
    with pytest.raises(ConfigError, match=r"whole numbers with a point.*--ids cleaned"):
        prepare("x", given(tmp_path, train, "1.0,7\n2.0,7\n"), how)
    cleaned = replace(how, reading=Reading(ids=IdChoice(form="cleaned")))
    assert prepare("x", given(tmp_path, train, "1.0,36\n2.0,37\n9,20\n9,21\n"), cleaned).dataset.n_users == 5
    with pytest.raises(DataError, match=r"no user of test\.csv is in train\.csv: .*'0', here like 'U1'"):
        prepare("x", given(tmp_path, train, "U1,20\nU2,21\n"), how)
    with pytest.raises(DataError, match=r"no item of test\.csv is in train\.csv"):
        prepare("x", given(tmp_path, train, "1,99\n"), how)
    record = prepare("x", given(tmp_path, train, "1,36\n2,37\n9,20\n9,21\n"), how).record
    assert record["strangers"] == [
        "1 of 3 users of test.csv are not in train.csv, such as '9': nothing can be learnt of them",
        "2 of 4 items of test.csv are not in train.csv, such as '36': nothing can be learnt of them",
    ]
    assert record["rows"]["left_out_strangers"] == 0


@pytest.mark.parametrize("kind", ["users", "items"])
def test_more_strangers_than_half_are_a_question_that_a_flag_answers(tmp_path, kind):
    train = "".join(f"{user},{item}\n" for user in range(9) for item in range(20, 35))
    rows = [(user, 36) for user in (1, 90, 91)] if kind == "users" else [(1, item) for item in (20, 90, 91)]
    train = train.replace("1,20\n", "") + "2,36\n"
    files = given(tmp_path, train, "".join(f"{user},{item}\n" for user, item in rows))
    how = Preparation(split="given")
    with pytest.raises(ConfigError, match=f"2 of 3 {kind} of test.csv .*--strangers drop .*--strangers keep"):
        prepare("x", files, how)
    kept = prepare("x", files, replace(how, strangers="keep"))
    assert len(kept.dataset.test) == 3
    assert kept.record["asked"]["strangers"] == "keep"
    dropped = prepare("x", files, replace(how, strangers="drop"))
    assert (len(dropped.dataset.test), dropped.record["rows"]["left_out_strangers"]) == (1, 2)
    assert {"90", "91"}.isdisjoint(dropped.dataset.user_ids + dropped.dataset.item_ids)
    assert "its rows are left out" in dropped.record["strangers"][0]


def test_strangers_in_rows_that_leave_nothing_and_strangers_without_files(tmp_path):
    train = "".join(f"{user},{item}\n" for user in range(9) for item in range(20, 35))
    files = given(tmp_path, train, "1,36\n90,20\n")
    with pytest.raises(DataError, match=r"--strangers drop leaves no row of test\.csv"):
        prepare("x", files, Preparation(split="given", strangers="drop"))
    with pytest.raises(ConfigError, match="--strangers is for given files"):
        prepare("x", files[:1], Preparation(strangers="drop"))


def test_cleaned_ids_that_meet_become_one_with_all_rows(read):
    result = read("u1,a\nu1\u200b,b\nu2,a\n", ids=IdChoice(form="cleaned"))
    assert named(result) == [("u1", "a"), ("u1", "b"), ("u2", "a")]
    assert result.notes[-1] == "cleaned 1 user ids and 0 item ids"
    assert np.array_equal(result.log.users, [0, 0, 1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04....", "compressed by zip and damaged or cut short"),
        (b"PAR1....", "cannot be read: .*Parquet"),
        (b"BZh9....", "compressed by bzip2 and damaged or cut short"),
        (b"\xfd7zXZ\0....", "compressed by xz and damaged or cut short"),
        (b"\x28\xb5\x2f\xfd....", "compressed by zstd and damaged or cut short"),
    ],
)
def test_damaged_containers(tmp_path, content, message):
    path = tmp_path / "log.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_log([path])


def test_netflix_blocks(read):
    text = "1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n10:\n822109,1,2004-10-19\n"
    result = read(text)
    assert named(result) == [("1488844", "1"), ("822109", "1"), ("822109", "10")]
    assert result.log.ratings.tolist() == [3.0, 5.0, 1.0]
    assert result.log.times.tolist()[0] == 1_125_964_800
    with pytest.raises(DataError, match=r"line 6: expected 4 fields, found 2: 'x'"):
        read(text + "x\n", fmt="netflix")

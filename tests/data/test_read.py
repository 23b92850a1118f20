"""Readers: small files whose content can be checked by hand, broken files, and the real ones."""

import numpy as np
import pytest

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.readers.columns import ColumnChoice, parse_columns
from recpress_edge.data.readers.read import read_log


@pytest.fixture
def write(tmp_path):
    def write(content, name="log.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def named(log):
    """Rows with their ids."""
    return [(log.user_ids[u], log.item_ids[i]) for u, i in zip(log.users, log.items, strict=True)]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("u1\ti1\nu2\ti2\n", "no header, tab-separated"),
        ("u1,i1\r\nu2,i2\r\n", "no header, comma-separated"),
        ('"u1","i1"\n"u2","i2"\n', "no header, comma-separated"),
        ("u1 i1\nu2 i2", "no header, space-separated"),
        ("u1::i1\nu2::i2\n", "no header, ::-separated"),
        ("userId,movieId\nu1,i1\n\nu2,i2\n", "header, comma-separated, user = column 1 (userId)"),
        ("item_id\tuser_id\ni1\tu1\ni2\tu2\n", "header, tab-separated, user = column 2 (user_id)"),
        ("\ufeffUser ID,Item ID,comment\nu1,i1,x\nu2,i2,y\n", "ignored: comment"),
    ],
)
def test_delimited_forms_and_what_was_found(write, content, found):
    result = read_log([write(content)], "delimited")
    assert named(result.log) == [("u1", "i1"), ("u2", "i2")]
    assert found in result.notes[0]


@pytest.mark.parametrize("mark", [" ", ",", ";", "|"])
def test_a_quote_that_ends_within_a_field_breaks_its_line(write, mark):
    rows = ['"u1"', '"i1"', '"u2"', '"i2",' if mark != "," else '"i2";']
    path = write(mark.join(rows[:2]) + "\n" + mark.join(rows[2:]) + "\n")
    with pytest.raises(DataError, match="line 2: a quote opens and does not close"):
        read_log([path], "delimited", ColumnChoice(columns=parse_columns("user=1,item=2"), header=False))


def test_a_quote_that_opens_no_field_is_a_character(write):
    assert named(read_log([write('7 5"disk\n8 x\n')], "delimited").log) == [("7", '5"disk'), ("8", "x")]


def test_ratings_and_times_by_place_and_by_name(write):
    by_place = read_log([write("7\t1\t4.5\t881250949\n7\t2\t3\t881250950\n")], "delimited").log
    by_name = read_log(
        [write("timestamp,rating,user,item\n881250949,4.5,7,1\n881250950,3,7,2\n")], "delimited"
    ).log
    for log in (by_place, by_name):
        assert named(log) == [("7", "1"), ("7", "2")]
        assert log.ratings.tolist() == [4.5, 3.0]
        assert log.times.tolist() == [881250949.0, 881250950.0]


def test_a_third_column_is_a_time_only_when_it_must_be(write):
    assert read_log([write("a,b,5\n")], "delimited").log.ratings.tolist() == [5.0]
    log = read_log([write("a,b,1600000000\n")], "delimited").log
    assert log.ratings is None
    assert log.times.tolist() == [1.6e9]


def test_columns_can_be_chosen(write):
    path = write("sku;x,buyer,n\nA,B,2\n")
    log = read_log([path], "delimited", ColumnChoice(columns=parse_columns("user=buyer,item=1,rating=n"))).log
    assert named(log) == [("B", "A")]
    assert log.ratings.tolist() == [2.0]
    log = read_log(
        [path], "delimited", ColumnChoice(columns=parse_columns("user=2,item=1"), header=False)
    ).log
    assert named(log) == [("buyer", "sku;x"), ("B", "A")]


def test_ids_are_ordered_by_number_or_by_code_point(write):
    ten = read_log([write("10,3\n9,20\n100000000000000000000,-1\n")], "delimited").log
    assert ten.user_ids == ("9", "10", "100000000000000000000")
    assert ten.item_ids == ("-1", "3", "20")
    text = read_log([write("b10,x\nb9,x\n")], "delimited").log
    assert text.user_ids == ("b10", "b9")
    leading_zero = read_log([write("07,x\n7,x\n")], "delimited").log
    assert leading_zero.user_ids == ("07", "7")  # two users, so their order is that of text


def test_order_of_rows_does_not_change_the_indices(write):
    a = read_log([write("u2,i1\nu1,i2\n", "a")], "delimited").log
    b = read_log([write("u1,i2\nu2,i1\n", "b")], "delimited").log
    assert (a.user_ids, a.item_ids) == (b.user_ids, b.item_ids)


def test_odd_unicode_stays_inside_ids(write):
    log = read_log([write("u\u2028x\ti\u0085y\nu\x1dz\ti\u00a0w\n")], "delimited").log
    assert named(log) == [("u\u2028x", "i\u0085y"), ("u\x1dz", "i\u00a0w")]


def test_inter(write):
    log = read_log([write("item_id:token\tuser_id:token\trating:float\nI\tU\t3\n", "x.inter")]).log
    assert named(log) == [("U", "I")]
    assert log.ratings.tolist() == [3.0]
    for header in (
        "user_id\titem_id\n",
        "user_id:token\tthing:token\n",
        "user_id:token_seq\titem_id:token\n",
    ):
        with pytest.raises(DataError, match=r"x\.inter"):
            read_log([write(header + "U\tI\n", "x.inter")])


def test_adjacency_lists(write):
    read = read_log([write("5 1 2\n7\n6 2 \n")], "adjacency")
    assert named(read.log) == [("5", "1"), ("5", "2"), ("6", "2")]
    assert read.notes[0].endswith("; 1 user without items left out")
    counted = read_log([write("2 8 9\n0\n1 8 \n")], "counted-adjacency").log
    assert named(counted) == [("0", "8"), ("0", "9"), ("2", "8")]


def test_folders_that_are_no_column_are_said(tmp_path):
    paths = [tmp_path / "event=view" / "a.csv", tmp_path / "event=remove" / "a.csv"]
    for path in paths:
        path.parent.mkdir()
        path.write_text("user,item\nu1,i1\nu2,i2\n")
    notes = read_log(paths, parts=[0, 0]).notes
    assert "event=view, event=remove … are no column here" in notes[-1]
    assert len(read_log(paths[:1]).notes) == 1


def test_files_share_their_ids(write):
    log = read_log([write("1,5\n", "a"), write("2,4\n", "b")], "delimited").log
    assert log.user_ids == ("1", "2")
    assert log.item_ids == ("4", "5")
    assert log.parts.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("content", "fmt"),
    [
        ("2 8 9 1 5\n7 1\n", "adjacency"),
        ("2 8 9\n7 1 3 4\n", "adjacency"),
        ("2 8 9\n2 1 2\n3 1 2 3\n", "counted-adjacency"),
        ("1,2\n1,3\n", "delimited"),
    ],
)
def test_sniffing(write, content, fmt):
    assert fmt in read_log([write(content)]).notes[0]


TWO_LINES_IN_ONE = "".join(f"{140 + user} 10{user} {user}{'6 151 7 3' * (user == 4)}\n" for user in range(12))


@pytest.mark.parametrize(
    "content",
    ["2 8 9\n3 1 2 4\n", "1 2 3\n3 4 5\n", "1 9 3 8\n2 8 4\n", TWO_LINES_IN_ONE, "one\ntwo\n"],
)
def test_no_guess_where_two_formats_fit(write, content):
    with pytest.raises(ConfigError, match=r"--format delimited\|inter\|adjacency\|counted-adjacency"):
        read_log([write(content)])


@pytest.mark.parametrize(
    ("content", "fmt", "message"),
    [
        (b"", "delimited", "is empty"),
        (b" \n\n", "adjacency", "is empty"),
        (b"user,item\n", "delimited", "holds no interaction"),
        (b"1,2\n1\n", "delimited", r"line 2: expected 2 fields, found 1: '1'"),
        (b"1,2\n1,2,3\n", "delimited", r"line 2: expected 2 fields, found 3"),
        (b'1,2\n"1,2\n', "delimited", r"line 2: a quote opens and does not close"),
        (b"1,2\n,3\n", "delimited", "line 2: the user is missing"),
        (b"1,2\n3, \n", "delimited", "line 2: the item is missing"),
        (b"1,2,3\n1,2,nan\n", "delimited", r"line 2: the rating is not a finite number: '1,2,nan'"),
        (b"1,2,3\n1,2,-inf\n", "delimited", "line 2: the rating is not a finite number"),
        (b"1,2,3\n1,2,good\n", "delimited", "line 2: the rating is not a finite number"),
        (b"1,2,3\n1,2,1_0\n", "delimited", "line 2: the rating is not a finite number"),
        (b"1,2,3,4\n1,2,3,1/2/2020\n", "delimited", "line 2: the time is not a finite number or a date"),
        (b"1,2\n\x00,3\n", "delimited", "line 2 holds a NUL byte"),
        (
            b"1,2\n" + b"9" * 300 + b",3\n",
            "delimited",
            "line 2: the user id has 300 characters, more than 256",
        ),
        (b"1 " + b"9" * 100_000 + b"\n", "adjacency", "an id has 100,000 characters.*99,922 more characters"),
        (b"2 1\n", "counted-adjacency", "line 1: the count says 2, but 1 items follow: '2 1'"),
        (b"-1 5\n", "counted-adjacency", "the count says -1, but 1 items follow"),
        (b"x 5\n", "counted-adjacency", "does not start with a count"),
        (b"1 5\n\n1 6\n", "counted-adjacency", "line 2: the line does not start with a count"),
    ],
)
def test_broken_files_are_named_with_line_and_content(write, content, fmt, message):
    with pytest.raises(DataError, match=message) as error:
        read_log([write(content)], fmt)
    assert "log.txt" in str(error.value)
    assert error.value.exit_code == 1
    assert len(str(error.value)) < 600


def test_many_broken_lines_are_counted_and_the_first_shown(write):
    with pytest.raises(DataError) as error:
        read_log([write("1,2\n" + "x\n" * 1234)], "delimited")
    assert "cannot read 1,234 lines" in str(error.value)
    assert "line 6:" in str(error.value)
    assert "line 7:" not in str(error.value)
    assert "and 1,229 more" in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match=r"no such file: .*valid\.tsv"):
        read_log([tmp_path / "valid.tsv"])
    with pytest.raises(DataError, match="cannot read"):
        read_log([tmp_path])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("user=1", "which column is the item"),
        ("user", "cannot read 'user'"),
        ("user=1,item=2,stars=3", "cannot read 'stars=3'"),
        ("user=1,user=2,item=3", "cannot read 'user=2'"),
    ],
)
def test_column_specs_that_make_no_sense(spec, message):
    with pytest.raises(ConfigError, match=message):
        parse_columns(spec)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (ColumnChoice(columns={"user": "1", "item": "9"}), "item=9: .* has 2 columns"),
        (ColumnChoice(columns={"user": "1", "item": "0"}), "item=0: .* has 2 columns"),
        (ColumnChoice(columns={"user": "1", "item": "1"}), "two roles point at one column"),
        (ColumnChoice(columns={"user": "who", "item": "2"}), "user=who: no such column"),
        (ColumnChoice(columns={"user": "who", "item": "2"}, header=False), "--header no"),
    ],
)
def test_column_choices_that_do_not_fit(write, choice, message):
    with pytest.raises(ConfigError, match=message):
        read_log([write("1,2\n3,4\n")], "delimited", choice)


def test_column_choices_need_the_delimited_format(write):
    with pytest.raises(ConfigError, match="not adjacency"):
        read_log([write("1 2\n")], "adjacency", ColumnChoice(header=False))
    with pytest.raises(ConfigError, match="Did you mean 'inter'"):
        read_log([write("1 2\n")], "intr")


@pytest.mark.parametrize(
    ("files", "fmt", "shape"),
    [
        (["citeulike/users.dat"], "counted-adjacency", (134_860, 7_947, 25_584)),
        (
            ["gowalla/train.txt", "gowalla/valid.txt", "gowalla/test.txt"],
            "adjacency",
            (1_027_370, 29_858, 40_981),
        ),
        (["foursquare/users.dat"], "counted-adjacency", (717_086, 24_941, 28_593)),
        (["ml-100k/ml-100k.inter"], "inter", (100_000, 943, 1_682)),
        (["beauty/sequences.txt"], "adjacency", (198_502, 22_363, 12_101)),
    ],
)
def test_real_files_have_their_published_counts(real_data, files, fmt, shape):
    result = read_log([real_data / file for file in files])
    assert all(f": {fmt}, " in note for note in result.notes[: len(files)])
    log = result.log
    assert (len(log), len(log.user_ids), len(log.item_ids)) == shape


def test_citeulike_split_keeps_the_integers_of_the_files(real_data):
    names = ("train", "valid", "test")
    log = read_log([real_data / "citeulike" / f"{name}.tsv" for name in names]).log
    assert log.user_ids == tuple(map(str, range(5_219)))
    assert log.item_ids == tuple(map(str, range(25_181)))
    train = np.loadtxt(real_data / "citeulike/train.tsv", np.int64, skiprows=1)
    assert np.array_equal(train, np.stack([log.users, log.items], axis=1)[log.parts == 0])

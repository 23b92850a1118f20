"""Tables of items and users: every form is read, ids are matched, and doubts are questions with flags."""

import csv
import gzip
import io
import json

import numpy as np
import pytest

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.rng import stream
from recpress_edge.data.features.attach import TableChoice, attach
from recpress_edge.data.features.encode import parse_specs
from recpress_edge.data.features.table import TableForm
from recpress_edge.data.ids import clean
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.data.titles import clean_title

ITEMS = ("1", "2", "7")
TITLES = ("Alien", "Amélie", "")


def dataset(items=ITEMS, users=("u", "v")):
    part = Interactions.from_pairs(np.zeros(1, int), np.zeros(1, int), len(users), len(items))
    return Dataset("tiny", part, part, part, tuple(users), tuple(items), "given files", "none")


def read(path, text, *, items=ITEMS, clean_ids=str, side="item", encoding="utf-8", **how):
    data = text if isinstance(text, bytes) else text.encode(encoding)
    path.write_bytes(data)
    form = {key: how.pop(key) for key in ("encoding", "separator", "header", "bad_lines") if key in how}
    if encoding != "utf-8":
        form["encoding"] = encoding
    features = parse_specs("--item-features", how.pop("features")) if "features" in how else ()
    choice = TableChoice(side=side, path=path, features=features, form=TableForm(**form), **how)
    return attach(dataset(items), choice, clean_ids)


def texts(made, name, side="item"):
    table = getattr(made.features, side)
    return [table.named(name).text(row) for row in range(len(table))]


JSON_ROWS = [{"id": 2, "name": "Amélie", "kind": ["Love", "Fun"]}, {"id": 1, "name": "Alien", "kind": ["Sf"]}]
FORMS = {
    "csv": ("itemId,name,kind\n2,Amélie,Love|Fun\n1,Alien,Sf\n", {"title": "name", "features": "kind"}),
    "semicolons": ("id;name;kind\n2;Amélie;Love|Fun\n1;Alien;Sf\n", {"title": "name", "features": "kind"}),
    "quoted": ('id,name,kind\n2,"Amélie","Love|Fun"\n"1",Alien,Sf\n', {"title": "name", "features": "kind"}),
    "movielens 1m": ("1::Alien::Sf\n2::Amélie::Love|Fun\n", {"title": "2", "features": "kind=3:many"}),
    "movielens 100k": (
        "1|Alien|01-Jan-1995||http://a/Alien|Sf\n2|Amélie|01-Jan-1995||http://a/b|Love,Fun\n",
        {"title": "2", "features": "kind=6:many:comma"},
    ),
    "recbole": (
        "item_id:token\tname:token_seq\tkind:token_seq\n2\tAmélie\tLove Fun\n1\tAlien\tSf\n",
        {"title": "name", "features": "kind"},
    ),
    "json lines": ("\n".join(map(json.dumps, JSON_ROWS)), {"title": "name", "features": "kind"}),
    "json array": (json.dumps(JSON_ROWS), {"title": "name", "features": "kind"}),
    "python lists": (
        "id\tname\tkind\n2\tAmélie\t['Love', 'Fun']\n1\tAlien\t['Sf']\n",
        {"title": "name", "features": "kind"},
    ),
    "windows": (
        "\ufeffid,name,kind\r\n2,Amélie,Love|Fun\r\n1,Alien,Sf\r\n",
        {"title": "name", "features": "kind"},
    ),
    "gzip": (
        gzip.compress("id,name,kind\n2,Amélie,Love|Fun\n1,Alien,Sf\n".encode()),
        {"title": "name", "features": "kind"},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_titles_and_features_are_the_same_however_a_table_is_written(tmp_path, form):
    text, how = FORMS[form]
    made, record = read(tmp_path / "items", text, **how)
    assert made.titles == TITLES
    assert texts(made, "kind") == ["Sf", "Love|Fun", ""]
    assert made.digest() == dataset().digest()
    assert any("2 of 3 items have one" in note for note in record["read"])


def test_parquet_has_types_and_lists(tmp_path):
    duckdb = pytest.importorskip("duckdb", reason="the extra data reads Parquet")
    rows = "(2, 'Amélie', ['Love', 'Fun'], 1.5), (1, 'Alien', ['Sf'], NULL), (9, 'Heat', NULL, 2)"
    path = tmp_path / "items.parquet"
    duckdb.sql(f"COPY (SELECT * FROM (VALUES {rows}) t(id, name, kind, price)) TO '{path}' (FORMAT parquet)")
    choice = TableChoice(
        side="item",
        path=path,
        title="name",
        features=parse_specs("--item-features", "kind,price"),
        form=TableForm(),
    )
    made, _ = attach(dataset(), choice, str)
    assert made.titles == TITLES
    assert texts(made, "kind") == ["Sf", "Love|Fun", ""]
    assert texts(made, "price") == ["", "1.5", ""]
    path.write_bytes(path.read_bytes()[:100] + b"PAR1")
    with pytest.raises(DataError, match="cannot be read"):
        attach(dataset(), choice, str)


def test_another_encoding_is_asked_for_by_the_flag_of_tables(tmp_path):
    text = "1::Alien\n2::Amélie, The\n"
    with pytest.raises(ConfigError, match=r"--table-encoding, such as .*cp1252"):
        read(tmp_path / "movies.dat", text.encode("latin1"), title="2")
    made, _ = read(tmp_path / "movies.dat", text, encoding="latin1", title="2")
    assert made.titles[1] == "Amélie, The"


def test_strangers_and_rows_without_an_id_are_counted(tmp_path):
    text = "id,name\n1,Alien\n8,Jaws\n9,Heat\n,Nobody\n"
    made, record = read(tmp_path / "items.csv", text, title="name")
    assert made.titles == ("Alien", "", "")
    (first, *_) = record["read"]
    assert "a row for 1 of 3 items; 2 rows of other items, which the log does not hold, such as '8'" in first
    assert "1 row without an id" in first


def test_ids_are_settled_as_those_of_the_log(tmp_path):
    text = "id,name\n1.0,Alien\n\u200b2,Amélie\n"
    with pytest.raises(DataError, match=r"no row is of an item of the log.*like '1.0', the log's like '1'"):
        read(tmp_path / "items.csv", text, title="name")
    made, _ = read(tmp_path / "items.csv", text, title="name", clean_ids=clean)
    assert made.titles == TITLES


def test_rows_of_one_id_must_agree_in_what_is_used(tmp_path):
    text = "id,name,price\n1,Alien,3\n1,Alien,4\n2,Amélie,5\n"
    made, record = read(tmp_path / "items.csv", text, title="name")
    assert made.titles == TITLES
    assert "1 repeated row" in record["read"]
    with pytest.raises(
        DataError, match=r"lines 2 and 3 are of '1' and differ in column 3 \(price\): '3' and '4'"
    ):
        read(tmp_path / "items.csv", text, title="name", features="price")
    with pytest.raises(DataError, match=r"differ in column 2 \(name\): 'Alien' and 'Aliens'"):
        read(tmp_path / "items.csv", "id,name\n1,Alien\n1,Aliens\n", title="name")


@pytest.mark.parametrize(
    ("text", "how", "message"),
    [
        # row numbers that could be ids as well as the first column
        ("1,2,Alien\n2,1,Amélie\n3,7,Up\n", {"title": "3"}, "which column has the ids.*--item-id 2"),
        ("id,imdb,name\n1,7,A\n5,2,B\n6,1,C\n", {"title": "name"}, "--item-id imdb"),
        ("itemId,asin,name\n1,7,A\n2,2,B\n", {"title": "name"}, "which column has the ids"),
        (
            "sku,name\n1,A\n2,B\n",
            {"title": "name"},
            "column 1 .sku. holds 2 of the log's 3 ids.*--item-id sku",
        ),
        ("code,name\n1,A\n2,B\n", {"title": "2"}, "looks like a header. Say --table-header yes"),
        ("id,name\n1,A\n", {"title": "title"}, "--title title: no such column in .*Found: id, name"),
        ("id,name,name\n1,A,B\n", {"title": "name"}, "2 columns of that name; give a position"),
        ("id,name\n1,A\n", {"title": "name", "features": "genre"}, "--item-features genre: no such column"),
    ],
)
def test_doubts_are_questions(tmp_path, text, how, message):
    with pytest.raises(ConfigError, match=message):
        read(tmp_path / "items.csv", text, **how)


def test_the_answer_to_a_question_is_taken(tmp_path):
    text = "1,2,Alien\n2,1,Amélie\n3,7,Up\n"
    made, _ = read(tmp_path / "items.csv", text, title="3", id_column="2")
    assert made.titles == ("Amélie", "Alien", "Up")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,name\n1,Alien\n2\n", "line 3: expected 2 fields, found 1"),
        ("id,name\n", "holds no row"),
        ("id,name\n1,\n2,nan\n", r"no item of the log has a title in column 2 \(name\)"),
        ("id,name\nx,A\n", "no row is of an item of the log"),
    ],
)
def test_a_broken_table_is_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path / "items.csv", text, title="name")


def test_titles_are_one_short_line_that_steers_nothing(tmp_path):
    odd = ["\x1b[2J\x1b]0;evil\x07Red", "left \u202eright", "x" * 500]
    rows = [{"id": id, "name": name} for id, name in zip(ITEMS, odd, strict=True)]
    made, _ = read(tmp_path / "items.json", json.dumps(rows), title="name")
    assert made.titles == ("[2J ]0;evil Red", "left right", "x" * 199 + "…")
    made, _ = read(tmp_path / "items.json", json.dumps([{"id": 1, "name": "half \ud83d a"}]), title="name")
    assert made.titles[0] == "half \ufffd a"


def test_users_have_features_of_their_own(tmp_path):
    made, record = read(tmp_path / "u.csv", "user,age\nu,30\nw,50\n", side="user", features="age:numeric")
    assert texts(made, "age", "user") == ["30", ""]
    assert made.features.item is None
    assert "user features: age: numbers from 30 to 30, 1 users without" in record["read"]


def written(rows, form):
    """The same table of three texts a row in one of several forms."""
    if form == "json":
        return "\n".join(json.dumps(dict(zip(("id", "name", "kind"), row, strict=True))) for row in rows)
    mark = {"csv": ",", "tsv": "\t", "semicolon": ";"}[form]
    file = io.StringIO()
    writer = csv.writer(file, delimiter=mark, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "name", "kind"), *rows])
    return file.getvalue()


@pytest.mark.parametrize("form", ["csv", "tsv", "semicolon", "json"])
@pytest.mark.parametrize("seed", range(15))
def test_random_tables_come_back_text_for_text(tmp_path, form, seed):
    rng = stream(seed, "side tables")
    letters = [*"ab 1,;|\"'\t:é日☂\\<&", '""', "::", *([] if form == "tsv" else ["\n"])]
    ids = [str(n) for n in rng.permutation(60)]

    def word(most):
        return "".join(letters[n] for n in rng.integers(0, len(letters), int(rng.integers(1, most))))

    rows = [(name, word(12), word(5)) for name in ids[:40]]
    items = tuple(ids[20:])
    made, _ = read(
        tmp_path / "items", written(rows, form), items=items, title="name", features="kind:categorical"
    )
    known = {name: (title, kind) for name, title, kind in rows}
    nothing = ("", "")
    assert made.titles == tuple(clean_title(known.get(name, nothing)[0]) for name in items)
    assert made.titles == tuple(" ".join(known.get(name, nothing)[0].split()) for name in items)
    assert texts(made, "kind") == [" ".join(known.get(name, nothing)[1].split()) for name in items]

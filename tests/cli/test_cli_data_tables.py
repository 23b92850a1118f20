"""Titles and features on the command line: what is said, what is stored, what is refused."""

import json
from pathlib import Path

import pytest

from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError
from recpress_edge.data.store import open_dataset
from recpress_edge.jobs.data_import import ImportRequest


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"u{user},i{item},{item % 3}\n" for user in range(4) for item in range(5))
    Path("log.csv").write_text("user_id,item_id,slot\n" + rows)
    Path("items.csv").write_text("item_id,name,price\ni0,Alien,1.5\ni1,Up,\ni9,Heat,3\n")
    Path("users.csv").write_text("user_id,tags\nu0,a|b\nu1,a\n")


TABLES = (
    "--items", "items.csv", "--title", "name", "--item-features", "price", "--users", "users.csv",
    "--user-features", "tags", "--context", "slot",
)  # fmt: skip


def test_import_says_what_it_found_and_stats_shows_it(files, capsys):
    assert main(["data", "import", "log.csv", "--name", "shop", *TABLES]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "items.csv: header, comma-separated; 3 rows; ids in column 1 (item_id); a row for 2 of 5 items" in out
    )
    assert "1 row of another item, which the log does not hold, such as 'i9'" in out
    assert "titles from column 2 (name): 2 of 5 items have one" in out
    assert "item features: price: numbers from 1.5 to 1.5, 4 items without" in out
    assert "user features: tags: 2 values, up to 2 a row, parted by pipe, 2 users without" in out
    assert "context: slot: 3 categories of whole numbers" in out
    assert main(["data", "stats", "shop"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "titles 2 of 5 items have one" in out
    assert "item price numeric 1.5 to 1.5 4" in out
    assert "user tags many 2, up to 2 a row 2" in out
    assert main(["data", "stats", "shop", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["titles"] == 2
    assert facts["features"]["context"] == [
        {"name": "slot", "kind": "categorical", "values": 3, "missing": 0}
    ]
    manifest = json.loads(Path("data/shop/manifest.json").read_text())
    assert [source["of"] for source in manifest["tables"]] == ["item", "user"]
    assert [source["features"] for source in manifest["tables"]] == [["price"], ["tags"]]
    assert manifest["asked"]["context"] == ["slot"]
    assert facts["tables"] == manifest["tables"]
    assert set(manifest["files"]) >= {"titles.txt", "item_features.npz", "context_features.npz"}


def test_a_dry_run_reads_the_tables_too(files):
    words = ["data", "import", "log.csv", "--name", "shop", "--dry-run"]
    assert main([*words, "--items", "items.csv", "--title", "nome"]) == 2
    assert main([*words, *TABLES]) == 0
    assert not Path("data").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"title": "name"}, "--title is of a table of items: give it with --items FILE"),
        ({"user_features": "tags"}, "--user-features is of a table of users"),
        ({"items": Path("items.csv")}, "say what to take, --title COLUMN or --item-features"),
        ({"users": Path("users.csv"), "user_id": "1"}, "say what to take, --user-features"),
        ({"table_encoding": "latin1"}, "--table-encoding is of --items and --users, and neither is given"),
        ({"items": Path("none.csv"), "title": "name"}, "no such file"),
        ({"items": Path("items.csv"), "title": "name", "table_header": "maybe"}, "write yes or no"),
        (
            {"items": Path("items.csv"), "item_features": "price:odd"},
            "--item-features .* cannot read 'price:odd'",
        ),
    ],
)
def test_flags_that_make_no_sense(files, words, message):
    with pytest.raises(ConfigError, match=message):
        ImportRequest(paths=(Path("log.csv"),), name="shop", **words).plan()


def test_movielens_100k(real_data, tmp_path):
    """RecBole's tables of MovieLens 100K: every item has the title that its line has."""
    folder = real_data / "ml-100k"
    request = ImportRequest(
        paths=(folder / "ml-100k.inter",),
        name="ml",
        split="loo-time",
        items=folder / "ml-100k.item",
        title="movie_title",
        item_features="class,release_year",
        users=folder / "ml-100k.user",
        user_features="age:numeric,gender,occupation,zip_code",
        work=tmp_path,
    )
    data = open_dataset(request.run().target)
    lines = [line.split("\t") for line in (folder / "ml-100k.item").read_text().splitlines()[1:]]
    assert dict(zip(data.item_ids, data.titles, strict=True)) == {line[0]: line[1] for line in lines}
    kinds, years = (data.features.item.named(name) for name in ("class", "release_year"))
    for row, name in enumerate(data.item_ids):
        (line,) = [line for line in lines if line[0] == name]
        assert kinds.text(row) == line[3].replace(" ", "|")
        assert years.text(row) == line[2].strip()
    assert (len(kinds.values), data.features.user.named("occupation").values[0]) == (19, "administrator")
    assert data.features.user.named("age").text(data.user_ids.index("1")) == "24"


def test_movielens_1m(real_data, tmp_path):
    """GroupLens's own tables: '::' without a header, in latin1."""
    movies = [line.split("::") for line in (real_data / "ml-1m/movies.dat").read_text("latin1").splitlines()]
    rows = "".join(f"{n % 50},{movie[0]}\n" for n, movie in enumerate(movies) for _ in range(1))
    (tmp_path / "log.csv").write_text("user,item\n" + rows)
    request = ImportRequest(
        paths=(tmp_path / "log.csv",),
        name="ml",
        columns="user=user,item=item",
        items=real_data / "ml-1m/movies.dat",
        title="2",
        item_features="genres=3:many",
        users=real_data / "ml-1m/users.dat",
        user_features="gender=2,age=3,job=4,zip=5",
        table_encoding="latin1",
        work=tmp_path,
    )
    data = request.plan().prepared.dataset
    assert dict(zip(data.item_ids, data.titles, strict=True)) == {movie[0]: movie[1] for movie in movies}
    genres = data.features.item.named("genres")
    assert len(genres.values) == 18
    assert [genres.text(data.item_ids.index(movie[0])) for movie in movies] == [movie[2] for movie in movies]

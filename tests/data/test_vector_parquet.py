"""Vectors from parquet: lists or numbered columns, with ids beside them; ambiguity is a question."""

import numpy as np
import pytest

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.vectors.sides import checked, read_ids, read_vectors

duckdb = pytest.importorskip("duckdb", reason="vectors from parquet need duckdb (extra data)")


@pytest.fixture
def written(tmp_path):
    """Writes a parquet file from rows of SQL."""

    def write(query, name="v.parquet"):
        path = tmp_path / name
        duckdb.connect(":memory:").execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        return path

    return write


def side(text, ids=None, bias=None):
    return checked(read_vectors("item", str(text), ids, bias), "item")


ROWS = "(VALUES (7, 'x', [1.0, 2.0]), (8, 'y', [3.0, 4.0])) t(item_id, colour, emb)"


def test_a_column_of_lists_with_its_ids(written):
    path = written(f"SELECT * FROM {ROWS}")
    assert side(path).ids == ["7", "8"]
    assert side(path).rows.tolist() == [[1, 2], [3, 4]]
    assert side(f"{path}:emb", ids=f"{path}:colour").ids == ["x", "y"]
    assert read_ids(f"{path}:item_id", "item") == ["7", "8"]
    assert side(written(f"SELECT emb::FLOAT[2] AS emb FROM {ROWS}")).ids is None


def test_a_file_of_ids_needs_no_vectors(written, tmp_path):
    np.save(tmp_path / "rows.npy", np.eye(2))
    for query in ("SELECT 'a' AS item UNION ALL SELECT 'b'", "SELECT 1 AS item_id1 UNION ALL SELECT 2"):
        ids = str(written(query))
        assert side(tmp_path / "rows.npy", ids=ids).ids == read_ids(ids, "item")
        assert len(read_ids(ids, "item")) == 2


def test_the_order_of_rows_is_kept_and_a_name_is_no_pattern(written):
    query = "SELECT 'i' || i AS id, [i, -i] AS v FROM range(5000) r(i)"
    path, _ = written(query, "v[1]*.parquet"), written("SELECT 1 AS id, [0.0] AS v", "v1.parquet")
    found = side(path)
    assert found.ids == [f"i{row}" for row in range(5000)]
    assert np.array_equal(found.rows, np.column_stack([np.arange(5000), -np.arange(5000)]))


def test_numbered_columns_go_by_their_numbers(written):
    names = [f"f{at}" for at in (2, 0, 10, 1, 3, 4, 5, 6, 7, 8, 9)]
    columns = ", ".join(f"{name.removeprefix('f')}::FLOAT AS {name}" for name in names)
    path = written(f"SELECT 'a' AS id, {columns}")
    assert side(path).rows.tolist() == [list(range(11))]
    assert side(f"{path}:f*").rows.tolist() == [list(range(11))]
    assert side(written('SELECT \'a\' AS id, 5.0 AS "0", 6.0 AS "1"')).rows.tolist() == [[5, 6]]


def test_a_bias_is_a_column_by_name(written):
    path = written("SELECT i AS id, [i, 1.0] AS v, i / 4 AS b FROM range(3) r(i)")
    assert side(path, bias=f"{path}:b").biases.tolist() == [0, 0.25, 0.5]
    with pytest.raises(ConfigError, match="which column"):
        side(path, bias=str(path))
    with pytest.raises(DataError, match="not a number"):
        side(path, bias=f"{path}:v")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT 1 AS id, [1.0] AS v, [2.0] AS w", r"which are the vectors, v, w\? Say --items .*:v"),
        ("SELECT 1 AS a, 'x' AS b, [1.0] AS v", r"which column holds the ids, a, b\? Say --item-ids .*:a"),
        ("SELECT 1 AS id, 1.0 AS f0, 2.0 AS f1, 3.0 AS g0", r"which are the vectors, f\*, g\*"),
    ],
)
def test_two_candidates_are_a_question(written, query, says):
    with pytest.raises(ConfigError, match=says):
        side(written(query))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT 1 AS id, 2.0 AS x, 3.0 AS y", "no column of lists of numbers.*It has id INTEGER, x DECIMAL"),
        ("SELECT 1 AS id, 1.0 AS f0, 3.0 AS f2", "none numbered from 0 or 1"),
        ("SELECT * FROM (VALUES (1, [1.0, 2]), (2, [3.0])) t(id, v)", "row 1 of v has 1 numbers, row 0 2"),
        ("SELECT * FROM (VALUES (1, [1.0]), (2, NULL)) t(id, v)", "row 1 has no v .NULL"),
        ("SELECT * FROM (VALUES ('a', [1.0]), (NULL, [2.0])) t(id, v)", "row 1 has no id .NULL"),
        ("SELECT * FROM (VALUES ('a', [1.0, NULL]), ('b', [2.0, 3])) t(id, v)", "row 0 .id 'a'. holds NaN"),
        ("SELECT * FROM (VALUES ('a', [1.0]), ('a', [2.0])) t(id, v)", "name 'a' twice, in rows 0 and 1"),
        ("SELECT * FROM (VALUES ('a', 1.0), ('b', NULL)) t(id, f0)", "row 1 has no f0 .NULL"),
        ("SELECT 1 AS id, [1.0] AS v WHERE false", "has nothing"),
    ],
)
def test_what_is_refused_is_named_with_its_place(written, query, says):
    with pytest.raises(DataError, match=says):
        side(written(query))


def test_what_is_no_parquet_or_has_no_such_column(written, tmp_path):
    path = written(f"SELECT * FROM {ROWS}")
    with pytest.raises(ConfigError, match=r"has no column 'nobody'\. It has item_id, colour, emb"):
        side(f"{path}:nobody")
    with pytest.raises(DataError, match="item_id is INTEGER, no list of numbers"):
        side(f"{path}:item_id")
    with pytest.raises(DataError, match=r"emb is .*; ids are texts or integers"):
        side(path, ids=f"{path}:emb")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        side(tmp_path / "x.parquet")

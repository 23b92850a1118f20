"""Context columns of a log: each interaction keeps its own through duplicates, filters and splits."""

import numpy as np
import pytest

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.data.store import open_dataset
from recpress_edge.jobs.data_import import ImportRequest


def write_log(path, seed=0, users=12, items=15, rows=400):
    """Rows with repeats; what is known of each pair at its earliest time, the first row of equal times."""
    rng = stream(seed, "context")
    first, lines = {}, ["user,item,time,place,hour"]
    for number in range(rows):
        user, item, time = int(rng.integers(users)), int(rng.integers(items)), int(rng.integers(1, 60))
        known = (f"p{number % 7}" if number % 11 else "", str(number % 24))
        lines.append(f"{user},{item},{1_600_000_000 + 86_400 * time},{known[0]},{known[1]}")
        if (user, item) not in first or time < first[user, item][0]:
            first[user, item] = (time, known)
    path.write_text("\n".join(lines) + "\n")
    return {pair: known for pair, (_, known) in first.items()}


def contexts(data):
    """(user, item) to the texts of its context columns, and in which part it is."""
    table, at = data.features.context, 0
    found = {}
    for part in (data.train, data.valid, data.test):
        for user, item in zip(part.users().tolist(), part.indices.tolist(), strict=True):
            pair = int(data.user_ids[user]), int(data.item_ids[item])
            assert pair not in found
            found[pair] = tuple(column.text(at) for column in table.columns)
            at += 1
    assert at == len(table)
    return found


@pytest.mark.parametrize("split", ["loo-random", "loo-time", "ratio:60/20/20", "time:80/10/10"])
@pytest.mark.parametrize("least", [1, 18])
def test_each_interaction_keeps_the_context_of_its_first_row(tmp_path, split, least):
    known = write_log(tmp_path / "log.csv")
    request = ImportRequest(
        paths=(tmp_path / "log.csv",),
        name="c",
        split=split,
        min_item=min(least, 8),
        context="place,hour:numeric",
        work=tmp_path,
    )
    data = open_dataset(request.run().target)
    found = contexts(data)
    assert found == {pair: known[pair] for pair in found}
    assert [column.name for column in data.features.context.columns] == ["place", "hour"]
    assert data.features.context.named("place").missing() > 0


def test_parquet_has_context_too(tmp_path):
    duckdb = pytest.importorskip("duckdb", reason="the extra data reads Parquet")
    known = write_log(tmp_path / "log.csv")
    path = tmp_path / "log.parquet"
    duckdb.sql(f"COPY (SELECT * FROM read_csv('{tmp_path}/log.csv')) TO '{path}' (FORMAT parquet)")
    request = ImportRequest(paths=(path,), name="c", split="loo-time", context="place,hour", work=tmp_path)
    found = contexts(request.plan().prepared.dataset)
    assert found == {pair: known[pair] for pair in found}
    assert len(found) == len(known)


def test_given_files_have_their_context_by_name(tmp_path):
    (tmp_path / "train.csv").write_text("user,item,day\na,x,mon\nb,y,tue\na,y,wed\nb,z,thu\n")
    (tmp_path / "valid.csv").write_text("user,item,day\na,z,sun\n")
    (tmp_path / "test.csv").write_text("day,user,item\nsat,b,x\n")
    files = {"valid_file": "valid.csv", "test_file": "test.csv"}
    paths = {role: tmp_path / name for role, name in files.items()}
    request = ImportRequest(paths=(tmp_path / "train.csv",), **paths, name="g", context="day", work=tmp_path)
    column = request.plan().prepared.dataset.features.context.named("day")
    assert [column.text(row) for row in range(6)] == ["mon", "wed", "tue", "thu", "sun", "sat"]


def test_a_log_without_context_is_the_same_data_set(tmp_path):
    write_log(tmp_path / "log.csv")
    with_context, without = (
        ImportRequest(paths=(tmp_path / "log.csv",), name="c", context=context, work=tmp_path).plan().prepared
        for context in ("place=4", None)
    )
    assert with_context.dataset.digest() == without.dataset.digest()
    assert with_context.dataset.features.context.columns[0].name == "place"
    assert without.dataset.features is None
    assert any("context = place; ignored: hour" in note for note in with_context.record["read"])


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (
            "where",
            "--context, --label or --weight where: no such column in .*Found: user, item, time, place, hour",
        ),
        ("item", "--context, --label or --weight item is the user, item, rating or time already"),
        ("place,", "cannot read ''"),
    ],
)
def test_columns_that_are_no_context(tmp_path, context, message):
    write_log(tmp_path / "log.csv")
    with pytest.raises(ConfigError, match=message):
        ImportRequest(paths=(tmp_path / "log.csv",), name="c", context=context, work=tmp_path).plan()


def test_lists_have_no_context(tmp_path):
    (tmp_path / "lists.txt").write_text("u1 a b c d e\nu2 c d\nu3 a\n")
    request = ImportRequest(
        paths=(tmp_path / "lists.txt",), name="c", format="adjacency", context="2", work=tmp_path
    )
    with pytest.raises(ConfigError, match="--where and --context are for --format delimited"):
        request.plan()


def test_real_context(real_data, tmp_path):
    """Ratings as context: each pair of MovieLens 100K has one row."""
    path = real_data / "ml-100k" / "ml-100k.inter"
    request = ImportRequest(paths=(path,), name="ml", context="rating=3", work=tmp_path)
    with pytest.raises(ConfigError, match="is the user, item, rating or time already"):
        request.plan()
    (tmp_path / "log.csv").write_text(path.read_text().replace("rating:float", "stars:float"))
    request = ImportRequest(
        paths=(tmp_path / "log.csv",),
        name="ml",
        format="inter",
        context="stars",
        split="loo-time",
        work=tmp_path,
    )
    found = contexts(request.plan().prepared.dataset)
    rows = [line.split("\t") for line in path.read_text().splitlines()[1:]]
    assert found == {(int(user), int(item)): (stars,) for user, item, stars, _ in rows}
    assert np.array(list(found)).shape == (100_000, 2)

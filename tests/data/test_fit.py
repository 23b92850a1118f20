"""Fields are fitted on train rows alone, and every row is encoded as single values are."""

import dataclasses

import numpy as np
import pytest

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.features.columns import FeatureColumn, Features, FeatureTable
from recpress_edge.data.features.fit import encode_rows, fit_fields
from recpress_edge.data.features.rows import LabelledRows
from recpress_edge.data.interactions import Dataset, Interactions

N_USERS, N_ITEMS, SIZES = 5, 6, (40, 10, 10)


def column(name, kind, values, size=0):
    """A column of texts, numbers or lists."""
    if kind in ("numeric", "integer"):
        return FeatureColumn(name, kind, numbers=np.array(values, float), size=size)
    rows = values if kind == "many" else [[value] if value else [] for value in values]
    texts = tuple(sorted({text for row in rows for text in row}))
    if kind == "many":
        codes = np.array([texts.index(text) for row in rows for text in row], np.int32)
        indptr = np.cumsum([0, *map(len, rows)])
        return FeatureColumn(name, kind, texts, codes=codes, indptr=indptr, size=size)
    codes = np.array([texts.index(row[0]) if row else -1 for row in rows], np.int32)
    return FeatureColumn(name, kind, texts, codes=codes, size=size)


def data(**more):
    rng = np.random.default_rng(0)
    n = sum(SIZES)
    users, items = rng.integers(0, N_USERS - 1, n), rng.integers(0, N_ITEMS, n)
    users[-1] = N_USERS - 1  # a user whom train does not know
    rows = LabelledRows(
        users.astype(np.int32), items.astype(np.int32), rng.integers(0, 2, n).astype(np.uint8), SIZES
    )
    amounts = np.concatenate([np.repeat([1.0, 2, 3, 4], 10), np.full(20, 1e6)])
    context = (
        column("city", "hashed", [f"c{i % 7}" if i else "" for i in range(n)], size=16),
        column("amount", "numeric", np.where(np.arange(n) == 3, np.nan, amounts), size=4),
        column("hour", "integer", [*[5, 9] * 20, *[23] * 20]),
        column("place", "categorical", ["rare", *["a", "b", ""] * 19, "late", "late"]),
    )
    genres = column("genres", "many", [["x"], ["x", "y", "z"], [], ["y"], ["z", "x"], ["x"]], size=2)
    none = Interactions.from_pairs(np.empty(0, int), np.empty(0, int), N_USERS, N_ITEMS)
    made = Dataset(
        "d", none, none, none, tuple(f"u{u}" for u in range(N_USERS)), tuple("ABCDEF"), "", "",
        features=Features(item=FeatureTable((genres,)), context=FeatureTable(context)), labelled=rows,
    )  # fmt: skip
    return dataclasses.replace(made, **more)


def by_name(fields):
    return {field.name: field for field in fields}


def test_fields_know_train_alone():
    fields = by_name(fit_fields(data(), 1))
    assert list(fields) == ["user", "item", "genres", "city", "amount", "hour", "place"]
    assert [field.side for field in fields.values()] == ["user", "item", "item", *["context"] * 4]
    assert fields["user"].values == ("u0", "u1", "u2", "u3")  # u4 is in test alone
    assert (fields["hour"].least, fields["hour"].most) == (5, 9)
    assert fields["amount"].edges == (2.0, 3.0, 3.5)  # quartiles of 39 numbers, none of the other parts
    assert fields["place"].values == ("a", "b", "rare")
    assert (fields["city"].buckets, fields["genres"].capacity) == (16, 2)


def test_rare_values_are_unknown():
    assert by_name(fit_fields(data(), 2))["place"].values == ("a", "b")
    assert by_name(fit_fields(data(), 14))["place"].values == ()


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_rows_are_encoded_as_single_values(part):
    known = data()
    fields, at = fit_fields(known, 2), known.labelled.part(part)
    rows = encode_rows(fields, known, part)
    assert rows.shape == (SIZES[("train", "valid", "test").index(part)], 8)
    assert rows.dtype == np.int32
    tables = {c.name: c for table in known.features.tables().values() for c in table.columns}
    for place, row in enumerate(range(at.start, at.stop)):
        user, item = int(known.labelled.users[row]), int(known.labelled.items[row])
        expected = []
        for field in fields:
            if field.name in ("user", "item"):
                value = known.user_ids[user] if field.name == "user" else known.item_ids[item]
            else:
                text = tables[field.name].text(item if field.side == "item" else row)
                value = text.split("|") if field.kind == "many" else text
            expected += field.rows_of(value)
        assert rows[place].tolist() == expected


def test_unusual_texts_meet_their_vocabulary():
    known = data()
    ids = ("e\u0301", "\u00e9", "u2", "u3", "u4")  # one text in two forms
    fields = fit_fields(dataclasses.replace(known, user_ids=ids), 1)
    assert fields[0].values[0] == "\u00e9"
    assert set(encode_rows(fields, dataclasses.replace(known, user_ids=ids), "train")[:, 0]) == {2, 3, 4}


def test_what_cannot_be_fitted_is_refused():
    known = data()
    with pytest.raises(ConfigError, match=r"2 features are called 'item'.*--context other=item"):
        fit_fields(dataclasses.replace(known, features=Features(context=FeatureTable((_named("item"),)))), 1)
    nothing = column("empty", "integer", [np.nan] * 50 + [1] * 10)
    with pytest.raises(DataError, match="'empty' has no value in the train rows"):
        fit_fields(dataclasses.replace(known, features=Features(context=FeatureTable((nothing,)))), 1)
    wide = column("stamp", "integer", np.arange(60) * 10.0**6)
    with pytest.raises(ConfigError, match=r"would have a row for each\. Import it as amounts: stamp:numeric"):
        fit_fields(dataclasses.replace(known, features=Features(context=FeatureTable((wide,)))), 1)
    with pytest.raises(ConfigError, match=r"'d' has no labels.*--label COLUMN"):
        fit_fields(dataclasses.replace(known, labelled=None), 1)


def _named(name):
    return column(name, "categorical", ["a"] * 60)


def test_edges_are_none_where_all_is_one_value():
    same = column("same", "numeric", [3.0] * 60)
    (*_, field) = fit_fields(data(features=Features(context=FeatureTable((same,)))), 1)
    assert isinstance(field, FeatureField)
    assert (field.edges, field.size) == ((), 3)

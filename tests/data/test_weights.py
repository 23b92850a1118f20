"""--weight: added up over repeated rows, kept with each interaction, and never zero in silence."""

import shlex
from dataclasses import replace

import numpy as np
import pytest

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.everything import everything, store_everything
from recpress_edge.data.features.columns import Features, FeatureTable
from recpress_edge.data.features.encode import FeatureSpec
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.prepare import Preparation
from recpress_edge.data.readers.columns import ColumnChoice
from recpress_edge.data.store import dataset_path, open_dataset, save_dataset
from recpress_edge.jobs.data_import import ImportRequest
from recpress_edge.training.plan import ModelRequest, TrainOptions, plan_model, want
from recpress_edge.training.refit import joined

ROWS = "user,item,plays\n" + "".join(f"u{u},i{i},{u + i + 1}\n" for u in range(4) for i in range(5))


def prepared(tmp_path, text, **flags):
    path = tmp_path / "plays.csv"
    path.write_text(text)
    return ImportRequest(paths=(path,), name="w", work=tmp_path, **flags).plan().prepared


def weights(dataset):
    """(user, item) -> weight."""
    column = dataset.features.context.named("weight")
    parts = (dataset.train, dataset.valid, dataset.test)
    pairs = [(int(u), int(i)) for part in parts for u, i in zip(part.users(), part.indices, strict=True)]
    return {
        (dataset.user_ids[u], dataset.item_ids[i]): column.numbers[row] for row, (u, i) in enumerate(pairs)
    }


def test_weights_of_repeated_rows_are_added_up(tmp_path):
    found = weights(prepared(tmp_path, ROWS + "u1,i2,2.5\n", weight="plays").dataset)
    assert found[("u1", "i2")] == 4 + 2.5
    assert found[("u3", "i4")] == 8
    assert len(found) == 20


@pytest.mark.parametrize("bad", ["0", "-1", "", "many", "nan"])
def test_a_weight_that_is_no_positive_number_is_a_question(tmp_path, bad):
    with pytest.raises(ConfigError, match=r"--weight plays: 1 of 21 rows have no positive number.*--where"):
        prepared(tmp_path, ROWS + f"u1,i2,{bad}\n", weight="plays")
    where = "TRY_CAST(plays AS DOUBLE) > 0 AND isfinite(TRY_CAST(plays AS DOUBLE))"
    assert (
        len(weights(prepared(tmp_path, ROWS + f"u1,i2,{bad}\n", weight="plays", where=where).dataset)) == 20
    )


def test_the_advice_leaves_decimal_commas_in(tmp_path):
    text = "user;item;plays\n" + "".join(f"u{u};i{i};{u},5\n" for u in range(4) for i in range(5))
    with pytest.raises(ConfigError, match="1 of 21 rows") as told:
        prepared(tmp_path, text + "u1;i2;0\n", weight="plays")
    where = shlex.split(str(told.value))[-1]
    assert len(weights(prepared(tmp_path, text + "u1;i2;0\n", weight="plays", where=where).dataset)) == 20


def test_commas_and_points_in_one_column_are_a_question(tmp_path):
    text = ROWS.replace(",8\n", ",1.234\n").replace(",7\n", ',"4,5"\n')
    with pytest.raises(ConfigError, match=r"'4,5' has a comma and '1\.234' a point.*--query"):
        prepared(tmp_path, text, weight="plays")
    whole = "SELECT * REPLACE (replace(replace(plays, '.', ''), ',', '.') AS plays) FROM log"
    found = weights(prepared(tmp_path, text, weight="plays", query=whole).dataset)
    assert {1234.0, 4.5} <= set(found.values())


def test_a_column_is_a_weight_or_context(tmp_path):
    with pytest.raises(ConfigError, match=r"--context names plays .* and so does --weight"):
        prepared(tmp_path, ROWS, weight="plays", context="plays")
    with pytest.raises(ConfigError, match=r"--context names plays or a weight, and so does --weight"):
        prepared(tmp_path, ROWS.replace("item,", "item,weight,", 1), weight="plays", context="weight")
    with pytest.raises(ConfigError, match="no such column"):
        prepared(tmp_path, ROWS, weight="listens")


def test_rows_that_are_rated_too_low_have_no_weight(tmp_path):
    text = "user,item,plays,rating\n" + "".join(f"u{u},i{i},1,5\n" for u in range(4) for i in range(5))
    found = weights(prepared(tmp_path, text + "u1,i2,100,1\n", weight="plays", min_rating=4).dataset)
    assert found[("u1", "i2")] == 1


def of_interactions(dataset):
    """(user, item) -> weight, as methods see it."""
    return {
        (dataset.user_ids[user], dataset.item_ids[item]): weight
        for part in (dataset.train, dataset.valid, dataset.test)
        for user, item, weight in zip(part.users(), part.indices, part.weights, strict=True)
    }


def test_weights_go_with_their_interactions_wherever_these_go(tmp_path):
    made = prepared(tmp_path, ROWS, weight="plays")
    stored = open_dataset(save_dataset(made, tmp_path))
    whole, both = everything(stored), joined(stored)
    for dataset in (made.dataset, stored, whole, both):
        assert of_interactions(dataset) == weights(dataset) == weights(made.dataset)
    assert len(whole.train.weights) == 20
    assert whole.valid.weights.size == 0
    across = stored.train.transposed()
    pairs = zip(across.users(), across.indices, across.weights, strict=True)
    known = of_interactions(stored)
    assert all(known[(stored.user_ids[u], stored.item_ids[i])] == weight for i, u, weight in pairs)
    some = stored.train.rows(np.array([2, 0]))
    assert some.weights.tolist() == [
        weight for user in (2, 0) for weight in stored.train.only(np.array([user])).weights
    ]


def test_other_weights_are_another_model_of_those_who_read_them(tmp_path):
    first = prepared(tmp_path, ROWS, weight="plays").dataset
    other = prepared(tmp_path, ROWS.replace(",8\n", ",80\n"), weight="plays").dataset
    assert first.digest() == other.digest()

    def key(name, dataset):
        return plan_model(want(ModelRequest(name=name, role="teacher"), dataset), {}, dataset, tmp_path).key

    assert key("als_dim2", first) != key("als_dim2", other)
    assert key("bpr_dim2", first) == key("bpr_dim2", other)


def test_context_of_that_name_is_asked_about(tmp_path):
    text = ROWS.replace("plays", "weight")
    with pytest.raises(ConfigError, match=r"--context weight: .*Write --weight weight .* amount=weight"):
        prepared(tmp_path, text, context="weight")
    found = prepared(tmp_path, text, context="amount=weight:numeric").dataset
    assert found.train.weights is None


def frame():
    rows = [line.split(",") for line in ROWS.splitlines()[1:]]
    who, what, plays = zip(*rows, strict=True)
    return {"who": list(who), "what": list(what), "plays": np.array(plays, float), "shop": ["a"] * len(rows)}


@pytest.mark.parametrize(
    "how",
    [
        Preparation(weight="plays"),
        Preparation(weight="plays", context=(FeatureSpec("plays", "weight", "numeric"),)),
        Preparation(weight="plays", columns=ColumnChoice(columns={"user": "who"}, others=True)),
    ],
)
def test_weights_of_a_frame(how):
    found = Dataset.from_frame(frame(), how=how, user="who", item="what")
    assert of_interactions(found)[("u3", "i4")] == 8
    assert len(of_interactions(found)) == 20


def test_weights_and_context_of_a_frame():
    how = Preparation(weight="plays", context=(FeatureSpec("shop"),))
    found = Dataset.from_frame(frame(), how=how, user="who", item="what")
    assert [column.name for column in found.features.context.columns] == ["shop", "weight"]
    assert of_interactions(found)[("u3", "i4")] == 8
    with pytest.raises(ConfigError, match="--context names plays or a weight, and so does --weight"):
        Preparation(weight="plays", context=(FeatureSpec("plays"),))


def test_other_weights_are_stored_again_where_everything_is_joined(tmp_path):
    for rows in (ROWS, ROWS.replace(",8\n", ",80\n")):
        made = prepared(tmp_path, rows, weight="plays", force=True)
        whole = store_everything(open_dataset(save_dataset(made, tmp_path, force=True)), tmp_path)
        stored = open_dataset(dataset_path(tmp_path, whole.name))
        assert of_interactions(stored) == of_interactions(whole) == of_interactions(made.dataset)


def test_a_power_of_weights_that_are_not_there_is_refused(tmp_path):
    weighed = prepared(tmp_path, ROWS, weight="plays").dataset
    plain = prepared(tmp_path, ROWS).dataset

    def wanted(power, dataset):
        options = TrainOptions(method={"weight_power": power})
        return want(ModelRequest(name="als_dim2", role="teacher", options=options), dataset).config

    assert wanted(0.5, weighed).weight_power == 0.5
    assert wanted(0.0, plain).weight_power == 0
    with pytest.raises(ConfigError, match=r"weight_power is 0\.5, and data set 'w' has no weights"):
        wanted(0.5, plain)


@pytest.mark.parametrize("odd", [np.nan, 0.0, -1.0])
def test_a_stored_column_of_that_name_that_is_no_weight_is_context(tmp_path, odd):
    made = prepared(tmp_path, ROWS, weight="plays")
    column = made.dataset.features.context.named("weight")
    numbers = np.concatenate([[odd], column.numbers[1:]])
    table = FeatureTable((replace(column, numbers=numbers),))
    old = replace(made.dataset, features=Features(context=table))
    stored = open_dataset(save_dataset(replace(made, dataset=old), tmp_path))
    assert stored.train.weights is None
    assert np.array_equal(stored.features.context.named("weight").numbers, numbers, equal_nan=True)

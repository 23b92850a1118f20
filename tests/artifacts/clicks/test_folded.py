"""A click model folded by items: the same logits as by the definition, and int8 rows near to them."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from recpress_edge.artifacts.clicks.fields import NO_VALUE, FeatureField
from recpress_edge.artifacts.clicks.folded import fold, read_folded, tensors_of
from recpress_edge.artifacts.clicks.reading import read_weights
from recpress_edge.artifacts.clicks.weights import ClickWeights, DenseLayer, logits
from recpress_edge.core.errors import ConfigError

FIELDS = (
    FeatureField("user", "user", "categorical", tuple("abcdef")),
    FeatureField("item", "item", "categorical", tuple("klmn")),
    FeatureField("genres", "item", "many", tuple("xyz"), capacity=3),
    FeatureField("hour", "context", "integer", least=0, most=3),
)
COLUMNS = {"user": [0], "item": [1], "genres": [2, 3, 4], "hour": [5]}


def some_rows(n=60, seed=0):
    rng = np.random.default_rng(seed)
    rows = np.column_stack(
        [rng.integers(0, 8, n), rng.integers(0, 6, n), rng.integers(0, 5, (n, 3)), rng.integers(0, 6, n)]
    )
    rows[:, 3:5][rng.random((n, 2)) < 0.4] = NO_VALUE
    return rows.astype(np.int32)


def weights_of(dim=4, *, pairs=True, layers=(6, 3), seed=0):
    rng = np.random.default_rng(seed)
    size = sum(field.size for field in FIELDS)

    def drawn(*shape):
        return rng.normal(size=shape).astype(np.float32)

    widths = [len(FIELDS) * dim, *layers, 1]
    made = [DenseLayer(drawn(n_out, n_in), drawn(n_out)) for n_in, n_out in pairwise(widths)]
    return ClickWeights(FIELDS, 0.3, drawn(size), drawn(size, dim), pairs, tuple(made) if layers else ())


def parts(rows):
    """Rows of the request's fields, and of the item's."""
    return tuple(
        np.ascontiguousarray(rows[:, [column for name in names for column in COLUMNS[name]]])
        for names in (("user", "hour"), ("item", "genres"))
    )


SHAPES = {
    "lr": {"dim": 0, "pairs": False, "layers": ()},
    "fm": {"pairs": True, "layers": ()},
    "wide_deep": {"pairs": False},
    "deepfm": {},
    "one layer": {"layers": (5,)},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_folded_logits_are_those_of_the_definition(shape):
    weights, rows = weights_of(**shape), some_rows()
    asked, catalogue = parts(rows)
    model = fold(weights, catalogue)
    assert [field.name for field in model.request.fields] == ["user", "hour"]
    assert model.items.sums.shape == (60, weights.dim if weights.pairs else 0)
    wanted = logits(weights, rows)
    assert model.logits(asked, np.arange(60)) == pytest.approx(wanted, abs=2e-4)
    again = read_folded(tensors_of(model, "fp32"), model.request.fields, pairs=weights.pairs)
    assert (again.logits(asked, np.arange(60)) == model.logits(asked, np.arange(60))).all()


def test_one_request_ranks_candidates_and_ties_go_to_the_lower_item():
    weights, rows = weights_of(), some_rows()
    rows[:, [0, 5]] = rows[0, [0, 5]]
    rows[30] = rows[10]  # two items alike
    asked, catalogue = parts(rows)
    z = logits(weights, rows)
    candidates = np.array([3, 10, 11, 30, 45])
    items, scores = fold(weights, catalogue).rank(asked[0], candidates, 4)
    order = sorted(candidates.tolist(), key=lambda item: (-round(float(z[item]), 4), item))[:4]
    assert items.tolist() == order
    assert scores == pytest.approx(z[items], abs=2e-4)


def test_int8_tables_are_the_nearest_of_their_scales():
    weights, rows = weights_of(), some_rows()
    asked, catalogue = parts(rows)
    model = fold(weights, catalogue)
    plain, stored = tensors_of(model, "fp32"), tensors_of(model, "int8")
    kinds = {name: array.dtype.name for name, array in stored.items() if not name.endswith("_scale")}
    assert {kinds[name] for name in ("request_linear", "item_linear")} == {"int16"}
    assert {kinds[name] for name in ("item_sums", "item_hidden", "layer1_weight")} == {"int8"}
    assert {kinds[name] for name in ("bias", "layer0_bias")} == {"float32"}
    for name, kind in kinds.items():
        if kind != "float32":
            scale = stored[f"{name}_scale"]
            assert (np.abs(stored[name] * scale - plain[name]) <= 0.501 * scale).all(), name
    assert (np.abs(stored["item_hidden"]).max(axis=0) == 127).all()
    assert (np.abs(stored["layer0_weight"]).max(axis=1) == 127).all()
    again = read_folded(stored, model.request.fields, pairs=True)
    exact = model.logits(asked, np.arange(60))
    assert np.abs(again.logits(asked, np.arange(60)) - exact).mean() < 0.02 * np.abs(exact).mean()


def test_zeros_have_a_scale_of_one():
    weights = weights_of()
    nothing = dataclasses.replace(weights, weight=weights.weight * 0, embedding=weights.embedding * 0)
    stored = tensors_of(fold(nothing, parts(some_rows())[1]), "int8")
    assert (stored["item_sums_scale"] == 1).all()
    assert not stored["item_sums"].any()


def test_a_model_with_crosses_is_refused():
    with pytest.raises(ConfigError, match=r"has crosses \(user\*hour\).*method.crosses = \[\]"):
        read_weights({"crosses": ["user*hour"]}, {})

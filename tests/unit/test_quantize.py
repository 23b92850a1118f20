"""int8 with per-dimension scales: values a reader can check, and the corners."""

import numpy as np
import pytest
from exports import random_tables

from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_export.quantize import RECIPES, error_stats, quantize_int8_dim, recipe_named


def test_a_table_worked_out_by_hand():
    # Item scales: 127/127 = 1 and 0.254/127 = 0.002. Folded user: (2, 0.5 * 0.002) -> scale 2/127.
    user_emb = np.array([[2.0, 0.5], [0.0, 127.0]], np.float32)
    item_emb = np.array([[127.0, 0.254], [-63.6, 0.1], [0.4, -0.254]], np.float32)
    tables = quantize_int8_dim(user_emb, item_emb)
    assert tables.item_q.tolist() == [[127, 127], [-64, 50], [0, -127]]
    assert tables.user_q.tolist() == [[127, 0], [0, 127]]
    np.testing.assert_allclose(tables.item_scale, [1.0, 0.002], rtol=1e-6)
    np.testing.assert_allclose(tables.user_scale, [2 / 127, 0.002], rtol=1e-6)


def test_scores_stay_within_the_error_of_rounding():
    user_emb, item_emb = random_tables(40, 200, 8)
    tables = quantize_int8_dim(user_emb, item_emb)
    assert (np.abs(tables.item_q * tables.item_scale - item_emb) <= tables.item_scale / 2 * 1.0001).all()
    restored = tables.user_q.astype(np.int32) @ tables.item_q.T.astype(np.int32) * tables.user_scale[:, None]
    exact = user_emb @ item_emb.T
    assert np.corrcoef(restored.ravel(), exact.ravel())[0, 1] > 0.999
    stats = error_stats(user_emb, item_emb, tables)
    assert 0 < stats.item_rms < 0.02
    assert 0 < stats.user_rms < 0.02
    assert stats.saturated >= 8 + 40  # one value at least per dimension and per user


def test_rescaled_dimensions_give_the_same_integers():
    # Only the product counts: growing an item dimension and shrinking the user's changes nothing.
    user_emb, item_emb = random_tables(20, 50, 4)
    gauge = np.array([4.0, 0.25, 1.0, 1024.0], np.float32)
    plain, skewed = (
        quantize_int8_dim(user_emb, item_emb),
        quantize_int8_dim(user_emb / gauge, item_emb * gauge),
    )
    assert (plain.user_q == skewed.user_q).all()
    assert (plain.item_q == skewed.item_q).all()
    assert (plain.user_scale == skewed.user_scale).all()


def test_rows_and_columns_of_zeros_get_scale_one():
    user_emb, item_emb = random_tables(3, 4, 2)
    user_emb[1], item_emb[:, 0] = 0, 0
    tables = quantize_int8_dim(user_emb, item_emb)
    assert tables.item_scale[0] == 1
    assert tables.user_scale[1] == 1
    assert not tables.user_q[1].any()
    assert not tables.item_q[:, 0].any()
    assert np.isfinite(tables.user_scale).all()
    assert (
        error_stats(user_emb * 0, item_emb * 0, quantize_int8_dim(user_emb * 0, item_emb * 0)).item_rms == 0
    )


def test_numbers_at_the_ends_of_float32():
    tiny = np.full((2, 2), 1e-42, np.float32)  # subnormal: a scale would have no bits left
    assert not quantize_int8_dim(np.ones((1, 2), np.float32), tiny).item_q.any()
    huge = np.full((2, 2), 3e38, np.float32)
    with pytest.raises(ArtifactError, match="overflow float32"):
        quantize_int8_dim(huge, huge)
    wide = np.ones((1, 133_145), np.float32)
    with pytest.raises(ArtifactError, match="overflow int32"):
        quantize_int8_dim(wide, wide)


def test_recipes_decode_and_state_their_bytes():
    assert recipe_named("int8") is recipe_named("int8-dim") is RECIPES["int8-dim"]
    assert (RECIPES["int8-dim"].item_row_bytes(10), RECIPES["int8-dim"].user_row_bytes(10)) == (10, 14)
    assert (RECIPES["fp32"].item_row_bytes(10), RECIPES["fp32"].user_row_bytes(10)) == (40, 40)
    with pytest.raises(ConfigError, match="Did you mean 'int8-dim'"):
        recipe_named("int8-din")

"""int8 with per-dimension scales: values a reader can check, and the corners."""

import dataclasses

import numpy as np
import pytest
from exports import random_tables

from recpress_edge.artifacts.formats import FORMATS, check_recipe
from recpress_edge.artifacts.integers import pack_int4
from recpress_edge.artifacts.item_scale import CLIP_SHARES, least_error_scale
from recpress_edge.artifacts.quantize import (
    QUANTIZERS,
    error_stats,
    quantize_int4_item,
    quantize_int8_dim,
    quantize_int8_item,
    to_float16,
)
from recpress_edge.artifacts.recipes import RECIPES, recipe_named
from recpress_edge.core.errors import ArtifactError, ConfigError


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


@pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)
def test_rescaled_dimensions_give_the_same_integers(quantizer):
    # Only the product counts: growing an item dimension and shrinking the user's changes nothing.
    user_emb, item_emb = random_tables(20, 50, 4)
    gauge = np.array([4.0, 0.25, 1.0, 1024.0], np.float32)
    plain, skewed = quantizer(user_emb, item_emb), quantizer(user_emb / gauge, item_emb * gauge)
    assert (plain.user_q == skewed.user_q).all()
    assert (plain.item_q == skewed.item_q).all()
    assert (plain.user_scale == skewed.user_scale).all()


@pytest.mark.parametrize("quantizer", [quantize_int8_item, quantize_int4_item])
def test_item_scales_keep_what_they_can(quantizer):
    user_emb, item_emb = random_tables(40, 200, 8)
    item_emb *= np.geomspace(1, 1e-4, 200, dtype=np.float32)[:, None]  # rows of very different size
    tables = quantizer(user_emb, item_emb)
    bits = tables.item_bits
    top = {8: 127, 4: 7}[bits]
    assert np.abs(tables.item_q).max() == top
    assert tables.item_row_scale.dtype == np.float16
    assert tables.item_row_scale.max() <= 1  # relative to the largest, which the users' scale carries
    restored = tables.user_q.astype(float) @ tables.item_q.T * tables.user_scale[:, None].astype(float)
    restored *= tables.item_row_scale.astype(float)
    exact = (user_emb.astype(float) @ item_emb.T).T
    for row, want in zip(restored.T, exact, strict=True):  # item by item: small ones are kept as well
        assert np.corrcoef(row, want)[0, 1] > {8: 0.999, 4: 0.97}[bits]
    assert error_stats(user_emb, item_emb, tables).item_rms < {8: 0.01, 4: 0.15}[bits]


def test_int4_scale_has_the_least_error_of_all_that_were_tried():
    items = np.random.default_rng(0).standard_normal((30, 12))
    items[0] = [100.0, *np.full(11, 1.0)]  # clipping the outlier would cost more than it saves
    best = least_error_scale(items)

    def error(scale):
        return ((np.clip(np.rint(items / scale[:, None]), -7, 7) * scale[:, None] - items) ** 2).sum(axis=1)

    peak = np.abs(items).max(axis=1)
    assert best[0] * 7 >= 100
    for share in CLIP_SHARES:
        assert (error(best) <= error(peak * share / 7) + 1e-12).all()
    least = np.min([error(peak * share / 7) for share in np.linspace(0.2, 1.5, 2000)], axis=0)
    assert error(best)[1:].sum() < 1.1 * least[1:].sum() < 0.95 * error(peak / 7)[1:].sum()


def test_packing_by_hand():
    # Five dimensions: 0, 1, 2 in the low halves, 3, 4 in the high ones, and one unused 8.
    assert pack_int4(np.array([[-7, 0, 7, 1, -1]], np.int8)).tolist() == [[0x91, 0x78, 0x8F]]
    assert pack_int4(np.array([[3], [-4]], np.int8)).tolist() == [[0x8B], [0x84]]


def test_float16_refuses_what_it_cannot_hold():
    ones = np.ones((1, 1), np.float32)
    assert to_float16(ones, ones * 65504)[1] == 65504
    with pytest.raises(ArtifactError, match="reach 7e\\+04"):
        to_float16(ones, ones * 70_000)


@pytest.mark.parametrize("quantizer", [quantize_int8_item, quantize_int4_item])
def test_rows_and_columns_of_zeros_with_item_scales(quantizer):
    user_emb, item_emb = random_tables(3, 4, 2)
    user_emb[1], item_emb[:, 0], item_emb[2] = 0, 0, 0
    tables = quantizer(user_emb, item_emb)
    assert tables.item_row_scale[2] == 1
    assert not tables.item_q[2].any()
    assert not tables.user_q[1].any()
    assert not tables.item_q[:, 0].any()
    for array in (tables.user_scale, tables.item_scale, tables.item_row_scale):
        assert (array > 0).all()
    nothing = quantizer(user_emb * 0, item_emb * 0)
    assert not nothing.item_q.any()
    assert error_stats(user_emb * 0, item_emb * 0, nothing).item_rms == 0


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


@pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)
def test_numbers_at_the_ends_of_float32(quantizer):
    tiny = np.full((2, 2), 1e-42, np.float32)  # subnormal: a scale would have no bits left
    tables = quantizer(np.ones((1, 2), np.float32), tiny)
    assert not (tables.user_q @ tables.item_q.T).any()
    huge = np.full((2, 2), 3e38, np.float32)
    with pytest.raises(ArtifactError, match="overflow float32"):
        quantizer(huge, huge)
    wide = np.ones((1, 133_145), np.float32)
    with pytest.raises(ArtifactError, match="overflow int32"):
        quantizer(wide, wide)


def test_recipes_decode_and_state_their_bytes():
    assert recipe_named("int8") is recipe_named("int8-dim") is RECIPES["int8-dim"]
    rows = {name: (r.item_row_bytes(10), r.user_row_bytes(10)) for name, r in RECIPES.items()}
    assert rows == {
        "fp32": (40, 40), "fp16": (20, 20), "int8-dim": (10, 14), "score16": (10, 14), "int8-item": (12, 14),
        "int4-item": (7, 14),
    }  # fmt: skip
    assert [RECIPES["int4-item"].item_row_bytes(dim) for dim in (1, 19, 20)] == [3, 12, 12]
    with pytest.raises(ConfigError, match="Did you mean 'int8-dim'"):
        recipe_named("int8-din")


def test_a_format_refuses_a_recipe_it_cannot_honour_and_names_what_can(monkeypatch):
    for name, row in FORMATS.items():
        for recipe in row.recipes:
            check_recipe(RECIPES[recipe], name)
    monkeypatch.setitem(
        FORMATS, "paper", dataclasses.replace(FORMATS["onnx"], name="paper", recipes=("fp32",))
    )
    check_recipe(RECIPES["fp32"], "paper")
    with pytest.raises(
        ConfigError,
        match=r"paper cannot honour recipe int4-item.* as onnx or tflite or c or web; paper takes fp32",
    ):
        check_recipe(RECIPES["int4-item"], "paper")
    with pytest.raises(ConfigError, match="Did you mean 'onnx'"):
        check_recipe(RECIPES["fp32"], "onx")

"""Tables as a recipe stores them, in torch: the numbers of the exporter, the gradient of no rounding."""

import numpy as np
import pytest
import torch
from exports import random_tables

from recpress_edge.artifacts import quantize
from recpress_edge.core.rng import stream
from recpress_edge.distill.students import QUANTISED
from recpress_edge.models.qat import STORED, stored_tables, straight_through


def _dequantised(recipe: str, user_emb: np.ndarray, item_emb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the exporter stores, multiplied out, in the gauge of the trained tables."""
    tables = quantize.QUANTIZERS[recipe](user_emb, item_emb)
    fold = tables.item_scale.astype(np.float64)
    items = tables.item_q * fold
    if tables.item_row_scale is not None:
        items *= tables.item_row_scale.astype(np.float64)[:, None]
    return tables.user_q * tables.user_scale.astype(np.float64)[:, None] / fold, items


def _corner_tables(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of zeros, one large dimension, large items, a large user, a tiny row; a constant."""
    user_emb, item_emb = random_tables(60, 400, 7, seed)
    item_emb[:, 2] *= 50
    item_emb[3] *= 30
    item_emb[4] = 0
    item_emb[5] *= 1e-9
    user_emb[6] = 0
    item_emb[7] *= 1e4
    user_emb[8] *= 1e4
    user_emb[:, 5] = 0
    item_emb[:, 6] = 0
    if seed == 2:
        item_emb[:, 0], user_emb[:, 0] = 3.0, 4.0
    return user_emb, item_emb


@pytest.mark.parametrize("recipe", QUANTISED)
@pytest.mark.parametrize(
    "tables", [random_tables(300, 2000, 10), random_tables(5, 9, 1), _corner_tables(1), _corner_tables(2)]
)
def test_the_numbers_are_those_of_the_exporter(recipe, tables):
    found = STORED[recipe](*(torch.from_numpy(table).double() for table in tables))
    for mine, theirs in zip(found, _dequantised(recipe, *tables), strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-6, atol=1e-12)


def test_both_know_the_same_recipes():
    assert tuple(STORED) == QUANTISED
    assert set(STORED) <= set(quantize.QUANTIZERS)


def test_int4_by_hand():
    # The columns of both tables are of one size, so they are balanced already. With steps of 1 the levels are
    # (7, 3); the step with the least error at these levels is (7 · 7 + 3.4 · 3) / (49 + 9) = 1.0207.
    items = torch.tensor([[7.0, 3.4], [3.4, 7.0]], dtype=torch.float64)
    users, items = STORED["int4-item"](torch.ones(1, 2, dtype=torch.float64), items)
    step = 59.2 / 58
    np.testing.assert_allclose(items.numpy(), [[7 * step, 3 * step], [3 * step, 7 * step]], rtol=1e-9)
    np.testing.assert_allclose(users.numpy(), [[1.0, 1.0]], rtol=1e-6)


@pytest.mark.parametrize("recipe", QUANTISED)
def test_the_gradient_passes_straight_through(recipe):
    user_emb, item_emb = (torch.from_numpy(t).requires_grad_() for t in random_tables(6, 40, 3))
    users, items = stored_tables(recipe, user_emb, item_emb)
    assert not torch.equal(items, item_emb)
    weight = torch.from_numpy(stream(0, "weights").standard_normal((6, 40), np.float32))
    ((users @ items.T) * weight).sum().backward()
    # As if the stored tables were the parameters.
    torch.testing.assert_close(user_emb.grad, weight @ items.detach())
    torch.testing.assert_close(item_emb.grad, weight.T @ users.detach())


def test_straight_through_keeps_every_bit_of_the_value():
    trained = torch.from_numpy(random_tables(1, 500, 4)[1]).requires_grad_()
    rounded = torch.round(trained.detach() * 7) / 7
    assert torch.equal(straight_through(rounded, trained), rounded)


def test_no_recipe_changes_nothing():
    user_emb, item_emb = (torch.from_numpy(t) for t in random_tables(2, 3, 2))
    assert stored_tables(None, user_emb, item_emb) == (user_emb, item_emb)

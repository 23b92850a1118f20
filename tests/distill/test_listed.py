"""Products with listed rows only, against the look-up that autograd knows."""

import pytest
import torch

from recpress_edge.distill import listed


@pytest.mark.parametrize("block", [listed._BLOCK_VALUES, 3 * 4 * 5])
def test_value_and_gradient_are_those_of_the_look_up(monkeypatch, block):
    monkeypatch.setattr(listed, "_BLOCK_VALUES", block)  # all at once, or three rows at a time
    generator = torch.Generator().manual_seed(0)
    columns = torch.randint(0, 9, (8, 4), generator=generator)
    columns[2] = 5  # one row listed four times
    weights = torch.randn(8, 4, generator=generator)
    results = []
    for products in (
        listed.listed_products,
        lambda rows, table, columns: (rows[:, None] * table[columns]).sum(dim=2),
    ):
        made = torch.Generator().manual_seed(1)
        rows, table = (torch.randn(n, 5, generator=made).requires_grad_() for n in (8, 9))
        value = products(rows, table, columns)
        (value * weights).sum().backward()
        results.append((value.detach(), rows.grad, table.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_nothing_listed():
    rows, table = torch.ones(2, 3, requires_grad=True), torch.ones(4, 3, requires_grad=True)
    value = listed.listed_products(rows, table, torch.zeros(2, 0, dtype=torch.int64))
    assert value.shape == (2, 0)
    value.sum().backward()
    assert table.grad.abs().sum() == 0

"""The two tables every model shares."""

import torch

from recpress_edge.models.mf import MF


def test_shapes_and_scale():
    mf = MF(n_users=400, n_items=300, dim=8, seed=0, init_std=0.01)
    assert mf.user_emb.shape == (400, 8)
    assert mf.item_emb.shape == (300, 8)
    assert mf.user_emb.dtype == torch.float32
    assert abs(float(mf.user_emb.detach().std()) - 0.01) < 0.001
    assert abs(float(mf.item_emb.detach().mean())) < 0.001


def test_the_seed_decides_the_numbers():
    first, again, other = (MF(5, 4, 3, seed, 1.0) for seed in (0, 0, 1))
    assert torch.equal(first.user_emb, again.user_emb)
    assert torch.equal(first.item_emb, again.item_emb)
    assert not torch.equal(first.user_emb, other.user_emb)

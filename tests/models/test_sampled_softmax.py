"""The sampled softmax: its estimate against the whole catalogue, own items once, and when it is used."""

import numpy as np
import pytest
import torch
from small_data import two_tastes

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.rng import stream
from recpress_edge.distill.settings import SoftConfig
from recpress_edge.distill.soft import Soft
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.sampled_softmax import Popularity, is_sampled, sampled_logsumexp
from recpress_edge.training.loop import train_epoch


def test_items_are_drawn_as_often_as_their_popularity_says():
    popularity = Popularity(np.array([0, 3, 8, 15]))  # roots of 1, 4, 9, 16
    drawn = popularity.draw(40_000, stream(0, "test"))
    assert np.bincount(drawn, minlength=4) / 40_000 == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.012)


def test_a_candidate_weighs_the_inverse_of_its_probability_to_be_one():
    popularity = Popularity(np.array([0, 3, 8, 15]))
    rng = stream(0, "test")
    times = np.zeros(4)
    for _ in range(4000):
        items, log_weights = popularity.candidates(np.array([], np.int64), 100, 0, 3, rng)
        times[items] += np.exp(log_weights)
    # Each item's weights over many draws sum to the number of draws: none counts too much or too little.
    assert times / 4000 == pytest.approx([1, 1, 1, 1], abs=0.1)


def test_the_sum_by_hand():
    left = torch.tensor([[1.0], [2.0]])
    drawn = torch.tensor([[0.5], [-1.0], [0.25]])
    log_weights = torch.tensor([0.0, 1.0, 2.0])
    # Row 0 owns item 1 of the drawn and one more, with a score of .75; row 1 owns nothing.
    rows, scores = torch.tensor([0, 0]), torch.tensor([-1.0, 0.75])
    found = sampled_logsumexp(
        left, drawn, log_weights, (rows, scores), (torch.tensor([0]), torch.tensor([1]))
    )
    first = np.log(np.exp(0.5) + np.exp(2.25) + np.exp(-1.0) + np.exp(0.75))
    second = np.log(np.exp(1.0) + np.exp(1.0 - 2.0) + np.exp(2.0 + 0.5))
    assert found.tolist() == pytest.approx([first, second], rel=1e-6)


def _soft(**settings) -> Soft:
    given = TrainingInput(two_tastes().train, dim=4, seed=0, epochs=20)
    drawn = {"start": "noise", "learning_rate": 0.05, "init_std": 1.0}
    return Soft(given, SoftConfig(**drawn, **settings))


USERS = np.arange(60)


def _loss(method: Soft):
    return method._batch_loss(USERS, stream(0, "test"))


def test_with_every_item_drawn_the_loss_and_its_gradient_are_those_of_the_whole_catalogue():
    losses, grads = [], []
    for method in (_soft(softmax="full"), _soft(softmax="sampled", sampled_items=100_000)):
        loss = _loss(method)
        loss.backward()
        losses.append(loss.item())
        grads.append([p.grad.to_dense() for p in (method.mf.user_emb, method.mf.item_emb)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for full, sampled in zip(*grads, strict=True):
        assert torch.allclose(full, sampled, atol=1e-6)


def test_the_estimate_is_about_right_in_the_mean():
    method = _soft(softmax="sampled", sampled_items=20)
    with torch.no_grad():
        whole = _loss(_soft(softmax="full")).item()
        found = [method._sampled_loss(USERS, stream(0, "test", at), 1.0).item() for at in range(200)]
    assert np.mean(found) == pytest.approx(whole, abs=0.02)


def test_it_learns_and_moves_tables_by_rows():
    method = _soft(softmax="sampled", sampled_items=30)
    assert method.optimizer.form == "rows"
    before = _loss(method).item()
    for epoch in range(20):
        train_epoch(method, epoch)
    assert _loss(method).item() < before - 0.5


def test_the_size_decides_and_a_recipe_reads_whole_tables():
    assert not is_sampled("by-size", 20_000, 100_000, None)
    assert is_sampled("by-size", 100_000, 50_000, None)
    assert not is_sampled("by-size", 100_000, 50_000, "int8-dim")
    assert is_sampled("sampled", 5, 5, None)
    with pytest.raises(ConfigError, match="cannot train for int8-dim"):
        is_sampled("sampled", 5, 5, "int8-dim")

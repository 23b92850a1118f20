"""The bidirectional transformer: what is masked, what it reads, and what it answers a history."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_data import checkerboard

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.sequences.bert4rec import BERT4RecMethod, cloze
from recpress_edge.models.sequences.settings import BERT4RecConfig

BOARD = checkerboard(20)
CONFIG = BERT4RecConfig(history_length=6, init_std=0.3, dropout=0.0)


@pytest.fixture
def method() -> BERT4RecMethod:
    return BERT4RecMethod(TrainingInput(BOARD.train, 8, 0, 1), CONFIG)


def of_history(items: list[int], n_items: int = 20) -> Interactions:
    """One user with these items in their order, and one without."""
    places = np.arange(len(items))
    return Interactions.from_pairs(np.zeros_like(places), np.array(items, int), 2, n_items, places)


def test_masks_are_drawn_at_their_rate_between_one_and_the_most():
    config = BERT4RecConfig(mask_share=0.3, most_masked=4, last_share=0.0)
    masked = cloze(np.full(4000, 10), config, np.random.default_rng(0))
    found = masked.sum(axis=1)
    assert (found.min(), found.max()) == (1, 4)
    # Binomial(10, .3) held between 1 and 4: 2.7873 of ten.
    assert found.mean() == pytest.approx(2.7873, abs=0.06)
    assert np.ptp(masked.mean(axis=0)) < 0.05  # no place is preferred


def test_one_item_is_always_masked_and_no_empty_place_ever():
    counts = np.array([1, 2, 7])
    for share in (0.01, 1.0):
        config = BERT4RecConfig(mask_share=share, last_share=0.0)
        masked = cloze(counts, config, np.random.default_rng(0))
        assert not masked[np.arange(7) >= counts[:, None]].any()
        assert masked[0].tolist() == [True] + [False] * 6
        assert masked.sum(axis=1).tolist() == (counts.tolist() if share == 1 else [1, 1, 1])


def test_the_last_item_alone_is_masked_at_the_stated_rate():
    counts = np.full(4000, 6)
    config = BERT4RecConfig(mask_share=1.0, last_share=0.25)
    masked = cloze(counts, config, np.random.default_rng(0))
    alone = masked.sum(axis=1) == 1
    assert alone.mean() == pytest.approx(0.25, abs=0.03)
    assert masked[alone, -1].all()


def test_the_loss_is_of_the_masked_places_alone(method):
    items, counts = np.array([[3, 5, 7, 9], [2, 4, 20, 20]]), np.array([4, 2])
    masked = np.array([[False, True, False, True], [True, False, False, False]])
    found = method._batch_loss(items, counts, masked, torch.Generator())
    tokens = torch.tensor([[3, 20, 7, 20], [20, 4, 20, 20]])
    states = method.network.hidden(tokens, torch.tensor([4, 2]))
    places = [(0, 1, 5), (0, 3, 9), (1, 0, 2)]
    wanted = [
        F.cross_entropy(method.network.logits(states[row, at][None]), torch.tensor([item]))
        for row, at, item in places
    ]
    assert float(found.detach()) == pytest.approx(float(torch.stack(wanted).mean().detach()), rel=1e-5)


def test_what_stands_before_and_after_a_mask_changes_its_answer(method):
    tokens, counts = torch.tensor([[3, 5, 20, 9, 11]]), torch.tensor([5])
    first = method.network.hidden(tokens, counts)[0, 2]
    for place in (0, 1, 3, 4):
        changed = tokens.clone()
        changed[0, place] = 1
        assert not torch.allclose(method.network.hidden(changed, counts)[0, 2], first, atol=1e-3)


def test_no_answer_depends_on_what_fills_up_a_row(method):
    tokens, counts = torch.tensor([[3, 5, 20, 9, 11, 0]]), torch.tensor([3])
    first = method.network.hidden(tokens, counts)[0, :3]
    alone = method.network.hidden(tokens[:, :3], counts)[0]
    assert torch.allclose(first, alone, atol=1e-6)


@pytest.mark.parametrize("history", [[], [3], [3, 5, 7, 9, 11], [1, 3, 5, 7, 9, 11], list(range(12))])
def test_a_history_of_any_length_is_read_to_its_last_items_and_a_mask(method, history):
    scores = method.rows_after(of_history(history))(np.array([0, 1]))
    assert scores.shape == (2, 20)  # the mask has no score
    assert np.isfinite(scores).all()
    tokens = torch.tensor([[*history[-5:], 20]])
    states = method.network.hidden(tokens, torch.tensor([tokens.shape[1]]))
    assert np.allclose(scores[0], method.network.logits(states[0, -1:]).detach().numpy()[0], atol=1e-5)
    alone = method.rows_after(of_history([]))(np.array([1]))
    assert np.allclose(scores[1], alone[0], atol=1e-5)  # whoever is beside changes nothing


def test_dropout_and_masks_are_the_seed_s_and_the_epoch_s():
    config = dataclasses.replace(CONFIG, dropout=0.2)
    losses = [
        [
            float(loss.detach())
            for loss in BERT4RecMethod(TrainingInput(BOARD.train, 8, seed, 1), config).batch_losses(epoch)
        ]
        for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
    assert losses[0] != losses[3]


def test_what_it_cannot_do_is_refused():
    with pytest.raises(ConfigError, match="heads 2 does not divide the embedding size 7"):
        BERT4RecMethod(TrainingInput(BOARD.train, 7, 0, 1), CONFIG)
    for values, message in (
        ({"mask_share": 0.0}, "mask_share must be above 0 and at most 1"),
        ({"last_share": 1.5}, "last_share must be between 0 and 1"),
        ({"most_masked": 0}, "most_masked must be above 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            BERT4RecConfig(**values)

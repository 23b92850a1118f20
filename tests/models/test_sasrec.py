"""The transformer: it looks back and never ahead, and answers for the history it is given."""

import dataclasses

import numpy as np
import pytest
import torch
from small_data import checkerboard

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.sequences.sasrec import NO_TARGET, SASRecMethod
from recpress_edge.models.sequences.settings import SASRecConfig

BOARD = checkerboard(20)
CONFIG = SASRecConfig(history_length=6, init_std=0.3, dropout=0.2)


@pytest.fixture
def method() -> SASRecMethod:
    return SASRecMethod(TrainingInput(BOARD.train, 8, 0, 1), CONFIG)


def test_no_state_depends_on_what_follows(method):
    tokens = torch.tensor([[20, 3, 5, 7, 9, 11]])
    states = method.network.hidden(tokens)
    for length in range(1, 6):
        assert torch.allclose(method.network.hidden(tokens[:, :length]), states[:, :length], atol=1e-6)
    changed = tokens.clone()
    changed[0, 3] = 1
    assert not torch.allclose(method.network.hidden(changed)[0, 3:], states[0, 3:], atol=1e-3)


def test_scores_follow_the_history_in_its_order(method):
    user, n_items = np.array([4]), BOARD.n_items
    items = BOARD.train.in_order()[BOARD.train.indptr[4] : BOARD.train.indptr[5]]
    recent = torch.tensor([[n_items, *items[-5:].tolist()]])
    expected = method.network.hidden(recent)[0, -1] @ method.network.item_emb[:-1].T
    assert np.allclose(method.scores(user)[0], expected.detach().numpy(), atol=1e-5)
    answers = method.rows_after(BOARD.train.union(BOARD.valid))
    later = torch.tensor([[n_items, *items[-4:].tolist(), *BOARD.valid.of(4).tolist()]])
    expected = method.network.hidden(later)[0, -1] @ method.network.item_emb[:-1].T
    assert np.allclose(answers(user)[0], expected.detach().numpy(), atol=1e-5)


def test_somebody_without_a_history_has_an_answer():
    nobody = Interactions.from_pairs(np.array([0]), np.array([2]), 2, 5, np.array([0]))
    scores = SASRecMethod(TrainingInput(nobody, 4, 0, 1), CONFIG).scores(np.array([0, 1]))
    assert np.isfinite(scores).all()
    assert not np.allclose(scores[0], scores[1])


def test_windows_of_training_begin_with_the_start_token_and_name_what_follows(method):
    indptr, items = np.array([0, 2, 10]), np.array([1, 2, 10, 11, 12, 13, 14, 15, 16, 17])
    tokens, targets = method._windows(np.array([0, 1]), indptr, items)
    assert targets.tolist() == [[1, 2, *[NO_TARGET] * 4], [12, 13, 14, 15, 16, 17]]
    assert tokens.tolist() == [[20, 1, 2, 20, 20, 20], [20, 12, 13, 14, 15, 16]]


def test_every_user_is_seen_once_an_epoch(method):
    batches = list(method._batches(np.random.default_rng(0)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(20))


def test_dropout_is_the_seed_s_and_the_epoch_s():
    losses = [
        [
            float(loss.detach())
            for loss in SASRecMethod(TrainingInput(BOARD.train, 8, 0, 1), CONFIG).batch_losses(epoch)
        ]
        for epoch in (0, 0, 1)
    ]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_what_it_cannot_do_is_refused():
    with pytest.raises(DataError, match="the order in which users consumed their items is not known"):
        SASRecMethod(TrainingInput(dataclasses.replace(BOARD.train, ranks=None), 8, 0, 1), CONFIG)
    with pytest.raises(ConfigError, match="heads 2 does not divide the embedding size 7"):
        SASRecMethod(TrainingInput(BOARD.train, 7, 0, 1), CONFIG)
    with pytest.raises(ConfigError, match="history_length must be at least 2"):
        SASRecConfig(history_length=1)
    with pytest.raises(ConfigError, match="dropout must be"):
        SASRecConfig(dropout=1.0)

"""A history that forgets: states against a plain loop, and the windows that it is trained on."""

import dataclasses

import numpy as np
import pytest
import torch

from recpress_edge.core.errors import ConfigError
from recpress_edge.models.sequences.recurrent import Recurrent
from recpress_edge.models.sequences.settings import LRHConfig
from recpress_edge.models.sequences.windows import Windows, last_items

N_ITEMS, DIM = 12, 5
CONFIG = LRHConfig(history_length=4)


def by_hand(network: Recurrent, items: list[int]) -> list[np.ndarray]:
    """prior + Σ λ^age · H[item] over the last items, before anything and after each: float64."""
    table, prior, decay = (
        tensor.detach().double().numpy() for tensor in (network.history_emb, network.prior, network.decay)
    )
    states = []
    for n in range(len(items) + 1):
        read = items[:n][-network.history_length :][::-1]
        states.append(prior + sum((decay**age * table[item] for age, item in enumerate(read)), np.zeros(DIM)))
    return states


@pytest.mark.parametrize("decays", ["learned", "none"])
def test_states_are_the_sum_by_age(decays):
    network = Recurrent(N_ITEMS, DIM, 0, dataclasses.replace(CONFIG, decays=decays))
    items = [3, 5, 5, 0, 11, 7, 2]
    states = network.states(torch.tensor([items])).detach().numpy()[0]
    assert np.allclose(states, by_hand(network, items), atol=1e-5)


def test_within_its_length_it_is_a_recurrence():
    network = Recurrent(N_ITEMS, DIM, 0, CONFIG)
    states = network.states(torch.tensor([[3, 5, 1, 0]])) - network.prior
    for place, item in enumerate([3, 5, 1, 0]):
        after = network.decay * states[0, place] + network.history_emb[item]
        assert torch.allclose(states[0, place + 1], after, atol=1e-6)


def test_what_is_no_item_adds_nothing():
    network = Recurrent(N_ITEMS, DIM, 0, CONFIG)
    whole = network.states(torch.tensor([[3, 5, N_ITEMS, N_ITEMS], [1, 2, 3, 4]]))
    assert torch.allclose(whole[0, :3], network.states(torch.tensor([[3, 5]]))[0], atol=1e-6)


def test_without_decays_the_order_says_nothing():
    alike = Recurrent(N_ITEMS, DIM, 0, dataclasses.replace(CONFIG, decays="none"))
    ordered = Recurrent(N_ITEMS, DIM, 0, CONFIG)
    one, other = torch.tensor([[3, 5, 1]]), torch.tensor([[1, 3, 5]])
    assert torch.allclose(alike.states(one)[0, -1], alike.states(other)[0, -1], atol=1e-6)
    assert not torch.allclose(ordered.states(one)[0, -1], ordered.states(other)[0, -1], atol=1e-2)
    assert alike.decay.tolist() == [1.0] * DIM


def test_decays_start_spread_between_the_two_that_are_set():
    decay = Recurrent(N_ITEMS, DIM, 0, LRHConfig(least_decay=0.2, most_decay=0.6)).decay
    assert torch.allclose(decay, torch.tensor([0.2, 0.3, 0.4, 0.5, 0.6]), atol=1e-6)


def test_every_place_is_in_one_window_and_only_the_first_is_short():
    indptr, items = np.array([0, 2, 2, 9]), np.arange(10, 19)
    windows = Windows.of(indptr, items, 3)
    rows = windows.rows(np.arange(windows.starts.size), -1)
    assert rows.tolist() == [[10, 11, -1], [16, 17, 18], [13, 14, 15], [12, -1, -1]]


def test_batches_hold_every_window_once_and_few_empty_places():
    indptr = np.array([0, 3, 40, 41, 90])
    windows = Windows.of(indptr, np.arange(90), 10)
    batches = list(windows.batches(25, np.random.default_rng(0)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(windows.starts.size))
    assert max(int(windows.counts[batch].sum()) for batch in batches) <= 25 + 10
    assert {tuple(batch) for batch in batches} != {
        tuple(b) for b in windows.batches(25, np.random.default_rng(1))
    }


def test_the_last_items_are_read_earliest_first():
    indptr, items = np.array([0, 1, 5]), np.array([9, 4, 5, 6, 7])
    found = last_items(np.array([0, 1]), indptr, items, np.array([1, 2]), 3, -1)
    assert found.tolist() == [[9, -1, -1], [6, 7, -1]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"history_length": 0}, "history_length must be above 0"),
        ({"most_decay": 1.0}, "most_decay must be at least 0 and below 1"),
        ({"window": 1}, "window must be at least 2"),
        ({"teacher_weight": 1.5}, "teacher_weight must be between 0 and 1"),
    ],
)
def test_settings_that_make_no_model_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        LRHConfig(**values)

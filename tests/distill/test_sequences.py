"""Distillation between models of sequences: the loss against its plain form, and what both models read."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_data import checkerboard

from recpress_edge.core.errors import ConfigError
from recpress_edge.distill.sequences import student
from recpress_edge.distill.sequences.hint import hint_loss
from recpress_edge.distill.sequences.lrh import LRHMethod
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import StoredNetwork
from recpress_edge.models.sequences.sasrec import SASRec
from recpress_edge.models.sequences.settings import LRHConfig, SASRecConfig
from recpress_edge.models.sequences.softmax import Response, mixed_loss
from recpress_edge.models.teacher import Teacher

BOARD = checkerboard(20)
SMALL = LRHConfig(history_length=4, window=6, batch_places=40, learning_rate=0.05)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def plain(states, items, labels, response):
    """With whole rows of scores, as the definition reads."""
    log_shares = F.log_softmax(states @ items.T, dim=1)
    own = F.nll_loss(log_shares, labels)
    if response is None:
        return own
    taught = F.log_softmax(response.states @ response.items.T, dim=1)
    divergence = (taught.exp() * (taught - log_shares)).sum(dim=1).mean()
    return (1 - response.weight) * own + response.weight * divergence


@pytest.mark.parametrize("weight", [None, 0.0, 0.7, 1.0])
def test_the_tiled_loss_and_its_gradient_are_the_plain_ones(weight, monkeypatch):
    monkeypatch.setattr("recpress_edge.models.sequences.softmax.TILE_SCORES", 30 * 9)
    states, items = drawn(50, 4).requires_grad_(), drawn(30, 4, seed=1).requires_grad_()
    labels = torch.arange(50) % 30
    response = None if weight is None else Response(drawn(50, 6, seed=2), drawn(30, 6, seed=3), weight)
    found, wanted = mixed_loss(states, items, labels, response), plain(states, items, labels, response)
    assert float((found - wanted).detach()) == pytest.approx(0, abs=1e-12)
    for one, other in zip(
        torch.autograd.grad(3 * found, [states, items]),
        torch.autograd.grad(3 * wanted, [states, items]),
        strict=True,
    ):
        assert torch.allclose(one, other, atol=1e-14)


def test_a_student_that_answers_as_its_teacher_has_nothing_to_learn_from_it():
    states, items = drawn(8, 4).requires_grad_(), drawn(9, 4, seed=1)
    response = Response(states.detach(), items, 1.0)
    loss = mixed_loss(states, items, torch.zeros(8, dtype=torch.int64), response)
    assert float(loss.detach()) == pytest.approx(0, abs=1e-12)
    assert torch.autograd.grad(loss, states)[0].abs().max() < 1e-12


def test_the_hint_is_to_the_normalised_states():
    teacher_states, mapping = drawn(7, 6), drawn(6, 3, seed=1)
    wanted = (teacher_states - teacher_states.mean(1, keepdim=True)) / teacher_states.std(
        1, correction=0, keepdim=True
    )
    states = wanted @ torch.linalg.pinv(mapping).T
    reached = ((states @ mapping.T - wanted) ** 2).mean()
    assert float(hint_loss(states, mapping, 5 * teacher_states + 2)) == pytest.approx(
        float(reached), rel=1e-4
    )


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    network = SASRec(BOARD.n_items, 8, 1, SASRecConfig(history_length=5, init_std=0.3))
    arrays = {name: value.detach().numpy() for name, value in network.named_parameters()}
    return Teacher("sasrec_dim8", sequence=StoredNetwork({"kind": "sasrec", "heads": 2}, arrays))


def test_a_stored_transformer_answers_as_it_did(teacher):
    network = SASRec(BOARD.n_items, 8, 1, SASRecConfig(history_length=5, init_std=0.3))
    again = SASRec.stored(teacher.sequence)
    tokens = torch.tensor([[20, 3, 5, 7, 9]])
    assert torch.equal(again.hidden(tokens), network.hidden(tokens))
    assert again.length == 5


def test_teacher_and_student_read_the_same_window(teacher):
    """No window is longer than what the teacher reads, and both begin at its start."""
    method = LRHMethod(TrainingInput(BOARD.train, 4, 0, 1, teacher), SMALL)
    assert method._windows.counts.max() <= 5
    targets = method._windows.rows(np.array([0, 1]), BOARD.n_items)
    real = targets < BOARD.n_items
    network = SASRec.stored(teacher.sequence)
    tokens = torch.from_numpy(np.hstack([np.full((2, 1), BOARD.n_items), targets[:, :-1]]))
    states = method.network.states(torch.from_numpy(targets[:, :-1]))[torch.from_numpy(real)]
    scored, items = method.network.factors(states)
    response = Response(network.hidden(tokens)[torch.from_numpy(real)], network.item_emb[:-1], 0.7)
    wanted = plain(scored, items, torch.from_numpy(targets[real]), response)
    found = method._batch_loss(targets, np.random.default_rng(0))
    assert float(found.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)


def test_of_a_large_catalogue_a_sample_and_the_next_items_are_compared(teacher, monkeypatch):
    monkeypatch.setattr(student, "LARGE_CATALOGUE", 5)
    method = LRHMethod(TrainingInput(BOARD.train, 4, 0, 1, teacher), SMALL)
    targets = np.array([3, 7, 3, 19])
    columns, labels = method._columns(targets, np.random.default_rng(0))
    assert columns[labels].tolist() == targets.tolist()
    assert len(set(columns.tolist())) == len(columns)
    assert np.isfinite([float(loss.detach()) for loss in method.batch_losses(0)]).all()


def test_a_hint_needs_a_teacher(teacher):
    config = LRHConfig(hint_weight=1.0)
    with pytest.raises(ConfigError, match="hint_weight needs a teacher"):
        LRHMethod(TrainingInput(BOARD.train, 4, 0, 1), config)
    method = LRHMethod(TrainingInput(BOARD.train, 4, 0, 1, teacher), config)
    assert method.network.hint.shape == (8, 4)
    assert set(method.parameters()) == {"item_emb", "history_emb", "prior", "decay"}


def test_scores_are_those_of_its_stored_parameters():
    method = LRHMethod(TrainingInput(BOARD.train, 4, 0, 1), SMALL)
    stored = {name: value.double().numpy() for name, value in method.parameters().items()}
    items = BOARD.train.in_order()[BOARD.train.indptr[4] : BOARD.train.indptr[5]]
    state = stored["prior"].copy()
    for age, item in enumerate(items[::-1][:4]):
        state += stored["decay"] ** age * stored["history_emb"][item]
    assert np.allclose(method.scores(np.array([4]))[0], stored["item_emb"] @ state, atol=1e-5)
    assert np.allclose(np.linalg.norm(stored["item_emb"], axis=1), 1)


def test_the_step_falls_to_nothing_over_the_epochs():
    method = LRHMethod(TrainingInput(BOARD.train, 4, 0, 4), SMALL)
    rates = [method.optimizer.learning_rate for epoch in range(4) for _ in method.batch_losses(epoch)]
    assert rates[0] == 0.05
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.01

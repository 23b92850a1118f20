"""Adam by rows against the dense form, where they must be equal, and against one Adam a row."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import create_method
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.nn import Adam
from recpress_edge.models.outputs import Tables
from recpress_edge.models.row_adam import ROWS_FROM, RowAdam
from recpress_edge.models.teacher import Teacher
from recpress_edge.training.checkpoint import restore
from recpress_edge.training.loop import train_epoch


class _Table(nn.Module):
    def __init__(self, rows: int = 6, dim: int = 3) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.rows = nn.Parameter(torch.randn(rows, dim, dtype=torch.float64, generator=generator))


def _step(optimizer: Adam, table: _Table, places: list[int], step: int) -> None:
    """A gradient that depends on the row and on the step; a place may come more than once."""
    optimizer.zero_grad()
    rows = F.embedding(torch.tensor(places), table.rows, sparse=optimizer.form == "rows")
    ((rows - step).square() * torch.arange(1, rows.shape[1] + 1)).sum().backward()
    optimizer.step()


def _pair(weight_decay: float) -> tuple[_Table, Adam, _Table, RowAdam]:
    dense = _Table()
    rows = copy.deepcopy(dense)
    return dense, Adam(dense, 0.01, weight_decay), rows, RowAdam(rows, [rows.rows], 0.01, weight_decay)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_rows_that_all_have_a_gradient_in_every_step_move_as_in_the_dense_form(weight_decay):
    dense, adam, rows, by_rows = _pair(weight_decay)
    for step in range(30):
        places = [0, 1, 2, 3, 4, 5, 3]
        _step(adam, dense, places, step)
        _step(by_rows, rows, places, step)
        if step % 10 == 9:
            by_rows.settle()  # nothing is due
    assert torch.allclose(dense.rows, rows.rows, rtol=1e-12, atol=0)


def test_without_decay_each_row_is_moved_as_alone_by_a_dense_adam_of_its_steps():
    _, _, rows, by_rows = _pair(0.0)
    visits = [[0, 1], [1, 2, 2], [4], [0, 4, 5], [1], [5, 0]]
    alone = {row: _Table() for row in range(6)}
    adams = {row: Adam(alone[row], 0.01, 0.0) for row in range(6)}
    for step, places in enumerate(visits):
        _step(by_rows, rows, places, step)
        for row in set(places):
            _step(adams[row], alone[row], [p for p in places if p == row], step)
    for row in range(6):
        assert torch.allclose(alone[row].rows[row], rows.rows[row], rtol=1e-12, atol=0)
    assert torch.equal(rows.rows[3], _Table().rows[3])  # never drawn


def test_a_row_that_waited_gets_all_its_decay_with_its_next_gradient():
    _, _, rows, by_rows = _pair(0.1)
    alone = _Table()
    for step in range(4):
        _step(by_rows, rows, [0] if step < 3 else [1], step)
    # Row 1 waited for three steps: its one gradient comes with four times the decay.
    adam = Adam(alone, 0.01, 4 * 0.1)
    _step(adam, alone, [1], 3)
    assert torch.allclose(alone.rows[1], rows.rows[1], rtol=1e-12, atol=0)


def test_at_the_end_of_an_epoch_the_decay_of_all_rows_is_paid_once():
    _, _, rows, by_rows = _pair(0.1)
    for step in range(5):
        _step(by_rows, rows, [0], step)
    before = rows.rows.detach().clone()
    by_rows.settle()
    alone = _Table()
    adam = Adam(alone, 0.01, 0.0)
    alone.rows.grad = 5 * 0.1 * before
    adam.step()
    assert torch.allclose(alone.rows[1:], rows.rows[1:], rtol=1e-12, atol=0)
    assert torch.equal(rows.rows[0], before[0])  # nothing was due
    after = rows.rows.detach().clone()
    by_rows.settle()
    assert torch.equal(rows.rows, after)


def test_all_rows_get_the_decay_of_the_dense_form_in_sum():
    """First moments without bias are linear in the gradients: decay of every step, over the same number."""
    _, _, rows, by_rows = _pair(0.1)
    paid = torch.zeros(6)
    move = by_rows._move

    def count(name, places, grads, waited):
        paid[places] += waited
        move(name, places, grads, waited)

    by_rows._move = count
    for epoch in range(2):
        for step, places in enumerate([[0, 1], [1], [4, 2], [0]]):
            _step(by_rows, rows, places, step)
        by_rows.settle()
        assert paid.tolist() == [4.0 * (epoch + 1)] * 6


USERS, ITEMS = 40, 30


def _given(method: str, n_users: int = USERS) -> TrainingInput:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(n_users), 5)
    train = Interactions.from_pairs(users, rng.integers(0, ITEMS, users.size), n_users, ITEMS)
    tables = Tables(*(rng.normal(size=(n, 6)).astype(np.float32) for n in (n_users, ITEMS)))
    teacher = Teacher("t", tables) if METHODS[method].needs else None
    return TrainingInput(train, 4, 0, 3, teacher)


BY_ROWS = [name for name, row in METHODS.items() if hasattr(row.config(), "optimizer")]


@pytest.mark.parametrize("method", BY_ROWS)
def test_a_first_step_by_rows_moves_drawn_rows_as_the_dense_form_does(method):
    """Every gradient that the dense form has is there in the sparse one, from each term."""
    moved = {}
    for form in ("dense", "rows"):
        learner = create_method(method, _given(method), METHODS[method].config(optimizer=form, batch_size=64))
        if hasattr(learner.config, "weight_decay"):
            learner.optimizer.weight_decay = 0.0
        loss = next(learner.batch_losses(0))
        loss.backward()
        learner.optimizer.step()
        assert learner.optimizer.form == form
        moved[form] = {name: p.detach().clone() for name, p in learner.optimizer.parameters().items()}
    for name, dense in moved["dense"].items():
        assert torch.allclose(dense, moved["rows"][name], atol=2e-5), name


@pytest.mark.parametrize("method", ["bpr", "htd", "neumf", "cml"])
def test_a_resumed_run_has_the_same_bits(method):
    config = METHODS[method].config(optimizer="rows", batch_size=16)
    whole, first, second = (create_method(method, _given(method), config) for _ in range(3))
    for epoch in range(3):
        train_epoch(whole, epoch)
    train_epoch(first, 0)
    restore(second.optimizer.state(), {k: v.clone() for k, v in first.optimizer.state().items()})
    for epoch in (1, 2):
        train_epoch(second, epoch)
    for name, value in whole.optimizer.state().items():
        assert torch.equal(value, second.optimizer.state()[name]), name


def test_the_size_decides_the_form_and_a_recipe_asks_for_the_dense_one():
    def form(n_users, recipe=None, **settings):
        train = Interactions.from_pairs(np.array([0, 1]), np.array([0, 1]), n_users, ITEMS)
        given = TrainingInput(train, 2, 0, 1, recipe=recipe)
        return create_method("bpr", given, METHODS["bpr"].config(**settings)).optimizer.form

    assert form(ROWS_FROM - ITEMS - 1) == "dense"
    assert form(ROWS_FROM - ITEMS) == "rows"
    assert form(ROWS_FROM, optimizer="dense") == "dense"
    assert form(5, optimizer="rows") == "rows"
    assert form(ROWS_FROM, recipe="int8-dim") == "dense"
    with pytest.raises(ConfigError, match="cannot train for int8-dim"):
        form(5, recipe="int8-dim", optimizer="rows")
